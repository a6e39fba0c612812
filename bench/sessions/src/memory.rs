//! What a session holds beyond its strings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allocation_counter::measure;
use async_trait::async_trait;
use bench_shared::{Column, Report, SessionsOptions as Options};
use token_core::{
    Clock as _, Expected, Lease, MemoryStore, SessionKey, SessionStore, Sessions, StoreError, Stored, SystemClock, Version,
};
use tokio::runtime::{Builder, Runtime};

use crate::grant::Mint;
use crate::users::{Name, STRINGS, log_in, shown, token};

/// The most that a session may hold beyond its strings, in bytes.
const LIMIT: f64 = 1_280.0;
/// The most that a set of sessions of the default capacity may hold before anybody logs in, in bytes.
const EMPTY_LIMIT: f64 = 4_096.0;

const OURS: &str = "Sessions, with a store elsewhere";

pub(crate) fn run(options: &Options, sessions: usize) -> Result<Report, String> {
    let columns = vec![
        Column::new("bytes beyond its strings", "bytes", 0),
        Column::new("bytes of its strings", "strings", 0),
        Column::new("blocks", "blocks", 1),
        Column::new("MiB of all", "mebibytes", 0),
    ];
    let title = format!(
        "What one of {sessions} sessions holds. Its strings are the user's name, the access token, the refresh token and the header; each counts once."
    );
    let mut report = Report::new("memory", title, columns);
    let runtime = one_thread()?;
    let floor = held(&mut report, "floor: Mutex<HashMap<String, Token>>", sessions, || {
        let mut map = HashMap::new();
        for user in 0..sessions {
            map.insert(Name::of(user).as_str().to_owned(), token(user, 0, SystemClock.now())?);
        }
        Ok(Mutex::new(map))
    })?;
    if options.wants(OURS) {
        let ours = held(&mut report, OURS, sessions, || filled(&runtime, Arc::new(Elsewhere), sessions))?;
        report.target(OURS, LIMIT, "bytes", ours);
        report.note(format!("Beyond the floor, a session costs {:.0} bytes.", ours - floor));
    }
    if options.wants(IN_MEMORY) {
        held(&mut report, IN_MEMORY, sessions, || filled(&runtime, Arc::new(MemoryStore::new()), sessions))?;
        report.note(format!("{IN_MEMORY}: what is stored is a copy of both tokens, and counts as beyond the strings."));
    }
    let mut empty = None;
    let counted = measure(|| empty = Some(set(Arc::new(Elsewhere), None)));
    drop(empty);
    report.target("a set of the default capacity before anybody logs in", EMPTY_LIMIT, "bytes", counted.bytes_current as f64);
    Ok(report)
}

const IN_MEMORY: &str = "Sessions and MemoryStore";

/// Tells what a thing holds that is made by this, and gives the bytes of one session beyond its strings.
fn held<T>(report: &mut Report, name: &str, sessions: usize, make: impl FnOnce() -> Result<T, String>) -> Result<f64, String> {
    let mut made = Err(String::new());
    // Everything runs on this thread, so whatever is left behind is counted.
    let counted = measure(|| made = make());
    drop(made?);
    let (bytes, blocks) = (counted.bytes_current as f64, counted.count_current as f64);
    let beyond = bytes / sessions as f64 - STRINGS as f64;
    let cells = [beyond, STRINGS as f64, blocks / sessions as f64, bytes / f64::from(1 << 20)];
    report.row(name, cells.map(Into::into).to_vec());
    Ok(beyond)
}

fn filled(runtime: &Runtime, store: Arc<dyn SessionStore>, users: usize) -> Result<Sessions<Mint>, String> {
    let sessions = set(store, Some(users));
    runtime.block_on(log_in(&sessions, users))?;
    if sessions.len() == users { Ok(sessions) } else { Err(format!("{} of {users} sessions are in memory", sessions.len())) }
}

/// A set with room for so many users, or of the default capacity.
pub(crate) fn set(store: Arc<dyn SessionStore>, users: Option<usize>) -> Sessions<Mint> {
    let builder = Sessions::builder(Mint(Arc::new(SystemClock)), store);
    match users {
        Some(users) => builder.capacity(users).build(),
        None => builder.build(),
    }
}

/// A runtime of one thread, the caller's.
pub(crate) fn one_thread() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(shown)
}

/// Takes everything and holds nothing: what it would hold is on a disk, or on another machine.
#[derive(Debug)]
pub(crate) struct Elsewhere;

#[async_trait]
impl SessionStore for Elsewhere {
    async fn get(&self, _key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        Ok(None)
    }

    async fn put(&self, _key: &SessionKey, _value: &[u8], _expected: Expected) -> Result<Version, StoreError> {
        Ok(Version(0))
    }

    async fn delete(&self, _key: &SessionKey, _expected: Expected) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lease(&self, _key: &SessionKey, _patience: Duration) -> Result<Box<dyn Lease>, StoreError> {
        Err(StoreError::Busy)
    }
}
