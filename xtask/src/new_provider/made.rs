//! Files that are made all together or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::files;

/// What a run has made so far. Unless it is kept, it is taken away again, and nothing else with it.
pub(super) struct Made<'r> {
    root: &'r Path,
    /// Files, symlinks and folders from the root, in the order in which they were made.
    new: Vec<PathBuf>,
    /// Files that were there already, with their texts before and after.
    changed: Vec<(PathBuf, String, String)>,
    is_kept: bool,
}

impl<'r> Made<'r> {
    pub(super) fn in_root(root: &'r Path) -> Self {
        Self { root, new: Vec::new(), changed: Vec::new(), is_kept: false }
    }

    /// Makes a file, and the folders that it needs.
    pub(super) fn file(&mut self, path: &str, text: &str) -> Result<(), String> {
        let create = |path: &Path| {
            let mut file = File::create_new(path)?;
            file.write_all(text.as_bytes())
        };
        self.make(path, create)
    }

    /// Makes a symlink, and the folders that it needs.
    pub(super) fn symlink(&mut self, path: &str, target: &str) -> Result<(), String> {
        #[cfg(unix)]
        let create = |path: &Path| std::os::unix::fs::symlink(target, path);
        #[cfg(windows)]
        let create = |path: &Path| std::os::windows::fs::symlink_file(target.replace('/', "\\"), path);
        self.make(path, create)
    }

    /// Notes a file that another part of this program is about to make.
    pub(super) fn will_have(&mut self, path: &str) -> Result<(), String> {
        self.folders(Path::new(path)).map_err(|error| cannot_make(path, &error))?;
        self.new.push(path.into());
        Ok(())
    }

    /// Writes a file that is there already.
    pub(super) fn change(&mut self, path: &str, before: String, after: String) -> Result<(), String> {
        files::replace(&self.root.join(path), &after)?;
        self.changed.push((path.into(), before, after));
        Ok(())
    }

    /// Lets everything stay.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }

    fn make(&mut self, path: &str, create: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), String> {
        let made = self.folders(Path::new(path)).and_then(|()| {
            let whole = self.root.join(path);
            let result = create(&whole);
            // Half a file is ours too; one that somebody else made meanwhile is not.
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
                self.new.push(path.into());
            }
            result
        });
        made.map_err(|error| cannot_make(path, &error))
    }

    fn folders(&mut self, path: &Path) -> io::Result<()> {
        let Some(folder) = path.parent().filter(|folder| !self.root.join(folder).is_dir()) else { return Ok(()) };
        self.folders(folder)?;
        fs::create_dir(self.root.join(folder))?;
        self.new.push(folder.into());
        Ok(())
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        for (path, before, after) in self.changed.drain(..).rev() {
            let whole = self.root.join(&path);
            // Somebody may have gone on writing.
            if fs::read_to_string(&whole).is_ok_and(|text| text == after)
                && let Err(error) = files::replace(&whole, &before)
            {
                anstream::eprintln!("warning: `{}` has a row too many: {error}", path.display());
            }
        }
        for path in self.new.drain(..).rev() {
            let whole = self.root.join(&path);
            let is_folder = fs::symlink_metadata(&whole).is_ok_and(|metadata| metadata.is_dir());
            // A folder that somebody else put something into stays.
            let removed = if is_folder { fs::remove_dir(&whole) } else { fs::remove_file(&whole) };
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                anstream::eprintln!("warning: `{}` could not be taken away again: {error}", path.display());
            }
        }
    }
}

fn cannot_make(path: &str, error: &io::Error) -> String {
    format!("cannot make `{path}`: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(root: &Path) -> Vec<String> {
        let mut paths = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                paths.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        paths.sort();
        paths
    }

    #[test]
    fn what_is_not_kept_is_taken_away_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir(root.join("crates")).unwrap();
        fs::write(root.join("README.md"), "before").unwrap();
        fs::write(root.join("README.id.md"), "before").unwrap();

        let mut made = Made::in_root(root);
        made.file("crates/a/src/lib.rs", "text").unwrap();
        made.symlink("crates/a/LICENSE", "../../LICENSE").unwrap();
        made.will_have("crates/a/src/error/generated.rs").unwrap();
        made.change("README.md", "before".to_owned(), "after".to_owned()).unwrap();
        made.change("README.id.md", "before".to_owned(), "after".to_owned()).unwrap();
        assert!(made.file("crates/a/src/lib.rs", "other").is_err());
        assert_eq!(fs::read_to_string(root.join("crates/a/src/lib.rs")).unwrap(), "text");
        // Two people at work at the same time.
        fs::write(root.join("crates/a/notes"), "of somebody else").unwrap();
        fs::write(root.join("README.id.md"), "after, and more").unwrap();
        drop(made);

        assert_eq!(tree(root), ["README.id.md", "README.md", "crates", "crates/a", "crates/a/notes"]);
        assert_eq!(fs::read_to_string(root.join("README.md")).unwrap(), "before");
        assert_eq!(fs::read_to_string(root.join("README.id.md")).unwrap(), "after, and more");
    }

    #[test]
    fn what_is_kept_stays() {
        let root = tempfile::tempdir().unwrap();
        let mut made = Made::in_root(root.path());
        made.file("a/b", "text").unwrap();
        made.keep();
        assert_eq!(tree(root.path()), ["a", "a/b"]);
    }
}
