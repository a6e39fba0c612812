//! What the file store promises: of its files and the directory, and for many processes.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod contract;
mod damage;
mod directory;
mod locks;
mod processes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use token_core::{Realm, Seal, SessionKey, SessionStore as _, StoreError};
use token_store::{AeadSeal, FileStore, SealKey};

const TOKEN: &[u8] = b"refresh-token-test-only";

fn seal() -> Arc<dyn Seal> {
    Arc::new(AeadSeal::new(SealKey::new(1, [7; 32]).unwrap()))
}

fn key(user: &str) -> SessionKey {
    SessionKey::new(Arc::new(Realm::new("test").with("base_url", "https://example.com")), user)
}

fn open(directory: &Path) -> FileStore {
    FileStore::open(directory, seal()).unwrap()
}

/// A store in a folder that goes away with the test.
struct Folder {
    folder: TempDir,
    store: FileStore,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("sessions"));
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sessions")
    }

    /// The one session's file that is there.
    fn session(&self) -> PathBuf {
        let mut sessions = files(&self.path()).into_keys().filter(|name| name.ends_with(".session"));
        let session = sessions.next().expect("no session is there");
        assert_eq!(sessions.next(), None);
        self.path().join(session)
    }
}

/// All files of a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default())).collect()
}

/// What is kept for `user`.
async fn value(store: &FileStore, user: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(store.get(&key(user)).await?.map(|stored| stored.value.to_vec()))
}

/// Sees that it is said of the file, and of which.
fn assert_names(error: &StoreError, file: &Path) {
    match error {
        StoreError::CannotUnseal { what, .. } => assert_eq!(Path::new(what), file),
        other => panic!("{other:?}"),
    }
}
