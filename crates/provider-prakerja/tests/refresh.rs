//! What becomes of a code and of a refresh token, whatever the service does.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use provider_prakerja::{Prakerja, PrakerjaErrorCode, PrakerjaUser};
use token_core::{CachePolicy, Delivery, Error, ErrorKind, Remedy, SystemClock, Token, TokenProvider};
use token_testkit::ManualClock;

use crate::support::{Answer, Service, code, prakerja, refused, tokens};

/// How long one refresh waits for another.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

fn setup(answers: impl IntoIterator<Item = Answer>) -> (Arc<Service>, Arc<ManualClock>, Prakerja) {
    let (service, clock) = (Service::new(answers), Arc::new(ManualClock::sleeping_moves_time()));
    let prakerja = prakerja(&service, &clock);
    (service, clock, prakerja)
}

fn user(answers: impl IntoIterator<Item = Answer>) -> (Arc<Service>, PrakerjaUser) {
    let (service, _, prakerja) = setup(answers);
    (service, prakerja.user_from_refresh_token("refresh-one").build_uncached())
}

/// A runtime of one thread, which stands still outside `block_on`.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn secret(token: &Token) -> &str {
    token.access_token().expose_secret()
}

fn refresh_token(token: &Token) -> Option<&str> {
    token.refresh_token().map(ExposeSecret::expose_secret)
}

#[tokio::test]
async fn a_new_refresh_token_replaces_the_old_and_a_missing_one_keeps_it() {
    let (service, user) = user([
        tokens("token-one", Some("refresh-two")),
        tokens("token-two", None),
        tokens("token-three", Some("")),
        tokens("token-four", Some("refresh-three")),
    ]);
    let mut carried = Vec::new();
    for _ in 0..4 {
        carried.push(refresh_token(&user.token().await.unwrap()).unwrap().to_owned());
    }
    assert_eq!(service.spent(), ["refresh-one", "refresh-two", "refresh-two", "refresh-two"]);
    assert_eq!(carried, ["refresh-two", "refresh-two", "refresh-two", "refresh-three"]);
}

#[tokio::test]
async fn a_login_that_is_over_is_told_once_by_the_service_and_then_remembered() {
    let over = ["4030", "4031", "4032", "4043", "4047", "4048", "4050", "4051", "4052"];
    for known in PrakerjaErrorCode::ALL {
        let (service, user) = user([refused(known.code()), refused(known.code()), tokens("token-one", None)]);
        let is_over = over.iter().any(|digits| known.code().ends_with(digits));
        let first = user.token().await.unwrap_err();
        let second = user.clone().token().await.unwrap_err();
        assert_eq!(first.code(), Some(known.code()));
        assert_eq!(second.code(), Some(known.code()));
        assert_eq!(first.find_source(), Some(known));
        assert_eq!(service.requests(), if is_over { 1 } else { 2 }, "{known:?}");
        assert_eq!(first.remedy() == Remedy::LogInAgain, is_over, "{known:?}");
        if is_over {
            assert_eq!((second.kind(), second.remedy()), (ErrorKind::LoginRequired, Remedy::LogInAgain), "{known:?}");
        } else {
            assert_eq!(service.spent(), ["refresh-one", "refresh-one"], "{known:?}");
        }
        let third = user.token().await;
        // A failure to make a token is a fault once and the end of the login when it comes twice in a row.
        let is_kept = !is_over && *known != PrakerjaErrorCode::CreateJwtToken;
        assert_eq!(third.is_ok(), is_kept, "{known:?}");
    }
}

