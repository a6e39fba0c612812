//! Where a request runs, and what ends it.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use token_core::{ErrorKind, Remedy};

use crate::bench::{Bench, Does, HOUR, fails, numbered, runtime, settle, text};

#[test]
fn the_end_of_the_runtime_is_told_and_the_next_runtime_starts_anew() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let first = runtime();
    first.block_on(async {
        drop(tokio::spawn({
            let cache = bench.cache.clone();
            async move { cache.token().await }
        }));
        settle().await;
    });
    assert_eq!(bench.calls(), 1);
    let second = runtime();
    let waiting = second.spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|_| ()) }
    });
    second.block_on(settle());
    drop(first);
    let error = second.block_on(waiting).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::Retry));
    bench.open();
    assert_eq!(second.block_on(bench.served()), "token-2");
}

#[test]
fn a_cache_is_made_without_a_runtime_and_says_when_it_needs_one() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let mut future = std::pin::pin!(bench.cache.token());
    let Poll::Ready(Err(error)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it cannot wait without a runtime");
    };
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
    assert_eq!(bench.calls(), 0);
}

/// The runtime of the first request lives on, but nobody drives it: not even its time-out can end it.
#[test]
fn a_request_on_a_runtime_that_nobody_drives_is_given_up() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let (first, second) = (runtime(), runtime());
    let waiting = first.spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|token| text(&token)) }
    });
    first.block_on(settle());
    bench.advance(121);
    bench.provider.gate.add_permits(2);
    assert_eq!(second.block_on(bench.served()), "token-2");
    assert_eq!(bench.calls(), 2);
    let _ = first.block_on(waiting).unwrap();
    assert_eq!(second.block_on(bench.served()), "token-2", "what comes of the first request changes nothing");
}

/// Its time-out is on that runtime too, so those who wait on another one look after it by their own clock.
#[test]
fn who_waits_elsewhere_takes_over_from_a_runtime_that_nobody_drives() {
    for comes_at in [0, 1, 60, 119, 120] {
        let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
        let (first, second) = (runtime(), runtime());
        first.block_on(async {
            assert!(bench.cache.try_token().is_none());
            settle().await;
        });
        bench.advance(comes_at);
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let cache = bench.cache.clone();
                second.spawn(async move { cache.token().await.map(|token| text(&token)) })
            })
            .collect();
        second.block_on(settle());
        bench.clock.advance(Duration::from_millis(1_000 * (121 - comes_at) - 1));
        second.block_on(settle());
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        assert_eq!(bench.calls(), 1, "the first request has a millisecond left");
        let bench = bench.opened();
        bench.clock.advance(Duration::from_millis(1));
        for waiting in waiting {
            assert_eq!(second.block_on(waiting).unwrap().unwrap(), "token-2", "came after {comes_at} s");
        }
        assert_eq!(bench.calls(), 2, "one of them begins anew for all");
        first.block_on(settle());
        assert_eq!(second.block_on(bench.served()), "token-2", "what comes of the first request changes nothing");
        assert_eq!(bench.cache.state().counts.tokens, 1);
    }
}

/// What was given up may still end, and by then another request is under way.
#[test]
fn a_late_answer_leaves_the_request_that_took_its_place_alone() {
    for (what, is_good) in [("a good one", true), ("an error", false)] {
        let bench = Bench::gated(move |call| match call {
            1 if !is_good => fails(ErrorKind::Server, Remedy::Retry),
            call => Does::Gives(numbered(call), HOUR),
        });
        let (first, second) = (runtime(), runtime());
        first.block_on(async {
            assert!(bench.cache.try_token().is_none());
            settle().await;
        });
        bench.advance(121);
        let waiting = second.spawn({
            let cache = bench.cache.clone();
            async move { cache.token().await.map(|token| text(&token)) }
        });
        second.block_on(settle());
        assert_eq!(bench.calls(), 2, "{what}");
        // The gate lets the one through that came first.
        bench.open();
        first.block_on(settle());
        assert_eq!(bench.ended(), 1, "{what}");
        assert!(bench.cache.state().refreshing.is_some(), "{what}: the second is still under way");
        let tried = second.block_on(async { bench.cache.try_token().as_ref().map(text) });
        assert_eq!(tried, is_good.then(|| "token-1".to_owned()), "{what}: a good token is welcome");
        second.block_on(settle());
        assert_eq!(bench.calls(), 2, "{what}: no third request");
        bench.open();
        assert_eq!(second.block_on(waiting).unwrap().unwrap(), "token-2", "{what}");
        assert_eq!(second.block_on(bench.served()), "token-2", "{what}");
    }
}

/// It would otherwise keep every other refresh away until the token is over.
#[test]
fn a_refresh_that_nobody_drives_is_given_up_behind_a_usable_token() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR)).cancel_safe();
    let (first, second) = (runtime(), runtime());
    bench.open();
    first.block_on(bench.served());
    bench.advance(2_900);
    first.block_on(async {
        bench.served().await;
        settle().await;
    });
    for (seconds, calls) in [(120, 2), (1, 3), (0, 3)] {
        bench.advance(seconds);
        second.block_on(async {
            assert_eq!(bench.served().await, "token-1");
            settle().await;
        });
        assert_eq!(bench.calls(), calls, "after {seconds} s more");
    }
    bench.open();
    bench.open();
    second.block_on(settle());
    first.block_on(settle());
    second.block_on(settle());
    assert_eq!(bench.cache.state().counts.failures, 1, "the one that was given up is counted once");
}
