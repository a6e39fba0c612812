//! How a cache ends: closed, or dropped by whoever held it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use token_core::{CachePolicy, ErrorKind, Expiry, Remedy, SystemClock, Token, TokenCache, TokenProvider};

use crate::bench::{Bench, Cache, Does, HOUR, alive_tasks, at_once, numbered, runtime, settle, text};

/// A cache whose first request is under way.
async fn under_way() -> Bench {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    assert!(bench.cache.try_token().is_none());
    assert!(bench.cache.state().refreshing.is_some());
    // Where the request runs on another thread, it is not for this one to say when it asks.
    while bench.calls() == 0 {
        settle().await;
    }
    bench
}

fn closing(cache: &Cache) -> tokio::task::JoinHandle<()> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.close().await })
}

#[tokio::test]
async fn closing_waits_for_the_request_under_way_and_begins_no_more() {
    let bench = under_way().await;
    let waits = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|token| text(&token)) }
    });
    let (first, second) = (closing(&bench.cache), closing(&bench.cache));
    settle().await;
    assert!(!first.is_finished() && !second.is_finished(), "the request has not ended");
    let late = bench.cache.clone();
    assert!(late.state().is_closed, "on every handle");
    assert_eq!(at_once(late.token_within(Duration::ZERO)).unwrap().unwrap_err().kind(), ErrorKind::Pending);

    bench.open();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), "token-1", "who waits gets the answer");
    assert_eq!(bench.ended(), 1);

    // The token is kept, and given out to its end.
    for (what, age, usable) in [("fresh", 0, true), ("due", 2_880, true), ("over", 690, false)] {
        bench.advance(age);
        let tried = late.try_token().as_ref().map(text);
        assert_eq!(tried, usable.then(|| "token-1".to_owned()), "{what}");
        let served = at_once(late.token()).expect("nobody waits");
        let outcome = served.map(|_| ()).map_err(|error| (error.kind(), error.remedy(), error.is_transient()));
        assert_eq!(outcome, if usable { Ok(()) } else { Err((ErrorKind::Closed, Remedy::FixProgram, false)) }, "{what}");
        settle().await;
    }
    assert_eq!((bench.calls(), bench.cache.state().counts.requests), (1, 1));
    assert!(at_once(bench.cache.close()).is_some(), "there is nothing to wait for");
}

/// What was refused is not to be had again, so whoever waits must not wait for ever.
#[tokio::test]
async fn a_closed_cache_whose_request_brings_a_refused_token_says_so_to_those_who_wait() {
    let bench = Bench::gated(|_| Does::Gives("token-same", HOUR));
    bench.open();
    let refused = bench.cache.token().await.unwrap();
    bench.advance(3_000);
    assert!(bench.cache.try_token().is_some());
    settle().await;
    bench.cache.invalidate(&refused);
    let waits = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|_| ()) }
    });
    settle().await;
    let closes = closing(&bench.cache);
    settle().await;
    bench.open();
    closes.await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn closing_a_cache_that_asks_for_nothing_ends_at_once() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    for _ in 0..2 {
        assert!(at_once(bench.cache.close()).is_some());
    }
    assert!(bench.cache.try_token().is_none());
    assert_eq!(bench.error().await.kind(), ErrorKind::Closed);
    settle().await;
    assert_eq!((bench.calls(), alive_tasks()), (0, 0));
}

#[test]
fn a_cache_is_closed_from_another_runtime() {
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let bench = other.block_on(under_way());
    let here = runtime();
    let closes = here.spawn({
        let cache = bench.cache.clone();
        async move { cache.close().await }
    });
    here.block_on(settle());
    assert!(!closes.is_finished());
    bench.open();
    here.block_on(closes).unwrap();
    assert_eq!((bench.ended(), bench.cache.state().counts.tokens), (1, 1));
}

#[test]
fn closing_ends_by_the_clock_if_nobody_drives_the_runtime_of_the_request() {
    let (first, second) = (runtime(), runtime());
    let bench = first.block_on(under_way());
    bench.open();
    let closes = second.spawn({
        let cache = bench.cache.clone();
        async move { cache.close().await }
    });
    second.block_on(settle());
    bench.advance(120);
    second.block_on(settle());
    assert!(!closes.is_finished());
    bench.advance(1);
    second.block_on(closes).unwrap();
    assert_eq!(bench.ended(), 0);
}

