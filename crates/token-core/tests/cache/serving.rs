//! What callers get, and that one request serves them all.

use std::task::{Context, Waker};
use std::time::Duration;

use token_core::{Clock, Expiry, Token};

use crate::bench::{Bench, Does, HOUR, numbered, settle, text};

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
async fn a_cache_can_begin_with_a_token() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let from_login = |lifetime| Token::bearer("from-login", Expiry::After(lifetime), bench.clock.now()).build().unwrap();
    let cache = bench.cache.clone().with_token(from_login(HOUR));
    assert_eq!(text(&cache.token().await.unwrap()), "from-login");
    assert_eq!(bench.calls(), 0);
    let cache = cache.with_token(from_login(Duration::ZERO));
    assert_eq!(text(&cache.token().await.unwrap()), "token-1", "a token that is over is not served");
}
