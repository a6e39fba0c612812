//! A service that signs all it can, tokens that are numbered, and every stack to send a request by.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, LOCATION};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use token_core::{
    ApiAnswer, ApiRequest, AuthScheme, Authorize, AuthorizeFault, AuthorizerBuilder, Bearer, BearerScheme, CachePolicy, Clock,
    Error, ErrorKind, Expiry, OneReading, Remedy, Token, TokenCache, TokenProvider, secret_header,
};
use token_middleware::{RenewalFailed, SendError, Takes, TokenLayer, TokenMiddleware, send};
use token_testkit::ManualClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_http::follow_redirect::FollowRedirect;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The answer that says that the token is refused, and one that says something else.
pub(crate) const EXPIRED: &str = r#"{"code":"expired"}"#;
pub(crate) const FORBIDDEN: &str = r#"{"code":"forbidden"}"#;

/// What only a signed request has.
pub(crate) const OURS: [&str; 4] = ["authorization", "x-client-id", "x-signature", "x-timestamp"];

/// A service that wants every header in [`OURS`]. Its signature is no secret: it shows what was signed.
pub(crate) struct Signed([HeaderName; 4]);

impl Signed {
    pub(crate) fn new() -> Self {
        Self(OURS.map(HeaderName::from_static))
    }
}

/// What [`Signed`] writes for this request.
pub(crate) fn signature(method: &str, path: &str, body: &[u8]) -> String {
    let sum = body.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{method} {path} {}:{sum:x}", body.len())
}

impl AuthScheme for Signed {
    fn provider(&self) -> &'static str {
        "signed"
    }

    fn headers(&self) -> &[HeaderName] {
        &self.0
    }

    fn covers_body(&self) -> bool {
        true
    }

    fn apply(
        &self,
        request: &ApiRequest<'_>,
        token: Option<&Token>,
        now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        let signature = signature(request.method.as_str(), request.target.path(), request.body.bytes()?);
        let millis = now.moment().wall().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| AuthorizeFault::Clock)?.as_millis();
        headers.insert("x-client-id", secret_header(&["client-test-only"]).unwrap());
        headers.insert("x-signature", HeaderValue::from_str(&signature).unwrap());
        headers.insert("x-timestamp", HeaderValue::from_str(&millis.to_string()).unwrap());
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.authorization().clone());
        }
        Ok(())
    }

    fn has_codes_in_body(&self) -> bool {
        true
    }

    fn error_kind(&self, answer: &ApiAnswer<'_>) -> Option<ErrorKind> {
        match std::str::from_utf8(answer.body).ok()? {
            EXPIRED => Some(ErrorKind::TokenRefused),
            FORBIDDEN => Some(ErrorKind::AccessDenied),
            _ => None,
        }
    }
}

type Gives = dyn Fn(usize) -> Result<String, Error> + Send + Sync;

/// Gives `token-test-1`, then `token-test-2`, unless a test wants something else. With a gate, once it is let through.
pub(crate) struct Numbered {
    clock: Arc<ManualClock>,
    asked: AtomicUsize,
    gives: Box<Gives>,
    pub(crate) gate: Option<Semaphore>,
}

#[async_trait]
impl TokenProvider for Numbered {
    async fn token(&self) -> Result<Token, Error> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let now = self.clock.now();
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        Ok(Token::bearer((self.gives)(number)?, Expiry::After(Duration::from_secs(900)), now).build().unwrap())
    }

    fn invalidate(&self, _rejected: &Token) {}
}

pub(crate) type Tokens = TokenCache<Arc<Numbered>>;

