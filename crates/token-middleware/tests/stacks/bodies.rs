//! What comes of a request's body: what is sent is what was signed, and a second try has the same once more.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Channel, Empty, Full};
use token_core::{Authorize, AuthorizeFault};
use token_middleware::{Peeked, TokenLayer, TokenMiddleware};
use token_testkit::{Answer, ScriptedServer};
use tower::{Layer as _, Service, ServiceExt as _};

use crate::support::{Ask, BoxError, EXPIRED, Failure, STACKS, World, hyper, reqwest_builder, settle, signature};

/// Where a body is too long in these tests.
const LIMIT: usize = 20;

/// A body that gives these frames, and says what it likes about its length.
struct Frames {
    frames: VecDeque<io::Result<Frame<Bytes>>>,
    says: Option<u64>,
    /// Whether each frame comes at the second call.
    is_slow: bool,
    is_due: bool,
}

impl Frames {
    fn of(says: Option<u64>, frames: &[&'static str]) -> Self {
        let frames = frames.iter().map(|data| Ok(Frame::data(Bytes::from_static(data.as_bytes())))).collect();
        Self { frames, says, is_slow: false, is_due: false }
    }

    fn failing(mut self) -> Self {
        self.frames.push_back(Err(io::Error::other("the file is gone")));
        self
    }

    fn with_trailers(mut self) -> Self {
        self.frames.push_back(Ok(Frame::trailers(trailers())));
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.is_due = !self.is_due && self.is_slow;
        if self.is_due {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.frames.pop_front())
    }

    /// Of all of it, however much was read.
    fn size_hint(&self) -> SizeHint {
        self.says.map(SizeHint::with_exact).unwrap_or_default()
    }
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "1".parse().unwrap());
    trailers
}

/// A request as it came to the service below.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    signature: Option<String>,
    /// What was known of its length before it was read.
    length: Option<u64>,
    data: Bytes,
    trailers: Option<HeaderMap>,
    failed: bool,
}

