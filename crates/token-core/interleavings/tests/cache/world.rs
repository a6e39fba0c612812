//! What a scenario happens in: a clock, a service and a runtime, and what must be true of every call in it.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use interleavings::{
    CacheEvent, CachePolicy, Clock, Delivery, Error, ErrorKind, Expiry, Moment, Observer, Remedy, Resend, Runtime, Token,
    TokenCache, TokenProvider,
};
use secrecy::ExposeSecret;
use shuttle::future::block_on;
use tokio::sync::{Notify, Semaphore};

/// How long a token lives, unless a scenario says otherwise. Without jitter it is due after 80 s, and usable for 90 s.
const LIFETIME: Duration = Duration::from_secs(100);

pub(crate) type Cache = TokenCache<Arc<Service>>;

pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) service: Arc<Service>,
    pub(crate) runtime: Runtime,
    refusals: Mutex<Vec<Refusal>>,
    served: Mutex<Vec<Served>>,
}

/// A call that was given a token.
struct Served {
    token: Token,
    /// When the request for it began.
    requested: usize,
    ended: usize,
}

struct Refusal {
    token: String,
    began: usize,
    ended: usize,
}

impl World {
    pub(crate) fn new(script: fn(usize) -> Does) -> Self {
        Self::with_service(Service::new(script))
    }

    pub(crate) fn with_service(service: Service) -> Self {
        let runtime = Runtime::new(0);
        runtime.enter();
        Self {
            clock: Arc::clone(&service.clock),
            service: Arc::new(service),
            runtime,
            refusals: Mutex::default(),
            served: Mutex::default(),
        }
    }

    /// A cache that holds nothing yet.
    pub(crate) fn cache(&self) -> Cache {
        let mut policy = policy();
        policy.observer = Some(Arc::new(Listener(Arc::clone(&self.service))));
        TokenCache::with_policy(Arc::clone(&self.service), policy, Arc::clone(&self.clock) as _)
    }

    /// A cache that holds `token-0`, which is `age` seconds old.
    pub(crate) fn cache_with_token(&self, age: u64) -> (Cache, Token) {
        let token = Token::bearer("token-0", Expiry::After(LIFETIME), self.clock.peek()).build().unwrap();
        self.clock.advance(age);
        (self.cache().with_token(token.clone()), token)
    }

    /// Runs all of `threads` at once, to their end.
    pub(crate) fn together(&self, threads: &[&(dyn Fn() + Sync)]) {
        shuttle::thread::scope(|scope| {
            for thread in threads {
                scope.spawn(|| {
                    self.runtime.enter();
                    thread();
                });
            }
        });
    }

    /// Waits for the tasks, none of which may be left for ever.
    pub(crate) fn end(&self) {
        self.runtime.join();
        assert_eq!(self.service.under_way.load(Ordering::SeqCst), 0, "a request is left");
        let most = self.service.most_under_way.load(Ordering::SeqCst);
        assert!(most <= self.service.most_allowed, "{most} requests at once");
        assert!(!self.service.gave_up_early.load(Ordering::SeqCst), "a request was given up before its time");
        let begun = self.service.begun.lock().unwrap().len() as u64;
        let mut ended = self.service.told_of_end.lock().unwrap().clone();
        ended.sort_unstable();
        assert_eq!(ended, (1..=begun).collect::<Vec<_>>(), "the end of each request is told of once");
    }

    pub(crate) fn token(&self, cache: &Cache) -> Result<Token, Error> {
        self.watched(cache.token())
    }

    pub(crate) fn token_within(&self, cache: &Cache, patience: Duration) -> Result<Token, Error> {
        self.watched(cache.token_within(patience))
    }

    pub(crate) fn token_lasting(&self, cache: &Cache, at_least: Duration) -> Result<Token, Error> {
        self.watched(cache.token_lasting(at_least))
    }

    pub(crate) fn try_token(&self, cache: &Cache) -> Option<Token> {
        let error = || Error::new("test", ErrorKind::Pending, Remedy::Retry);
        self.watched(async { cache.try_token().ok_or_else(error) }).ok()
    }

    pub(crate) fn served(&self, cache: &Cache) -> String {
        text(&self.token(cache).expect("a token"))
    }

    pub(crate) fn invalidate(&self, cache: &Cache, token: &Token) {
        let began = self.service.tick();
        cache.invalidate(token);
        let ended = self.service.tick();
        self.refusals.lock().unwrap().push(Refusal { token: text(token), began, ended });
    }

    fn watched(&self, call: impl Future<Output = Result<Token, Error>>) -> Result<Token, Error> {
        let began = self.service.tick();
        let mut call = pin!(call);
        let (result, resumed, polled) = block_on(std::future::poll_fn(|context| {
            let (resumed, polled) = (self.service.tick(), self.clock.peek());
            call.as_mut().poll(context).map(|result| (result, resumed, polled))
        }));
        match &result {
            Ok(token) => {
                let age = polled.elapsed_since(&token.requested_at());
                assert!(age < usable_for(token), "{} was over, {age:?} old, before the caller came to it", text(token));
                self.check_not_refused(&text(token), began);
                self.check_not_older(token, began);
            }
            Err(error) if error.kind() == ErrorKind::Pending => {}
            Err(error) => self.check_nothing_was_held(error, resumed),
        }
        result
    }