/// A clock, and tokens that go by it.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: Arc<Numbered>,
    pub(crate) tokens: Tokens,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::giving(false, |number| Ok(format!("token-test-{number}")))
    }

    /// Nobody is given a token before a test adds permits to the gate.
    pub(crate) fn gated() -> Self {
        Self::giving(true, |number| Ok(format!("token-test-{number}")))
    }

    pub(crate) fn giving(gated: bool, gives: impl Fn(usize) -> Result<String, Error> + Send + Sync + 'static) -> Self {
        let clock = Arc::new(ManualClock::new());
        let gate = gated.then(|| Semaphore::new(0));
        let asked = AtomicUsize::new(0);
        let provider = Arc::new(Numbered { clock: Arc::clone(&clock), asked, gives: Box::new(gives), gate });
        let tokens = TokenCache::with_policy(Arc::clone(&provider), CachePolicy::default(), Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, provider, tokens }
    }

    pub(crate) fn signed(&self, origin: &str) -> AuthorizerBuilder<Tokens, Signed> {
        token_core::Authorizer::with_scheme(self.tokens.clone(), Signed::new()).origin(origin).clock(Arc::clone(&self.clock) as _)
    }

    pub(crate) fn bearer(&self, origin: &str) -> AuthorizerBuilder<Tokens, BearerScheme> {
        Bearer::of(self.tokens.clone()).origin(origin).clock(Arc::clone(&self.clock) as _)
    }

    /// How many requests for a token there were.
    pub(crate) fn asked(&self) -> usize {
        self.provider.asked.load(Ordering::SeqCst)
    }
}

pub(crate) fn no_token() -> Error {
    Error::new("numbered", ErrorKind::AccessDenied, Remedy::LogInAgain)
}

/// A request, as every stack can send it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) takes: Option<Duration>,
}

impl Ask {
    pub(crate) fn new(method: &str, url: impl Into<String>) -> Self {
        let method = method.parse().unwrap();
        Self { method, url: url.into(), headers: HeaderMap::new(), body: Bytes::new(), takes: None }
    }

    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// `None` if it is no URL for the crate `http`.
    pub(crate) fn to_http(&self) -> Option<Request<Bytes>> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.parse::<Uri>().ok()?;
        *request.headers_mut() = self.headers.clone();
        if let Some(takes) = self.takes {
            request.extensions_mut().insert(Takes(takes));
        }
        Some(request)
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// All that could be read, and why it was not all.
    pub(crate) body: Vec<u8>,
    pub(crate) torn: bool,
    pub(crate) renewal_failed: Option<Error>,
}

#[derive(Debug)]
pub(crate) enum Failure {
    Unparsable,
    Token(Error),
    Other(String),
}

impl Failure {
    pub(crate) fn of(error: BoxError) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => Self::Token(*error),
            Err(error) => Self::Other(error.to_string()),
        }
    }

    /// The fault, if the request was not sent for one.
    pub(crate) fn fault(&self) -> Option<&AuthorizeFault> {
        match self {
            Self::Token(error) => std::error::Error::source(error)?.downcast_ref(),
            _ => None,
        }
    }
}

/// Where redirects are followed, if they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Plain,
    /// Its client was to follow redirects, and does not.
    Reqwest,
    ReqwestOutside,
    Tower,
    TowerInside,
    TowerOutside,
    /// Without what this crate does about redirects, so that a trap is seen to catch something.
    NaiveReqwest,
    NaiveTower,
}

/// One of each kind.
pub(crate) const STACKS: [Stack; 3] = [Stack::Plain, Stack::Reqwest, Stack::Tower];

pub(crate) fn hyper<B>() -> Client<HttpConnector, B>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    let mut connector = HttpConnector::new();
    // So that `https` is tried as well.
    connector.enforce_http(false);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}

pub(crate) fn reqwest_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).redirect(reqwest::redirect::Policy::limited(10))
}

impl Stack {
    pub(crate) async fn send<A: Authorize + Clone + 'static>(self, authorizer: &A, ask: &Ask) -> Result<Seen, Failure> {
        let layer = TokenLayer::new(authorizer.clone());
        match self {
            Self::Plain => plain(authorizer, ask).await,
            Self::Tower => through(layer.layer(hyper()), ask).await,
            Self::TowerInside => through(layer.layer(FollowRedirect::new(layer.guard().layer(hyper()))), ask).await,
            Self::TowerOutside => through(FollowRedirect::new(layer.layer(hyper())), ask).await,
            Self::NaiveTower => through(layer.layer(FollowRedirect::new(hyper())), ask).await,
            Self::Reqwest | Self::ReqwestOutside => {
                let (client, tokens) = TokenMiddleware::with_client(authorizer.clone(), reqwest_builder()).unwrap();
                let builder = reqwest_middleware::ClientBuilder::new(client);
                let builder = if self == Self::ReqwestOutside { builder.with(FollowsRedirects) } else { builder };
                by_reqwest(&builder.with(tokens).build(), ask).await
            }
            Self::NaiveReqwest => {
                let tokens = TokenMiddleware::for_client_without_redirects(authorizer.clone());
                let client = reqwest_builder().build().unwrap();
                by_reqwest(&reqwest_middleware::ClientBuilder::new(client).with(tokens).build(), ask).await
            }
        }
    }
}

