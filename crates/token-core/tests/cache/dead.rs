//! Tokens that are over, or nearly, when they come.

use std::sync::Arc;
use std::time::Duration;

use token_core::{Clock, ErrorKind, Remedy};
use token_testkit::ManualClock;

use crate::bench::{Bench, Does, HOUR, fails, numbered, settle};

#[tokio::test]
async fn a_token_that_is_over_on_arrival_is_one_request_and_a_hold() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), if call == 1 { Duration::ZERO } else { HOUR }));
    for _ in 0..10 {
        let error = bench.error().await;
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::ClockSkew, Remedy::CorrectClock));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    }
    assert_eq!(bench.calls(), 1);
    bench.advance(60);
    assert_eq!(bench.served().await, "token-2");
}

/// One token an hour, handed out again until its end, its lifetime in whole seconds as services write it.
#[tokio::test]
async fn a_service_that_hands_out_one_token_until_its_end_is_neither_stormed_nor_given_up_on() {
    let clock = Arc::new(ManualClock::new());
    let began = clock.now().monotonic();
    let source = Arc::clone(&clock);
    let bench = Bench::on(clock, move |_| {
        let elapsed = source.now().monotonic() - began;
        let hour = elapsed.as_secs() / 3_600;
        let left = (hour + 1) * 3_600 - elapsed.as_secs() - u64::from(elapsed.subsec_nanos() > 0);
        Does::Gives(numbered(usize::try_from(hour).unwrap()), Duration::from_secs(left))
    });
    let mut without_token = 0;
    for _ in 0..4 * 2 * 3_600 {
        without_token += u32::from(bench.cache.token().await.is_err());
        // A request behind the token needs no more than one turn.
        tokio::task::yield_now().await;
        bench.clock.advance(Duration::from_millis(500));
    }
    assert!(bench.calls() <= 4 * 9, "{} requests for four tokens", bench.calls());
    assert!(without_token <= 4 * 2 * 3, "{without_token} half seconds without a token, at four ends of a token");
}

/// The pauses for dead tokens grow by themselves: what the service failed at before is no reason to keep a caller waiting for an hour.
#[tokio::test]
async fn an_outage_before_it_does_not_prolong_the_pause_for_a_dead_token() {
    for (what, lifetime, seconds) in [("nearly over", Duration::from_millis(500), 1), ("over", Duration::ZERO, 60)] {
        let bench = Bench::new(move |call| match call {
            1..=20 => fails(ErrorKind::Server, Remedy::Retry),
            21 => Does::Gives("token-dead", lifetime),
            _ => Does::Gives("token-next", HOUR),
        });
        let _ = bench.cache.token().await;
        while bench.calls() < 21 {
            bench.advance(1);
            let _ = bench.cache.token().await;
        }
        let holding = bench.cache.state().holding.expect(what);
        assert!(holding <= Duration::from_secs(seconds), "{what}: {holding:?}");
        bench.advance(seconds);
        assert_eq!(bench.served().await, "token-next", "{what}");
    }
}

#[tokio::test]
async fn a_token_that_is_nearly_over_does_not_take_the_place_of_a_better_one() {
    let bench = Bench::new(|call| match call {
        1 => Does::Gives("token-long", HOUR),
        _ => Does::Gives("token-worn", Duration::from_millis(300)),
    });
    bench.served().await;
    bench.advance(2_900);
    for _ in 0..3 {
        assert_eq!(bench.served().await, "token-long");
        settle().await;
        bench.clock.advance(Duration::from_millis(300));
    }
    let counts = bench.cache.state().counts;
    assert_eq!((counts.requests, counts.tokens, counts.failures), (2, 1, 1));
}
