//! Ten million calls over a thousand keys, from many tasks on two threads: no key is ever given another's token.
//!
//! Run it with `--nocapture` to see what happened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test may panic")]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::task::yield_now;

use token_core::{CachePolicy, Clock, Error, ErrorKind, Expiry, Moment, Remedy, Token, TokenCache, TokenCaches, TokenProvider};

const KEYS: u64 = 1_000;
const TASKS: u64 = 64;
const THREADS: usize = 2;
const MINUTE: Duration = Duration::from_secs(60);
/// How far each call moves the clock: ten million are eleven hours.
const STEP: Duration = Duration::from_millis(4);

/// What one part of the test does, and what must hold in it besides that no token is foreign.
struct Part {
    what: &'static str,
    calls: u64,
    capacity: usize,
    /// How many of ten requests are refused for their credentials, besides one of forty.
    refused_of_ten: u64,
    /// Keys are also taken out of the set, so that a key can have two caches.
    with_removals: bool,
    /// Twice the capacity is room for all keys, so no hold gives way.
    holds_are_kept: bool,
    /// How often a cache is made, where that is certain.
    caches_made: Option<u64>,
}

const PARTS: [Part; 5] = [
    Part { calls: 8_000_000, capacity: 1_000, caches_made: Some(KEYS), ..Part::new("room for all") },
    Part { calls: 1_200_000, capacity: 500, ..Part::new("room for half") },
    Part { calls: 400_000, capacity: 500, refused_of_ten: 3, ..Part::new("room for half, and credentials refused often") },
    Part { calls: 200_000, capacity: 20, holds_are_kept: false, ..Part::new("room for few") },
    Part { calls: 200_000, capacity: 500, with_removals: true, holds_are_kept: false, ..Part::new("with removals") },
];

impl Part {
    const fn new(what: &'static str) -> Self {
        Self { what, calls: 0, capacity: 0, refused_of_ten: 0, with_removals: false, holds_are_kept: true, caches_made: None }
    }
}

/// A clock that every call moves. A short sleep is a few turns of the others, a long one is a deadline that never comes.
///
/// It waits for whichever thread the machine lets wait, as the other one's calls would move it beyond the end of a token that is on its way.
#[derive(Debug)]
struct CallClock {
    now: AtomicU64,
    /// Where each thread has seen it last.
    seen: [AtomicU64; THREADS],
}

thread_local! {
    /// The number of this thread among those that make calls.
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::SeqCst)
    };
}

