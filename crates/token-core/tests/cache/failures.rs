//! What a failed request does.

use std::time::Duration;

use token_core::{Delivery, Error, ErrorKind, Freshness, Remedy, Resend};

use crate::bench::{Bench, Does, HOUR, fails, numbered, runtime, settle};

#[tokio::test]
async fn an_error_is_not_given_while_a_token_is_usable() {
    let bench = Bench::new(|call| match call {
        1 => Does::Gives("token-1", HOUR),
        2 | 3 => fails(ErrorKind::Server, Remedy::Retry),
        _ => Does::Gives("token-4", HOUR),
    });
    bench.served().await;
    bench.advance(3_000);
    for _ in 0..20 {
        assert_eq!(bench.served().await, "token-1");
        settle().await;
    }
    assert_eq!(bench.calls(), 2, "the pause after a failure holds for every caller");
    bench.clock.advance(Duration::from_millis(250));
    bench.served().await;
    settle().await;
    assert_eq!(bench.calls(), 3);
    bench.clock.advance(Duration::from_millis(500));
    bench.served().await;
    settle().await;
    assert_eq!(bench.served().await, "token-4");
    assert_eq!(bench.calls(), 4);
}

#[tokio::test]
async fn what_may_do_harm_twice_is_not_sent_again_behind_a_usable_token() {
    let lost = || Error::new("test", ErrorKind::Transport, Remedy::Retry).with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown);
    let bench = Bench::new(move |call| if call == 2 { Does::Fails(lost()) } else { Does::Gives(numbered(call), HOUR) });
    bench.served().await;
    bench.advance(3_000);
    for _ in 0..100 {
        assert_eq!(bench.served().await, "token-1");
        settle().await;
        bench.advance(5);
    }
    assert_eq!(bench.calls(), 2, "the answer of the second is lost, and the token is still good");
    bench.advance(100);
    assert_eq!(bench.served().await, "token-3", "nothing is left to lose");
}

#[tokio::test]
async fn everyone_who_waits_gets_the_same_error_from_one_request() {
    let bench = Bench::gated(|call| match call {
        1 => fails(ErrorKind::Server, Remedy::Retry),
        call => Does::Gives(numbered(call), HOUR),
    });
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let cache = bench.cache.clone();
            tokio::spawn(async move { cache.token().await.map(|_| ()) })
        })
        .collect();
    settle().await;
    bench.open();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Server);
    }
    let remembered = bench.error().await;
    assert!(remembered.retry_after().unwrap() <= Duration::from_millis(250));
    assert_eq!(bench.calls(), 1);
    bench.clock.advance(Duration::from_millis(250));
    bench.open();
    assert_eq!(bench.served().await, "token-2", "no error is remembered for ever");
}

#[tokio::test]
async fn refused_credentials_and_too_many_requests_hold() {
    let refused = Error::new("test", ErrorKind::ClientRefused, Remedy::FixConfiguration);
    let limited = |retry_after| Error::new("test", ErrorKind::RateLimited, Remedy::Wait).with_retry_after(retry_after);
    let cases = [
        ("refused", refused, 60),
        ("limited", limited(None), 60),
        ("limited, and told for how long", limited(Some(Duration::from_secs(300))), 300),
        ("limited for ever", limited(Some(Duration::MAX)), 3_600),
    ];
    for (what, failure, seconds) in cases {
        let bench =
            Bench::new(move |call| if call == 1 { Does::Fails(failure.clone()) } else { Does::Gives(numbered(call), HOUR) });
        bench.error().await;
        // Neither a clock set forward nor a machine that slept makes the service forget.
        bench.clock.sleep_machine(HOUR * 24);
        bench.advance(seconds - 1);
        let error = bench.error().await;
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)), "{what}");
        assert_eq!(bench.calls(), 1, "{what}");
        bench.advance(1);
        assert_eq!(bench.served().await, "token-2", "{what}");
    }
}

