//! What `TokenCaches` promises beyond what each `TokenCache` does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test may panic")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

use token_core::{
    CachePolicy, Clock, Error, ErrorKind, Expiry, Freshness, Remedy, Token, TokenCache, TokenCaches, TokenProvider,
};
use token_testkit::ManualClock;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// The service that all keys ask.
struct Service {
    clock: Arc<ManualClock>,
    /// A request goes on when it finds a permit here.
    gate: Semaphore,
    /// The keys whose credentials are refused.
    refused: Mutex<Vec<&'static str>>,
    requests: Mutex<HashMap<String, usize>>,
    makes: AtomicUsize,
    make_fails: AtomicBool,
    make_panics: AtomicBool,
}

struct Tenant {
    name: String,
    service: Arc<Service>,
}

#[async_trait]
impl TokenProvider for Tenant {
    async fn token(&self) -> Result<Token, Error> {
        let number = {
            let mut requests = self.service.requests.lock().unwrap();
            let number = requests.entry(self.name.clone()).or_default();
            *number += 1;
            *number
        };
        let requested_at = self.service.clock.now();
        self.service.gate.acquire().await.unwrap().forget();
        if self.service.refused.lock().unwrap().contains(&self.name.as_str()) {
            return Err(Error::new("test", ErrorKind::ClientRefused, Remedy::FixConfiguration));
        }
        Ok(Token::bearer(format!("canary-{}-{number}", self.name), Expiry::After(HOUR), requested_at).build().unwrap())
    }

    fn invalidate(&self, _rejected: &Token) {}
}

struct Bench {
    clock: Arc<ManualClock>,
    service: Arc<Service>,
    caches: TokenCaches<String, Tenant>,
}

/// More keys than any set here has room for.
const KEYS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

impl Bench {
    fn new(capacity: usize) -> Self {
        let bench = Self::gated(capacity);
        bench.open(1_000_000);
        bench
    }

    /// No request goes on before the test lets it.
    fn gated(capacity: usize) -> Self {
        let clock = Arc::new(ManualClock::new());
        let service = Arc::new(Service {
            clock: Arc::clone(&clock),
            gate: Semaphore::new(0),
            refused: Mutex::default(),
            requests: Mutex::default(),
            makes: AtomicUsize::new(0),
            make_fails: AtomicBool::new(false),
            make_panics: AtomicBool::new(false),
        });
        let caches = TokenCaches::new(capacity, {
            let service = Arc::clone(&service);
            move |name: &String| {
                service.makes.fetch_add(1, Ordering::SeqCst);
                assert!(!service.make_panics.load(Ordering::SeqCst), "planted by the test");
                if service.make_fails.load(Ordering::SeqCst) {
                    return Err(Error::new("test", ErrorKind::Configuration, Remedy::FixConfiguration));
                }
                let tenant = Tenant { name: name.clone(), service: Arc::clone(&service) };
                Ok(TokenCache::with_policy(tenant, CachePolicy::default(), Arc::clone(&service.clock) as _))
            }
        });
        Self { clock, service, caches }
    }

    fn open(&self, requests: usize) {
        self.service.gate.add_permits(requests);
    }

    fn refuse(&self, names: &[&'static str]) {
        names.clone_into(&mut self.service.refused.lock().unwrap());
    }

    fn requests(&self, name: &str) -> usize {
        self.service.requests.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    fn makes(&self) -> usize {
        self.service.makes.load(Ordering::SeqCst)
    }

    fn is_kept(&self, name: &str) -> bool {
        self.caches.state(name).is_some()
    }

    fn kept_of<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| self.is_kept(name)).collect()
    }

    async fn served(&self, name: &str) -> String {
        self.caches.token(name).await.expect("a token").access_token().expose_secret().to_owned()
    }

    async fn error(&self, name: &str) -> Error {
        self.caches.token(name).await.expect_err("an error")
    }
}

