//! What every store of sessions must satisfy.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use token_core::{Expected, Realm, SessionKey, SessionStore, StoreError, Version};

use crate::report::{Failure, Report};

/// A store that takes longer for one check waits for something that does not come.
const DEADLINE: Duration = Duration::from_secs(120);

/// Long enough for a lease that becomes free to be given on.
const PATIENCE: Duration = Duration::from_secs(60);

/// Checks a store. `one` and `other` are two handles on it, as two processes have; a store of one process gives the same twice.
///
/// The store may hold other sessions: the checks have users of their own, and log them out at the end.
/// Its clock has to go on by itself, as [`SystemClock`](token_core::SystemClock) does. It runs on the caller's Tokio runtime, which needs time, and is the harder the more threads that has.
///
/// ```
/// # use std::sync::Arc;
/// use token_core::SessionStore;
/// use token_testkit::{Report, check_session_store};
///
/// async fn test(store: Arc<dyn SessionStore>) -> Result<(), Report> {
///     check_session_store(Arc::clone(&store), store).await
/// }
/// ```
///
/// # Errors
///
/// The report has the cases in which the store did not do what it should.
pub async fn check_session_store(one: Arc<dyn SessionStore>, other: Arc<dyn SessionStore>) -> Result<(), Report> {
    let mut failures = Vec::new();
    macro_rules! run {
        ($($check:ident,)*) => {$(
            let mut run = Run::new(stringify!($check), &one, &other);
            if tokio::time::timeout(DEADLINE, $check(&mut run)).await.is_err() {
                run.fail("the whole check", "an end", format!("none after {DEADLINE:?}"));
            }
            run.log_out().await;
            failures.append(&mut run.failures);
        )*};
    }
    run! {
        a_write_takes_the_place_of_what_it_expects,
        a_version_is_of_one_write,
        a_value_comes_back_as_it_was_put,
        keys_are_kept_apart,
        of_many_first_writes_one_counts,
        no_update_is_lost,
        a_lease_is_of_one,
        a_lease_is_in_nobodys_way,
        a_lease_is_waited_for,
        nothing_kept_is_shown,
    }
    Report::of(failures).map_or(Ok(()), Err)
}

/// One check under way.
struct Run {
    check: &'static str,
    one: Arc<dyn SessionStore>,
    other: Arc<dyn SessionStore>,
    keys: Vec<SessionKey>,
    failures: Vec<Failure>,
}

impl Run {
    fn new(check: &'static str, one: &Arc<dyn SessionStore>, other: &Arc<dyn SessionStore>) -> Self {
        Self { check, one: Arc::clone(one), other: Arc::clone(other), keys: Vec::new(), failures: Vec::new() }
    }

    /// A user who was never logged in, also not in an earlier run.
    fn key(&mut self) -> SessionKey {
        // Each `RandomState` has keys of its own.
        let user = format!("user-test-only-{:016x}", RandomState::new().hash_one(self.check));
        let key = SessionKey::new(Arc::new(Realm::new("token-testkit").with("check", self.check)), user);
        self.keys.push(key.clone());
        key
    }

    fn fail(&mut self, case: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) {
        self.failures.push(Failure::new(self.check, case, expected, found));
    }

    fn expect<T: PartialEq + fmt::Debug>(&mut self, case: impl Into<String>, expected: &T, found: &T) {
        if expected != found {
            self.fail(case, format!("{expected:?}"), format!("{found:?}"));
        }
    }

    /// A write that must succeed.
    async fn put(&mut self, key: &SessionKey, value: &[u8], expected: Expected) -> Version {
        match self.one.put(key, value, expected).await {
            Ok(version) => version,
            Err(error) => {
                self.fail("a write on the way to a case", "a version", format!("{error:?}"));
                Version(0)
            }
        }
    }

    async fn log_out(&self) {
        for key in &self.keys {
            // A store that is not whole is told by the checks.
            let _ = self.one.delete(key, Expected::Anything).await;
        }
    }
}