#[tokio::test]
async fn a_failure_to_make_a_token_is_forgiven_once_in_a_row() {
    let mint = || refused("ERROAUTH4049");
    let (service, user) =
        user([mint(), tokens("token-one", None), mint(), Answer::Text(503, ""), mint(), mint(), tokens("token-two", None)]);
    let mut remedies = Vec::new();
    for _ in 0..7 {
        remedies.push(user.token().await.err().map(|error| error.remedy()));
    }
    let (retry, login) = (Some(Remedy::Retry), Some(Remedy::LogInAgain));
    assert_eq!(remedies, [retry, None, retry, retry, retry, login, login]);
    assert_eq!((service.requests(), service.left()), (6, 1));
}

#[tokio::test]
async fn what_is_no_verdict_on_the_login_keeps_the_refresh_token() {
    use ErrorKind::{Blocked, ClientRefused, Internal, InvalidResponse, RateLimited, RequestRefused, Server, Transport};
    use Remedy::{ContactService, FixConfiguration, Retry, Wait};
    let cases = [
        (Answer::Lost(Delivery::Unknown), (Transport, Retry)),
        (Answer::Lost(Delivery::NotSent), (Transport, Retry)),
        (Answer::Lost(Delivery::Answered), (Transport, Retry)),
        (Answer::Text(503, "Gateway Timeout"), (Server, Retry)),
        (Answer::Text(403, "<html>no</html>"), (Blocked, FixConfiguration)),
        (Answer::Text(429, ""), (RateLimited, Wait)),
        (Answer::Text(200, "{\"data\":{\"access_token\":\"torn"), (InvalidResponse, Retry)),
        (Answer::Text(200, "[]"), (InvalidResponse, Retry)),
        (refused("ERRPLT00001"), (RequestRefused, ContactService)),
        (refused("ERROAUTH4029"), (ClientRefused, FixConfiguration)),
        (tokens("", None), (InvalidResponse, ContactService)),
        (Answer::Panic, (Internal, Retry)),
    ];
    for (answer, expected) in cases {
        let shown = format!("{answer:?}");
        let (service, user) = user([answer, tokens("token-two", Some("refresh-two"))]);
        let error = user.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), expected, "{shown}");
        assert_eq!(secret(&user.token().await.unwrap()), "token-two", "{shown}");
        assert_eq!(service.spent(), ["refresh-one", "refresh-one"], "{shown}");
    }
}

/// A success with a new refresh token, in which one other field is bad.
fn spoilt(field: &str, value: serde_json::Value) -> Answer {
    let Answer::Json(status, mut body) = tokens("token-one", Some("refresh-two")) else { panic!("tokens come as JSON") };
    body["data"][field] = value;
    Answer::Json(status, body)
}

#[tokio::test]
async fn a_new_refresh_token_is_kept_whatever_else_in_the_answer_is_bad() {
    let too_long = "x".repeat(16_385);
    let cases = [
        (spoilt("token_type", json!("JWT")), "refresh-two"),
        (spoilt("token_type", json!(["Bearer"])), "refresh-two"),
        (spoilt("access_token", json!(null)), "refresh-two"),
        (spoilt("access_token", json!("")), "refresh-two"),
        (spoilt("access_token", json!({"token": 1})), "refresh-two"),
        (spoilt("access_token", json!("token\r\none")), "refresh-two"),
        (spoilt("access_token", json!(too_long)), "refresh-two"),
        // What cannot be sent renews nothing.
        (spoilt("refresh_token", json!(too_long)), "refresh-one"),
        (spoilt("refresh_token", json!("refresh two")), "refresh-one"),
        (spoilt("refresh_token", json!(["refresh-two"])), "refresh-one"),
        (tokens("", Some("")), "refresh-one"),
        (tokens("", None), "refresh-one"),
    ];
    for (answer, next) in cases {
        let shown: String = format!("{answer:?}").chars().take(300).collect();
        let (service, user) = user([answer, tokens("token-two", None)]);
        let error = user.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::InvalidResponse, Remedy::ContactService), "{shown}");
        assert!(!format!("{error} {error:?}").contains("refresh-two"), "{shown}");
        let token = user.token().await.unwrap();
        assert_eq!((secret(&token), refresh_token(&token)), ("token-two", Some(next)), "{shown}");
        assert_eq!(service.spent(), ["refresh-one", next], "{shown}");
    }
}