/// Lets every task of this one-threaded runtime do what it can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_key_has_a_cache_of_its_own_by_every_way_to_it() {
    let bench = Bench::new(2);
    assert_eq!(bench.served("a").await, "canary-a-1");
    assert!(bench.caches.try_token("b").is_none(), "the request has just begun");
    settle().await;
    assert_eq!(bench.caches.try_token("b").unwrap().authorization(), "Bearer canary-b-1");
    assert_eq!(bench.caches.authorization("a").await.unwrap(), "Bearer canary-a-1");
    let token = bench.caches.token_within("b", Duration::ZERO).await.unwrap();
    bench.caches.invalidate("a", &token);
    assert_eq!(bench.served("a").await, "canary-a-1", "another key's token");
    bench.caches.invalidate("b", &token);
    bench.caches.invalidate("c", &token);
    assert_eq!(bench.caches.state("b").unwrap().freshness, Freshness::Empty);
    assert_eq!(bench.served("b").await, "canary-b-2");
    assert_eq!(bench.caches.clone().get("b").unwrap().token().await.unwrap().authorization(), "Bearer canary-b-2");
    assert_eq!((bench.makes(), bench.caches.len(), bench.is_kept("c")), (2, 2, false));
}

#[test]
fn two_who_ask_at_once_make_one_cache() {
    for _ in 0..100 {
        let bench = Bench::new(2);
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    bench.caches.get("a").unwrap();
                });
            }
        });
        assert_eq!((bench.makes(), bench.caches.len()), (1, 1));
    }
}

