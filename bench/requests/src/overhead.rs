//! A request with a cached token, beside the same client without the layer. The client below answers at once, without a network, so that nothing hides the layer.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bench_shared::{Cell, Column, Report};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use token_core::{
    Bearer, Clock as _, Error, ErrorKind, Expiry, Remedy, ResendPolicy, SystemClock, Token, TokenCache, TokenProvider,
};
use token_middleware::{TokenLayer, TokenMiddleware};
use tower::{Layer as _, Service};

use crate::lanes::{Lane, race};

const URL: &str = "https://api.example/v1/patients/1?_format=json";

/// In nanoseconds.
const LIMIT: f64 = 100.0;

const HEADERS: &str = "floor: a clone of the request's headers";
const BARE: &str = "tower: no layer";
const KEPT: &str = "tower: no layer, and a copy of the request is kept";
const ONCE: &str = "tower: TokenLayer, Bearer, never sent again";
const LAYER: &str = "tower: TokenLayer, Bearer";
const CHAIN: &str = "reqwest-middleware: no middleware of ours";
const EMPTY: &str = "reqwest-middleware: one that passes on";
const EMPTY_KEPT: &str = "reqwest-middleware: one that passes on, and keeps a copy";
const MIDDLEWARE_ONCE: &str = "reqwest-middleware: TokenMiddleware, Bearer, never sent again";
const MIDDLEWARE: &str = "reqwest-middleware: TokenMiddleware, Bearer";

/// What is measured beside what.
const PAIRS: [(&str, &str); 4] = [(ONCE, BARE), (LAYER, KEPT), (MIDDLEWARE_ONCE, EMPTY), (MIDDLEWARE, EMPTY_KEPT)];

pub(crate) fn run() -> Result<Report, String> {
    let cache = cache()?;
    let bearer = |policy| -> Result<Bearer<TokenCache<Never>>, String> {
        Bearer::of(cache.clone()).origin("https://api.example").resend(policy).build().map_err(|error| error.to_string())
    };
    let url = Uri::from_static(URL);
    let again = |client: &ClientWithMiddleware| {
        let sent = client.get(URL).headers(headers()).send();
        at_once(sent).is_some_and(|answer| answer.is_ok())
    };
    let (mut bare, mut bare_too) = (Answer, Answer);
    let mut once = TokenLayer::new(bearer(ResendPolicy::Never)?).layer(Answer);
    let mut layer = TokenLayer::new(bearer(ResendPolicy::AnyMethod)?).layer(Answer);
    let reqwest = reqwest::Client::new();
    let chain = ClientBuilder::new(reqwest.clone()).with(Answer).build();
    let with = |middleware| ClientBuilder::new(reqwest.clone()).with_arc(middleware).with(Answer).build();
    let [empty, empty_kept] = [false, true].map(|keeps_copy| with(Arc::new(PassOn { keeps_copy })));
    let tokens = |policy| bearer(policy).map(TokenMiddleware::for_client_without_redirects);
    let middleware_once = with(Arc::new(tokens(ResendPolicy::Never)?));
    let middleware = with(Arc::new(tokens(ResendPolicy::AnyMethod)?));

    let headers = headers();
    let mut lanes = [
        Lane::new(HEADERS, || drop(black_box(headers.clone()))),
        Lane::new(BARE, || sure(at_once(bare.call(request(&url))).is_some_and(|answer| answer.is_ok()))),
        Lane::new(KEPT, || {
            let request = request(&url);
            let copy = black_box(request.clone());
            sure(at_once(bare_too.call(request)).is_some_and(|answer| answer.is_ok()));
            drop(copy);
        }),
        Lane::new(ONCE, || sure(at_once(once.call(request(&url))).is_some_and(|answer| answer.is_ok()))),
        Lane::new(LAYER, || sure(at_once(layer.call(request(&url))).is_some_and(|answer| answer.is_ok()))),
        Lane::new(CHAIN, || sure(again(&chain))),
        Lane::new(EMPTY, || sure(again(&empty))),
        Lane::new(EMPTY_KEPT, || sure(again(&empty_kept))),
        Lane::new(MIDDLEWARE_ONCE, || sure(again(&middleware_once))),
        Lane::new(MIDDLEWARE, || sure(again(&middleware))),
    ];
    let rounds = race(&mut lanes);
    Ok(report(&lanes, rounds))
}

