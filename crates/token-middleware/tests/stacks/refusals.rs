//! What an answer that refuses a token leads to, and that no answer is changed by the look at it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::header::ETAG;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Channel, Empty, Full};
use token_core::{Authorize, ErrorKind, Remedy, ResendPolicy};
use token_middleware::{Peeked, TokenLayer, TokenMiddleware};
use token_testkit::{Answer, ScriptedServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify, oneshot};
use tower::limit::ConcurrencyLimit;
use tower::{Layer as _, ServiceExt as _};

use crate::support::{
    Ask, BoxError, EXPIRED, FORBIDDEN, Failure, OURS, STACKS, Seen, Stack, World, hyper, no_token, reqwest_builder, settle,
    signature, through,
};

/// What is set on an authoriser in a case.
#[derive(Clone, Copy)]
struct Set {
    reads_codes: bool,
    resend: ResendPolicy,
    longest_body: usize,
}

const DEFAULT: Set = Set { reads_codes: false, resend: ResendPolicy::AnyMethod, longest_body: 1024 * 1024 };
const READS: Set = Set { reads_codes: true, ..DEFAULT };
const NEVER: Set = Set { resend: ResendPolicy::Never, ..DEFAULT };
const IDEMPOTENT: Set = Set { resend: ResendPolicy::Idempotent, ..DEFAULT };

struct Case {
    what: &'static str,
    method: &'static str,
    set: Set,
    answers: Vec<Answer>,
    /// How many requests the API gets.
    sent: usize,
    /// Which of its answers the caller gets, counted from 0; `None` if it gets an error.
    given: Option<usize>,
    /// How many requests for a token there were, the next request's among them.
    tokens: usize,
}

fn ok() -> Answer {
    Answer::text(200, "fine").header("x-answer", "ok")
}

fn expired() -> Answer {
    Answer::json(401, EXPIRED).header("x-answer", "expired")
}

/// As long as a page of a gateway: no error that a service documents.
fn page() -> Vec<u8> {
    b"<p>".iter().chain(&vec![b'x'; 10_000]).copied().collect()
}

fn cases() -> Vec<Case> {
    let case = |what, answers, sent, given, tokens| Case {
        what,
        method: "POST",
        set: DEFAULT,
        answers,
        sent,
        given: Some(given),
        tokens,
    };
    vec![
        case("accepted", vec![ok()], 1, 0, 1),
        case("refused, then accepted", vec![expired(), ok()], 2, 1, 2),
        case("refused without a body", vec![Answer::new(401), ok()], 2, 1, 2),
        case("refused in words of its own", vec![Answer::json(401, "{}"), ok()], 2, 1, 2),
        case("refused in a page", vec![Answer::html(401, page()), ok()], 2, 1, 2),
        case("refused twice", vec![expired().header("x-first", "1"), expired()], 2, 0, 2),
        case("refused twice, in two ways", vec![Answer::new(401).header("x-first", "1"), expired()], 2, 0, 2),
        case("refused, then something else", vec![expired(), Answer::json(500, "{}")], 2, 1, 2),
        case("refused, then forbidden", vec![expired(), Answer::json(401, FORBIDDEN)], 2, 1, 2),
        case("forbidden with 401", vec![Answer::json(401, FORBIDDEN), ok()], 1, 0, 1),
        case("403", vec![Answer::json(403, EXPIRED), ok()], 1, 0, 1),
        case("a code with 200, unread", vec![Answer::json(200, EXPIRED), ok()], 1, 0, 1),
        Case { set: READS, ..case("a code with 200, read", vec![Answer::json(200, EXPIRED), ok()], 2, 1, 2) },
        Case { set: READS, ..case("a code with 400, read", vec![Answer::json(400, EXPIRED), ok()], 2, 1, 2) },
        Case { set: READS, ..case("another code with 200", vec![Answer::json(200, FORBIDDEN), ok()], 1, 0, 1) },
        Case { set: READS, ..case("no code with 200", vec![ok()], 1, 0, 1) },
        Case { set: READS, ..case("a long answer, read", vec![Answer::html(200, page())], 1, 0, 1) },
        Case { set: READS, ..case("a long answer in chunks", vec![Answer::html(200, page()).chunked()], 1, 0, 1) },
        case("a page in chunks, twice", vec![Answer::html(401, page()).chunked(), expired()], 2, 0, 2),
        Case { set: NEVER, ..case("never sent again", vec![expired(), ok()], 1, 0, 2) },
        Case { set: IDEMPOTENT, ..case("a POST, which may not be sent again", vec![expired(), ok()], 1, 0, 2) },
        Case { set: IDEMPOTENT, method: "PUT", ..case("a PUT, which may", vec![expired(), ok()], 2, 1, 2) },
        Case { set: IDEMPOTENT, method: "PATCH", ..case("a PATCH, which may not", vec![expired(), ok()], 1, 0, 2) },
        Case { set: IDEMPOTENT, method: "DELETE", ..case("a DELETE, which may", vec![expired(), ok()], 2, 1, 2) },
        Case { given: None, ..case("no answer to the second try", vec![expired(), Answer::hang_up()], 2, 0, 2) },
        Case { given: None, ..case("no answer at all", vec![Answer::hang_up()], 1, 0, 1) },
    ]
}

