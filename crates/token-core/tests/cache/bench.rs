//! A provider that does what a script says, and a cache around it on a clock moved by hand.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

use token_core::{
    CachePolicy, Clock, Delivery, Error, ErrorKind, Expiry, Moment, Remedy, Resend, Token, TokenBuilder, TokenCache,
    TokenProvider,
};
use token_testkit::ManualClock;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// What the scripted provider does when it is called for the n-th time, counted from 1.
pub(crate) enum Does {
    Gives(&'static str, Duration),
    /// A token with more to it, asked for at this moment.
    Builds(fn(Moment) -> TokenBuilder),
    Fails(Error),
    Panics,
    PanicsWithSecret,
}

pub(crate) type Script = dyn Fn(usize) -> Does + Send + Sync;

pub(crate) struct Scripted {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) script: Box<Script>,
    pub(crate) calls: AtomicUsize,
    /// When each call came, by the monotonic clock.
    pub(crate) called_at: Mutex<Vec<Duration>>,
    /// Calls that ran to their end: what a provider does with an answer, as to store a rotated token, was done.
    pub(crate) ended: AtomicUsize,
    /// A call goes on when it finds a permit here.
    pub(crate) gate: Semaphore,
    pub(crate) invalidated: AtomicUsize,
    pub(crate) is_cancel_safe: AtomicBool,
}

impl Scripted {
    /// No call goes on before the test adds a permit.
    pub(crate) fn new(clock: Arc<ManualClock>, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            clock,
            script: Box::new(script),
            calls: AtomicUsize::new(0),
            called_at: Mutex::default(),
            ended: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            invalidated: AtomicUsize::new(0),
            is_cancel_safe: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl TokenProvider for Scripted {
    async fn token(&self) -> Result<Token, Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let requested_at = self.clock.now();
        self.called_at.lock().unwrap().push(requested_at.monotonic());
        self.gate.acquire().await.unwrap().forget();
        self.ended.fetch_add(1, Ordering::SeqCst);
        match (self.script)(call) {
            Does::Gives(token, lifetime) => Ok(Token::bearer(token, Expiry::After(lifetime), requested_at).build().unwrap()),
            Does::Builds(build) => Ok(build(requested_at).build().unwrap()),
            Does::Fails(error) => Err(error),
            Does::Panics => panic!("planted by the test"),
            Does::PanicsWithSecret => {
                panic!("{}", text(&Token::bearer("canary", Expiry::Unknown, requested_at).build().unwrap()))
            }
        }
    }

    fn invalidate(&self, _rejected: &Token) {
        self.invalidated.fetch_add(1, Ordering::SeqCst);
    }

    fn is_cancel_safe(&self) -> bool {
        self.is_cancel_safe.load(Ordering::SeqCst)
    }
}

pub(crate) type Cache = TokenCache<Arc<Scripted>>;

pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: Arc<Scripted>,
    pub(crate) cache: Cache,
}

impl Bench {
    pub(crate) fn new(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::on(Arc::new(ManualClock::new()), script)
    }

    pub(crate) fn on(clock: Arc<ManualClock>, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::with(clock, CachePolicy::default(), script).opened()
    }

    /// No call goes on before the test adds a permit.
    pub(crate) fn gated(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::with(Arc::new(ManualClock::new()), CachePolicy::default(), script)
    }

    pub(crate) fn with(
        clock: Arc<ManualClock>,
        policy: CachePolicy,
        script: impl Fn(usize) -> Does + Send + Sync + 'static,
    ) -> Self {
        let provider = Scripted::new(Arc::clone(&clock), script);
        let cache = TokenCache::with_policy(Arc::clone(&provider), policy, Arc::clone(&clock) as _);
        Self { clock, provider, cache }
    }

    /// Every call goes on at once.
    pub(crate) fn opened(self) -> Self {
        self.provider.gate.add_permits(1_000_000);
        self
    }

    /// Says that nothing is lost by cutting a call off. A cache asks that once, when it is made, so this makes another one, by the default policy.
    pub(crate) fn cancel_safe(self) -> Self {
        self.provider.is_cancel_safe.store(true, Ordering::SeqCst);
        let cache = TokenCache::with_policy(Arc::clone(&self.provider), CachePolicy::default(), Arc::clone(&self.clock) as _);
        Self { cache, ..self }
    }

    pub(crate) fn calls(&self) -> usize {
        self.provider.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> usize {
        self.provider.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) {
        self.provider.gate.add_permits(1);
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn served(&self) -> String {
        text(&self.cache.token().await.expect("a token"))
    }

    pub(crate) async fn error(&self) -> Error {
        self.cache.token().await.expect_err("an error")
    }
}

pub(crate) fn text(token: &Token) -> String {
    token.access_token().expose_secret().to_owned()
}

/// A name for each call: the script can be a plain function.
pub(crate) fn numbered(call: usize) -> &'static str {
    ["token-0", "token-1", "token-2", "token-3", "token-4"].get(call).copied().unwrap_or("token-many")
}

pub(crate) fn fails(kind: ErrorKind, remedy: Remedy) -> Does {
    Does::Fails(Error::new("test", kind, remedy).with_delivery(Resend::AfterRefusal, Delivery::Answered))
}

type Meanwhile = Box<dyn FnOnce() + Send>;

/// A clock on which something happens just after a reading or as a pause ends, as while a caller is held up there.
pub(crate) struct Meddled {
    pub(crate) clock: Arc<ManualClock>,
    /// Happens once, after the next reading and before whoever took it goes on.
    pub(crate) after_reading: Mutex<Option<Meanwhile>>,
    /// Happens once, in a pause of this length, which ends with it.
    pub(crate) in_a_pause: Mutex<Option<(Duration, Meanwhile)>>,
}

impl Meddled {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { clock: Arc::default(), after_reading: Mutex::default(), in_a_pause: Mutex::default() })
    }
}

impl fmt::Debug for Meddled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clock.fmt(formatter)
    }
}

#[async_trait]
impl Clock for Meddled {
    fn now(&self) -> Moment {
        let now = self.clock.now();
        let meanwhile = self.after_reading.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        now
    }

    fn coarse(&self) -> Moment {
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        let meanwhile = self.in_a_pause.lock().unwrap().take_if(|(length, _)| *length == duration);
        match meanwhile {
            Some((_, meanwhile)) => meanwhile(),
            None => self.clock.sleep(duration).await,
        }
    }
}

/// The output of a future that does not wait.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A runtime of one thread, driven by `block_on` alone, without a time driver.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Tasks of this runtime that have not ended.
pub(crate) fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Lets every task of this one-threaded runtime do what it can.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