    /// A token that was refused before the call began comes only from a request that began after it was refused.
    fn check_not_refused(&self, token: &str, began: usize) {
        for refusal in self.refusals.lock().unwrap().iter().filter(|refusal| refusal.token == token && refusal.ended < began) {
            let given = self.service.given.lock().unwrap();
            let came_again = given.iter().any(|(begun, given)| given == token && *begun > refusal.began);
            assert!(came_again, "{token} was served after it was refused");
        }
    }

    /// A call gets no older token than one that ended before it.
    fn check_not_older(&self, token: &Token, began: usize) {
        let name = text(token);
        let given = self.service.given.lock().unwrap();
        let requested = given.iter().filter(|(_, given)| *given == name).map(|(begun, _)| *begun).max().unwrap_or_default();
        let mut served = self.served.lock().unwrap();
        let newest_before = served.iter().filter(|served| served.ended < began).map(|served| served.requested).max();
        assert!(newest_before.is_none_or(|before| before <= requested), "{name} was served after a newer one");
        served.push(Served { token: token.clone(), requested, ended: self.service.tick() });
    }

    /// No caller gets an error while a token is held that is usable, and was before the caller came back to the call.
    fn check_nothing_was_held(&self, error: &Error, resumed: usize) {
        let now = self.clock.peek();
        let refused: Vec<_> = self.refusals.lock().unwrap().iter().map(|refusal| refusal.token.clone()).collect();
        for Served { token, .. } in self.served.lock().unwrap().iter().filter(|served| served.ended < resumed) {
            let is_held = now.elapsed_since(&token.requested_at()) < usable_for(token) && !refused.contains(&text(token));
            assert!(!is_held, "while {} was held, a caller got the error: {error}", text(token));
        }
    }
}

fn policy() -> CachePolicy {
    let mut policy = CachePolicy::default();
    policy.refresh_jitter = 0.0;
    policy
}

fn usable_for(token: &Token) -> Duration {
    match token.expiry() {
        Expiry::After(lifetime) => lifetime - (lifetime / 10).min(Duration::from_secs(30)),
        Expiry::Unknown => panic!("the service gives no such token"),
    }
}

pub(crate) fn text(token: &Token) -> String {
    token.access_token().expose_secret().to_owned()
}