/// What `answer` is, in the eyes of a caller.
async fn alone(answer: Answer) -> Seen {
    let server = ScriptedServer::answering(answer).await.unwrap();
    through(hyper(), &Ask::get(server.base_url())).await.unwrap()
}

#[tokio::test]
async fn a_refusal_is_answered_by_one_more_try_and_the_caller_gets_the_answer_it_should() {
    for Case { what, method, set, answers, sent, given, tokens } in cases() {
        for stack in STACKS {
            let what = format!("{what}, {stack:?}");
            let world = World::new();
            let server = ScriptedServer::in_turn(answers.clone()).await.unwrap();
            let builder = world.signed(&server.base_url()).read_codes(set.reads_codes).resend(set.resend);
            let authorizer = builder.longest_body(set.longest_body).build().unwrap();

            let ask = Ask::new(method, server.base_url() + "/a/b?c=d").body("body");
            let result = stack.send(&authorizer, &ask).await;

            let requests = server.requests();
            assert_eq!(requests.len(), sent, "{what}: {result:?}");
            for (index, request) in requests.iter().enumerate() {
                let token = format!("Bearer token-test-{}", index + 1);
                assert_eq!((request.method(), request.target()), (method, "/a/b?c=d"), "{what}");
                assert_eq!(request.header("authorization"), Some(&*token), "{what}");
                assert_eq!(request.header("x-signature"), Some(&*signature(method, "/a/b", request.body())), "{what}");
                assert_eq!(request.body(), b"body", "{what}");
                for name in OURS {
                    assert_eq!(request.headers().filter(|header| header.0 == name).count(), 1, "{what}: {name}");
                }
            }
            match given {
                Some(index) => {
                    let (seen, expected) = (result.unwrap(), alone(answers[index].clone()).await);
                    assert_eq!((seen.status, &seen.headers), (expected.status, &expected.headers), "{what}");
                    assert!(seen.body == expected.body && !seen.torn && seen.renewal_failed.is_none(), "{what}");
                }
                None => assert!(matches!(result, Err(Failure::Other(_))), "{what}: {result:?}"),
            }
            world.tokens.token().await.unwrap();
            assert_eq!(world.asked(), tokens, "{what}");
        }
    }
}

