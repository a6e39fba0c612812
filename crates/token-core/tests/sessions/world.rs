//! A service that rotates refresh tokens and ends a login whose old one comes again, a store that fails when told, and processes that share both.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use token_core::{
    CacheEvent, CachePolicy, Clock, Delivery, Error, ErrorKind, Expected, Expiry, Lease, MemoryStore, Observer, Realm,
    RefreshGrant, Refreshed, Remedy, Resend, RetryPolicy, Session, SessionKey, SessionStore, Sessions, StoreError, Stored, Token,
    Version,
};
use token_testkit::ManualClock;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// How the service, or the network before it, takes one refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    /// A new access token, and the refresh token stays.
    WithoutRefreshToken,
    /// The refresh token is spent, and the new one comes with nothing that is of use.
    RefreshTokenAlone,
    /// The refresh token is spent, and the answer is lost.
    LostAfter,
    /// The request is lost after it was sent.
    LostBefore,
    NotSent,
    Fault,
    /// The service could not make a token, and did not spend the refresh token.
    CannotMint,
    /// The same, and it spent it.
    SpentAndCannotMint,
    Panics,
}

#[derive(Default)]
struct Families {
    /// The number of the refresh token that each login has now.
    current: HashMap<String, u64>,
    /// How each of the next refreshes is taken; `Good` when there is nothing more.
    script: VecDeque<Answer>,
    refreshes: HashMap<String, u64>,
    /// Logins that ended as an old refresh token came again.
    revoked: Vec<String>,
}

pub(crate) struct Service {
    clock: Arc<ManualClock>,
    families: Mutex<Families>,
    /// A refresh is answered when it finds a permit here.
    pub(crate) gate: Semaphore,
    under_way: AtomicUsize,
    pub(crate) most_under_way: AtomicUsize,
    pub(crate) log: Arc<Log>,
}

/// What happened, in order.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Log {
    fn event(&self, _provider: &'static str, event: &CacheEvent) {
        match event {
            CacheEvent::NotStored { .. } => self.add("not stored"),
            CacheEvent::Stored => self.add("stored"),
            _ => {}
        }
    }
}

impl Service {
    /// Begins a login and gives its first token, which lives an hour.
    pub(crate) fn login(&self, family: &str) -> Token {
        self.families.lock().unwrap().current.insert(family.to_owned(), 1);
        self.token(family, 1, true)
    }

    /// Ends a login, so that no refresh token of it is good.
    pub(crate) fn end(&self, family: &str) {
        self.families.lock().unwrap().current.remove(family);
    }

    pub(crate) fn will(&self, answers: &[Answer]) {
        self.families.lock().unwrap().script.extend(answers);
    }

    /// From now on every refresh is good.
    pub(crate) fn heal(&self) {
        self.families.lock().unwrap().script.clear();
    }

    pub(crate) fn refreshes(&self) -> u64 {
        self.families.lock().unwrap().refreshes.values().sum()
    }

    pub(crate) fn refreshes_of(&self, family: &str) -> u64 {
        self.families.lock().unwrap().refreshes.get(family).copied().unwrap_or_default()
    }

    pub(crate) fn revoked(&self) -> usize {
        self.families.lock().unwrap().revoked.len()
    }

    /// The number of the refresh token that a login has now.
    pub(crate) fn current(&self, family: &str) -> Option<u64> {
        self.families.lock().unwrap().current.get(family).copied()
    }

    fn token(&self, family: &str, number: u64, with_refresh_token: bool) -> Token {
        let refresh_token = with_refresh_token.then(|| refresh_token(family, number));
        let access_token = format!("access-{family}-{number}-{}", self.refreshes());
        Token::bearer(access_token, Expiry::After(HOUR), self.clock.now()).refresh_token(refresh_token).build().unwrap()
    }

