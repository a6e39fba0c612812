//! Locks, what killed processes leave, and how long anyone waits.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use token_core::{Expected, SessionStore as _, StoreError};
use token_testkit::ManualClock;

use super::{Folder, TOKEN, files, key, open, value};

/// A store whose waiting takes no time, with a session of `user`; its clock; the path of that session without an ending.
async fn impatient() -> (Folder, Arc<ManualClock>, String) {
    let mut folder = Folder::new();
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    folder.store = folder.store.with_clock(clock.clone());
    folder.store.put(&key("user"), TOKEN, Expected::Nothing).await.unwrap();
    let path = folder.session().display().to_string().strip_suffix("session").unwrap().to_owned();
    (folder, clock, path)
}

/// Locks a file as another process would.
fn lock(path: &str) -> File {
    let file = File::create(path).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

#[tokio::test]
async fn a_lease_is_waited_for_as_long_as_patience_lasts() {
    let (folder, clock, _) = impatient().await;
    let lease = open(&folder.path()).lease(&key("user"), Duration::ZERO).await.unwrap();
    for patience in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(2_500)] {
        let before: Duration = clock.slept().iter().sum();
        assert_eq!(folder.store.lease(&key("user"), patience).await.unwrap_err(), StoreError::Busy);
        assert_eq!(clock.slept().iter().sum::<Duration>() - before, patience);
    }
    assert!(clock.slept().iter().all(|pause| *pause <= Duration::from_millis(32)));
    drop(lease);
    folder.store.lease(&key("user"), Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_write_does_not_wait_for_ever() {
    let (folder, clock, path) = impatient().await;
    let held = lock(&format!("{path}lock"));
    let results = [
        folder.store.put(&key("user"), b"new", Expected::Anything).await.map(drop),
        folder.store.delete(&key("user"), Expected::Anything).await,
    ];
    for result in results {
        let error = result.unwrap_err();
        let says = |why: &str| why.contains(&format!("{path}lock")) && why.contains("10s");
        assert!(matches!(&error, StoreError::Unreachable(why) if says(why)), "{error:?}");
    }
    assert_eq!(clock.slept().iter().sum::<Duration>(), Duration::from_secs(20));
    // Others are not held up, nor is reading.
    folder.store.put(&key("neighbour"), TOKEN, Expected::Nothing).await.unwrap();
    assert_eq!(value(&folder.store, "user").await.unwrap().unwrap(), TOKEN);
    drop(held);
    folder.store.put(&key("user"), b"new", Expected::Anything).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let (folder, _, path) = impatient().await;
    let lease = folder.store.lease(&key("in use"), Duration::ZERO).await.unwrap();
    let in_use = files(&folder.path()).into_keys().find(|name| name.ends_with(".lease")).unwrap();
    let left = ["lock", "lease", "0123456789abcdef.new"].map(|ending| format!("{path}{ending}"));
    let foreign = [format!("{path}new"), format!("{path}session.bak"), folder.path().join("x.lock").display().to_string()];
    for file in left.iter().chain(&foreign) {
        fs::write(file, "half").unwrap();
    }

    // They are in nobody's way before.
    folder.store.put(&key("user"), b"new", Expected::Anything).await.unwrap();
    drop(folder.store.lease(&key("user"), Duration::ZERO).await.unwrap());
    for file in &left {
        fs::write(file, "half").unwrap();
    }
    let store = open(&folder.path());
    for file in &left {
        assert!(!fs::exists(file).unwrap(), "{file}");
    }
    for file in &foreign {
        assert!(fs::exists(file).unwrap(), "{file}");
    }
    assert_eq!(store.lease(&key("in use"), Duration::ZERO).await.unwrap_err(), StoreError::Busy);
    drop(lease);
    assert!(!fs::exists(folder.path().join(in_use)).unwrap());
    assert_eq!(value(&store, "user").await.unwrap().unwrap(), b"new");
}

#[tokio::test]
async fn what_a_living_process_writes_is_not_removed() {
    let (folder, _, path) = impatient().await;
    let unfinished = format!("{path}0123456789abcdef.new");
    fs::write(&unfinished, "half").unwrap();
    let held = lock(&format!("{path}lock"));
    open(&folder.path());
    assert!(fs::exists(&unfinished).unwrap() && fs::exists(format!("{path}lock")).unwrap());
    drop(held);
    open(&folder.path());
    assert!(!fs::exists(&unfinished).unwrap() && !fs::exists(format!("{path}lock")).unwrap());
}

#[tokio::test]
async fn a_lock_is_a_regular_file_of_its_own() {
    let (folder, _, path) = impatient().await;
    let bait = folder.folder.path().join("bait");
    for ending in ["lock", "lease"] {
        let file = format!("{path}{ending}");
        symlink(&bait, &file).unwrap();
        let error = match ending {
            "lock" => folder.store.put(&key("user"), TOKEN, Expected::Anything).await.unwrap_err(),
            _ => folder.store.lease(&key("user"), Duration::ZERO).await.unwrap_err(),
        };
        assert!(matches!(&error, StoreError::Unreachable(why) if why.contains(&file)), "{error:?}");
        assert!(!fs::exists(&bait).unwrap());
        // It is not ours, so it stays.
        open(&folder.path());
        assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    }
    assert_eq!(value(&folder.store, "user").await.unwrap().unwrap(), TOKEN);
}

/// The file of a lock comes and goes, and yet one has it at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_goes_from_hand_to_hand_is_of_one_at_a_time() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let folder = Folder::new();
    let (holders, turns) = (Arc::new(AtomicUsize::new(0)), 50);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, holders) = (open(&folder.path()), Arc::clone(&holders));
            tokio::spawn(async move {
                for _ in 0..turns {
                    let lease = store.lease(&key("user"), Duration::from_secs(60)).await.unwrap();
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
                    drop(lease);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(files(&folder.path()).len(), 0);
}
