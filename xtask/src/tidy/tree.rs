//! The workspace's files, and what is found in them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files;

/// Largest file that is read.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Hidden files belong to an editor or to git, but for these.
const HIDDEN_BUT_OURS: &[&str] = &[".cargo", ".ci", ".github", ".gitattributes", ".gitignore"];

/// One thing that is not as the house wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    /// What is wrong.
    what: String,
    /// What to do about it.
    remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}; {}", self.path, self.line, self.what, self.remedy)
    }
}

/// Everything that is found in one run.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), line, what: what.into(), remedy: remedy.into() });
    }

    /// By path and line.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort();
        self.0
    }
}

/// The text files of the workspace, read once. Paths are relative, with `/`.
pub(crate) struct Tree {
    root: PathBuf,
    texts: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every text file below `root`. Symlinks are not followed: what they point to is read where it lies, or is not ours.
    pub(crate) fn read(root: &Path, findings: &mut Findings) -> Result<Self, String> {
        let mut tree = Self { root: root.to_path_buf(), texts: BTreeMap::new() };
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let cannot = |error: io::Error| format!("cannot read `{}`: {error}", root.join(&folder).display());
            for entry in fs::read_dir(root.join(&folder)).map_err(cannot)? {
                let entry = entry.map_err(cannot)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                if is_skipped(&path, &name) {
                    continue;
                }
                // Of the entry itself, not of what a symlink points to.
                let metadata = entry.metadata().map_err(cannot)?;
                if metadata.is_dir() {
                    folders.push(path);
                } else if metadata.is_file() && metadata.len() > MOST_BYTES {
                    let what = format!("{} bytes, which is more than tidy reads ({MOST_BYTES})", metadata.len());
                    findings.add(&path, 1, what, "keep large files out of the repository");
                } else if metadata.is_file()
                    && let Some(text) = files::read(&entry.path(), MOST_BYTES)?.and_then(as_text)
                {
                    tree.texts.insert(path, text);
                }
            }
        }
        Ok(tree)
    }

    /// How many files were read.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Path and text of every file.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Path and text of every file whose path ends so.
    pub(crate) fn ending(&self, ending: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(ending))
    }

    /// The names of the crates: the folders below `crates`, whatever is in them.
    pub(crate) fn crates(&self) -> Vec<String> {
        let folders = fs::read_dir(self.root.join("crates")).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            folders.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Whether there is a file or a folder, at the end of a symlink too.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Where a symlink points, as it was written.
    pub(crate) fn symlink(&self, path: &str) -> Option<PathBuf> {
        fs::read_link(self.root.join(path)).ok()
    }
}

/// What a build leaves behind, git's own files, the templates of `new-provider` with their placeholders, and hidden files that are not ours.
fn is_skipped(path: &str, name: &str) -> bool {
    name == "target" || path == "xtask/templates" || (name.starts_with('.') && !HIDDEN_BUT_OURS.contains(&name))
}

fn as_text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// The number of the line that holds a byte.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}
