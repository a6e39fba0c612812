//! Follows `docs/adding-a-provider.md` in a copy of the workspace, so that the guide is never wrong for long.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::files;
use crate::step::{output, root, say};

const GUIDE: &str = "docs/adding-a-provider.md";
/// Largest guide that is read.
const MOST_BYTES: u64 = 1024 * 1024;

/// What must hold for the crate that the guide makes, besides what the guide itself tries.
const AFTERWARDS: &[&str] = &[
    "cargo fmt --package provider-satusehat --check",
    "cargo clippy --locked --package provider-satusehat --all-targets --all-features -- --deny warnings",
    "cargo test --locked --package provider-satusehat --all-features --test settings",
    "cargo clippy --locked --package provider-satusehat --all-targets --no-default-features -- --deny warnings",
    "RUSTDOCFLAGS='--deny warnings --cfg docsrs' cargo doc --locked --package provider-satusehat --no-deps",
    "cargo xtask codegen --check",
    "cargo xtask tidy",
    "cargo xtask dependencies",
];

/// A block of the guide that does something.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// Where it begins in the guide.
    line: usize,
    does: Does,
}

#[derive(Debug, PartialEq, Eq)]
enum Does {
    Change(String),
    Run(String),
}

pub(crate) fn check() -> Result<(), String> {
    let root = root();
    let guide = files::read_text(&root.join(GUIDE), MOST_BYTES)?.ok_or_else(|| format!("there is no `{GUIDE}`"))?;
    let steps = steps(&guide);
    if steps.is_empty() {
        return Err(format!("`{GUIDE}` has no block of `sh` or `diff`"));
    }
    let copy = Copy::of(&root)?;
    for step in &steps {
        say!("{}", step.shown());
        copy.follow(step)?;
    }
    for script in AFTERWARDS {
        say!("afterwards: {script}");
        copy.run(script).map_err(|error| format!("after all of `{GUIDE}`, `{script}` {error}"))?;
    }
    Ok(())
}

/// The blocks of `sh` and `diff`, in their order.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut block: Option<(usize, String, String)> = None;
    for (event, span) in Parser::new_ext(guide, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                let line = guide.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1;
                block = Some((line, language.into_string(), String::new()));
            }
            Event::Text(words) => {
                if let Some((_, _, text)) = &mut block {
                    text.push_str(&words);
                }
            }
            Event::End(TagEnd::CodeBlock) => match block.take() {
                Some((line, language, text)) if language == "sh" => steps.push(Step { line, does: Does::Run(text) }),
                Some((line, language, text)) if language == "diff" => steps.push(Step { line, does: Does::Change(text) }),
                _ => {}
            },
            _ => {}
        }
    }
    steps
}

impl Step {
    /// Its place, and its command or the files that it changes.
    fn shown(&self) -> String {
        let what = match &self.does {
            Does::Change(diff) => diff.lines().filter_map(|line| line.strip_prefix("+++ b/")).collect::<Vec<_>>().join(", "),
            Does::Run(script) => script.trim().replace('\n', "; "),
        };
        format!("{GUIDE}:{}: {what}", self.line)
    }
}

/// A copy of the workspace. It stays after the run, for who wants to see what came of the guide.
struct Copy {
    folder: PathBuf,
    workspace: PathBuf,
    build: PathBuf,
}