/// Polls `future` once. Who drops it then went away midway.
pub(crate) fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// What the service does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Fails(ErrorKind),
    Gives(&'static str),
    GivesWhenOpened(&'static str),
    Panics,
}

/// What the n-th request brings, counted from 1.
pub(crate) fn numbered(call: usize) -> Does {
    Does::Gives(["token-0", "token-1", "token-2", "token-3", "token-4"].get(call).copied().unwrap_or("token-many"))
}

pub(crate) struct Service {
    clock: Arc<TestClock>,
    script: fn(usize) -> Does,
    /// A request whose answer waits to be opened goes on when it finds a permit here.
    pub(crate) gate: Semaphore,
    /// Has a permit for each request that came.
    asked: Semaphore,
    lifetime: Duration,
    is_cancel_safe: bool,
    most_allowed: usize,
    calls: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    /// Requests that came to their end.
    pub(crate) ended: AtomicUsize,
    /// When each request began, in the eyes of the cache, in the order in which their tasks were begun.
    begun: Mutex<Vec<(usize, Moment)>>,
    /// The numbers of the requests whose end was told of.
    told_of_end: Mutex<Vec<u64>>,
    /// How many of them are over.
    over: AtomicUsize,
    /// Whether one began beside another that had not had its time.
    gave_up_early: AtomicBool,
    /// The tokens that came, each with the begin of its request.
    given: Mutex<Vec<(usize, String)>>,
}

impl Service {
    pub(crate) fn new(script: fn(usize) -> Does) -> Self {
        Self {
            clock: Arc::new(TestClock::new()),
            script,
            gate: Semaphore::new(0),
            asked: Semaphore::new(0),
            lifetime: LIFETIME,
            is_cancel_safe: false,
            most_allowed: 1,
            calls: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            begun: Mutex::default(),
            told_of_end: Mutex::default(),
            over: AtomicUsize::new(0),
            gave_up_early: AtomicBool::new(false),
            given: Mutex::default(),
        }
    }

    pub(crate) fn cancel_safe(self) -> Self {
        Self { is_cancel_safe: true, ..self }
    }

    pub(crate) fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Of the requests at once all but one are given up.
    pub(crate) fn most_at_once(self, most_allowed: usize) -> Self {
        Self { most_allowed, ..self }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn until_it_is_asked(&self) {
        block_on(self.asked.acquire()).unwrap().forget();
    }

    pub(crate) fn open(&self) {
        self.clock.cross();
        self.gate.add_permits(1);
    }

    fn tick(&self) -> usize {
        self.clock.tick()
    }

    /// The cache tells of it without its lock. The thread has not read the clock since it did so under the lock, so that reading is when the request began.
    fn began(&self) {
        let (tick, now) = READING.with(Cell::get).expect("a cache reads the clock before it begins a request");
        let mut begun = self.begun.lock().unwrap();
        let is_beside_another = begun.len() > self.over.load(Ordering::SeqCst);
        let is_near = |other: &Moment| other.monotonic().abs_diff(now.monotonic()) < GIVEN_UP_AFTER;
        if self.most_allowed > 1 && is_beside_another && begun.iter().any(|(_, other)| is_near(other)) {
            self.gave_up_early.store(true, Ordering::SeqCst);
        }
        begun.push((tick, now));
    }
}

/// The time that a request may take, and a second in which it ends itself.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(121);

/// Hears of the requests of a cache.
struct Listener(Arc<Service>);

impl Observer for Listener {
    fn event(&self, _provider: &'static str, event: &CacheEvent) {
        match event {
            CacheEvent::RefreshBegan { .. } => self.0.began(),
            CacheEvent::RefreshEnded { number, .. } => self.0.told_of_end.lock().unwrap().push(*number),
            _ => {}
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Listener")
    }
}

struct UnderWay<'a>(&'a Service);

impl<'a> UnderWay<'a> {
    fn new(service: &'a Service) -> Self {
        let now = service.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        service.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(service)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.over.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl TokenProvider for Service {
    async fn token(&self) -> Result<Token, Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let (begun, _) = self.begun.lock().unwrap()[call - 1];
        let _under_way = UnderWay::new(self);
        self.asked.add_permits(1);
        let requested_at = self.clock.now();
        let does = (self.script)(call);
        shuttle::future::yield_now().await;
        if let Does::GivesWhenOpened(_) = does {
            self.gate.acquire().await.unwrap().forget();
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        match does {
            Does::Gives(token) | Does::GivesWhenOpened(token) => {
                self.given.lock().unwrap().push((begun, token.to_owned()));
                Ok(Token::bearer(token, Expiry::After(self.lifetime), requested_at).build().unwrap())
            }
            Does::Fails(kind) => {
                Err(Error::new("test", kind, Remedy::Retry).with_delivery(Resend::AfterRefusal, Delivery::Answered))
            }
            // Past the hook, which would tell of it each time.
            Does::Panics => std::panic::resume_unwind(Box::new("planted by the test")),
        }
    }

    fn invalidate(&self, _rejected: &Token) {}

    fn is_cancel_safe(&self) -> bool {
        self.is_cancel_safe
    }
}

shuttle::thread_local! {
    /// When this thread read the clock last, and what it read.
    static READING: Cell<Option<(usize, Moment)>> = Cell::new(None);
}

/// A clock moved by hand, where shuttle may go on with another thread before each reading.
#[derive(Debug)]
pub(crate) struct TestClock {
    crossing: shuttle::sync::atomic::AtomicUsize,
    now: Mutex<Moment>,
    moved: Notify,
    /// Counts what happens, so that what came first can be told.
    ticks: AtomicUsize,
    moves: AtomicU64,
}

/// How far a coarse reading lags behind.
const LAG: Duration = Duration::from_millis(900);

impl TestClock {
    fn new() -> Self {
        let now = Moment::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_392_000), Duration::from_secs(1_000));
        Self {
            crossing: shuttle::sync::atomic::AtomicUsize::new(0),
            now: Mutex::new(now),
            moved: Notify::new(),
            ticks: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
        }
    }

    fn tick(&self) -> usize {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    /// Reads the clock in between, without being part of the schedule.
    pub(crate) fn peek(&self) -> Moment {
        *self.now.lock().unwrap()
    }

    /// Moves both clocks forward.
    pub(crate) fn advance(&self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.change(|now| Moment::new(now.wall() + by, now.monotonic() + by));
    }

    /// Moves the wall clock alone, as a machine that slept.
    pub(crate) fn sleep_machine(&self, seconds: u64) {
        self.change(|now| Moment::new(now.wall() + Duration::from_secs(seconds), now.monotonic()));
    }

    fn change(&self, change: impl FnOnce(Moment) -> Moment) {
        self.cross();
        {
            let mut now = self.now.lock().unwrap();
            *now = change(*now);
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
        self.moved.notify_waiters();
    }

    fn cross(&self) {
        let _ = self.crossing.load(Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Moment {
        self.cross();
        let now = self.peek();
        READING.with(|reading| reading.set(Some((self.tick(), now))));
        now
    }

    fn coarse(&self) -> Moment {
        let now = self.now();
        Moment::new(now.wall() - LAG, now.monotonic() - LAG)
    }

    fn tick(&self) -> Option<NonZeroU64> {
        self.cross();
        NonZeroU64::new(self.moves.load(Ordering::SeqCst) + 1)
    }

    async fn sleep(&self, duration: Duration) {
        let wake_at = self.now().monotonic() + duration;
        loop {
            // Registered before the clock is read, so that a move in between is not missed.
            let moved = self.moved.notified();
            if self.now().monotonic() >= wake_at {
                return;
            }
            moved.await;
        }
    }
}
