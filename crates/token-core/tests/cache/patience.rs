//! Callers who wait only for so long.

use std::sync::Arc;
use std::time::Duration;

use token_core::{CachePolicy, Clock, Error, ErrorKind, Expiry, RefreshUnderWay, Remedy, SystemClock, Token, TokenCache};

use crate::bench::{Bench, Does, HOUR, Meddled, Scripted, at_once, fails, numbered, runtime, settle, text};

const NONE: Duration = Duration::ZERO;

/// How far the request is, in seconds: since it began, and until it is given up.
fn far(error: &Error) -> (u64, u64) {
    assert_eq!((error.kind(), error.remedy(), error.is_transient()), (ErrorKind::Pending, Remedy::Retry, true), "{error}");
    let RefreshUnderWay { elapsed, at_most_left, .. } = error.find_source().expect("how far it is");
    (elapsed.as_secs(), at_most_left.as_secs())
}

#[tokio::test]
async fn without_patience_a_request_begins_and_its_token_serves_a_later_call() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let impatient = || at_once(bench.cache.token_within(NONE)).expect("nobody waits");
    assert_eq!(far(&impatient().unwrap_err()), (0, 121));
    settle().await;
    bench.advance(30);
    assert_eq!(far(&impatient().unwrap_err()), (30, 91));
    bench.advance(89);
    assert_eq!(far(&impatient().unwrap_err()), (119, 2));
    bench.open();
    settle().await;
    assert_eq!(text(&impatient().unwrap()), "token-1");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn patience_is_measured_by_the_clock_and_costs_no_second_request() {
    // The patience, and when the answer comes, in seconds; and what the caller gets, and after how long.
    let cases: [(u64, u64, Result<(), ErrorKind>, u64); 5] = [
        (5, 3, Ok(()), 3),
        (5, 7, Err(ErrorKind::Pending), 5),
        (119, 300, Err(ErrorKind::Pending), 119),
        (300, 300, Err(ErrorKind::Internal), 120),
        (u64::MAX, 119, Ok(()), 119),
    ];
    for (patience, answered, outcome, after) in cases {
        let what = format!("patience of {patience} s, an answer after {answered} s");
        let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
        let cache = bench.cache.clone();
        let caller = tokio::spawn(async move { cache.token_within(Duration::from_secs(patience)).await });
        for second in 1..=after {
            settle().await;
            assert!(!caller.is_finished(), "{what}: it waited less than {second} s");
            bench.advance(1);
            if second == answered {
                bench.open();
            }
        }
        settle().await;
        assert!(caller.is_finished(), "{what}");
        assert_eq!(caller.await.unwrap().map(|_| ()).map_err(|error| error.kind()), outcome, "{what}");
        if outcome == Err(ErrorKind::Pending) {
            bench.open();
            settle().await;
            assert_eq!(text(&at_once(bench.cache.token()).expect("no wait").unwrap()), "token-1", "{what}: the request went on");
        }
        assert_eq!(bench.calls(), 1, "{what}");
    }
}

#[tokio::test]
async fn what_is_known_at_once_needs_no_patience() {
    // The token's age in seconds; what comes at once, and how many requests there were.
    let cases = [
        ("fresh", 0, Ok("token-1"), 1),
        ("due", 3_000, Ok("token-1"), 2),
        ("over", 3_570, Err(ErrorKind::Pending), 2),
        ("due, and closed", 3_000, Ok("token-1"), 1),
        ("over, and closed", 3_570, Err(ErrorKind::Closed), 1),
    ];
    for (what, age, outcome, calls) in cases {
        let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
        bench.served().await;
        bench.advance(age);
        if what.ends_with("closed") {
            bench.cache.close().await;
        }
        let found = at_once(bench.cache.token_within(NONE)).expect(what);
        assert_eq!(found.as_ref().map(text).map_err(Error::kind), outcome.map(str::to_owned), "{what}");
        settle().await;
        assert_eq!(bench.calls(), calls, "{what}");
    }
}

#[tokio::test]
async fn a_remembered_error_comes_at_once_with_the_time_left() {
    let bench = Bench::new(|call| match call {
        1 => fails(ErrorKind::ClientRefused, Remedy::FixConfiguration),
        call => Does::Gives(numbered(call), HOUR),
    });
    bench.error().await;
    bench.advance(20);
    for patience in [NONE, HOUR] {
        let error = at_once(bench.cache.token_within(patience)).expect("nobody waits").unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::ClientRefused, Some(Duration::from_secs(40))));
    }
    assert_eq!(bench.calls(), 1);
}

/// Nobody can wait for a time there. A panic in place of an error would end the caller's task.
#[test]
fn on_a_runtime_without_timers_patience_is_none_and_the_request_goes_on() {
    let bench = Bench::gated(|_| Does::Builds(|_| Token::bearer("token-1", Expiry::After(HOUR), SystemClock.now())));
    let cache = TokenCache::with_policy(Arc::clone(&bench.provider), CachePolicy::default(), Arc::new(SystemClock));
    runtime().block_on(async {
        let error = at_once(cache.token_within(HOUR)).expect("nobody waits").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pending);
        assert!(error.find_source::<RefreshUnderWay>().is_some());
        bench.open();
        assert_eq!(text(&cache.token().await.unwrap()), "token-1");
        assert_eq!(text(&cache.token_within(NONE).await.unwrap()), "token-1");
    });
    assert_eq!(bench.calls(), 1);
}

/// The answer comes on another thread while the pause ends, so that the caller has not heard of it.
#[test]
fn what_lands_as_patience_ends_is_given() {
    const PATIENCE: Duration = Duration::from_secs(5);
    for is_good in [true, false] {
        let clock = Meddled::new();
        let provider = Scripted::new(Arc::clone(&clock.clock), move |call| {
            if is_good { Does::Gives(numbered(call), HOUR) } else { fails(ErrorKind::ClientRefused, Remedy::FixConfiguration) }
        });
        let cache = TokenCache::with_policy(Arc::clone(&provider), CachePolicy::default(), Arc::clone(&clock) as _);
        let (looks, opens) = (cache.clone(), Arc::clone(&provider));
        *clock.in_a_pause.lock().unwrap() = Some((
            PATIENCE,
            Box::new(move || {
                opens.gate.add_permits(1);
                while looks.state().refreshing.is_some() {
                    std::thread::yield_now();
                }
            }),
        ));
        let two_threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let given = two_threads.block_on(async { at_once(cache.token_within(PATIENCE)).expect("patience has ended") });
        let wanted = if is_good { Ok("token-1".to_owned()) } else { Err((ErrorKind::ClientRefused, Some(PATIENCE * 12))) };
        assert_eq!(given.as_ref().map(text).map_err(|error| (error.kind(), error.retry_after())), wanted);
    }
}