/// The time is read anew for each try.
#[tokio::test]
async fn the_second_try_has_a_time_of_its_own() {
    for stack in STACKS {
        let world = World::new();
        let clock = Arc::clone(&world.clock);
        let server = ScriptedServer::start(move |request| {
            let is_first = request.header("authorization") == Some("Bearer token-test-1");
            clock.advance(Duration::from_secs(5));
            if is_first { expired() } else { ok() }
        });
        let server = server.await.unwrap();
        let authorizer = world.signed(&server.base_url()).build().unwrap();
        assert_eq!(stack.send(&authorizer, &Ask::get(server.base_url())).await.unwrap().status, 200);
        let times: Vec<u64> =
            server.requests().iter().map(|request| request.header("x-timestamp").unwrap().parse().unwrap()).collect();
        assert_eq!(times, [1_795_392_000_000, 1_795_392_005_000], "{stack:?}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_midway_is_no_refusal_and_is_given_as_far_as_it_came() {
    // The two that have the body as it comes. The code that was cut off may have said something else than that the token is refused.
    for stack in [Stack::Reqwest, Stack::Tower] {
        for (what, answer, came) in [
            ("cut off", Answer::html(401, "x".repeat(3_000)).cut_off(), 1_500),
            ("shorter than it says", Answer::json(401, "{").announcing(9_999), 1),
            ("cut off within a chunk", Answer::raw("HTTP/1.1 401 No\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc"), 3),
            ("no chunk", Answer::raw("HTTP/1.1 401 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nz\r\n"), 3),
        ] {
            let world = World::new();
            let server = ScriptedServer::in_turn([answer, ok()]).await.unwrap();
            let authorizer = world.signed(&server.base_url()).build().unwrap();
            let seen = stack.send(&authorizer, &Ask::get(server.base_url())).await.unwrap();
            assert_eq!((seen.status, seen.torn, seen.body.len()), (401, true, came), "{what}, {stack:?}");
            assert_eq!((server.requests().len(), world.asked()), (1, 1), "{what}, {stack:?}");
        }
    }
}

/// A look into a body lasts as long as a request waits for a token.
#[tokio::test]
async fn an_answer_that_stalls_is_given_when_patience_ends() {
    for is_tower in [true, false] {
        let world = World::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (go_on, gone_on) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = [0; 4_096];
            assert_ne!(socket.read(&mut head).await.unwrap(), 0);
            socket.write_all(b"HTTP/1.1 401 No\r\ncontent-length: 4\r\n\r\n{}").await.unwrap();
            gone_on.await.unwrap();
            socket.write_all(b"[]").await.unwrap();
        });
        let authorizer = world.signed(&origin).build().unwrap();
        let call = async {
            if is_tower {
                let request = http::Request::get(&origin).body(Full::<Bytes>::default()).unwrap();
                TokenLayer::new(authorizer).layer(hyper()).oneshot(request).await.unwrap().map(reqwest::Body::wrap)
            } else {
                let (client, tokens) = TokenMiddleware::with_client(authorizer, reqwest_builder()).unwrap();
                let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
                client.get(&origin).send().await.unwrap().into()
            }
        };
        // Nothing but the look waits for the clock, so it may run from the beginning.
        let time = async {
            for _ in 0..10_000_000 {
                world.clock.advance(Duration::from_secs(10));
                tokio::task::yield_now().await;
            }
        };
        let answer = tokio::select! {
            answer = call => answer,
            () = time => panic!("no answer, however long the look lasts"),
        };
        assert_eq!((answer.status(), world.asked()), (StatusCode::UNAUTHORIZED, 1), "{is_tower}");
        go_on.send(()).unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{}[]", "{is_tower}");
    }
}

