//! Files that are not as they were written.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use token_core::{Expected, SessionStore as _, StoreError};
use token_store::{AeadSeal, FileStore, SealKey};

use super::{Folder, TOKEN, assert_names, files, key, open, value};

/// A store with a session of `user`, whose file it gives, and one of `neighbour`.
async fn two_sessions() -> (Folder, std::path::PathBuf) {
    let folder = Folder::new();
    folder.store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    let file = folder.session();
    folder.store.put(&key("neighbour"), b"of the neighbour", Expected::Nothing).await.unwrap();
    (folder, file)
}

async fn refused(folder: &Folder, file: &Path, what: &str) {
    match value(&folder.store, "user").await {
        Err(error) => assert_names(&error, file),
        Ok(found) => panic!("{what}: {found:?}"),
    }
}

async fn neighbour_is_well(folder: &Folder) {
    assert_eq!(value(&folder.store, "neighbour").await.unwrap().unwrap(), b"of the neighbour");
}

#[tokio::test]
async fn one_bit_is_enough() {
    let (folder, file) = two_sessions().await;
    let whole = fs::read(&file).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut altered = whole.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &altered).unwrap();
        refused(&folder, &file, &format!("bit {bit}")).await;
    }
    neighbour_is_well(&folder).await;
    fs::write(&file, &whole).unwrap();
    assert_eq!(value(&folder.store, "user").await.unwrap().unwrap(), TOKEN);
}

#[tokio::test]
async fn a_file_that_is_cut_or_longer_is_refused() {
    let (folder, file) = two_sessions().await;
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        refused(&folder, &file, &format!("{length} bytes")).await;
    }
    for (more, is_too_large) in [(1, false), (16, false), (262_144, true), (10_000_000, true)] {
        fs::write(&file, [&whole[..], &vec![0; more]].concat()).unwrap();
        refused(&folder, &file, &format!("{more} bytes more")).await;
        let error = value(&folder.store, "user").await.unwrap_err();
        assert_eq!(error.to_string().ends_with("it is larger than 256 KiB"), is_too_large, "{error}");
    }
    neighbour_is_well(&folder).await;
}

#[tokio::test]
async fn a_file_of_another_user_is_refused() {
    let (folder, file) = two_sessions().await;
    let neighbours = files(&folder.path()).into_keys().map(|name| folder.path().join(name)).find(|path| *path != file).unwrap();
    let [of_user, of_neighbour] = [&file, &neighbours].map(|path| fs::read(path).unwrap());
    fs::write(&file, &of_neighbour).unwrap();
    refused(&folder, &file, "the neighbour's").await;
    neighbour_is_well(&folder).await;
    fs::write(&neighbours, &of_user).unwrap();
    refused(&folder, &file, "swapped").await;
    assert_names(&value(&folder.store, "neighbour").await.unwrap_err(), &neighbours);

    // The same user's name in another realm.
    let elsewhere = token_core::SessionKey::new(Arc::new(token_core::Realm::new("test")), "user");
    folder.store.put(&elsewhere, TOKEN, Expected::Nothing).await.unwrap();
    let others = files(&folder.path()).into_keys().map(|name| folder.path().join(name));
    let other = others.into_iter().find(|path| *path != file && *path != neighbours).unwrap();
    fs::rename(other, &file).unwrap();
    refused(&folder, &file, "of another realm").await;
}