#[tokio::test]
async fn a_refusal_renews_no_refresh_token() {
    for (status, field, value) in
        [(200, "success", json!(false)), (200, "errorCode", json!("ERRPLT00001")), (503, "success", json!(true))]
    {
        let Answer::Json(_, mut body) = tokens("token-one", Some("refresh-two")) else { panic!("tokens come as JSON") };
        body[field] = value;
        let (service, user) = user([Answer::Json(status, body), tokens("token-two", None)]);
        assert_ne!(user.token().await.unwrap_err().remedy(), Remedy::LogInAgain);
        user.token().await.unwrap();
        assert_eq!(service.spent(), ["refresh-one", "refresh-one"], "{status} {field}");
    }
}

#[tokio::test]
async fn a_refresh_that_may_have_arrived_is_not_sent_again_by_itself() {
    for (answer, requests) in [
        (Answer::Text(503, ""), 1),
        (refused("ERROAUTH4049"), 1),
        (Answer::Lost(Delivery::Unknown), 1),
        (Answer::Lost(Delivery::Answered), 1),
        (Answer::Text(200, "{\"data\":"), 1),
        (Answer::Json(503, serde_json::json!({"code": "ERRPLT00001", "success": false})), 1),
        // Nothing left the machine, so the retry may try as often as its policy says.
        (Answer::Lost(Delivery::NotSent), 3),
    ] {
        let (service, _, prakerja) = setup(vec![answer.clone(); 9]);
        let tokens = prakerja.user_from_refresh_token("refresh-one").build();
        assert!(tokens.token().await.is_err());
        assert_eq!(service.requests(), requests, "{answer:?}");
    }
}