/// What the service below waits for, it waits for before a token and a time are in the request.
#[tokio::test]
async fn the_second_try_is_signed_when_the_service_is_ready() {
    let world = World::new();
    let (hold, seen) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let (held, heard) = (Arc::clone(&hold), Arc::clone(&seen));
    let inner = tower::service_fn(move |request: http::Request<Peeked<Full<Bytes>>>| {
        let (held, heard) = (Arc::clone(&held), Arc::clone(&heard));
        async move {
            if request.uri().path() == "/long" {
                held.notified().await;
                return Ok(Response::new(Full::<Bytes>::default()));
            }
            let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
            let is_first = header("authorization") == "Bearer token-test-1";
            heard.lock().unwrap().push((header("authorization"), header("x-timestamp")));
            // The others have their turn.
            settle().await;
            let status = if is_first { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
            Ok::<_, BoxError>(Response::builder().status(status).body(Full::default()).unwrap())
        }
    });
    // One at a time, and `/long` takes its turn between the two tries.
    let service = TokenLayer::new(world.signed("https://api.example").build().unwrap()).layer(ConcurrencyLimit::new(inner, 1));
    world.tokens.token().await.unwrap();
    let get = |path: &str| http::Request::get(format!("https://api.example{path}")).body(Full::<Bytes>::default()).unwrap();
    let refused = tokio::spawn(service.clone().oneshot(get("/refused")));
    let long = tokio::spawn(service.oneshot(get("/long")));
    settle().await;
    world.clock.advance(Duration::from_secs(1_000));
    hold.notify_one();
    assert_eq!(refused.await.unwrap().unwrap().status(), StatusCode::OK);
    long.await.unwrap().unwrap();
    let seen = seen.lock().unwrap();
    let at = |seconds: u64| (1_795_392_000_000 + 1_000 * seconds).to_string();
    assert_eq!(seen[0], ("Bearer token-test-1".to_owned(), at(0)));
    assert_eq!(seen[1], ("Bearer token-test-2".to_owned(), at(1_000)));
}

#[tokio::test]
async fn without_a_new_token_the_caller_gets_the_answer_and_the_reason() {
    for stack in STACKS {
        let world = World::giving(false, |number| if number == 1 { Ok("token-test-1".to_owned()) } else { Err(no_token()) });
        let server = ScriptedServer::answering(expired()).await.unwrap();
        let authorizer = world.signed(&server.base_url()).build().unwrap();
        let seen = stack.send(&authorizer, &Ask::get(server.base_url())).await.unwrap();
        let why = seen.renewal_failed.unwrap();
        assert_eq!((why.kind(), why.remedy()), (ErrorKind::AccessDenied, Remedy::LogInAgain), "{stack:?}");
        assert_eq!((seen.status, &*seen.body, server.requests().len()), (401, EXPIRED.as_bytes(), 1), "{stack:?}");

        // The next one is not sent at all.
        let Err(Failure::Token(error)) = stack.send(&authorizer, &Ask::get(server.base_url())).await else { panic!() };
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::AccessDenied, 1), "{stack:?}");
    }
}

#[tokio::test]
async fn the_same_token_is_not_tried_twice() {
    for stack in STACKS {
        let world = World::giving(false, |_| Ok("token-test-always".to_owned()));
        let server = ScriptedServer::answering(expired()).await.unwrap();
        let authorizer = world.signed(&server.base_url()).build().unwrap();
        let seen = stack.send(&authorizer, &Ask::get(server.base_url())).await.unwrap();
        assert_eq!((seen.status, server.requests().len(), world.asked()), (401, 1, 2), "{stack:?}");
        assert!(seen.renewal_failed.is_none(), "{stack:?}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_sent_once() {
    for stack in STACKS {
        for (length, sent) in [(10, 2), (11, 1)] {
            let world = World::new();
            let server = ScriptedServer::in_turn([Answer::new(401), ok()]).await.unwrap();
            let authorizer = world.bearer(&server.base_url()).longest_body(10).build().unwrap();
            let ask = Ask::new("POST", server.base_url()).body(vec![b'x'; length]);
            stack.send(&authorizer, &ask).await.unwrap();
            assert_eq!(server.requests().len(), sent, "{length}, {stack:?}");
            // It was told all the same that the token is refused.
            world.tokens.token().await.unwrap();
            assert_eq!(world.asked(), 2, "{length}, {stack:?}");
        }
    }
}

/// Where no token is used, a 401 is an answer like any other.
#[tokio::test]
async fn a_request_without_a_token_is_sent_once() {
    for stack in STACKS {
        let server = ScriptedServer::answering(expired()).await.unwrap();
        let builder = token_core::Authorizer::without_token(crate::support::Signed::new()).origin(&server.base_url());
        let authorizer = builder.read_codes(true).build().unwrap();
        let seen = stack.send(&authorizer, &Ask::get(server.base_url())).await.unwrap();
        let requests = server.requests();
        assert_eq!((seen.status, requests.len()), (401, 1), "{stack:?}");
        assert!(requests[0].header("x-signature").is_some() && requests[0].header("authorization").is_none(), "{stack:?}");
    }
}

/// An answer that goes on as long as the test wants it to. In process: what a network adds is tried elsewhere.
async fn streamed(
    authorizer: impl Authorize + 'static,
) -> (Response<Peeked<Channel<Bytes>>>, http_body_util::channel::Sender<Bytes>) {
    let (sender, body) = Channel::<Bytes>::new(16);
    let mut sender = sender;
    sender.send_data(Bytes::from(vec![b'x'; 4_097])).await.unwrap();
    let body = Arc::new(Mutex::new(Some(body)));
    let service = tower::service_fn(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, BoxError>(Response::new(body)) }
    });
    let request = http::Request::get("https://api.example/").body(Empty::<Bytes>::new()).unwrap();
    let answer = TokenLayer::new(authorizer).layer(service).oneshot(request).await.unwrap();
    (answer, sender)
}