fn report(lanes: &[Lane<'_>], rounds: usize) -> Report {
    let columns = vec![
        Column::new("ns", "ns", 0),
        Column::new("ns more", "more_ns", 0),
        Column::new("allocations", "allocations", 1),
        Column::new("more", "more_allocations", 1),
    ];
    let title = format!(
        "A request with a cached token of 1 KiB and four headers of its own, beside the same client without the layer. Medians of {rounds} rounds; \"more\" is the median of the differences within each round."
    );
    let mut report = Report::new("overhead", title, columns);
    let find = |name| lanes.iter().find(|lane| lane.name == name);
    let floor_of = |lane: &Lane<'_>| PAIRS.iter().find(|(name, _)| *name == lane.name).and_then(|(_, floor)| find(*floor));
    for lane in lanes {
        let floor = floor_of(lane);
        let more = floor.map_or(Cell::Missing, |floor| lane.over(floor).into());
        let more_allocations = floor.map_or(Cell::Missing, |floor| (lane.allocations - floor.allocations).into());
        report.row(lane.name, vec![lane.median().into(), more, lane.allocations.into(), more_allocations]);
    }
    report.note("The layer keeps a copy of each request for a second try, so it stands beside a client that does the same; `ResendPolicy::Never` keeps none.");
    report.note("Every middleware of reqwest-middleware costs a box, so ours is beside one that passes on.");
    for lane in lanes {
        let Some(floor) = floor_of(lane) else { continue };
        report.target(format!("{}, more time", lane.name), LIMIT, "ns", lane.over(floor));
        report.target(format!("{}, more allocations", lane.name), 0.0, "in a request", lane.allocations - floor.allocations);
    }
    report
}

#[track_caller]
fn sure(is_so: bool) {
    assert!(is_so, "a request of the benchmark failed");
}

/// The output of a future that waits for nothing.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A request as a program makes it.
fn request(url: &Uri) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = url.clone();
    *request.headers_mut() = headers();
    request
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/fhir+json"));
    headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("id"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/0"));
    headers.insert(REQUEST_ID, HeaderValue::from_static("0123456789abcdef"));
    headers
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) fn cache() -> Result<TokenCache<Never>, String> {
    let token = Token::bearer("t".repeat(1_024), Expiry::After(Duration::from_secs(24 * 60 * 60)), SystemClock.now());
    Ok(TokenCache::new(Never).with_token(token.build().map_err(|fault| fault.to_string())?))
}

/// A provider that is never asked.
#[derive(Debug)]
pub(crate) struct Never;

#[async_trait]
impl TokenProvider for Never {
    async fn token(&self) -> Result<Token, Error> {
        Err(Error::new("bench", ErrorKind::Internal, Remedy::FixProgram))
    }

    fn invalidate(&self, _rejected: &Token) {}
}

/// Answers at once.
#[derive(Clone)]
struct Answer;

impl<B> Service<Request<B>> for Answer {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(Full::new(Bytes::new()))))
    }
}

#[async_trait]
impl Middleware for Answer {
    async fn handle(
        &self,
        request: reqwest::Request,
        _extensions: &mut Extensions,
        _next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        drop(black_box(request));
        Ok(reqwest::Response::from(Response::new(reqwest::Body::from(Bytes::new()))))
    }
}

/// Does nothing, but for the copy.
struct PassOn {
    keeps_copy: bool,
}

#[async_trait]
impl Middleware for PassOn {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let copy = if self.keeps_copy { black_box(request.try_clone()) } else { None };
        let answer = next.run(request, extensions).await;
        drop(copy);
        answer
    }
}