/// What becomes of a body.
#[derive(Debug)]
enum Outcome {
    /// Sent again, the very same.
    Twice(&'static str),
    /// Sent once, as it comes.
    Once(&'static str),
    Fault(AuthorizeFault),
    /// The caller gets the error of its own body, and nothing is sent.
    OwnError,
}

use Outcome::{Fault, Once, OwnError, Twice};

async fn tower_outcome<B>(authorizer: impl Authorize + 'static, body: B) -> (Result<StatusCode, Failure>, Vec<Got>)
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    let got: Arc<Mutex<Vec<Got>>> = Arc::default();
    let kept = Arc::clone(&got);
    let service = tower::service_fn(move |request: Request<Peeked<B>>| {
        let kept = Arc::clone(&kept);
        async move {
            let signature = request.headers().get("x-signature").map(|value| value.to_str().unwrap().to_owned());
            let is_first = request.headers()["authorization"] == "Bearer token-test-1";
            let mut body = request.into_body();
            let length = body.size_hint().exact();
            let (mut data, mut trailers, mut failed) = (Vec::new(), None, false);
            while let Some(frame) = body.frame().await {
                match frame.map(Frame::into_data) {
                    Ok(Ok(more)) => data.extend_from_slice(&more),
                    Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
                    Err(_) => failed = true,
                }
            }
            kept.lock().unwrap().push(Got { signature, length, data: data.into(), trailers, failed });
            let mut answer = Response::new(Full::new(Bytes::from_static(EXPIRED.as_bytes())));
            *answer.status_mut() = if is_first { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
            Ok::<_, io::Error>(answer)
        }
    });
    let request = Request::post("https://api.example/a").body(body).unwrap();
    let answer = TokenLayer::new(authorizer).layer(service).oneshot(request).await;
    let got = std::mem::take(&mut *got.lock().unwrap());
    (answer.map(|answer| answer.status()).map_err(Failure::of), got)
}

/// Whether the body has trailers, and whether it fails on the way, is seen below as well.
fn check(what: &str, outcome: &Outcome, result: &Result<StatusCode, Failure>, got: &[Got], signs: bool) {
    match outcome {
        Twice(data) => {
            assert_eq!((result.as_ref().unwrap().as_u16(), got.len()), (200, 2), "{what}: {got:?}");
            assert_eq!(got[0], got[1], "{what}");
            assert_eq!(got[0].length, Some(data.len() as u64), "{what}");
        }
        Once(_) => assert_eq!((result.as_ref().unwrap().as_u16(), got.len()), (401, 1), "{what}: {got:?}"),
        Fault(fault) => assert_eq!((result.as_ref().unwrap_err().fault(), got), (Some(fault), &[][..]), "{what}"),
        OwnError => {
            let Err(Failure::Other(text)) = result else { panic!("{what}: {result:?}") };
            assert_eq!((&**text, got), ("the file is gone", &[][..]), "{what}");
        }
    }
    for got in got {
        let (Twice(data) | Once(data)) = outcome else { panic!("{what}") };
        assert_eq!(&got.data, data, "{what}");
        assert_eq!(got.signature, signs.then(|| signature("POST", "/a", data.as_bytes())), "{what}");
        assert_eq!(got.failed, what.contains("fails"), "{what}");
        assert_eq!(got.trailers, what.contains("trailers").then(trailers), "{what}");
    }
}

#[tokio::test]
async fn a_body_is_signed_and_sent_as_the_table_says() {
    let too_long = || Fault(AuthorizeFault::BodyTooLong { limit: LIMIT });
    let unread = || Fault(AuthorizeFault::BodyUnread);
    // The body, and its outcome where it is signed and where it is not.
    type MakeBody = fn() -> Frames;
    let cases: [(&str, MakeBody, Outcome, Outcome); 16] = [
        ("empty", || Frames::of(Some(0), &[]), Twice(""), Twice("")),
        ("an empty frame", || Frames::of(Some(0), &[""]), Twice(""), Twice("")),
        ("one frame", || Frames::of(Some(5), &["12345"]), Twice("12345"), Twice("12345")),
        ("three frames", || Frames::of(Some(9), &["123", "", "456789"]), Twice("123456789"), Twice("123456789")),
        (
            "as long as may be",
            || Frames::of(Some(20), &["12345678901234567890"]),
            Twice("12345678901234567890"),
            Twice("12345678901234567890"),
        ),
        ("too long", || Frames::of(Some(21), &["123456789012345678901"]), too_long(), Once("123456789012345678901")),
        ("of unknown length", || Frames::of(None, &["123", "45"]), unread(), Once("12345")),
        ("empty, of unknown length", || Frames::of(None, &[]), unread(), Once("")),
        ("many frames", || Frames::of(Some(5), &[&["123"], &[""; 600][..], &["45"]].concat()), Twice("12345"), Twice("12345")),
        ("shorter than it says", || Frames::of(Some(9), &["12345"]), Twice("12345"), Twice("12345")),
        ("longer than it says", || Frames::of(Some(2), &["123", "45"]), Twice("12345"), Twice("12345")),
        (
            "far longer than it says",
            || Frames::of(Some(2), &["12345678901", "12345678901", "x"]),
            too_long(),
            Once("1234567890112345678901x"),
        ),
        ("with trailers", || Frames::of(Some(5), &["12345"]).with_trailers(), Twice("12345"), Twice("12345")),
        ("of unknown length, with trailers", || Frames::of(None, &["12345"]).with_trailers(), unread(), Once("12345")),
        ("fails", || Frames::of(Some(9), &["12345"]).failing(), OwnError, Once("12345")),
        ("of unknown length, fails", || Frames::of(None, &["12345"]).failing(), unread(), Once("12345")),
    ];
    for ((what, body, signed, bearer), is_slow) in cases.iter().flat_map(|case| [(case, false), (case, true)]) {
        let (what, body) = (&format!("{what}, slow: {is_slow}"), || Frames { is_slow, ..body() });
        let world = World::new();
        let authorizer = world.signed("https://api.example").longest_body(LIMIT).build().unwrap();
        let (result, got) = tower_outcome(authorizer, body()).await;
        check(what, signed, &result, &got, true);

        let world = World::new();
        let authorizer = world.bearer("https://api.example").longest_body(LIMIT).build().unwrap();
        let (result, got) = tower_outcome(authorizer, body()).await;
        check(what, bearer, &result, &got, false);
    }
}

#[tokio::test]
async fn a_reqwest_body_is_signed_and_sent_as_the_table_says() {
    let unread = Some(AuthorizeFault::BodyUnread);
    let too_long = Some(AuthorizeFault::BodyTooLong { limit: LIMIT });
    // The body, the fault where it is signed, how often it is sent where it is not, and what is sent.
    type MakeBody = fn() -> Option<reqwest::Body>;
    let cases: [(&str, MakeBody, Option<AuthorizeFault>, usize, &str); 7] = [
        ("none", || None, None, 2, ""),
        ("empty", || Some("".into()), None, 2, ""),
        ("bytes", || Some("12345".into()), None, 2, "12345"),
        ("as long as may be", || Some("12345678901234567890".into()), None, 2, "12345678901234567890"),
        ("too long", || Some("123456789012345678901".into()), too_long, 1, "123456789012345678901"),
        // reqwest does not tell its length.
        ("a stream", || Some(reqwest::Body::wrap(Frames::of(Some(5), &["12345"]))), unread.clone(), 1, "12345"),
        ("of unknown length", || Some(reqwest::Body::wrap(Frames::of(None, &["12345"]))), unread, 1, "5\r\n12345\r\n0\r\n\r\n"),
    ];
    for (what, body, fault, sent, data) in cases {
        for signs in [true, false] {
            let world = World::new();
            let server = ScriptedServer::answering(Answer::new(401)).await.unwrap();
            let origin = server.base_url();
            let client = if signs {
                TokenMiddleware::with_client(world.signed(&origin).longest_body(LIMIT).build().unwrap(), reqwest_builder())
            } else {
                TokenMiddleware::with_client(world.bearer(&origin).longest_body(LIMIT).build().unwrap(), reqwest_builder())
            };
            let (client, tokens) = client.unwrap();
            let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
            let mut request = client.post(origin + "/a");
            if let Some(body) = body() {
                request = request.body(body);
            }
            let result = request.send().await;
            let requests = server.requests();
            match &fault {
                Some(fault) if signs => {
                    let Err(reqwest_middleware::Error::Middleware(error)) = result else { panic!("{what}: {result:?}") };
                    assert_eq!(Failure::Token(error.downcast().unwrap()).fault(), Some(fault), "{what}");
                    assert_eq!(requests.len(), 0, "{what}");
                }
                _ => assert_eq!((result.unwrap().status().as_u16(), requests.len()), (401, sent), "{what}"),
            }
            for request in requests {
                assert_eq!(request.body_text(), data, "{what}");
                let signed = signature("POST", "/a", data.as_bytes());
                assert_eq!(request.header("x-signature"), signs.then_some(&*signed), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn the_bytes_on_the_wire_are_the_bytes_signed_whatever_the_method() {
    for stack in STACKS {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "brew", "M-SEARCH"] {
            for body in ["", "\0\u{1}\r\n\r\n0\r\n", "täxt", "{}"] {
                let world = World::new();
                let server = ScriptedServer::in_turn([Answer::new(401), Answer::new(200)]).await.unwrap();
                let authorizer = world.signed(&server.base_url()).build().unwrap();
                let ask = Ask::new(method, server.base_url() + "/a%2Fb//c?d#e").body(body);
                let what = format!("{method}, {body:?}, {stack:?}");
                assert_eq!(stack.send(&authorizer, &ask).await.unwrap().status, 200, "{what}");
                let requests = server.requests();
                assert_eq!(requests.len(), 2, "{what}");
                for request in requests {
                    assert_eq!((request.method(), request.target()), (method, "/a%2Fb//c?d"), "{what}");
                    assert_eq!(request.body(), body.as_bytes(), "{what}");
                    let signed = signature(method, "/a%2Fb//c", request.body());
                    assert_eq!(request.header("x-signature"), Some(&*signed), "{what}");
                }
            }
        }
    }
}

/// A body that is read from elsewhere, and says how long it will be.
struct Announced {
    rest: Channel<Bytes, io::Error>,
    left: u64,
}

impl Body for Announced {
    type Data = Bytes;
    type Error = <Channel<Bytes, io::Error> as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.rest).poll_frame(context));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.left -= data.len() as u64;
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[tokio::test]
async fn a_body_that_takes_its_time_is_waited_for() {
    let world = World::new();
    let (mut sender, rest) = Channel::<Bytes, io::Error>::new(1);
    let authorizer = world.signed("https://api.example").build().unwrap();
    let call = tokio::spawn(tower_outcome(authorizer, Announced { rest, left: 10 }));
    for part in ["12345", "67890"] {
        settle().await;
        // No token is asked for before it is needed.
        assert_eq!((call.is_finished(), world.asked()), (false, 0));
        sender.send_data(Bytes::from_static(part.as_bytes())).await.unwrap();
    }
    drop(sender);
    let (result, got) = call.await.unwrap();
    check("waited for", &Twice("1234567890"), &result, &got, true);
}

#[tokio::test]
async fn a_body_that_ends_in_an_error_while_it_is_waited_for_is_not_sent() {
    let world = World::new();
    let (sender, rest) = Channel::<Bytes, io::Error>::new(1);
    let authorizer = world.signed("https://api.example").build().unwrap();
    let call = tokio::spawn(tower_outcome(authorizer, Announced { rest, left: 10 }));
    settle().await;
    sender.abort(io::Error::other("the file is gone"));
    let (result, got) = call.await.unwrap();
    check("failed", &OwnError, &result, &got, true);
}

/// A service that is used as tower says: ready first, and each clone by itself.
struct Strict {
    is_ready: bool,
    /// It is not ready at the first look.
    was_asked: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false, was_asked: false, calls: Arc::clone(&self.calls) }
    }
}

impl<B: Body + Send + 'static> Service<Request<B>> for Strict {
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = self.was_asked;
        if !std::mem::replace(&mut self.was_asked, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "it was not ready");
        self.was_asked = false;
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut answer = Response::new(Empty::new());
        if request.headers().get("authorization").is_some_and(|value| value == "Bearer token-test-1") {
            *answer.status_mut() = StatusCode::UNAUTHORIZED;
        }
        std::future::ready(Ok(answer))
    }
}

async fn ready<S: Service<Request<Full<Bytes>>>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}

#[tokio::test]
async fn the_service_below_is_ready_before_each_call() {
    for is_at_hand in [false, true] {
        let world = World::gated();
        let gate = world.provider.gate.as_ref().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let strict = Strict { is_ready: false, was_asked: false, calls: Arc::clone(&calls) };
        let authorizer = world.signed("https://api.example").build().unwrap();
        let mut service = TokenLayer::new(authorizer).layer(strict);
        let request = |url: &str| Request::post(url).body(Full::new(Bytes::from_static(b"body"))).unwrap();
        if is_at_hand {
            gate.add_permits(1);
            world.tokens.token().await.unwrap();
        }

        // Its token is refused, so it is sent twice.
        let first = ready(&mut service).await.unwrap().call(request("https://api.example/"));
        assert_eq!(calls.load(Ordering::SeqCst), usize::from(is_at_hand));
        // What is not sent leaves the service ready, for the next.
        assert!(ready(&mut service).await.unwrap().call(request("https://evil.example/")).await.is_err());
        gate.add_permits(2);
        assert_eq!(first.await.unwrap().status(), 200);
        assert_eq!((calls.load(Ordering::SeqCst), world.asked()), (2, 2));
        // With a token at hand that is good.
        assert_eq!(ready(&mut service).await.unwrap().call(request("https://api.example/")).await.unwrap().status(), 200);
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
}

/// A limit below the layer holds while a request waits for nothing but its answer.
#[tokio::test]
async fn a_second_try_needs_no_second_place_below() {
    let world = World::new();
    let server = ScriptedServer::in_turn([Answer::json(401, EXPIRED), Answer::text(200, "fine")]).await.unwrap();
    let layer = TokenLayer::new(world.signed(&server.base_url()).build().unwrap());
    let service = layer.layer(tower::limit::ConcurrencyLimit::new(hyper(), 1));
    for _ in 0..2 {
        let request = Request::builder().method(Method::PUT).uri(server.base_url()).body(Full::new(Bytes::new())).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(60), service.clone().oneshot(request)).await.unwrap();
        assert_eq!(answer.unwrap().status(), 200);
    }
}