/// What was asked for may be spent, and its answer is lost. A second request could end the whole login.
#[test]
fn a_request_without_an_answer_is_not_repeated_behind_a_usable_token_if_that_may_do_harm() {
    for how in ["it took too long", "its runtime ended", "nobody drives its runtime", "the provider panicked"] {
        for is_cancel_safe in [true, false] {
            let what = format!("{how}, cancel safe: {is_cancel_safe}");
            let bench = Bench::gated(move |call| {
                if call == 2 && how == "the provider panicked" { Does::Panics } else { Does::Gives(numbered(call), HOUR) }
            });
            let bench = if is_cancel_safe { bench.cancel_safe() } else { bench };
            let (first, second) = (runtime(), runtime());
            bench.open();
            first.block_on(bench.served());
            bench.advance(2_900);
            first.block_on(async {
                bench.served().await;
                settle().await;
            });
            assert_eq!(bench.calls(), 2, "{what}");
            match how {
                "it took too long" => {
                    bench.advance(120);
                    first.block_on(settle());
                }
                "its runtime ended" => drop(first),
                "nobody drives its runtime" => bench.advance(121),
                _ => {
                    bench.open();
                    first.block_on(settle());
                }
            }
            for _ in 0..3 {
                assert_eq!(second.block_on(bench.served()), "token-1", "{what}");
                second.block_on(settle());
            }
            let state = bench.cache.state();
            assert_eq!((state.counts.failures, state.is_in_doubt), (1, !is_cancel_safe), "{what}");
            assert_eq!(bench.calls(), if is_cancel_safe { 3 } else { 2 }, "{what}");
            // When none is usable there is nothing left to lose, and the token that comes ends the doubt.
            let bench = bench.opened();
            second.block_on(settle());
            bench.advance(690);
            assert_eq!(second.block_on(bench.served()), "token-3", "{what}");
            assert!(!bench.cache.state().is_in_doubt, "{what}");
        }
    }
}

/// The first request, which was given up, is refused while the cache is in doubt after the third.
#[test]
fn a_late_verdict_does_not_end_the_doubt() {
    let lost = || Error::new("test", ErrorKind::Transport, Remedy::Retry).with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown);
    let bench = Bench::gated(move |call| match call {
        1 => fails(ErrorKind::RateLimited, Remedy::Wait),
        3 => Does::Fails(lost()),
        call => Does::Gives(numbered(call), HOUR),
    });
    let (slow, quick) = (runtime(), runtime());
    slow.block_on(async {
        assert!(bench.cache.try_token().is_none());
        settle().await;
    });
    bench.advance(121);
    let bench = bench.opened();
    assert_eq!(quick.block_on(bench.served()), "token-2");
    bench.advance(2_900);
    // After the third request, after the late verdict, and after its hold.
    for step in 0..3 {
        quick.block_on(async {
            assert_eq!(bench.served().await, "token-2");
            settle().await;
        });
        assert_eq!(bench.calls(), 3, "step {step}");
        assert!(bench.cache.state().is_in_doubt, "step {step}");
        if step == 0 {
            slow.block_on(settle());
            assert_eq!(bench.cache.state().holding, Some(Duration::from_secs(60)));
        } else {
            bench.advance(61);
        }
    }
    assert_eq!(bench.cache.state().freshness, Freshness::Due);
}

#[tokio::test]
async fn the_first_error_says_the_pause_as_the_remembered_ones_do() {
    let failed = |kind| Error::new("test", kind, Remedy::Retry);
    let cases = [
        ("refused credentials", failed(ErrorKind::ClientRefused), 60),
        ("a service that asks for less", failed(ErrorKind::RateLimited).with_retry_after(Some(Duration::from_secs(1))), 60),
        ("a service that asks for more than is waited", failed(ErrorKind::Server).with_retry_after(Some(HOUR * 24)), 3_600),
        ("a fault of the provider, which asks for a pause", failed(ErrorKind::Internal).with_hold(Duration::from_secs(300)), 300),
    ];
    for (what, failure, seconds) in cases {
        let bench = Bench::new(move |_| Does::Fails(failure.clone()));
        for _ in 0..3 {
            assert_eq!(bench.error().await.retry_after(), Some(Duration::from_secs(seconds)), "{what}");
        }
        assert_eq!(bench.calls(), 1, "{what}");
    }
}