/// What is kept, as a check compares it.
type Kept = Result<Option<(Vec<u8>, Version)>, StoreError>;

async fn kept(store: &Arc<dyn SessionStore>, key: &SessionKey) -> Kept {
    Ok(store.get(key).await?.map(|stored| (stored.value.to_vec(), stored.version)))
}

/// What is there before a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Never,
    Value,
    Replaced,
    Deleted,
    PutAgain,
}

/// What a write expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Anything,
    Nothing,
    Newest,
    Older,
    Unknown,
}

async fn a_write_takes_the_place_of_what_it_expects(run: &mut Run) {
    use Before::{Deleted, Never, PutAgain, Replaced, Value};
    use Expects::{Anything, Newest, Nothing, Older, Unknown};

    for before in [Never, Value, Replaced, Deleted, PutAgain] {
        for expects in [Anything, Nothing, Newest, Older, Unknown] {
            for deletes in [false, true] {
                let key = run.key();
                let mut versions = Vec::new();
                if before != Never {
                    versions.push(run.put(&key, b"first", Expected::Nothing).await);
                }
                if before == Replaced {
                    versions.push(run.put(&key, b"second", Expected::Anything).await);
                }
                if matches!(before, Deleted | PutAgain) {
                    let deleted = run.one.delete(&key, Expected::Anything).await;
                    run.expect("a deletion on the way to a case", &Ok(()), &deleted);
                }
                if before == PutAgain {
                    // The same value as before the deletion.
                    versions.push(run.put(&key, b"first", Expected::Nothing).await);
                }
                let expected = match (expects, versions.as_slice()) {
                    (Anything, _) => Expected::Anything,
                    (Nothing, _) => Expected::Nothing,
                    (Newest, [.., newest]) => Expected::Version(*newest),
                    (Older, [older, _]) => Expected::Version(*older),
                    (Unknown, _) => Expected::Version(Version(0x7e57)),
                    // There is none.
                    (Newest | Older, _) => continue,
                };
                let is_there = !matches!(before, Never | Deleted);
                let counts = match expects {
                    Anything => true,
                    Nothing => !is_there,
                    Newest => is_there,
                    Older | Unknown => false,
                };

                let case = format!("{before:?}, {} that expects {expects:?}", if deletes { "delete" } else { "put" });
                let was = kept(&run.other, &key).await;
                let outcome = if deletes {
                    run.one.delete(&key, expected).await.map(|()| None)
                } else {
                    run.one.put(&key, b"third", expected).await.map(|version| Some((b"third".to_vec(), version)))
                };
                match (counts, outcome) {
                    (true, Ok(now)) => {
                        let found = kept(&run.other, &key).await;
                        run.expect(case, &Ok(now), &found);
                    }
                    (false, Err(StoreError::Conflict)) => {
                        let found = kept(&run.other, &key).await;
                        run.expect(case, &was, &found);
                    }
                    (true, Err(error)) => run.fail(case, "success", format!("{error:?}")),
                    (false, outcome) => run.fail(case, "Conflict", format!("{outcome:?}")),
                }
            }
        }
    }
}

async fn a_version_is_of_one_write(run: &mut Run) {
    let (key, stranger) = (run.key(), run.key());
    let mut versions = vec![run.put(&stranger, b"value", Expected::Anything).await];
    for turn in 0..20 {
        let version = run.put(&key, b"value", Expected::Anything).await;
        let found = kept(&run.other, &key).await;
        run.expect(format!("write {turn}"), &Ok(Some((b"value".to_vec(), version))), &found);
        if versions.contains(&version) {
            run.fail(format!("write {turn} of the same value"), "a new version", "one that was there before");
        }
        versions.push(version);
        if turn % 3 == 0 {
            let deleted = run.one.delete(&key, Expected::Version(version)).await;
            run.expect(format!("deletion {turn}"), &Ok(()), &deleted);
        }
    }
}

