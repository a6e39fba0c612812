//! What callers get, and that one request serves them all.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use token_core::{CachePolicy, Clock, ErrorKind, Expiry, Remedy, Token, TokenCache};

use crate::bench::{Bench, Cache, Does, HOUR, Meddled, Scripted, at_once, fails, numbered, settle, text};

#[tokio::test]
async fn a_fresh_token_is_served_without_a_request() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    for _ in 0..100 {
        assert_eq!(bench.served().await, "token-1");
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_token_that_lives_fifteen_seconds_is_cached_too() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), Duration::from_secs(15)));
    for _ in 0..40 {
        assert_eq!(bench.served().await, "token-1");
        bench.clock.advance(Duration::from_millis(10));
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_due_token_is_served_while_one_refresh_runs_behind_it() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    bench.open();
    bench.served().await;
    bench.advance(3_000);
    for _ in 0..10 {
        assert_eq!(bench.served().await, "token-1");
        settle().await;
    }
    assert_eq!(bench.calls(), 2, "one refresh, not one a call");
    bench.open();
    settle().await;
    assert_eq!(bench.served().await, "token-2");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_stampede_makes_one_request() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let cache = bench.cache.clone();
            tokio::spawn(async move { text(&cache.token().await.unwrap()) })
        })
        .collect();
    settle().await;
    bench.open();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "token-1");
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_costs_nothing() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let leader = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await }
    });
    settle().await;
    let follower = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|token| text(&token)) }
    });
    settle().await;
    leader.abort();
    settle().await;
    bench.open();
    assert_eq!(follower.await.unwrap().unwrap(), "token-1");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_comes_back_late_gets_no_token_that_is_over() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let mut late = std::pin::pin!(bench.cache.token());
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    bench.open();
    settle().await;
    bench.advance(7_200);
    bench.open();
    assert_eq!(text(&late.await.unwrap()), "token-2");
}

#[tokio::test]
async fn a_caller_that_is_held_up_after_it_read_the_clock_gets_no_token_that_is_over() {
    for waits in [true, false] {
        let clock = Meddled::new();
        let provider = Scripted::new(Arc::clone(&clock.clock), |call| Does::Gives(numbered(call), HOUR));
        let cache = TokenCache::with_policy(Arc::clone(&provider), CachePolicy::default(), Arc::clone(&clock) as _);
        provider.gate.add_permits(1);
        let (other, moved) = (cache.clone(), Arc::clone(&clock.clock));
        *clock.after_reading.lock().unwrap() = Some(Box::new(move || {
            let short = Token::bearer("token-short", Expiry::After(Duration::from_secs(15)), moved.now()).build().unwrap();
            drop(other.with_token(short));
            moved.sleep_machine(HOUR);
        }));
        if waits {
            assert_eq!(text(&cache.token().await.unwrap()), "token-1");
        } else {
            assert!(cache.try_token().is_none());
        }
        assert!(clock.after_reading.lock().unwrap().is_none(), "the clock was read");
    }
}

#[tokio::test]
async fn a_cache_can_begin_with_a_token() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let from_login = |lifetime| Token::bearer("from-login", Expiry::After(lifetime), bench.clock.now()).build().unwrap();
    let cache = bench.cache.clone().with_token(from_login(HOUR));
    assert_eq!(text(&cache.token().await.unwrap()), "from-login");
    assert_eq!(bench.calls(), 0);
    let cache = cache.with_token(from_login(Duration::ZERO));
    assert_eq!(text(&cache.token().await.unwrap()), "token-1", "a token that is over is not served");
}

/// What is left to callers who do not wait: the token that is held, and a request behind it where one is of use.
#[tokio::test]
async fn try_token_gives_what_is_usable_and_sees_to_the_rest() {
    struct Case {
        what: &'static str,
        /// What the first request brought, if there was one.
        first: Option<fn() -> Does>,
        age: u64,
        given: Option<&'static str>,
        /// Whether a request begins.
        begins: bool,
    }
    let good = || Does::Gives("token-first", HOUR);
    let refused = || fails(ErrorKind::ClientRefused, Remedy::FixConfiguration);
    let case = |what, first, age, given, begins| Case { what, first, age, given, begins };
    let cases = [
        case("nothing yet", None, 0, None, true),
        case("fresh", Some(good), 2_519, Some("token-first"), false),
        case("due", Some(good), 2_880, Some("token-first"), true),
        case("due, nearly over", Some(good), 3_569, Some("token-first"), true),
        case("over", Some(good), 3_570, None, true),
        case("in a hold", Some(refused), 59, None, false),
        case("after a hold", Some(refused), 60, None, true),
    ];
    for Case { what, first, age, given, begins } in cases {
        let bench = Bench::gated(move |call| match (call, first) {
            (1, Some(first)) => first(),
            _ => Does::Gives("token-next", HOUR),
        });
        let before = usize::from(first.is_some());
        if first.is_some() {
            bench.open();
            let _ = bench.cache.token().await;
        }
        bench.advance(age);
        for _ in 0..3 {
            assert_eq!(bench.cache.try_token().as_ref().map(text).as_deref(), given, "{what}");
            let header = bench.cache.try_authorization();
            assert_eq!(header, given.map(|token| format!("Bearer {token}").parse().unwrap()), "{what}");
            assert!(header.is_none_or(|header| header.is_sensitive()), "{what}");
            settle().await;
        }
        assert_eq!(bench.calls(), before + usize::from(begins), "{what}");
        bench.open();
        settle().await;
        let after = if begins { Some("token-next") } else { given };
        assert_eq!(bench.cache.try_token().as_ref().map(text).as_deref(), after, "{what}: when the request has ended");
    }
}

#[test]
fn without_a_runtime_try_token_gives_what_is_usable_and_begins_nothing() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let from_login = Token::bearer("from-login", Expiry::After(HOUR), bench.clock.now()).build().unwrap();
    let tried = |cache: &Cache| (cache.try_token().as_ref().map(text), cache.try_authorization().is_some());
    assert_eq!(tried(&bench.cache), (None, false));
    let cache = bench.cache.clone().with_token(from_login);
    for (what, age, given) in [("fresh", 0, true), ("due", 2_880, true), ("over", 690, false)] {
        bench.advance(age);
        assert_eq!(tried(&cache), (given.then(|| "from-login".to_owned()), given), "{what}");
    }
    assert_eq!(bench.calls(), 0);
    assert_eq!(cache.state().counts.requests, 0, "a request that nothing can run was not noted either");
}

#[tokio::test]
async fn the_header_is_the_tokens_own() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let waits = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.authorization().await }
    });
    settle().await;
    bench.open();
    let waited = waits.await.unwrap().unwrap();
    let served = at_once(bench.cache.authorization()).expect("no wait").unwrap();
    let token = at_once(bench.cache.token()).expect("no wait").unwrap();
    for header in [&waited, &served] {
        assert_eq!(header, "Bearer token-1");
        assert!(header.is_sensitive());
        assert_eq!(header.as_bytes().as_ptr(), token.authorization().as_bytes().as_ptr(), "built once for each token");
    }
    bench.advance(3_570);
    bench.cache.close().await;
    let error = bench.cache.authorization().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "its errors are those of `token`");
}