    fn take(&self, sent: &str) -> (Option<SecretString>, Result<Token, Error>) {
        let error = |kind, remedy, delivery| Err(Error::new("test", kind, remedy).with_delivery(Resend::OnlyIfNotSent, delivery));
        let lost = (None, error(ErrorKind::Transport, Remedy::Retry, Delivery::Unknown));
        let (family, number) = parts(sent);
        let answer = {
            let mut families = self.families.lock().unwrap();
            let answer = families.script.pop_front().unwrap_or(Answer::Good);
            match answer {
                Answer::LostBefore => return lost,
                Answer::NotSent => return (None, error(ErrorKind::Transport, Remedy::Retry, Delivery::NotSent)),
                _ => {}
            }
            *families.refreshes.entry(family.clone()).or_default() += 1;
            if families.current.get(&family) != Some(&number) {
                if families.current.remove(&family).is_some() {
                    families.revoked.push(family);
                }
                return (None, error(ErrorKind::LoginRequired, Remedy::LogInAgain, Delivery::Answered));
            }
            if matches!(answer, Answer::Good | Answer::RefreshTokenAlone | Answer::LostAfter | Answer::SpentAndCannotMint) {
                families.current.insert(family.clone(), number + 1);
            }
            answer
        };
        let next = refresh_token(&family, number + 1);
        match answer {
            Answer::Good => (Some(next), Ok(self.token(&family, number + 1, true))),
            Answer::WithoutRefreshToken => (None, Ok(self.token(&family, number, false))),
            Answer::RefreshTokenAlone => {
                (Some(next), error(ErrorKind::InvalidResponse, Remedy::ContactService, Delivery::Answered))
            }
            Answer::Fault => (None, error(ErrorKind::Server, Remedy::Retry, Delivery::Answered)),
            Answer::CannotMint | Answer::SpentAndCannotMint => {
                let failed = error(ErrorKind::Server, Remedy::Retry, Delivery::Answered);
                (None, failed.map_err(|error| error.with_code("mint")))
            }
            Answer::Panics => panic!("planted by the test"),
            Answer::LostAfter | Answer::LostBefore | Answer::NotSent => lost,
        }
    }
}

fn refresh_token(family: &str, number: u64) -> SecretString {
    format!("refresh-{family}-{number}").into()
}

/// Whose refresh token it is, and which.
pub(crate) fn parts(refresh_token: &str) -> (String, u64) {
    let (family, number) = refresh_token.strip_prefix("refresh-").unwrap().rsplit_once('-').unwrap();
    (family.to_owned(), number.parse().unwrap())
}

pub(crate) struct Grant(pub(crate) Arc<Service>);

#[async_trait]
impl RefreshGrant for Grant {
    fn realm(&self) -> Realm {
        Realm::new("test").with("base_url", "http://127.0.0.1:1")
    }

    async fn refresh(&self, refresh_token: &SecretString) -> Refreshed {
        let service = &self.0;
        service.log.add("sent");
        let under_way = service.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        service.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        let answer = service.take(refresh_token.expose_secret());
        service.gate.acquire().await.unwrap().forget();
        service.under_way.fetch_sub(1, Ordering::SeqCst);
        Refreshed { refresh_token: answer.0, outcome: answer.1 }
    }

    fn may_have_spent(&self, error: &Error) -> bool {
        error.code() == Some("mint")
    }
}

/// How the store takes a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Go,
    Fail,
    /// Go, and return when [`Store::gate`] has a permit.
    GoAndWait,
    /// Go, and say that they failed.
    GoUnseen,
}

/// A store in memory that fails when told.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) memory: MemoryStore,
    faults: Arc<Mutex<Faults>>,
    /// For [`Writes::GoAndWait`], and for deletions where [`deletions_wait`](Self::deletions_wait).
    pub(crate) gate: Arc<Semaphore>,
    log: Arc<Log>,
}

#[derive(Debug)]
struct Faults {
    writes: VecDeque<Writes>,
    writes_then: Writes,
    reads: Option<StoreError>,
    leases: Leases,
    deletions_wait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leases {
    Given,
    /// To everyone at once, as by a store whose leases ran out.
    ToEveryone,
}

impl Store {
    fn new(clock: &Arc<ManualClock>, log: &Arc<Log>) -> Self {
        let faults = Faults {
            writes: VecDeque::new(),
            writes_then: Writes::Go,
            reads: None,
            leases: Leases::Given,
            deletions_wait: false,
        };
        Self {
            memory: MemoryStore::with_clock(Arc::clone(clock) as _),
            faults: Arc::new(Mutex::new(faults)),
            gate: Arc::new(Semaphore::new(0)),
            log: Arc::clone(log),
        }
    }

    /// How the next writes go, and those after them.
    pub(crate) fn writes(&self, next: &[Writes], then: Writes) {
        let mut faults = self.faults.lock().unwrap();
        faults.writes = next.iter().copied().collect();
        faults.writes_then = then;
    }

    pub(crate) fn reads_fail(&self, error: Option<StoreError>) {
        self.faults.lock().unwrap().reads = error;
    }

    /// Whether a deletion waits for a permit of the gate before it is made.
    pub(crate) fn deletions_wait(&self, wait: bool) {
        self.faults.lock().unwrap().deletions_wait = wait;
    }

    pub(crate) fn leases(&self, leases: Leases) {
        self.faults.lock().unwrap().leases = leases;
    }
}

#[derive(Debug)]
struct NoLease;

impl Lease for NoLease {}

#[async_trait]
impl SessionStore for Store {
    async fn get(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        tokio::task::yield_now().await;
        let error = self.faults.lock().unwrap().reads.clone();
        match error {
            Some(error) => Err(error),
            None => self.memory.get(key).await,
        }
    }