#[tokio::test]
async fn an_exchange_is_sent_once_and_its_failure_asks_for_a_new_login() {
    let login = |kind| (kind, Remedy::LogInAgain);
    for (answer, expected) in [
        (Answer::Text(503, ""), login(ErrorKind::Server)),
        (Answer::Text(429, ""), login(ErrorKind::RateLimited)),
        (Answer::Lost(Delivery::Unknown), login(ErrorKind::Transport)),
        (Answer::Lost(Delivery::NotSent), login(ErrorKind::Transport)),
        (Answer::Lost(Delivery::Answered), login(ErrorKind::Transport)),
        (Answer::Text(200, "{\"data\":"), login(ErrorKind::InvalidResponse)),
        (refused("ERROAUTH4031"), login(ErrorKind::LoginRequired)),
        (refused("ERROAUTH4032"), login(ErrorKind::LoginRequired)),
        (refused("ERROAUTH4047"), login(ErrorKind::LoginRequired)),
        (refused("ERROAUTH4049"), login(ErrorKind::Server)),
        (refused("ERROAUTH4050"), (ErrorKind::RequestRefused, Remedy::FixConfiguration)),
        (refused("ERROAUTH4052"), login(ErrorKind::LoginRequired)),
        (refused("ERROAUTH4029"), (ErrorKind::ClientRefused, Remedy::FixConfiguration)),
        (refused("ERRPLT00001"), (ErrorKind::RequestRefused, Remedy::ContactService)),
    ] {
        let (service, _, prakerja) = setup(vec![answer.clone(); 9]);
        let error = prakerja.exchange(code(&prakerja)).await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), expected, "{answer:?}");
        assert!(!error.is_transient() && !error.may_be_sent_again(), "{answer:?}");
        assert_eq!(service.requests(), 1, "{answer:?}");
        assert!(!format!("{error} {error:?}").contains("code-test-only"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_lost_exchange_says_that_the_code_may_be_spent() {
    let (_, _, prakerja) = setup([Answer::Lost(Delivery::Unknown)]);
    let error = prakerja.exchange(code(&prakerja)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "prakerja: no answer to the code exchange, and the code in it can be used only once; log the user in again"
    );
    assert!(error.find_source::<token_core::TransportError>().is_some());
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_lose_the_new_refresh_token() {
    let service = Service::held([tokens("token-one", Some("refresh-two")), tokens("token-two", Some("refresh-three"))]);
    let prakerja = prakerja(&service, &Arc::new(ManualClock::new()));
    let user = prakerja.user_from_refresh_token("refresh-one").build_uncached();
    // Dropped with the request at the service.
    until_it_arrives(&service, user.token()).await;
    service.gate.add_permits(2);
    assert_eq!(secret(&user.token().await.unwrap()), "token-two");
    assert_eq!(service.spent(), ["refresh-one", "refresh-two"]);
}

/// Polls `call` until its request is at the service, and no further.
async fn until_it_arrives<T>(service: &Service, call: impl Future<Output = T> + Unpin) {
    tokio::select! {
        biased;
        _ = call => panic!("the answer is held"),
        permit = service.arrived.acquire() => permit.unwrap().forget(),
    }
}

#[test]
fn a_refresh_on_a_runtime_that_nobody_drives_is_waited_for_and_not_for_ever() {
    let service = Service::held([tokens("token-one", Some("refresh-two")), tokens("token-two", Some("refresh-three"))]);
    let clock = Arc::new(ManualClock::new());
    let user = prakerja(&service, &clock).user_from_refresh_token("refresh-one").build_uncached();
    let (still, driven) = (runtime(), runtime());
    still.block_on(until_it_arrives(&service, user.token()));

    driven.block_on(async {
        let other = user.clone();
        let call = tokio::spawn(async move { other.token().await });
        settle().await;
        clock.advance(LONGEST_WAIT - Duration::from_millis(1));
        settle().await;
        assert!(!call.is_finished(), "the other refresh may end yet");
        clock.advance(Duration::from_millis(1));
        settle().await;
        assert!(call.is_finished(), "nobody waits for ever");
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::Retry));
        assert_eq!(
            error.to_string(),
            "prakerja: the refresh before this one has not ended in two minutes: the runtime that runs it may stand still; try again"
        );
    });
    assert_eq!(service.requests(), 1);

    // Driven again, the first one ends and the login goes on.
    service.gate.add_permits(2);
    assert_eq!(secret(&still.block_on(user.token()).unwrap()), "token-two");
    assert_eq!(service.spent(), ["refresh-one", "refresh-two"]);
}

#[test]
fn a_refresh_that_ends_in_time_lets_the_next_one_go_on() {
    let service = Service::held([tokens("token-one", Some("refresh-two")), tokens("token-two", Some("refresh-three"))]);
    let clock = Arc::new(ManualClock::new());
    let user = prakerja(&service, &clock).user_from_refresh_token("refresh-one").build_uncached();
    runtime().block_on(async {
        let calls = [user.clone(), user]
            .map(|user| tokio::spawn(async move { user.token().await.map(|token| secret(&token).to_owned()) }));
        settle().await;
        clock.advance(LONGEST_WAIT - Duration::from_millis(1));
        service.gate.add_permits(2);
        for (call, token) in calls.into_iter().zip(["token-one", "token-two"]) {
            assert_eq!(call.await.unwrap().unwrap(), token);
        }
    });
    assert_eq!(service.spent(), ["refresh-one", "refresh-two"]);
}

#[test]
fn a_refresh_that_meets_no_other_sets_no_timer() {
    let service = Service::new([tokens("token-one", None)]);
    // Its sleep panics on a runtime without a time driver, as this one is.
    let builder = support::builder(&service, &Arc::new(ManualClock::new())).clock(Arc::new(SystemClock));
    let user = builder.build().unwrap().user_from_refresh_token("refresh-one").build_uncached();
    assert_eq!(secret(&runtime().block_on(user.token()).unwrap()), "token-one");
}

#[test]
fn a_runtime_that_ends_is_told_and_keeps_the_refresh_token() {
    let service = Service::held([tokens("token-one", Some("refresh-two"))]);
    let user = prakerja(&service, &Arc::new(ManualClock::new())).user_from_refresh_token("refresh-one").build_uncached();
    let (ending, other) = (runtime(), runtime());
    let handle = ending.handle().clone();

    // In the middle of a refresh: the request is at the service.
    let mut call = user.token();
    ending.block_on(until_it_arrives(&service, &mut call));
    drop(ending);
    let in_the_middle = other.block_on(call).unwrap_err();
    assert_eq!(service.spent(), ["refresh-one"]);

    // Before one: the runtime that is current is over.
    let current = handle.enter();
    let poll = pin!(user.token()).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(before)) = poll else { panic!("no runtime to wait on") };
    drop(current);
    assert_eq!(service.requests(), 1);

    for error in [in_the_middle, before] {
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::Retry));
        assert_eq!(error.to_string(), "prakerja: the runtime that ran the refresh ended; try again");
    }
    service.gate.add_permits(1);
    assert_eq!(secret(&other.block_on(user.token()).unwrap()), "token-one");
    assert_eq!(service.spent(), ["refresh-one", "refresh-one"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_refresh_follows_the_other() {
    let service = Service::new((2..10).map(|number| tokens(&format!("token-{number}"), Some(&format!("refresh-{number}")))));
    let user = prakerja(&service, &Arc::new(ManualClock::new())).user_from_refresh_token("refresh-one").build_uncached();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let user = user.clone();
            tokio::spawn(async move { user.token().await.map(|token| secret(&token).to_owned()) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(service.most_in_flight(), 1);
    let spent: Vec<String> =
        std::iter::once("refresh-one".to_owned()).chain((2..9).map(|number| format!("refresh-{number}"))).collect();
    assert_eq!(service.spent(), spent);
}

#[tokio::test]
async fn the_token_of_the_login_is_served_and_then_refreshed() {
    let (service, clock, prakerja) = setup([tokens("token-one", Some("refresh-one")), tokens("token-two", Some("refresh-two"))]);
    let token = prakerja.exchange(code(&prakerja)).await.unwrap();
    let tokens = prakerja.user(token).build();
    for _ in 0..3 {
        assert_eq!(secret(&tokens.token().await.unwrap()), "token-one");
    }
    assert_eq!(service.requests(), 1);
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(secret(&tokens.token().await.unwrap()), "token-two");
    assert_eq!(service.spent(), ["code-test-only", "refresh-one"]);
}

#[tokio::test]
async fn a_refresh_whose_answer_is_lost_is_not_sent_again_while_there_is_a_usable_token() {
    // What is lost on the way, and the refresh token that is sent when nothing is left to lose.
    for (answer, next) in [
        (Answer::Lost(Delivery::Unknown), "refresh-one"),
        (Answer::Lost(Delivery::Answered), "refresh-one"),
        (Answer::Text(200, "{\"data\":{\"access_token\":\"torn"), "refresh-one"),
        // The answer came, and only its refresh token is good.
        (spoilt("token_type", json!("JWT")), "refresh-two"),
    ] {
        let shown = format!("{answer:?}");
        let (service, clock) = (
            Service::new([tokens("token-one", Some("refresh-one")), answer, tokens("token-two", None)]),
            Arc::new(ManualClock::new()),
        );
        let prakerja = prakerja(&service, &clock);
        let tokens = prakerja.user(prakerja.exchange(code(&prakerja)).await.unwrap()).build();

        // Due after 48 minutes at the latest, usable for half a minute less than an hour.
        clock.advance(Duration::from_secs(2_900));
        assert_eq!(secret(&tokens.token().await.unwrap()), "token-one", "{shown}");
        settle().await;
        assert_eq!(service.spent(), ["code-test-only", "refresh-one"], "{shown}");
        for _ in 0..6 {
            clock.advance(Duration::from_secs(100));
            assert_eq!(secret(&tokens.token().await.unwrap()), "token-one", "{shown}");
            settle().await;
            assert_eq!(service.requests(), 2, "{shown}");
        }

        clock.advance(Duration::from_secs(100));
        assert_eq!(secret(&tokens.token().await.unwrap()), "token-two", "{shown}");
        assert_eq!(service.spent(), ["code-test-only", "refresh-one", next], "{shown}");
    }
}

#[tokio::test]
async fn an_api_that_refuses_the_token_makes_one_refresh() {
    let (service, _, prakerja) = setup([tokens("token-one", Some("refresh-one")), tokens("token-two", None)]);
    let token = prakerja.exchange(code(&prakerja)).await.unwrap();
    let tokens = prakerja.user(token.clone()).build();
    for _ in 0..100 {
        tokens.invalidate(&token);
        assert_eq!(secret(&tokens.token().await.unwrap()), "token-two");
    }
    assert_eq!(service.spent(), ["code-test-only", "refresh-one"]);
}

#[tokio::test]
async fn without_a_refresh_token_the_login_ends_with_its_token() {
    let (service, clock, prakerja) = setup([tokens("token-one", None)]);
    let token = prakerja.exchange(code(&prakerja)).await.unwrap();
    let tokens = prakerja.user(token.clone()).build();
    clock.advance(Duration::from_secs(3_500));
    assert_eq!(secret(&tokens.token().await.unwrap()), "token-one");
    clock.advance(Duration::from_secs(200));
    for error in [tokens.token().await.unwrap_err(), prakerja.user(token).build_uncached().token().await.unwrap_err()] {
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::LoginRequired, Remedy::LogInAgain));
    }
    assert_eq!(service.requests(), 1);
}

#[tokio::test]
async fn a_dead_login_behind_the_cache_is_asked_about_once() {
    let (service, clock, prakerja) = setup([refused("ERROAUTH4043")]);
    let mut policy = CachePolicy::default();
    policy.longest_pause = Duration::from_millis(1);
    let tokens = prakerja.user_from_refresh_token("refresh-one").cache(policy).build();
    for _ in 0..5 {
        let error = tokens.token().await.unwrap_err();
        assert_eq!((error.remedy(), error.code()), (Remedy::LogInAgain, Some("ERROAUTH4043")));
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!(service.requests(), 1);
}

#[test]
fn without_a_runtime_the_error_says_so() {
    let (service, user) = user([]);
    let poll = pin!(user.token()).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = poll else { panic!("no runtime to wait on") };
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::FixConfiguration));
    assert_eq!(service.requests(), 0);
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let canaries = ["refresh-canary", "token-canary", "key-canary"];
    let service = Service::new([
        tokens("token-canary", Some("refresh-canary-two")),
        Answer::Json(
            400,
            serde_json::json!({"code": "refresh-canary-two", "message": "not refresh-canary-two", "success": false}),
        ),
    ]);
    let clock = Arc::new(ManualClock::new());
    let prakerja = support::builder(&service, &clock).sign_key("key-canary").build().unwrap();
    let builder = prakerja.user_from_refresh_token("refresh-canary");
    let mut shown = format!("{prakerja:?} {builder:?}");
    let user = builder.build_uncached();
    let token = user.token().await.unwrap();
    let error = user.token().await.unwrap_err();
    shown += &format!("{user:?} {token:?} {error} {error:?} {:?} {:?}", error.service_message(), sources(&error));
    assert!(!canaries.iter().any(|canary| shown.contains(canary)), "{shown}");
}

fn sources(error: &Error) -> String {
    use std::error::Error as _;
    std::iter::successors(error.source(), |&error| error.source()).map(|error| format!("{error} {error:?}; ")).collect()
}