/// Without timers the wait has no limit of its own, and the request's answer still ends it.
#[test]
fn closing_on_a_runtime_without_timers_waits_for_the_answer() {
    let bench = Bench::gated(|_| Does::Builds(|now| Token::bearer("token-1", Expiry::After(HOUR), now)));
    let cache = TokenCache::with_policy(Arc::clone(&bench.provider), CachePolicy::default(), Arc::new(SystemClock));
    runtime().block_on(async {
        assert!(cache.try_token().is_none());
        let mut closes = pin!(cache.close());
        for _ in 0..50 {
            tokio::task::yield_now().await;
            assert!(poll_fn(|context| Poll::Ready(closes.as_mut().poll(context).is_pending())).await);
        }
        bench.open();
        closes.await;
    });
    assert_eq!(bench.ended(), 1);
}

#[tokio::test]
async fn the_last_handle_takes_the_request_with_it_if_nothing_is_lost_by_that() {
    for is_cancel_safe in [true, false] {
        let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
        let bench = if is_cancel_safe { bench.cancel_safe() } else { bench };
        let Bench { cache, provider, .. } = bench;
        assert!(cache.try_token().is_none());
        settle().await;
        let clone = cache.clone();
        drop(cache);
        settle().await;
        assert_eq!(alive_tasks(), 1, "there is another handle");
        drop(clone);
        settle().await;
        assert_eq!(alive_tasks(), usize::from(!is_cancel_safe), "cancel safe: {is_cancel_safe}");
        provider.gate.add_permits(1);
        settle().await;
        let ended = provider.ended.load(Ordering::SeqCst);
        assert_eq!(ended, usize::from(!is_cancel_safe), "cancel safe: {is_cancel_safe}: what an answer brings is kept");
        assert_eq!(alive_tasks(), 0);
        assert_eq!(Arc::strong_count(&provider), 1, "nothing of the cache is left");
    }
}

#[tokio::test]
async fn a_caller_that_waits_keeps_its_cache() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR)).cancel_safe();
    let Bench { cache, provider, .. } = bench;
    let waits = tokio::spawn(async move { cache.clone().token().await.map(|token| text(&token)) });
    settle().await;
    provider.gate.add_permits(1);
    assert_eq!(waits.await.unwrap().unwrap(), "token-1");
    settle().await;
    assert_eq!((alive_tasks(), Arc::strong_count(&provider)), (0, 1));
}

/// A request that nothing ends but its limit: it does not outlive that.
#[tokio::test]
async fn a_request_that_must_not_be_cut_off_still_has_its_limit() {
    let Bench { cache, provider, clock } = under_way().await;
    drop(cache);
    settle().await;
    assert_eq!(alive_tasks(), 1);
    clock.advance(Duration::from_secs(120));
    settle().await;
    assert_eq!((alive_tasks(), Arc::strong_count(&provider)), (0, 1));
}

#[tokio::test]
async fn a_hundred_caches_dropped_midway_leave_no_task() {
    let mut providers = Vec::new();
    for number in 0..100 {
        let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
        let bench = if number % 2 == 0 { bench.cancel_safe() } else { bench };
        let outer = TokenCache::with_policy(bench.cache.clone(), CachePolicy::default(), Arc::clone(&bench.clock) as _);
        assert!(outer.try_token().is_none());
        if number % 3 == 0 {
            settle().await;
        }
        providers.push(Arc::clone(&bench.provider));
    }
    settle().await;
    for provider in &providers {
        provider.gate.add_permits(1);
    }
    settle().await;
    assert_eq!(alive_tasks(), 0);
    for (number, provider) in providers.iter().enumerate() {
        assert_eq!(Arc::strong_count(provider), 1, "cache {number}");
        let lost = provider.calls.load(Ordering::SeqCst) - provider.ended.load(Ordering::SeqCst);
        assert!(lost == 0 || provider.is_cancel_safe(), "cache {number}: its answer was lost");
    }
}