impl CallClock {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now.load(Ordering::SeqCst))
    }

    fn tick(&self) {
        let now = self.elapsed();
        let own = THREAD.with(|number| self.seen.get(*number).unwrap());
        own.store(u64::try_from(now.as_nanos()).unwrap(), Ordering::SeqCst);
        let behind = self.seen.iter().map(|seen| seen.load(Ordering::SeqCst)).min().unwrap();
        if now.saturating_sub(Duration::from_nanos(behind)) < MINUTE {
            self.now.fetch_add(u64::try_from(STEP.as_nanos()).unwrap(), Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Clock for CallClock {
    fn now(&self) -> Moment {
        let elapsed = self.elapsed();
        Moment::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_392_000) + elapsed, elapsed)
    }

    async fn sleep(&self, duration: Duration) {
        if duration > Duration::from_secs(1) {
            std::future::pending::<()>().await;
        }
        for _ in 0..3 {
            yield_now().await;
        }
    }
}

/// What the service knows of one key.
#[derive(Default)]
struct Account {
    requests: AtomicU64,
    under_way: AtomicI64,
    /// When the credentials were last refused, in nanoseconds; zero if never.
    refused_at: AtomicU64,
}

/// The service, and what it saw that must not be.
struct Service {
    refused_of_ten: u64,
    clock: Arc<CallClock>,
    accounts: Vec<Account>,
    caches_made: AtomicU64,
    providers_alive: AtomicI64,
    under_way: AtomicI64,
    two_at_once: AtomicU64,
    broken_holds: AtomicU64,
}

impl Service {
    fn new(refused_of_ten: u64) -> Self {
        Self {
            refused_of_ten,
            clock: Arc::new(CallClock { now: AtomicU64::new(1), seen: [const { AtomicU64::new(0) }; THREADS] }),
            accounts: (0..KEYS).map(|_| Account::default()).collect(),
            caches_made: AtomicU64::new(0),
            providers_alive: AtomicI64::new(0),
            under_way: AtomicI64::new(0),
            two_at_once: AtomicU64::new(0),
            broken_holds: AtomicU64::new(0),
        }
    }

    fn account(&self, key: u64) -> &Account {
        self.accounts.get(usize::try_from(key).unwrap()).unwrap()
    }

    fn requests(&self) -> u64 {
        self.accounts.iter().map(|account| account.requests.load(Ordering::SeqCst)).sum()
    }
}

/// The credentials of one key.
struct Credentials {
    key: u64,
    service: Arc<Service>,
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.service.providers_alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts a request from its begin to its end, also if it is cut off.
struct UnderWay<'a>(&'a Service, &'a Account);

impl<'a> UnderWay<'a> {
    fn begin(service: &'a Service, account: &'a Account) -> Self {
        service.under_way.fetch_add(1, Ordering::SeqCst);
        if account.under_way.fetch_add(1, Ordering::SeqCst) > 0 {
            service.two_at_once.fetch_add(1, Ordering::SeqCst);
        }
        Self(service, account)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.1.under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl TokenProvider for Credentials {
    async fn token(&self) -> Result<Token, Error> {
        let account = self.service.account(self.key);
        let _under_way = UnderWay::begin(&self.service, account);
        let requested_at = self.service.clock.now();
        let refused_at = account.refused_at.load(Ordering::SeqCst);
        if refused_at > 0 && requested_at.monotonic() < Duration::from_nanos(refused_at) + MINUTE {
            self.service.broken_holds.fetch_add(1, Ordering::SeqCst);
        }
        let number = account.requests.fetch_add(1, Ordering::SeqCst);
        let mut chance = Chance::new(self.key << 32 | number);
        for _ in 0..chance.below(8) {
            yield_now().await;
        }
        let is_refused = chance.below(10) < self.service.refused_of_ten;
        match if is_refused { 0 } else { chance.below(40) } {
            0 => {
                account.refused_at.store(self.service.clock.now.load(Ordering::SeqCst), Ordering::SeqCst);
                Err(Error::new("test", ErrorKind::ClientRefused, Remedy::FixConfiguration))
            }
            1 | 2 => Err(Error::new("test", ErrorKind::Server, Remedy::Retry)),
            dice => {
                let lifetime = if dice < 20 { 10 * MINUTE } else { 60 * MINUTE };
                let text = format!("token-{}-{number}", self.key);
                Ok(Token::bearer(text, Expiry::After(lifetime), requested_at).build().unwrap())
            }
        }
    }

    fn invalidate(&self, _rejected: &Token) {}

    fn is_cancel_safe(&self) -> bool {
        self.key.is_multiple_of(2)
    }
}

/// The same numbers in every run; in which order the tasks come is chance all the same.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }

    /// Three calls of four are for a fifth of the keys.
    fn key(&mut self) -> u64 {
        let among = if self.below(4) == 0 { KEYS } else { KEYS / 5 };
        self.below(among)
    }
}

/// What the callers saw.
#[derive(Debug, Default)]
struct Seen {
    tokens: u64,
    foreign: u64,
    none: u64,
    errors: u64,
    unexpected: u64,
    cancelled: u64,
    invalidated: u64,
    removed: u64,
    most_kept: usize,
}

impl Seen {
    fn text(&mut self, key: u64, text: &str) {
        let owner = text.strip_prefix("token-").and_then(|rest| rest.split_once('-')).map(|(owner, _)| owner);
        self.tokens += 1;
        self.foreign += u64::from(owner.and_then(|owner| owner.parse().ok()) != Some(key));
    }

    fn token(&mut self, key: u64, outcome: Result<Token, Error>) -> Option<Token> {
        match outcome {
            Ok(token) => {
                self.text(key, token.access_token().expose_secret());
                Some(token)
            }
            Err(error) => {
                self.error(&error);
                None
            }
        }
    }

    fn error(&mut self, error: &Error) {
        use ErrorKind::{ClientRefused, Closed, Pending, Server, TokenRefused};
        self.errors += 1;
        // A handle of a cache that was removed and closed may have no token left.
        let expected = matches!(error.kind(), ClientRefused | Pending | Server | TokenRefused | Closed);
        self.unexpected += u64::from(!expected);
    }

    fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.foreign += other.foreign;
        self.none += other.none;
        self.errors += other.errors;
        self.unexpected += other.unexpected;
        self.cancelled += other.cancelled;
        self.invalidated += other.invalidated;
        self.removed += other.removed;
        self.most_kept = self.most_kept.max(other.most_kept);
    }
}

type Caches = TokenCaches<u64, Credentials>;

/// Polls `future` so often, and drops it if it is not ready by then.
async fn cut_short<T>(future: impl Future<Output = T>, mut polls: u64) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

async fn caller(caches: Caches, clock: Arc<CallClock>, seed: u64, part: &'static Part) -> Seen {
    let mut chance = Chance::new(seed);
    let mut seen = Seen::default();
    let mut last: Option<(u64, Token)> = None;
    for _ in 0..part.calls / TASKS {
        clock.tick();
        let key = chance.key();
        match chance.below(128) {
            0..64 => last = seen.token(key, caches.token(&key).await).map(|token| (key, token)),
            64..80 => match caches.authorization(&key).await {
                Ok(header) => seen.text(key, header.to_str().unwrap().strip_prefix("Bearer ").unwrap()),
                Err(error) => seen.error(&error),
            },
            80..96 => match caches.try_token(&key) {
                Some(token) => drop(seen.token(key, Ok(token))),
                None => seen.none += 1,
            },
            96..104 => {
                let patience = Duration::from_millis(chance.below(2));
                seen.token(key, caches.token_within(&key, patience).await);
            }
            104..120 => match cut_short(caches.token(&key), chance.below(4)).await {
                Some(outcome) => drop(seen.token(key, outcome)),
                None => seen.cancelled += 1,
            },
            120..124 => {
                let cache = caches.get(&key).unwrap();
                yield_now().await;
                seen.token(key, cache.token().await);
            }
            124..126 => drop(caches.state(&key)),
            126 => {
                if part.with_removals
                    && let Some(removed) = caches.remove(&key)
                {
                    seen.removed += 1;
                    cut_short(removed.close(), chance.below(4)).await;
                }
            }
            _ => {
                // Now and then, as a key whose tokens are refused all the time has none to be mixed up.
                if let Some((key, token)) = last.take_if(|_| chance.below(8) == 0) {
                    caches.invalidate(&key, &token);
                    seen.invalidated += 1;
                }
            }
        }
        if chance.below(16) == 0 {
            seen.most_kept = seen.most_kept.max(caches.len());
            for _ in 0..=chance.below(2) {
                yield_now().await;
            }
        }
    }
    seen
}

async fn run(part: &'static Part) -> u64 {
    let service = Arc::new(Service::new(part.refused_of_ten));
    let clock = Arc::clone(&service.clock);
    let caches = Caches::new(part.capacity, {
        let service = Arc::clone(&service);
        move |&key| {
            service.caches_made.fetch_add(1, Ordering::SeqCst);
            service.providers_alive.fetch_add(1, Ordering::SeqCst);
            let mut policy = CachePolicy::default();
            // The calls of others move the clock while a request is under way, and none of them is slow.
            policy.longest_request = 60 * 24 * MINUTE;
            let credentials = Credentials { key, service: Arc::clone(&service) };
            Ok(TokenCache::with_policy(credentials, policy, Arc::clone(&service.clock) as _))
        }
    });
    let callers: Vec<_> = (1..=TASKS).map(|seed| tokio::spawn(caller(caches.clone(), Arc::clone(&clock), seed, part))).collect();
    let mut seen = Seen::default();
    for caller in callers {
        seen.add(&caller.await.unwrap());
    }
    caches.close().await;
    let under_way = service.under_way.load(Ordering::SeqCst);
    let kept = caches.len();
    drop(caches);
    println!(
        "{}: {} calls, {} of {KEYS} keys kept at most {}, {kept} at the end; {} caches made, {} requests, {} broken holds, {} times two requests at once; {seen:?}",
        part.what,
        part.calls,
        part.capacity,
        seen.most_kept,
        service.caches_made.load(Ordering::SeqCst),
        service.requests(),
        service.broken_holds.load(Ordering::SeqCst),
        service.two_at_once.load(Ordering::SeqCst),
    );
    assert_eq!(seen.foreign, 0, "{}: tokens of another key", part.what);
    assert_eq!(seen.unexpected, 0, "{}: errors that nothing here causes", part.what);
    assert!(seen.tokens > part.calls / 20 && seen.cancelled > 0 && seen.invalidated > 0, "{}: {seen:?}", part.what);
    if let Some(made) = part.caches_made {
        assert_eq!(service.caches_made.load(Ordering::SeqCst), made, "{}", part.what);
    }
    if part.holds_are_kept {
        assert_eq!(service.broken_holds.load(Ordering::SeqCst), 0, "{}: asked within a minute of a refusal", part.what);
    }
    if !part.with_removals {
        assert_eq!(service.two_at_once.load(Ordering::SeqCst), 0, "{}: two requests at once for one key", part.what);
        assert_eq!(under_way, 0, "{}: requests after the set was closed", part.what);
    }
    // A request that just ended may still be at its last step, on the other thread.
    for _ in 0..1_000_000 {
        if service.providers_alive.load(Ordering::SeqCst) == 0 {
            break;
        }
        yield_now().await;
    }
    assert_eq!(service.providers_alive.load(Ordering::SeqCst), 0, "{}: providers that outlive their set", part.what);
    part.calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_given_the_token_of_another() {
    let mut calls = 0;
    for part in &PARTS {
        calls += run(part).await;
    }
    assert_eq!(calls, 10_000_000);
}