#[tokio::test]
async fn a_long_answer_comes_to_the_caller_before_it_has_ended_and_unchanged() {
    for reads_codes in [false, true] {
        let world = World::new();
        let authorizer = world.signed("https://api.example").read_codes(reads_codes).build().unwrap();
        let (answer, mut sender) = streamed(authorizer).await;
        let looked_at = format!("{:?}", answer.body());
        assert!(looked_at.contains(if reads_codes { "bytes_read: 4097" } else { "bytes_read: 0" }), "{looked_at}");

        let mut body = answer.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), 4_097);
        sender.send_data(Bytes::from_static(b"more")).await.unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "more");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        sender.send(Frame::trailers(trailers.clone())).await.unwrap();
        drop(sender);
        assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
        assert!(body.frame().await.is_none());
    }
}

/// An answer without codes has no body read, whatever its status: a 401 of a service whose codes stand in no body.
#[tokio::test]
async fn a_bearer_answer_is_not_read() {
    let world = World::new();
    let (answer, _sender) = streamed(world.bearer("https://api.example").build().unwrap()).await;
    assert!(format!("{:?}", answer.body()).contains("bytes_read: 0"));
}

#[tokio::test]
async fn an_answer_without_an_end_comes_to_the_caller_of_reqwest() {
    for (status, reads_codes) in [(200, false), (200, true), (403, true)] {
        let world = World::new();
        let server = ScriptedServer::answering(Answer::text(status, "x".repeat(999)).endless()).await.unwrap();
        let authorizer = world.signed(&server.base_url()).read_codes(reads_codes).build().unwrap();
        let (client, tokens) = TokenMiddleware::with_client(authorizer, reqwest_builder()).unwrap();
        let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
        let mut answer = client.get(server.base_url()).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.content_length()), (status, None));
        let mut came = 0;
        while came < 100_000 {
            let part = answer.chunk().await.unwrap().unwrap();
            assert!(part.iter().all(|byte| *byte == b'x'));
            came += part.len();
        }
    }
}

