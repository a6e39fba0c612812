//! A provider that does what a script says, and a cache around it on a clock moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

use token_core::{CachePolicy, Clock, Delivery, Error, ErrorKind, Expiry, Remedy, Resend, Token, TokenCache, TokenProvider};
use token_testkit::ManualClock;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// What the scripted provider does when it is called for the n-th time, counted from 1.
pub(crate) enum Does {
    Gives(&'static str, Duration),
    Fails(Error),
    Panics,
    PanicsWithSecret,
}

pub(crate) type Script = dyn Fn(usize) -> Does + Send + Sync;

pub(crate) struct Scripted {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) script: Box<Script>,
    pub(crate) calls: AtomicUsize,
    /// A call goes on when it finds a permit here.
    pub(crate) gate: Semaphore,
    pub(crate) invalidated: AtomicUsize,
}

#[async_trait]
impl TokenProvider for Scripted {
    async fn token(&self) -> Result<Token, Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let requested_at = self.clock.now();
        self.gate.acquire().await.unwrap().forget();
        match (self.script)(call) {
            Does::Gives(token, lifetime) => Ok(Token::bearer(token, Expiry::After(lifetime), requested_at).build().unwrap()),
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
}

pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: Arc<Scripted>,
    pub(crate) cache: TokenCache<Arc<Scripted>>,
}

impl Bench {
    pub(crate) fn new(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::on(Arc::new(ManualClock::new()), script)
    }

    pub(crate) fn on(clock: Arc<ManualClock>, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let bench = Self::gated_on(clock, script);
        bench.provider.gate.add_permits(1_000_000);
        bench
    }

    /// No call goes on before the test adds a permit.
    pub(crate) fn gated(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::gated_on(Arc::new(ManualClock::new()), script)
    }

    pub(crate) fn gated_on(clock: Arc<ManualClock>, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let provider = Arc::new(Scripted {
            clock: Arc::clone(&clock),
            script: Box::new(script),
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            invalidated: AtomicUsize::new(0),
        });
        let cache = TokenCache::with_policy(Arc::clone(&provider), CachePolicy::default(), Arc::clone(&clock) as _);
        Self { clock, provider, cache }
    }

    pub(crate) fn calls(&self) -> usize {
        self.provider.calls.load(Ordering::SeqCst)
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

/// Lets every task of this one-threaded runtime do what it can.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
