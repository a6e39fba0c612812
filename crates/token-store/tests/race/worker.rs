//! What a process does: it wants a new token all the time, and writes down what came of it.

use std::env;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;

use provider_prakerja::Prakerja;
use token_core::{
    CacheEvent, CachePolicy, Clock, Error, Moment, Observer, Realm, RefreshGrant, Refreshed, Remedy, Seal, Sessions, SystemClock,
};
use token_store::{AeadSeal, FileStore, SealKey};

use super::chance;
use super::service::client;

/// Where the store and the journals are.
pub(crate) const DIRECTORY: &str = "RACE_DIRECTORY";
/// The name of this process's journal.
pub(crate) const JOURNAL: &str = "RACE_JOURNAL";

pub(crate) const USER: &str = "user-test-only";

/// The service's tokens live for an hour: after this, one is due and usable.
const UNTIL_DUE: Duration = Duration::from_secs(52 * 60);
/// After this, none is usable, and no error is remembered.
pub(crate) const UNTIL_OVER: Duration = Duration::from_secs(2 * 60 * 60);

pub(crate) fn open(directory: &Path) -> FileStore {
    let seal: Arc<dyn Seal> = Arc::new(AeadSeal::new(SealKey::new(1, [7; 32]).unwrap()));
    FileStore::open(directory.join("sessions"), seal).unwrap()
}

/// Tells refresh tokens apart, and nothing more.
pub(crate) fn fingerprint(token: &SecretString) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(token.expose_secret().as_bytes());
    hasher.finish()
}

/// The machine's clocks, of which the monotonic one makes leaps.
///
/// A token is over by the clock that went further. So what this process holds is over after a leap, and what the other one stored is as old as it is.
#[derive(Debug, Default)]
pub(crate) struct LeapingClock(AtomicU64);

impl LeapingClock {
    pub(crate) fn leap(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for LeapingClock {
    fn now(&self) -> Moment {
        let now = SystemClock.now();
        Moment::new(now.wall(), now.monotonic() + Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

/// A line is in it before the call returns, and stays when the process is killed.
#[derive(Clone)]
struct Journal(Arc<Mutex<File>>);

impl Journal {
    fn open(path: &Path) -> Self {
        Self(Arc::new(Mutex::new(OpenOptions::new().append(true).create(true).open(path).unwrap())))
    }

    fn add(&self, line: &str) {
        // In one write, so that no half of it is there.
        self.0.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// The real provider, with a journal.
struct Grant {
    prakerja: Prakerja,
    journal: Journal,
}

#[async_trait]
impl RefreshGrant for Grant {
    fn realm(&self) -> Realm {
        self.prakerja.realm()
    }

    async fn refresh(&self, refresh_token: &SecretString) -> Refreshed {
        let old = fingerprint(refresh_token);
        self.journal.add(&format!("sent {old}"));
        let refreshed = RefreshGrant::refresh(&self.prakerja, refresh_token).await;
        match (&refreshed.refresh_token, &refreshed.outcome) {
            (Some(new), _) => self.journal.add(&format!("answered {old} {}", fingerprint(new))),
            (None, Ok(_)) => self.journal.add(&format!("fatal no refresh token came in place of {old}")),
            (None, Err(error)) => self.journal.add(&format!("refused {old} {error}")),
        }
        refreshed
    }

    fn may_have_spent(&self, error: &Error) -> bool {
        self.prakerja.may_have_spent(error)
    }
}

/// Knows whether a refresh is under way.
#[derive(Debug, Default)]
struct Refreshes {
    under_way: AtomicU64,
    ended: Notify,
}

impl Refreshes {
    async fn over(&self) {
        loop {
            let ended = self.ended.notified();
            if self.under_way.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Observer for Refreshes {
    fn event(&self, _provider: &'static str, event: &CacheEvent) {
        match event {
            CacheEvent::RefreshBegan { .. } => {
                self.under_way.fetch_add(1, Ordering::SeqCst);
            }
            CacheEvent::RefreshEnded { .. } => {
                self.under_way.fetch_sub(1, Ordering::SeqCst);
                self.ended.notify_waiters();
            }
            _ => {}
        }
    }
}

/// What a process does; nothing where there is no variable.
#[tokio::test]
async fn worker() {
    let (Some(directory), Some(journal)) = (env::var_os(DIRECTORY), env::var_os(JOURNAL)) else {
        return;
    };
    let directory = PathBuf::from(directory);
    let journal = Journal::open(&directory.join(journal));
    let clock = Arc::new(LeapingClock::default());
    let refreshes = Arc::new(Refreshes::default());
    let mut policy = CachePolicy::default();
    policy.observer = Some(refreshes.clone());
    let prakerja = client(|name| env::var(name).unwrap(), clock.clone());
    let sessions = Sessions::builder(Grant { prakerja, journal: journal.clone() }, Arc::new(open(&directory)))
        .cache(policy)
        .clock(clock.clone())
        .build();
    let session = sessions.get(USER).unwrap();
    tell("ready");
    loop {
        match session.token().await {
            Ok(token) => journal.add(&format!("served {}", fingerprint(token.refresh_token().unwrap()))),
            Err(error) if error.remedy() == Remedy::LogInAgain => {
                journal.add(&format!("over {error}"));
                tell("over");
                std::io::stdin().read_line(&mut String::new()).unwrap();
            }
            Err(error) if error.is_transient() => journal.add(&format!("passing {error}")),
            Err(error) => {
                journal.add(&format!("fatal {error:?}"));
                return;
            }
        }
        // No leap while a refresh is under way: it would be late.
        refreshes.over().await;
        if chance(8) == 0 {
            clock.leap(UNTIL_DUE);
            // If there is a token, it is given at once, and the refresh goes on behind it.
            if let Some(token) = session.try_token() {
                journal.add(&format!("served {}", fingerprint(token.refresh_token().unwrap())));
            }
        } else {
            clock.leap(UNTIL_OVER);
        }
    }
}

/// The test's own output is around it.
fn tell(what: &str) {
    println!("\n{what}");
}