async fn plain(authorizer: &dyn Authorize, ask: &Ask) -> Result<Seen, Failure> {
    let request = ask.to_http().ok_or(Failure::Unparsable)?;
    let client = hyper::<Full<Bytes>>();
    let sent = send(authorizer, request, |request| {
        let client = client.clone();
        async move {
            let answer = client.request(request.map(Full::new)).await.map_err(BoxError::from)?;
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map_err(BoxError::from)?;
            Ok::<_, BoxError>(Response::from_parts(parts, body.to_bytes()))
        }
    });
    match sent.await {
        Ok(answer) => Ok(seen(answer.map(Full::new)).await),
        Err(SendError::Token(error)) => Err(Failure::Token(error)),
        Err(error) => Err(Failure::Other(error.to_string())),
    }
}

/// Sends a request by a service of tower.
pub(crate) async fn through<S, R>(service: S, ask: &Ask) -> Result<Seen, Failure>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    let request = ask.to_http().ok_or(Failure::Unparsable)?;
    match service.oneshot(request.map(Full::new)).await {
        Ok(answer) => Ok(seen(answer).await),
        Err(error) => Err(Failure::of(error.into())),
    }
}

pub(crate) async fn by_reqwest(client: &reqwest_middleware::ClientWithMiddleware, ask: &Ask) -> Result<Seen, Failure> {
    let Ok(url) = reqwest::Url::parse(&ask.url) else { return Err(Failure::Unparsable) };
    let mut request = client.request(ask.method.clone(), url).headers(ask.headers.clone());
    if !ask.body.is_empty() {
        request = request.body(ask.body.clone());
    }
    if let Some(takes) = ask.takes {
        request = request.with_extension(Takes(takes));
    }
    match request.send().await {
        Ok(answer) => Ok(seen(Response::<reqwest::Body>::from(answer)).await),
        Err(reqwest_middleware::Error::Middleware(error)) => Err(match error.downcast::<Error>() {
            Ok(error) => Failure::Token(error),
            Err(error) => Failure::Other(error.to_string()),
        }),
        Err(error) => Err(Failure::Other(error.to_string())),
    }
}

async fn seen<R: Body<Data = Bytes> + Unpin>(answer: Response<R>) -> Seen {
    let (parts, mut rest) = answer.into_parts();
    let (mut body, mut torn) = (Vec::new(), false);
    while let Some(frame) = rest.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => body.extend_from_slice(&data),
            Ok(Err(_)) => {}
            Err(_) => torn = true,
        }
    }
    let renewal_failed = parts.extensions.get::<RenewalFailed>().map(|failed| failed.0.clone());
    Seen { status: parts.status.as_u16(), headers: parts.headers, body, torn, renewal_failed }
}

/// Follows up to ten redirects, with all that the caller's request had: the least careful layer that there can be.
struct FollowsRedirects;

#[async_trait]
impl reqwest_middleware::Middleware for FollowsRedirects {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        for _ in 0..10 {
            let mut again = request.try_clone().unwrap();
            let answer = next.clone().run(request, extensions).await?;
            let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(url) = location.filter(|_| answer.status().is_redirection()) else { return Ok(answer) };
            let Ok(url) = again.url().join(url) else { return Ok(answer) };
            if answer.status() == StatusCode::SEE_OTHER {
                *again.method_mut() = Method::GET;
                *again.body_mut() = None;
            }
            *again.url_mut() = url;
            request = again;
        }
        panic!("ten redirects");
    }
}

/// A listener that nobody should come to. It keeps the head of all that comes, and says 200.
pub(crate) struct Trap {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Trap {
    /// `None` if this machine has no such address, or the port is taken there.
    pub(crate) async fn at(address: impl Into<IpAddr>, port: u16) -> Option<Self> {
        let listener = TcpListener::bind((address.into(), port)).await.ok()?;
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&heads);
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&head).to_ascii_lowercase());
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
        });
        Some(Self { address, heads, accepting })
    }

    /// What came, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Lets every task run until it waits for something that this test does.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
