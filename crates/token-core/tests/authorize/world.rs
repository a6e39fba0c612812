//! A provider that answers what a test says, and requests to an API.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::sync::Semaphore;

use token_core::{
    ApiBody, ApiRequest, AuthScheme, Authorize, AuthorizeFault, Authorizer, AuthorizerBuilder, Bearer, BearerScheme, CachePolicy,
    Clock, Error, Expiry, Target, Token, TokenCache, TokenProvider,
};
use token_testkit::ManualClock;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The one origin of most tests.
pub(crate) const API: &str = "https://api.example";

type Answer = Result<(&'static str, Expiry), Error>;

/// Gives what its answer to the n-th call is, counted from 1.
pub(crate) struct Service {
    clock: Arc<ManualClock>,
    answer: Box<dyn Fn(usize) -> Answer + Send + Sync>,
    calls: AtomicUsize,
    pub(crate) invalidated: AtomicUsize,
    /// A call goes on when it finds a permit here.
    pub(crate) gate: Semaphore,
}

impl Service {
    /// Answers at once.
    pub(crate) fn new(clock: &Arc<ManualClock>, answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        let service = Self::gated(clock, answer);
        service.gate.add_permits(1_000_000);
        service
    }

    /// Answers nobody before the test adds a permit.
    pub(crate) fn gated(clock: &Arc<ManualClock>, answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        let (calls, invalidated) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { clock: Arc::clone(clock), answer: Box::new(answer), calls, invalidated, gate: Semaphore::new(0) })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// A cache of this service, on its clock.
    pub(crate) fn cached(self: &Arc<Self>) -> TokenCache<Arc<Self>> {
        TokenCache::with_policy(Arc::clone(self), CachePolicy::default(), Arc::clone(&self.clock) as _)
    }
}

#[async_trait]
impl TokenProvider for Service {
    async fn token(&self) -> Result<Token, Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let requested_at = self.clock.now();
        self.gate.acquire().await.unwrap().forget();
        let (token, expiry) = (self.answer)(call)?;
        Ok(Token::bearer(token, expiry, requested_at).build().unwrap())
    }

    fn invalidate(&self, _rejected: &Token) {
        self.invalidated.fetch_add(1, Ordering::SeqCst);
    }
}

/// A new token for each call, which lives a quarter of an hour.
pub(crate) fn numbered(call: usize) -> Answer {
    let name = ["token-0", "token-1", "token-2", "token-3"].get(call).copied().unwrap_or("token-many");
    Ok((name, Expiry::After(15 * MINUTE)))
}

/// An authoriser for [`API`], to be built by the test.
pub(crate) fn bearer<P: TokenProvider + 'static>(clock: &Arc<ManualClock>, tokens: P) -> AuthorizerBuilder<P, BearerScheme> {
    Bearer::of(tokens).origin(API).clock(Arc::clone(clock) as _)
}

pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

/// What a layer of an HTTP client does with a request that has no body.
pub(crate) async fn authorize<P: TokenProvider + 'static, S: AuthScheme>(
    authorizer: &Authorizer<P, S>,
    method: &Method,
    url: &str,
    headers: &mut HeaderMap,
) -> Result<Option<Token>, Error> {
    let uri: Uri = url.parse().unwrap();
    let target = Target::of_uri(&uri).map_err(|fault| authorizer.unauthorizable(fault))?;
    authorizer.authorize(&ApiRequest::new(method, target, ApiBody::Bytes(b"")), headers).await
}

/// The header that a `GET` to [`API`] gets.
pub(crate) async fn header<P: TokenProvider + 'static, S: AuthScheme>(authorizer: &Authorizer<P, S>) -> Result<String, Error> {
    let mut headers = HeaderMap::new();
    authorize(authorizer, &Method::GET, API, &mut headers).await?;
    Ok(headers.get("authorization").unwrap().to_str().unwrap().to_owned())
}

pub(crate) fn fault(error: &Error) -> Option<&AuthorizeFault> {
    error.find_source()
}

/// The output of a future that does not wait.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Lets every task of this one-threaded runtime do what it can.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
