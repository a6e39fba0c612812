//! Tokens that an API refuses.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use token_core::ErrorKind;

use crate::bench::{Bench, Does, HOUR, numbered, settle, text};

#[tokio::test]
async fn a_hundred_refusals_of_one_token_make_one_refresh() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let refused = bench.cache.token().await.unwrap();
    for _ in 0..100 {
        bench.cache.invalidate(&refused);
        assert_eq!(bench.served().await, "token-2", "the newer token stays");
    }
    assert_eq!(bench.calls(), 2);
    assert_eq!(bench.provider.invalidated.load(Ordering::SeqCst), 100, "the provider below hears of each");
}

#[tokio::test]
async fn a_refusal_is_not_undone_by_a_refresh_that_began_before_it() {
    let bench = Bench::gated(|call| Does::Gives(if call < 3 { "token-1" } else { "token-3" }, HOUR));
    bench.open();
    let refused = bench.cache.token().await.unwrap();
    bench.advance(3_000);
    bench.served().await;
    settle().await;
    assert_eq!(bench.calls(), 2, "a refresh is under way");
    bench.cache.invalidate(&refused);
    // This caller joins the refresh that is under way, and it too must not get the refused token back.
    let joined = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|token| text(&token)) }
    });
    settle().await;
    assert_eq!(bench.calls(), 2);
    bench.provider.gate.add_permits(2);
    assert_eq!(joined.await.unwrap().unwrap(), "token-3", "the refresh brought the refused token again");
    assert_eq!(bench.served().await, "token-3");
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn a_refresh_that_brings_the_refused_token_does_not_end_the_pause_for_it() {
    let bench = Bench::gated(|call| Does::Gives(if call == 1 { "token-0" } else { "token-1" }, Duration::from_secs(100)));
    bench.provider.gate.add_permits(2);
    bench.cache.invalidate(&bench.cache.token().await.unwrap());
    let second = bench.cache.token().await.unwrap();
    bench.advance(45);
    // Due by the wall clock, while by the monotonic one it is too young to have served well.
    bench.clock.sleep_machine(Duration::from_secs(40));
    assert_eq!(bench.served().await, "token-1");
    settle().await;
    assert_eq!(bench.calls(), 3, "a refresh is under way");
    bench.cache.invalidate(&second);
    bench.provider.gate.add_permits(2);
    settle().await;
    assert_eq!(bench.error().await.kind(), ErrorKind::TokenRefused);
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn a_refused_token_that_came_a_second_time_is_dropped_too() {
    let bench = Bench::new(|call| Does::Gives(if call < 3 { "token-1" } else { "token-3" }, HOUR));
    let first = bench.cache.token().await.unwrap();
    bench.advance(3_000);
    bench.served().await;
    settle().await;
    assert!(!bench.cache.token().await.unwrap().is_same(&first), "another answer with the same access token");
    bench.cache.invalidate(&first);
    assert_eq!(bench.served().await, "token-3");
}

#[tokio::test]
async fn a_token_that_served_well_and_was_revoked_is_replaced_at_once() {
    let bench = Bench::new(|_| Does::Gives("token-many", HOUR));
    for _ in 0..20 {
        let token = bench.cache.token().await.unwrap();
        bench.advance(700);
        bench.cache.invalidate(&token);
    }
    assert_eq!(bench.calls(), 20);
}

#[tokio::test]
async fn a_refusal_now_and_then_does_not_add_up() {
    let bench = Bench::new(|_| Does::Gives("token-many", HOUR));
    for _ in 0..20 {
        // A fresh token is refused once; those after it serve for hours.
        bench.cache.invalidate(&bench.cache.token().await.unwrap());
        for _ in 0..10 {
            bench.served().await;
            settle().await;
            bench.advance(3_000);
        }
        bench.advance(3_600);
    }
}

#[tokio::test]
async fn a_refused_token_is_not_handed_to_one_who_waited_for_it() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let (mut first, mut second) = (pin!(bench.cache.token()), pin!(bench.cache.token()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    bench.provider.gate.add_permits(2);
    settle().await;
    let Poll::Ready(Ok(refused)) = first.as_mut().poll(&mut context) else { panic!("the token has landed") };
    bench.cache.invalidate(&refused);
    assert_eq!(text(&second.await.unwrap()), "token-2");
}