async fn a_value_comes_back_as_it_was_put(run: &mut Run) {
    let key = run.key();
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    // Twice the longest token, with what is beside it.
    for value in [Vec::new(), b"{}".to_vec(), every_byte.clone(), every_byte.repeat(256), b"\r\n\0 ".to_vec()] {
        let version = run.put(&key, &value, Expected::Anything).await;
        let length = value.len();
        // The bytes would be too much for a report.
        let came = kept(&run.other, &key).await == Ok(Some((value, version)));
        run.expect(format!("{length} bytes come back"), &true, &came);
    }
}

async fn keys_are_kept_apart(run: &mut Run) {
    let first = run.key();
    let user = first.user().to_owned();
    let realm = |name: &'static str, value: &str| Arc::new(Realm::new("token-testkit").with(name, value));
    let mut keys = vec![first];
    for (realm, user) in [
        (realm("check", "other"), user.clone()),
        (realm("other", run.check), user.clone()),
        (Arc::new(Realm::new("token-testkit")), user.clone()),
        (realm("check", run.check), format!("{user}/../x")),
        (realm("check", run.check), format!("{user}\0")),
        (realm("check", run.check), user.to_uppercase()),
        (realm("check", run.check), format!("{user}{}", "é".repeat(2_000))),
    ] {
        keys.push(SessionKey::new(realm, user));
    }
    run.keys.clone_from(&keys);
    let mut expected = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let value = number.to_string().into_bytes();
        expected.push((value.clone(), run.put(key, &value, Expected::Nothing).await));
    }
    for (number, (key, expected)) in keys.iter().zip(expected).enumerate() {
        let found = kept(&run.other, key).await;
        run.expect(format!("key {number}"), &Ok(Some(expected)), &found);
    }
}

async fn of_many_first_writes_one_counts(run: &mut Run) {
    for round in 0..8 {
        let key = run.key();
        let writes: Vec<_> = (0..8_u8)
            .map(|number| {
                let store = Arc::clone(if number % 2 == 0 { &run.one } else { &run.other });
                let key = key.clone();
                tokio::spawn(async move { (number, store.put(&key, &[number], Expected::Nothing).await) })
            })
            .collect();
        let mut winners = Vec::new();
        for write in writes {
            match write.await {
                Ok((number, Ok(version))) => winners.push((vec![number], version)),
                Ok((_, Err(StoreError::Conflict))) => {}
                outcome => run.fail(format!("round {round}"), "a version or Conflict", format!("{outcome:?}")),
            }
        }
        if winners.len() != 1 {
            run.fail(format!("round {round}"), "one write that counts", format!("{}", winners.len()));
        }
        let found = kept(&run.one, &key).await;
        run.expect(format!("round {round}"), &Ok(winners.pop()), &found);
    }
}

async fn no_update_is_lost(run: &mut Run) {
    const TASKS: u64 = 8;
    const EACH: u64 = 16;

    let key = run.key();
    run.put(&key, &0_u64.to_be_bytes(), Expected::Nothing).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let store = Arc::clone(if number % 2 == 0 { &run.one } else { &run.other });
            let key = key.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    increment(&store, &key).await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for task in tasks {
        match task.await {
            Ok(Ok(())) => {}
            outcome => run.fail("a task that counts up", "success", format!("{outcome:?}")),
        }
    }
    let found = kept(&run.one, &key).await.map(|kept| kept.and_then(|(value, _)| number(&value)));
    run.expect(format!("{TASKS} tasks that count up {EACH} times each"), &Ok(Some(TASKS * EACH)), &found);
}