    async fn put(&self, key: &SessionKey, value: &[u8], expected: Expected) -> Result<Version, StoreError> {
        tokio::task::yield_now().await;
        let fate = {
            let mut faults = self.faults.lock().unwrap();
            let then = faults.writes_then;
            faults.writes.pop_front().unwrap_or(then)
        };
        let failed = Err(StoreError::Unreachable("the test says so".to_owned()));
        match fate {
            Writes::Fail => {
                self.log.add("put failed");
                failed
            }
            Writes::Go | Writes::GoAndWait | Writes::GoUnseen => {
                let version = self.memory.put(key, value, expected).await;
                self.log.add(if version.is_ok() { "put" } else { "conflict" });
                if fate == Writes::GoAndWait {
                    self.gate.acquire().await.unwrap().forget();
                }
                if fate == Writes::GoUnseen { failed } else { version }
            }
        }
    }

    async fn delete(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        let (fails, waits) = {
            let faults = self.faults.lock().unwrap();
            (faults.writes_then == Writes::Fail, faults.deletions_wait)
        };
        if waits {
            self.gate.acquire().await.unwrap().forget();
        }
        if fails {
            return Err(StoreError::Unreachable("the test says so".to_owned()));
        }
        self.memory.delete(key, expected).await
    }

    async fn lease(&self, key: &SessionKey, patience: Duration) -> Result<Box<dyn Lease>, StoreError> {
        let leases = self.faults.lock().unwrap().leases;
        match leases {
            Leases::Given => self.memory.lease(key, patience).await,
            Leases::ToEveryone => Ok(Box::new(NoLease)),
        }
    }
}

/// The service, the store, and one process to begin with.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) service: Arc<Service>,
    pub(crate) store: Store,
    pub(crate) log: Arc<Log>,
    pub(crate) sessions: Sessions<Grant>,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self::gated();
        world.service.gate.add_permits(1_000_000);
        world
    }

    /// No refresh is answered before the test adds a permit.
    pub(crate) fn gated() -> Self {
        let clock = Arc::new(ManualClock::new());
        // Longer than any token lives, so that a token of before its start does not count as one of before the machine's.
        clock.advance(30 * 24 * HOUR);
        let log = Arc::<Log>::default();
        let service = Arc::new(Service {
            clock: Arc::clone(&clock),
            families: Mutex::default(),
            gate: Semaphore::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            log: Arc::clone(&log),
        });
        let store = Store::new(&clock, &log);
        let sessions = process(&clock, &service, &store, &log, 100, 64);
        Self { clock, service, store, log, sessions }
    }

    /// Another process with the same store and service.
    pub(crate) fn another_process(&self) -> Sessions<Grant> {
        process(&self.clock, &self.service, &self.store, &self.log, 100, 64)
    }

    pub(crate) fn process_with(&self, capacity: usize, in_flight: usize) -> Sessions<Grant> {
        process(&self.clock, &self.service, &self.store, &self.log, capacity, in_flight)
    }

    /// Logs a user in whose login has the user's name.
    pub(crate) async fn log_in(&self, user: &str) {
        self.sessions.log_in(user, self.service.login(user)).await.unwrap();
        self.log.take();
    }

    /// Moves past the end of every token that there is.
    pub(crate) fn let_tokens_end(&self) {
        self.clock.advance(HOUR);
    }

    /// Into the time in which a token is due and usable.
    pub(crate) fn let_tokens_be_due(&self) {
        self.clock.advance(HOUR * 85 / 100);
    }
}

fn process(
    clock: &Arc<ManualClock>,
    service: &Arc<Service>,
    store: &Store,
    log: &Arc<Log>,
    capacity: usize,
    in_flight: usize,
) -> Sessions<Grant> {
    let mut policy = CachePolicy::default();
    policy.observer = Some(Arc::clone(log) as _);
    // The clock stands still while a test waits, and a pause between tries with it.
    let mut retry = RetryPolicy::default();
    retry.tries = 1;
    Sessions::builder(Grant(Arc::clone(service)), Arc::new(store.clone()))
        .capacity(capacity)
        .in_flight(in_flight)
        .retry(retry)
        .cache(policy)
        .clock(Arc::clone(clock) as _)
        .build()
}

/// Lets every task go as far as it gets.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A caller who asks for a token, in a task of its own.
pub(crate) fn ask(session: &Session<Grant>) -> JoinHandle<Result<Token, Error>> {
    let session = session.clone();
    tokio::spawn(async move { session.token().await })
}

/// The number of the refresh token that came with `token`.
pub(crate) fn number(token: &Token) -> u64 {
    parts(token.refresh_token().unwrap().expose_secret()).1
}