#[tokio::test]
async fn a_damaged_session_is_in_the_way_until_a_login_or_logout() {
    for (damage, version_is_whole) in [(0, false), (10, false), (60, true)] {
        let (folder, file) = two_sessions().await;
        let before = folder.store.get(&key("user")).await.unwrap().unwrap().version;
        let mut bytes = fs::read(&file).unwrap();
        bytes[damage] ^= 1;
        fs::write(&file, &bytes).unwrap();

        for expected in [Expected::Nothing, Expected::Version(token_core::Version(1))] {
            assert_eq!(folder.store.put(&key("user"), TOKEN, expected).await, Err(StoreError::Conflict));
            assert_eq!(folder.store.delete(&key("user"), expected).await, Err(StoreError::Conflict));
        }
        // Who knows the value that was there may replace it.
        let replaced = folder.store.put(&key("user"), b"new", Expected::Version(before)).await;
        assert_eq!(replaced.is_ok(), version_is_whole, "{replaced:?}");

        fs::write(&file, &bytes).unwrap();
        folder.store.put(&key("user"), TOKEN, Expected::Anything).await.unwrap();
        assert_eq!(value(&folder.store, "user").await.unwrap().unwrap(), TOKEN);

        fs::write(&file, &bytes).unwrap();
        folder.store.delete(&key("user"), Expected::Anything).await.unwrap();
        assert_eq!(value(&folder.store, "user").await, Ok(None));
        neighbour_is_well(&folder).await;
    }
}

#[tokio::test]
async fn what_is_no_regular_file_is_neither_followed_nor_waited_for() {
    let (folder, file) = two_sessions().await;
    let elsewhere = folder.folder.path().join("elsewhere");
    fs::copy(&file, &elsewhere).unwrap();
    let make: [(&str, &dyn Fn()); 5] = [
        ("a symlink to what would open", &|| symlink(&elsewhere, &file).unwrap()),
        ("a symlink to nothing", &|| symlink("nothing", &file).unwrap()),
        ("a pipe", &|| assert!(Command::new("mkfifo").arg(&file).status().unwrap().success())),
        ("a socket", &|| drop(UnixListener::bind(&file).unwrap())),
        ("a directory", &|| fs::create_dir(&file).unwrap()),
    ];
    for (what, make) in make {
        fs::remove_file(&file).unwrap();
        make();
        refused(&folder, &file, what).await;
        assert_eq!(folder.store.put(&key("user"), b"new", Expected::Nothing).await, Err(StoreError::Conflict), "{what}");
        if what == "a directory" {
            let error = folder.store.put(&key("user"), b"new", Expected::Anything).await.unwrap_err();
            assert!(matches!(&error, StoreError::Unreachable(why) if why.contains(".session`: Is a directory")), "{error:?}");
        } else {
            // It is replaced itself.
            folder.store.put(&key("user"), b"new", Expected::Anything).await.unwrap();
            assert_eq!(value(&folder.store, "user").await.unwrap().unwrap(), b"new", "{what}");
            assert!(fs::symlink_metadata(&file).unwrap().is_file(), "{what}");
        }
    }
    neighbour_is_well(&folder).await;
    assert_ne!(fs::read(&elsewhere).unwrap(), b"");
    let names = files(&folder.path()).into_keys();
    assert_eq!(names.filter(|name| !name.ends_with(".session")).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn keys_rotate() {
    let folder = Folder::new();
    let key_of = |id: u32| SealKey::new(id, [u8::try_from(id).unwrap() + 6; 32]).unwrap();
    let with = |seal: AeadSeal| FileStore::open(folder.path(), Arc::new(seal)).unwrap();
    for user in ["refreshed", "idle"] {
        folder.store.put(&key(user), TOKEN, Expected::Nothing).await.unwrap();
    }

    let both = with(AeadSeal::new(key_of(2)).with_old_key(key_of(1)).unwrap());
    assert_eq!(value(&both, "idle").await.unwrap().unwrap(), TOKEN);
    let version = both.get(&key("refreshed")).await.unwrap().unwrap().version;
    both.put(&key("refreshed"), b"new", Expected::Version(version)).await.unwrap();

    let without_old = with(AeadSeal::new(key_of(2)));
    assert_eq!(value(&without_old, "refreshed").await.unwrap().unwrap(), b"new");
    let error = value(&without_old, "idle").await.unwrap_err();
    assert!(
        matches!(&error, StoreError::CannotUnseal { why, .. } if why.contains("a key that is not among the keys")),
        "{error:?}"
    );
    // It is not lost: with the key it opens again.
    assert_eq!(value(&open(&folder.path()), "idle").await.unwrap().unwrap(), TOKEN);
}
