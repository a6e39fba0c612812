//! What a failed request does.

use std::time::Duration;

use token_core::{Delivery, Error, ErrorKind, Remedy, Resend};

use crate::bench::{Bench, Does, HOUR, fails, numbered, settle};

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