impl Copy {
    fn of(root: &Path) -> Result<Self, String> {
        let build = root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
        let folder = root.join("target/walkthrough");
        let copy = Self { workspace: folder.join("workspace"), folder, build };
        if copy.workspace.exists() {
            fs::remove_dir_all(&copy.workspace).map_err(|error| cannot("remove", &copy.workspace, &error))?;
        }
        // In a container the checkout is often another user's, which git minds.
        let mut list = Command::new("git");
        list.args(["-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]).current_dir(root);
        for path in output(&mut list)?.split('\0').filter(|path| !path.is_empty()) {
            let (from, to) = (root.join(path), copy.workspace.join(path));
            copy_file(&from, &to).map_err(|error| cannot("copy", &from, &error))?;
        }
        Ok(copy)
    }

    fn follow(&self, step: &Step) -> Result<(), String> {
        let done = match &step.does {
            Does::Run(script) => self.run(script),
            Does::Change(diff) => {
                let path = self.folder.join("step.diff");
                files::replace(&path, diff)?;
                self.run("git apply ../step.diff")
            }
        };
        done.map_err(|error| format!("{GUIDE}:{}: this block {error}", step.line))
    }

    /// Runs a script in the copy.
    fn run(&self, script: &str) -> Result<(), String> {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c"]).arg(format!("exec 2>&1\n{script}")).current_dir(&self.workspace);
        // What cargo shares is what comes from elsewhere: that is not compiled a second time. Crates of the workspace are kept apart by
        // their own value of `debug`, which the others do not have by `[profile.dev.package."*"]`: cargo takes crates at the same place
        // in two workspaces for the same ones, and would now and then give the one what it built of the other.
        command.env("CARGO_BUILD_BUILD_DIR", &self.build).env("CARGO_PROFILE_DEV_DEBUG", "limited");
        command.env("CARGO_TARGET_DIR", self.folder.join("target"));
        // To git the copy is a folder like any other, wherever the workspace is and whoever runs this.
        command.env("GIT_CEILING_DIRECTORIES", &self.folder).env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE");
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot be run by bash: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("failed with {}\n{}", output.status, String::from_utf8_lossy(&output.stdout)))
    }
}

/// Copies a file with its time, by which cargo tells what has changed, or a symlink as it is. One that is listed and gone is left out.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(from) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if metadata.is_symlink() {
        let target = fs::read_link(from)?;
        #[cfg(unix)]
        return std::os::unix::fs::symlink(target, to);
        #[cfg(windows)]
        return std::os::windows::fs::symlink_file(target, to);
    }
    fs::copy(from, to)?;
    File::options().append(true).open(to)?.set_modified(metadata.modified()?)
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} `{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_do_something_are_found_in_their_order() {
        let guide = "# Guide\n\n```sh\ncargo one\ncargo two\n```\n\nWords, `sh`, and\n\n```text\nno step\n```\n\n    no step\n\n\
            ````diff\n--- a/x.md\n+++ b/x.md\n@@ -1 +1 @@\n ```\n-a\n+b\n````\n\n```sh\nlast\n```\n";
        let steps = steps(guide);
        let run = |line, script: &str| Step { line, does: Does::Run(script.to_owned()) };
        let diff = "--- a/x.md\n+++ b/x.md\n@@ -1 +1 @@\n ```\n-a\n+b\n".to_owned();
        assert_eq!(steps, [run(3, "cargo one\ncargo two\n"), Step { line: 16, does: Does::Change(diff) }, run(25, "last\n")]);
        let shown: Vec<_> = steps.iter().map(Step::shown).collect();
        assert_eq!(shown[0], "docs/adding-a-provider.md:3: cargo one; cargo two");
        assert_eq!(shown[1], "docs/adding-a-provider.md:16: x.md");
    }

    fn copy(folder: &Path) -> Copy {
        let workspace = folder.join("workspace");
        fs::create_dir(&workspace).unwrap();
        fs::write(workspace.join("x.md"), "a\n").unwrap();
        Copy { folder: folder.to_path_buf(), workspace, build: folder.join("build") }
    }

    #[test]
    fn a_step_changes_the_copy_or_says_where_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let copy = copy(folder.path());
        let change = Step { line: 7, does: Does::Change("--- a/x.md\n+++ b/x.md\n@@ -1 +1 @@\n-a\n+b\n".to_owned()) };
        copy.follow(&change).unwrap();
        assert_eq!(fs::read_to_string(copy.workspace.join("x.md")).unwrap(), "b\n");

        let error = copy.follow(&change).unwrap_err();
        assert!(error.starts_with("docs/adding-a-provider.md:7: ") && error.contains("patch does not apply"), "{error}");
        let step = Step { line: 9, does: Does::Run("echo heard >&2\nfalse | true\necho not reached\n".to_owned()) };
        let error = copy.follow(&step).unwrap_err();
        assert!(error.starts_with("docs/adding-a-provider.md:9: ") && error.ends_with("\nheard\n"), "{error}");
    }

    #[test]
    fn a_file_is_copied_with_its_time_and_a_symlink_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::write(at("text"), "text").unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        File::options().append(true).open(at("text")).unwrap().set_modified(then).unwrap();
        copy_file(&at("text"), &at("copy/of/text")).unwrap();
        assert_eq!(fs::read_to_string(at("copy/of/text")).unwrap(), "text");
        assert_eq!(fs::metadata(at("copy/of/text")).unwrap().modified().unwrap(), then);
        copy_file(&at("gone"), &at("copy/gone")).unwrap();
        assert!(!at("copy/gone").exists());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../nowhere", at("symlink")).unwrap();
            copy_file(&at("symlink"), &at("copy/symlink")).unwrap();
            assert_eq!(fs::read_link(at("copy/symlink")).unwrap(), Path::new("../nowhere"));
        }
    }
}
