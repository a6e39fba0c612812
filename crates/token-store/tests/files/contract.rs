//! What every store promises.

use std::sync::Arc;

use zeroize::Zeroizing;

use token_core::{Expected, Seal, SealError, SessionStore, StoreError};
use token_store::FileStore;
use token_testkit::check_session_store;

use super::{Folder, TOKEN, files, key, open, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_satisfies_the_check() {
    let folder = Folder::new();
    let (one, other): (Arc<dyn SessionStore>, Arc<dyn SessionStore>) =
        (Arc::new(folder.store.clone()), Arc::new(open(&folder.path())));
    if let Err(report) = check_session_store(one, other).await {
        panic!("\n{report}");
    }
    assert!(files(&folder.path()).into_keys().all(|name| !name.ends_with(".lock") && !name.ends_with(".new")));
}

#[tokio::test]
async fn a_value_outlives_the_store() {
    let folder = Folder::new();
    let version = folder.store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    let stored = open(&folder.path()).get(&key("user")).await.unwrap().unwrap();
    assert_eq!((stored.value.as_slice(), stored.version), (TOKEN, version));
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_and_the_old_one_stays() {
    let folder = Folder::new();
    folder.store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    // What fits, with 59 bytes around it.
    for (length, fits) in [(262_144 - 59, true), (262_144 - 58, false), (1_000_000, false)] {
        let value = vec![b'x'; length];
        match folder.store.put(&key("large"), &value, Expected::Anything).await {
            Ok(_) => assert!(fits, "{length}"),
            Err(StoreError::Unreachable(why)) => assert!(!fits && why.contains("too large"), "{length}: {why}"),
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(folder.store.get(&key("large")).await.unwrap().unwrap().value.len(), 262_144 - 59);
    }
    assert_eq!(value(&folder.store, "user").await, Ok(Some(TOKEN.to_vec())));
}

#[tokio::test]
async fn no_name_and_no_token_is_on_the_disk() {
    let folder = Folder::new();
    let user = "siti.test-only@example.com";
    folder.store.put(&key(user), TOKEN, Expected::Nothing).await.unwrap();
    let _lease = folder.store.lease(&key(user), std::time::Duration::ZERO).await.unwrap();
    let files = files(&folder.path());
    assert_eq!(files.len(), 2, "{:?}", files.keys());
    for (name, bytes) in &files {
        for secret in [user.as_bytes(), b"siti", TOKEN, b"test-only", b"example.com"] {
            for bytes in [name.as_bytes(), bytes] {
                assert!(!bytes.windows(secret.len()).any(|part| part.eq_ignore_ascii_case(secret)), "{name}");
            }
        }
    }
}

/// A seal that does not work today.
#[derive(Debug)]
enum Broken {
    Panics,
    Unavailable,
}

impl Broken {
    fn fail<T>(&self) -> Result<T, SealError> {
        match self {
            Self::Panics => panic!("this test's seal panics"),
            Self::Unavailable => Err(SealError::Unavailable),
        }
    }
}

impl Seal for Broken {
    fn seal(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, SealError> {
        self.fail()
    }

    fn open(&self, _: &[u8], _: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.fail()
    }
}

#[tokio::test]
async fn a_seal_that_fails_damages_nothing() {
    let folder = Folder::new();
    folder.store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    for (seal, says) in [(Broken::Unavailable, "sealed or opened now"), (Broken::Panics, "panicked")] {
        let broken = FileStore::open(folder.path(), Arc::new(seal)).unwrap();
        let errors =
            [value(&broken, "user").await.unwrap_err(), broken.put(&key("user"), b"new", Expected::Anything).await.unwrap_err()];
        for error in errors {
            assert!(matches!(&error, StoreError::Unreachable(why) if why.contains(says)), "{error:?}");
        }
        assert_eq!(value(&folder.store, "user").await.unwrap().unwrap(), TOKEN);
        assert_eq!(files(&folder.path()).len(), 1);
        broken.delete(&key("nobody"), Expected::Anything).await.unwrap();
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    use std::task::{Context, Poll, Waker};

    let folder = Folder::new();
    let key = key("user");
    let mut get = folder.store.get(&key);
    let Poll::Ready(Err(StoreError::Unreachable(why))) = get.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits");
    };
    assert!(why.contains("Tokio runtime"), "{why}");
}

#[test]
fn a_write_that_is_given_up_happens_or_not() {
    let folder = Folder::new();
    let values: Vec<Vec<u8>> = (0..100).map(|turn| [TOKEN, &[turn; 2_000]].concat()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        folder.store.put(&key("user"), &values[0], Expected::Nothing).await.unwrap();
        for (turn, value) in values.iter().enumerate() {
            let (store, value) = (folder.store.clone(), value.clone());
            let write = tokio::spawn(async move { store.put(&key("user"), &value, Expected::Anything).await });
            for _ in 0..turn {
                tokio::task::yield_now().await;
            }
            write.abort();
            let found = super::value(&folder.store, "user").await.unwrap().unwrap();
            assert!(values.contains(&found), "turn {turn}");
        }
    });
    // Whatever is under way on its threads ends.
    drop(runtime);
    let names: Vec<_> = files(&folder.path()).into_keys().collect();
    assert!(names.len() == 1 && names[0].ends_with(".session"), "{names:?}");
}