/// A bearer challenge tells what the 401 is for (RFC 6750 section 3.1).
#[tokio::test]
async fn a_challenge_says_whether_the_token_is_refused() {
    let cases = [
        (401, r#"Bearer error="invalid_token""#, 2),
        (401, "Bearer", 2),
        (401, r#"Basic realm="x""#, 2),
        (401, r#"Bearer error="insufficient_scope""#, 1),
        (401, r#"Bearer error="invalid_request""#, 1),
        (403, r#"Bearer error="invalid_token""#, 1),
        (200, r#"Bearer error="invalid_token""#, 1),
    ];
    for stack in STACKS {
        for (status, challenge, sent) in cases {
            for (reads_codes, sent) in [(false, sent), (true, if challenge.contains("invalid_token") { 2 } else { sent })] {
                let world = World::new();
                let refusal = Answer::new(status).header("www-authenticate", challenge);
                let server = ScriptedServer::in_turn([refusal, ok()]).await.unwrap();
                let authorizer = world.bearer(&server.base_url()).read_codes(reads_codes).build().unwrap();
                let seen = stack.send(&authorizer, &Ask::get(server.base_url())).await.unwrap();
                let what = format!("{status}, {challenge}, {reads_codes}, {stack:?}");
                assert_eq!((server.requests().len(), seen.status), (sent, if sent == 2 { 200 } else { status }), "{what}");
            }
        }
    }
}

/// A rule of the program's own takes the place of the service's.
#[tokio::test]
async fn a_rule_of_its_own_tells_what_a_refusal_is() {
    for stack in STACKS {
        for (answer, reads_codes, sent) in [
            (Answer::new(440), false, 2),
            (Answer::new(401), false, 1),
            (Answer::text(200, "log in again"), false, 1),
            (Answer::text(200, "log in again"), true, 2),
        ] {
            let world = World::new();
            let server = ScriptedServer::in_turn([answer, ok()]).await.unwrap();
            let builder = world.signed(&server.base_url()).read_codes(reads_codes);
            let builder = builder.refused_when(|answer| answer.status.as_u16() == 440 || answer.body == b"log in again");
            stack.send(&builder.build().unwrap(), &Ask::get(server.base_url())).await.unwrap();
            assert_eq!(server.requests().len(), sent, "{stack:?}");
        }
    }
}

#[tokio::test]
async fn a_reqwest_answer_keeps_what_it_knows() {
    for reads_codes in [false, true] {
        for (answer, length) in
            [(Answer::html(200, page()), Some(10_003)), (ok(), Some(4)), (Answer::html(200, page()).chunked(), None)]
        {
            let world = World::new();
            let body = alone(answer.clone()).await.body;
            let server = ScriptedServer::answering(answer).await.unwrap();
            let authorizer = world.signed(&server.base_url()).read_codes(reads_codes).build().unwrap();
            let (client, tokens) = TokenMiddleware::with_client(authorizer, reqwest_builder()).unwrap();
            let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
            let url = server.base_url() + "/a?b=c";
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(answer.url().as_str(), url);
            assert_eq!(answer.remote_addr(), Some(server.address()));
            assert_eq!(answer.content_length(), length);
            assert_eq!(answer.version(), http::Version::HTTP_11);
            assert_eq!(answer.bytes().await.unwrap(), body);
        }
    }
}

/// A server that gives no answer to the first requests before all of them are there.
async fn crowd_server(crowd: usize, takes_new: bool) -> (String, Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
    let (barrier, requests) = (Arc::new(Barrier::new(crowd)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&requests);
    let app = axum::Router::new().fallback(move |request: Request| {
        let (barrier, counted) = (Arc::clone(&barrier), Arc::clone(&counted));
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let is_first = request.headers()["authorization"] == "Bearer token-test-1";
            if is_first {
                barrier.wait().await;
            }
            let number = request.uri().path().to_owned();
            match is_first || !takes_new {
                true => (StatusCode::UNAUTHORIZED, [("x-first", is_first.to_string())], EXPIRED.to_owned()).into_response(),
                false => (StatusCode::OK, [("x-first", "false".to_owned())], number).into_response(),
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (origin, requests, serving)
}

/// On many threads, so that each step of one caller may fall between any two of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_whose_token_is_refused_asks_for_one_new_token() {
    const CROWD: usize = 100;
    for stack in STACKS {
        for takes_new in [true, false] {
            let world = World::new();
            let (origin, requests, serving) = crowd_server(CROWD, takes_new).await;
            let authorizer = world.signed(&origin).build().unwrap();
            let mut callers = tokio::task::JoinSet::new();
            for number in 0..CROWD {
                let (authorizer, path) = (authorizer.clone(), format!("/{number}"));
                let ask = Ask::new("POST", format!("{origin}{path}")).body("body");
                callers.spawn(async move { (path, stack.send(&authorizer, &ask).await.unwrap()) });
            }
            for (path, seen) in callers.join_all().await {
                let (status, is_first, body) = if takes_new { (200, "false", &*path) } else { (401, "true", EXPIRED) };
                assert_eq!((seen.status, &*seen.body), (status, body.as_bytes()), "{stack:?}");
                assert_eq!(seen.headers["x-first"], is_first, "{stack:?}");
            }
            assert_eq!((requests.load(Ordering::SeqCst), world.asked()), (2 * CROWD, 2), "{stack:?}, {takes_new}");
            serving.abort();
        }
    }
}

/// Made by the program for a layer of its own.
#[derive(Clone, Debug, PartialEq)]
struct Mark(u8);

/// The requests that came to the service below: each one's token, and all the rest of it.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<(String, String)>>>);

impl Record {
    /// Refuses the first one.
    async fn answer<B: Body<Data = Bytes, Error: Debug>>(self, request: http::Request<B>) -> StatusCode {
        let (mut parts, body) = request.into_parts();
        let authorization = parts.headers.remove("authorization").unwrap();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned();
        let mark = parts.extensions.get::<Mark>();
        let rest = format!("{parts:?} {mark:?} {trailers:?} {:?}", body.to_bytes());
        let mut all = self.0.lock().unwrap();
        all.push((authorization.to_str().unwrap().to_owned(), rest));
        if all.len() == 1 { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
    }

    fn expect_the_same_twice(&self, parts: &[&str]) {
        let all = self.0.lock().unwrap();
        let [(first_token, first), (second_token, second)] = &all[..] else { panic!("{all:?}") };
        assert_eq!((&**first_token, &**second_token), ("Bearer token-test-1", "Bearer token-test-2"));
        assert_eq!(first, second);
        for part in parts {
            assert!(first.contains(part), "{part}: {first}");
        }
    }
}

#[tokio::test]
async fn the_second_try_is_the_first_one_again_but_for_its_token() {
    const PARTS: [&str; 9] = [
        "MINE",
        "/a%2Fb?c=d",
        "HTTP/2.0",
        "text/plain",
        "text/html",
        r#""x-mine": "1""#,
        r#""x-mine": "2""#,
        "Mark(7)",
        "some bytes",
    ];
    let request = || {
        let request = http::Request::builder().method("MINE").uri("https://api.example/a%2Fb?c=d").version(http::Version::HTTP_2);
        let request = request.header("accept", "text/plain").header("x-mine", "1");
        let request = request.header("accept", "text/html").header("x-mine", "2");
        request.extension(Mark(7)).body(Bytes::from_static(b"some bytes")).unwrap()
    };
    for is_at_hand in [false, true] {
        let authorizer = || async {
            let authorizer = World::new().bearer("https://api.example").build().unwrap();
            if is_at_hand {
                authorizer.token(None).await.unwrap();
            }
            authorizer
        };

        let record = Record::default();
        let below = {
            let record = record.clone();
            tower::service_fn(move |request| {
                let answer = record.clone().answer(request);
                async { Ok::<_, BoxError>(Response::builder().status(answer.await).body(Empty::<Bytes>::new()).unwrap()) }
            })
        };
        let trailers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("the trailer"))]);
        let request_with_trailers = request().map(|body| Full::new(body).with_trailers(std::future::ready(Some(Ok(trailers)))));
        let answer = TokenLayer::new(authorizer().await).layer(below).oneshot(request_with_trailers).await.unwrap();
        assert_eq!(answer.status(), 200);
        record.expect_the_same_twice(&[&PARTS[..], &["the trailer"]].concat());

        let (record, authorizer) = (Record::default(), authorizer().await);
        let answer = token_middleware::send(&authorizer, request(), |request| {
            let answer = record.clone().answer(request.map(Full::new));
            async { Ok::<_, BoxError>(Response::builder().status(answer.await).body("").unwrap()) }
        });
        assert_eq!(answer.await.unwrap().status(), 200);
        record.expect_the_same_twice(&PARTS);
    }
}
