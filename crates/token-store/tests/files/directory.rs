//! The directory, and what other people can do with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::Duration;

use token_core::{Expected, SessionStore as _, StoreError};
use token_store::FileStore;

use super::{Folder, TOKEN, key, open, seal, value};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Sees that the directory is refused by its name, with all of `says`.
fn refused(directory: &Path, says: &[&str]) {
    match FileStore::open(directory, seal()).unwrap_err() {
        StoreError::Unreachable(why) => {
            let path: std::path::PathBuf = directory.components().collect();
            assert!(why.contains(&format!("`{}`", path.display())), "{why}");
            assert!(says.iter().all(|says| why.contains(says)), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_it_makes_is_for_its_user_alone() {
    let folder = Folder::new();
    let deep = folder.path().join("a/b");
    let store = open(&deep);
    store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    let _lease = store.lease(&key("user"), Duration::ZERO).await.unwrap();
    for directory in [folder.path(), folder.path().join("a"), deep.clone()] {
        assert_eq!(mode(&directory), 0o700, "{}", directory.display());
    }
    let files: Vec<_> = fs::read_dir(&deep).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let folder = Folder::new();
    for (mode, is_fine) in [(0o700, true), (0o755, true), (0o750, true), (0o770, false), (0o702, false), (0o1777, false)] {
        set_mode(&folder.path(), mode);
        if is_fine {
            open(&folder.path());
        } else {
            refused(&folder.path(), &["is writable to others", "chmod go-w"]);
        }
    }
}

#[test]
fn a_symlink_is_no_directory() {
    let folder = Folder::new();
    let link = folder.folder.path().join("link");
    symlink(folder.path(), &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        refused(&path, &["is a symlink", "realpath"]);
    }
    let dangling = folder.folder.path().join("dangling");
    symlink("nowhere", &dangling).unwrap();
    refused(&dangling, &["is a symlink"]);
    // Those above it may be: that is how systems are set up.
    open(&link.join("below"));
}

#[test]
fn what_is_no_directory_is_refused() {
    let folder = Folder::new();
    let file = folder.folder.path().join("file");
    fs::write(&file, "").unwrap();
    refused(&file, &["is no directory"]);
    refused(&file.join("below"), &["cannot make", "Not a directory"]);
    refused(Path::new(""), &["cannot open"]);
}

#[test]
fn a_directory_of_someone_else_is_refused() {
    let folder = Folder::new();
    if fs::metadata(folder.path()).unwrap().uid() == 0 {
        chown(folder.path(), Some(65_534), None).unwrap();
        refused(&folder.path(), &["belongs to another user", "chown"]);
    } else {
        refused(Path::new("/"), &["belongs to another user", "chown"]);
        // The superuser may write to it in any case.
        set_mode(&folder.path(), 0o500);
        refused(&folder.path(), &["may not be written to", "chmod u+rwx"]);
        set_mode(&folder.path(), 0o700);
    }
}

#[tokio::test]
async fn the_directory_stays_the_one_that_was_opened() {
    let folder = Folder::new();
    folder.store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    let (moved, bait) = (folder.folder.path().join("moved"), folder.folder.path().join("bait"));
    fs::create_dir(&bait).unwrap();
    fs::rename(folder.path(), &moved).unwrap();
    symlink(&bait, folder.path()).unwrap();
    folder.store.put(&key("user"), b"new", Expected::Anything).await.unwrap();
    assert_eq!(value(&folder.store, "user").await.unwrap().unwrap(), b"new");
    assert_eq!(fs::read_dir(&bait).unwrap().count(), 0);
}

#[tokio::test]
async fn a_removed_directory_logs_nobody_out() {
    let folder = Folder::new();
    folder.store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let removed = |error: &StoreError| matches!(error, StoreError::Unreachable(why) if why.contains("sessions"));
    for user in ["user", "nobody"] {
        let error = value(&folder.store, user).await.unwrap_err();
        assert!(removed(&error) && error.to_string().contains("was removed"), "{error:?}");
    }
    let error = folder.store.put(&key("user"), TOKEN, Expected::Anything).await.unwrap_err();
    assert!(removed(&error), "{error:?}");
}

#[test]
fn debug_has_the_path_and_no_key() {
    let folder = Folder::new();
    let shown = format!("{:?}", folder.store);
    assert!(shown.contains("sessions") && !shown.contains("7, 7"), "{shown}");
}
