//! Many processes with one directory, and those that are killed. A child is this very program, told by a variable what to do.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use token_core::{Expected, SessionStore as _, StoreError};
use token_store::FileStore;

use super::{Folder, files, key, open};

const TASK: &str = "TOKEN_STORE_TEST_TASK";
const DIRECTORY: &str = "TOKEN_STORE_TEST_DIRECTORY";

const KILLS: u64 = 200;
const COUNTERS: u64 = 4;
const COUNTS_EACH: u64 = 50;

/// What a child does; nothing where there is no variable.
#[tokio::test]
async fn child() {
    let (Ok(task), Some(directory)) = (env::var(TASK), env::var_os(DIRECTORY)) else {
        return;
    };
    let store = open(&PathBuf::from(directory));
    match task.as_str() {
        "write" => loop {
            println!("\n{}", write_next(&store).await.unwrap());
        },
        "count" => {
            for _ in 0..COUNTS_EACH {
                while write_next(&store).await == Err(StoreError::Conflict) {}
            }
        }
        "lease" => {
            let _lease = store.lease(&key("user"), Duration::from_secs(60)).await.unwrap();
            println!("\n0");
            let _ = std::io::stdin().read(&mut [0]);
        }
        other => panic!("no task `{other}`"),
    }
}

/// Puts the next value in place of what is there.
async fn write_next(store: &FileStore) -> Result<u64, StoreError> {
    let stored = store.get(&key("user")).await?;
    let next = stored.as_ref().map_or(0, |stored| number(&stored.value)) + 1;
    let expected = stored.map_or(Expected::Nothing, |stored| Expected::Version(stored.version));
    store.put(&key("user"), &value(next), expected).await?;
    Ok(next)
}

/// The values differ in length, and each byte tells which value it is of.
fn value(number: u64) -> Vec<u8> {
    let length = usize::try_from(number * 997 % 20_000).unwrap();
    [&number.to_be_bytes()[..], &vec![u8::try_from(number % 251).unwrap(); length]].concat()
}

fn number(bytes: &[u8]) -> u64 {
    let number = u64::from_be_bytes(*bytes.first_chunk().unwrap());
    assert!(bytes == value(number), "a value that nobody wrote");
    number
}

fn start(task: &str, directory: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["processes::child", "--exact", "--nocapture"]).env(TASK, task).env(DIRECTORY, directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The numbers that a child tells.
fn numbers(output: &mut BufReader<ChildStdout>) -> impl Iterator<Item = u64> {
    output.lines().map_while(Result::ok).filter_map(|line| line.parse().ok())
}

fn chance(below: u64) -> u64 {
    RandomState::new().hash_one(()) % below
}

#[tokio::test]
async fn a_killed_writer_leaves_the_old_value_or_the_new_one() {
    let folder = Folder::new();
    let (mut newest, mut left, mut unacknowledged) = (0, 0, 0);
    for kill in 0..KILLS {
        let mut child = start("write", &folder.path());
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let seen = usize::try_from(chance(4)).unwrap();
        let mut acknowledged = numbers(&mut output).take(seen).last().unwrap_or(newest);
        for _ in 0..chance(3_000) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // It may have written and told more before it was hit.
        acknowledged = numbers(&mut output).last().unwrap_or(acknowledged);

        left += usize::from(files(&folder.path()).keys().any(|name| !name.ends_with(".session")));
        let store = open(&folder.path());
        let found = store.get(&key("user")).await.unwrap().map_or(0, |stored| number(&stored.value));
        assert!(found == acknowledged || found == acknowledged + 1, "kill {kill}: {found} after {acknowledged}");
        unacknowledged += found - acknowledged;
        newest = found;
        assert!(files(&folder.path()).keys().all(|name| name.ends_with(".session")), "{:?}", files(&folder.path()).keys());
    }
    println!("{KILLS} kills, {newest} writes, {unacknowledged} of them untold; {left} times something was left and swept");
    assert!(newest > 0);
}

#[tokio::test]
async fn no_update_of_any_process_is_lost() {
    let folder = Folder::new();
    let children: Vec<_> = (0..COUNTERS).map(|_| start("count", &folder.path())).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let stored = folder.store.get(&key("user")).await.unwrap().unwrap();
    assert_eq!(number(&stored.value), COUNTERS * COUNTS_EACH);
}

#[tokio::test]
async fn a_lease_ends_with_its_process() {
    let folder = Folder::new();
    let mut child = start("lease", &folder.path());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(numbers(&mut output).next(), Some(0));
    for store in [&folder.store, &open(&folder.path())] {
        assert_eq!(store.lease(&key("user"), Duration::ZERO).await.unwrap_err(), StoreError::Busy);
        store.lease(&key("neighbour"), Duration::ZERO).await.unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let lease = folder.store.lease(&key("user"), Duration::ZERO).await.unwrap();
    drop(lease);
    assert_eq!(files(&folder.path()).len(), 0);
}