async fn increment(store: &Arc<dyn SessionStore>, key: &SessionKey) -> Result<(), StoreError> {
    loop {
        let Some(stored) = store.get(key).await? else {
            return Err(StoreError::Unreachable("the number is gone".to_owned()));
        };
        let next = number(&stored.value).unwrap_or_default().saturating_add(1);
        match store.put(key, &next.to_be_bytes(), Expected::Version(stored.version)).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict) => tokio::task::yield_now().await,
            Err(error) => return Err(error),
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// Whether the lease is to be had, at once or within `patience`.
async fn leased(store: &Arc<dyn SessionStore>, key: &SessionKey, patience: Duration) -> Result<(), StoreError> {
    store.lease(key, patience).await.map(drop)
}

async fn a_lease_is_of_one(run: &mut Run) {
    let (key, another) = (run.key(), run.key());
    for logged_in in [false, true] {
        if logged_in {
            run.put(&key, b"value", Expected::Anything).await;
        }
        let lease = run.one.lease(&key, PATIENCE).await;
        if let Err(error) = &lease {
            run.fail("a lease that nobody has", "a lease", format!("{error:?}"));
        }
        for (which, store) in [("the same", Arc::clone(&run.one)), ("the other", Arc::clone(&run.other))] {
            let found = leased(&store, &key, Duration::ZERO).await;
            run.expect(format!("a second lease, by {which} handle"), &Err(StoreError::Busy), &found);
            let found = leased(&store, &another, PATIENCE).await;
            run.expect(format!("another user's lease, by {which} handle"), &Ok(()), &found);
        }
        drop(lease);
        let found = leased(&run.other, &key, PATIENCE).await;
        run.expect("a lease that was dropped", &Ok(()), &found);
    }
}

async fn a_lease_is_in_nobodys_way(run: &mut Run) {
    let key = run.key();
    let _lease = run.one.lease(&key, PATIENCE).await;
    for (which, store) in [("its own", Arc::clone(&run.one)), ("the other", Arc::clone(&run.other))] {
        let put = store.put(&key, b"value", Expected::Anything).await;
        let found = kept(&store, &key).await;
        run.expect(format!("put, by {which} handle"), &put.map(|version| Some((b"value".to_vec(), version))), &found);
        let deleted = store.delete(&key, Expected::Anything).await;
        run.expect(format!("delete, by {which} handle"), &Ok(()), &deleted);
    }
}

async fn a_lease_is_waited_for(run: &mut Run) {
    let key = run.key();
    let lease = run.one.lease(&key, PATIENCE).await;
    let wait =
        |key: SessionKey, store: Arc<dyn SessionStore>| tokio::spawn(async move { store.lease(&key, PATIENCE).await.map(drop) });
    let given_up = wait(key.clone(), Arc::clone(&run.other));
    let waiting = [wait(key.clone(), Arc::clone(&run.other)), wait(key.clone(), Arc::clone(&run.one))];
    tokio::task::yield_now().await;
    given_up.abort();
    drop(lease);
    for task in waiting {
        let found = task.await.unwrap_or_else(|error| Err(StoreError::Unreachable(error.to_string())));
        run.expect("who waits while it is dropped", &Ok(()), &found);
    }
    let found = leased(&run.one, &key, PATIENCE).await;
    run.expect("after one who has given up", &Ok(()), &found);
}

async fn nothing_kept_is_shown(run: &mut Run) {
    const SECRET: &str = "token-test-only-of-a-store";

    let key = run.key();
    run.put(&key, SECRET.as_bytes(), Expected::Anything).await;
    let shown = [
        format!("{:?} {:?}", run.one, run.other),
        format!("{:?}", run.one.get(&key).await),
        format!("{:?}", run.one.put(&key, SECRET.as_bytes(), Expected::Nothing).await),
        format!("{:?}", run.one.lease(&key, PATIENCE).await),
    ];
    let bytes = format!("{:?}", SECRET.as_bytes());
    for text in shown {
        for secret in [SECRET, key.user(), bytes.trim_matches(['[', ']'])] {
            if text.contains(secret) {
                run.fail("`Debug` of the store and of what it gives", "no value and no user", "one of them");
            }
        }
    }
}