#[tokio::test]
async fn as_many_keys_as_fit_are_kept_and_no_more() {
    // None counts as one.
    for (capacity, most) in [(0, 1), (1, 1), (2, 2), (7, 7)] {
        let bench = Bench::new(capacity);
        assert_eq!(bench.caches.capacity(), most);
        assert!(bench.caches.is_empty());
        for _ in 0..3 {
            for name in KEYS.iter().take(most) {
                bench.served(name).await;
            }
        }
        assert_eq!((bench.makes(), bench.caches.len()), (most, most), "what fits is made once");
        for name in KEYS {
            bench.served(name).await;
            assert_eq!(bench.caches.len(), bench.kept_of(&KEYS).len());
            assert!(bench.caches.len() <= most + 1, "{} are kept, the one in use among them", bench.caches.len());
            assert!(bench.is_kept(name), "the newest is kept");
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_often_outlives_what_is_asked_for_once() {
    let bench = Bench::new(4);
    for name in KEYS.iter().cycle().take(100) {
        bench.served("often").await;
        bench.served(name).await;
    }
    assert_eq!(bench.requests("often"), 1);
}

#[tokio::test]
async fn a_request_under_way_is_not_lost() {
    let bench = Bench::gated(1);
    assert!(bench.caches.try_token("a").is_none());
    settle().await;
    // Nobody waits for it, and nobody has a handle.
    for name in ["b", "c", "d"] {
        drop(bench.caches.get(name).unwrap());
    }
    assert_eq!(bench.kept_of(&["a", "b", "c"]), ["a"]);
    bench.open(1);
    settle().await;
    assert_eq!(bench.served("a").await, "canary-a-1");
    assert_eq!(bench.requests("a"), 1);
    drop(bench.caches.get("e").unwrap());
    drop(bench.caches.get("f").unwrap());
    assert!(!bench.is_kept("a"), "when its request has ended it may be dropped");
}

#[tokio::test]
async fn a_cache_that_somebody_has_is_the_only_one_of_its_key() {
    let bench = Bench::new(2);
    let held: Vec<_> = KEYS.iter().map(|&name| bench.caches.get(name).unwrap()).collect();
    assert_eq!(bench.caches.len(), KEYS.len(), "more than twice the capacity, as all of them are in use");
    for (name, cache) in KEYS.iter().zip(&held) {
        cache.token().await.unwrap();
        bench.served(name).await;
        assert_eq!(bench.requests(name), 1, "{name}");
    }
    drop(held);
    bench.served("new").await;
    assert!(bench.caches.len() <= 3, "{}", bench.caches.len());
}

#[tokio::test]
async fn one_who_waits_has_a_cache_in_use() {
    let bench = Bench::gated(1);
    let waiting = tokio::spawn({
        let caches = bench.caches.clone();
        async move { caches.token("a").await.map(|_| ()) }
    });
    settle().await;
    drop(bench.caches.get("b").unwrap());
    drop(bench.caches.get("c").unwrap());
    assert!(bench.is_kept("a"));
    waiting.abort();
    settle().await;
    assert!(bench.is_kept("a"), "its request is still under way");
    bench.open(1);
    settle().await;
    assert_eq!(bench.served("a").await, "canary-a-1");
}

#[tokio::test]
async fn a_hold_is_kept_up_to_twice_the_capacity_and_ends() {
    let bench = Bench::new(3);
    bench.refuse(&KEYS);
    let holding = KEYS.get(..6).unwrap();
    for name in holding {
        assert_eq!(bench.error(name).await.kind(), ErrorKind::ClientRefused);
    }
    assert_eq!(bench.kept_of(holding), holding, "twice the capacity");
    bench.clock.advance(MINUTE - Duration::from_secs(1));
    for name in holding {
        let error = bench.error(name).await;
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(bench.requests(name), 1, "{name} is asked once in a minute");
    }
    bench.error("g").await;
    assert_eq!(bench.kept_of(holding).len(), 5, "one hold gave way, and no more than one");
    bench.error("h").await;
    assert_eq!(bench.caches.len(), 6, "never more, as none of them is in use");
    bench.clock.advance(MINUTE);
    bench.refuse(&[]);
    bench.served("i").await;
    assert!(bench.caches.len() <= 4, "{} are kept, the one in use among them", bench.caches.len());
    for name in KEYS {
        assert!(bench.served(name).await.starts_with(&format!("canary-{name}-")));
    }
}

/// After an answer that was lost a second request could do harm, so none is made behind a token that is usable: nor by way of a new cache.
#[tokio::test]
async fn a_token_that_spares_a_doubtful_request_is_kept() {
    struct Once(Arc<ManualClock>, AtomicBool);

    #[async_trait]
    impl TokenProvider for Once {
        async fn token(&self) -> Result<Token, Error> {
            if self.1.swap(true, Ordering::SeqCst) {
                return Err(Error::new("test", ErrorKind::Transport, Remedy::Retry));
            }
            Ok(Token::bearer("token-test-only", Expiry::After(HOUR), self.0.now()).build().unwrap())
        }

        fn invalidate(&self, _rejected: &Token) {}
    }

    let clock = Arc::new(ManualClock::new());
    let caches = TokenCaches::new(1, {
        let clock = Arc::clone(&clock);
        move |_: &u32| {
            let once = Once(Arc::clone(&clock), AtomicBool::new(false));
            Ok(TokenCache::with_policy(once, CachePolicy::default(), Arc::clone(&clock) as _))
        }
    });
    caches.token(&1).await.unwrap();
    clock.advance(HOUR * 9 / 10);
    caches.token(&1).await.unwrap();
    settle().await;
    assert_eq!(caches.state(&1).unwrap().counts.failures, 1);
    clock.advance(2 * MINUTE);
    assert_eq!(caches.state(&1).unwrap().holding, None, "the pause is over");
    drop(caches.get(&2).unwrap());
    drop(caches.get(&3).unwrap());
    assert!(caches.state(&1).is_some());
    clock.advance(HOUR);
    drop(caches.get(&4).unwrap());
    drop(caches.get(&5).unwrap());
    assert!(caches.state(&1).is_none(), "with the end of the token it may be dropped");
}

#[tokio::test]
async fn a_cache_that_cannot_be_made_is_the_callers_error_and_leaves_no_trace() {
    type Fault = fn(&Service) -> &AtomicBool;
    let cases: [(Fault, ErrorKind); 2] =
        [(|service| &service.make_fails, ErrorKind::Configuration), (|service| &service.make_panics, ErrorKind::Internal)];
    for (fault, kind) in cases {
        let bench = Bench::new(2);
        fault(&bench.service).store(true, Ordering::SeqCst);
        assert_eq!(bench.error("a").await.kind(), kind);
        assert_eq!(bench.caches.get("a").map(|_| ()).unwrap_err().kind(), kind);
        assert!(bench.caches.try_token("a").is_none());
        assert_eq!((bench.makes(), bench.caches.len(), bench.is_kept("a")), (3, 0, false), "{kind:?}");
        fault(&bench.service).store(false, Ordering::SeqCst);
        assert_eq!(bench.served("a").await, "canary-a-1");
    }
}

#[tokio::test]
async fn what_is_removed_is_made_anew() {
    let bench = Bench::new(2);
    bench.refuse(&["a"]);
    bench.error("a").await;
    bench.refuse(&[]);
    let removed = bench.caches.remove("a").expect("there is one");
    assert!(bench.caches.remove("a").is_none());
    assert_eq!(bench.caches.len(), 0);
    assert_eq!(bench.served("a").await, "canary-a-2", "without the hold of the one before");
    removed.close().await;
    bench.clock.advance(MINUTE);
    assert_eq!(removed.token().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn close_waits_for_every_request_and_begins_no_more() {
    let bench = Bench::gated(2);
    // Three in use, one more than fit.
    let waiting: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let caches = bench.caches.clone();
            tokio::spawn(async move { caches.token(name).await.map(|_| ()) })
        })
        .into();
    settle().await;
    let other = bench.caches.clone();
    let closing = tokio::spawn(async move { other.close().await });
    settle().await;
    assert_eq!(bench.error("d").await.kind(), ErrorKind::Closed);
    for opened in 1..=3 {
        assert!(!closing.is_finished(), "{opened}");
        bench.open(1);
        settle().await;
    }
    closing.await.unwrap();
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    assert_eq!(bench.served("b").await, "canary-b-1", "what is usable is still given out");
    bench.clock.advance(HOUR);
    for name in ["a", "d"] {
        assert_eq!(bench.error(name).await.kind(), ErrorKind::Closed, "{name}");
    }
    assert_eq!((bench.makes(), bench.requests("a")), (3, 1));
    bench.caches.close().await;
}

/// Runs `then` while a cache is being made.
struct MeanWhile<'a>(&'a Barrier, &'a Barrier);

impl MeanWhile<'_> {
    fn runs<T>(&self, then: impl FnOnce() -> T) -> T {
        self.0.wait();
        let outcome = then();
        self.1.wait();
        outcome
    }
}

#[test]
fn a_cache_that_is_made_while_the_set_is_closed_or_a_key_removed() {
    let clock = Arc::new(ManualClock::new());
    let (begun, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let caches = TokenCaches::new(2, {
        let (clock, begun, go_on) = (Arc::clone(&clock), Arc::clone(&begun), Arc::clone(&go_on));
        move |_: &u32| {
            begun.wait();
            go_on.wait();
            let never: Arc<dyn TokenProvider> = Arc::new(Never);
            Ok(TokenCache::with_policy(never, CachePolicy::default(), Arc::clone(&clock) as _))
        }
    });
    let meanwhile = MeanWhile(&begun, &go_on);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        let making = scope.spawn(|| caches.get(&1).unwrap());
        assert!(meanwhile.runs(|| caches.remove(&1)).is_none(), "it is not there yet");
        let made = making.join().unwrap();
        assert_eq!(caches.len(), 1);
        assert!(!made.state().is_closed);

        let making = scope.spawn(|| caches.get(&2).unwrap());
        meanwhile.runs(|| runtime.block_on(caches.close()));
        assert!(making.join().unwrap().state().is_closed, "it came too late to be gone through, and begins nothing all the same");
        assert!(made.state().is_closed);
        assert_eq!(caches.len(), 2);
    });
}

/// A provider that must not be asked.
struct Never;

#[async_trait]
impl TokenProvider for Never {
    async fn token(&self) -> Result<Token, Error> {
        panic!("nobody may ask here")
    }

    fn invalidate(&self, _rejected: &Token) {}
}

#[tokio::test]
async fn a_set_that_nobody_has_drops_its_caches() {
    let bench = Bench::new(2);
    bench.served("a").await;
    assert_eq!(Arc::strong_count(&bench.service), 3, "this bench, the function that makes caches, one provider");
    drop(bench.caches);
    assert_eq!(Arc::strong_count(&bench.service), 1);
}

#[tokio::test]
async fn debug_shows_neither_keys_nor_tokens() {
    let bench = Bench::new(2);
    bench.served("a-canary-key").await;
    let shown = format!("{:?} {:#?}", bench.caches, bench.caches);
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("len: 1, capacity: 2, is_closed: false"), "{shown}");
}
