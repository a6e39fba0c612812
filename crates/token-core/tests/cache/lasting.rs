//! Callers who need a token for so long.

use std::sync::Arc;
use std::time::Duration;

use token_core::{
    AuthorizeFault, CachePolicy, Delivery, Error, ErrorKind, Expiry, Moment, Remedy, Resend, Token, TokenBuilder, TokenCache,
};
use token_testkit::ManualClock;

use crate::bench::{Bench, Does, HOUR, at_once, fails, numbered, settle, text};

const MINUTE: Duration = Duration::from_secs(60);

fn is_too_short(error: &Error) -> bool {
    (error.kind(), error.remedy()) == (ErrorKind::Unauthorizable, Remedy::FixRequest)
        && error.find_source() == Some(&AuthorizeFault::TokenTooShort)
}

#[tokio::test]
async fn a_token_that_is_usable_for_so_long_is_given_at_once() {
    // The token's age and for how long it is needed, in minutes; what comes at once, and how many requests there are then.
    let cases = [
        ("fresh", 10, 49, Some("token-1"), 1),
        ("too short by the time before its end in which it is not used", 10, 50, None, 2),
        ("due, and long enough", 55, 4, Some("token-1"), 2),
        ("due, and for no time", 55, 0, Some("token-1"), 2),
        ("over", 60, 0, None, 2),
    ];
    for (what, age, at_least, given, calls) in cases {
        let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
        bench.served().await;
        bench.advance(age * 60);
        let found = at_once(bench.cache.token_lasting(MINUTE * at_least));
        assert_eq!(found.map(|found| text(&found.unwrap())).as_deref(), given, "{what}");
        settle().await;
        assert_eq!(bench.calls(), calls, "{what}");
        assert_eq!(text(&bench.cache.token_lasting(MINUTE * at_least).await.unwrap()), numbered(calls), "{what}");
        assert_eq!(bench.calls(), calls, "{what}");
    }
}

#[tokio::test]
async fn the_request_that_is_under_way_is_the_one_that_is_waited_for() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    bench.open();
    bench.served().await;
    bench.advance(55 * 60);
    assert_eq!(bench.served().await, "token-1", "a request begins behind it");
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let cache = bench.cache.clone();
            tokio::spawn(async move { cache.token_lasting(HOUR / 2).await })
        })
        .collect();
    settle().await;
    assert!(callers.iter().all(|caller| !caller.is_finished()));
    bench.open();
    for caller in callers {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "token-2");
    }
    assert_eq!(bench.calls(), 2);
}

/// Its tokens are due when they are over, which says nothing of the service.
#[tokio::test]
async fn a_policy_that_keeps_tokens_to_their_end_keeps_nobody_from_a_longer_one() {
    let mut policy = CachePolicy::default();
    (policy.refresh_after, policy.refresh_jitter) = (1.0, 0.0);
    let bench = Bench::with(Arc::default(), policy, |call| Does::Gives(numbered(call), HOUR)).opened();
    bench.served().await;
    bench.advance(40 * 60);
    assert_eq!(text(&bench.cache.token_lasting(HOUR / 2).await.unwrap()), "token-2");
}

#[tokio::test]
async fn a_token_whose_end_nobody_knows_is_given() {
    let bench = Bench::new(|_| Does::Builds(|now| Token::bearer("token-1", Expiry::Unknown, now)));
    for _ in 0..3 {
        assert_eq!(text(&bench.cache.token_lasting(HOUR).await.unwrap()), "token-1");
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn what_may_do_harm_twice_is_not_sent_again_for_a_longer_token() {
    let lost = || Error::new("test", ErrorKind::Transport, Remedy::Retry).with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown);
    let bench = Bench::new(move |call| if call == 2 { Does::Fails(lost()) } else { Does::Gives(numbered(call), HOUR) });
    bench.served().await;
    bench.advance(40 * 60);
    for _ in 0..10 {
        assert_eq!(bench.cache.token_lasting(HOUR / 2).await.unwrap_err().kind(), ErrorKind::Transport);
        assert_eq!(bench.served().await, "token-1");
        bench.advance(100);
    }
    assert_eq!(bench.calls(), 2);
    bench.advance(5 * 60);
    assert_eq!(text(&bench.cache.token_lasting(HOUR / 2).await.unwrap()), "token-3", "nothing is left to lose");
}

#[tokio::test]
async fn a_closed_cache_asks_for_no_longer_one() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    bench.served().await;
    bench.advance(40 * 60);
    bench.cache.close().await;
    assert_eq!(bench.cache.token_lasting(HOUR / 2).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(text(&bench.cache.token_lasting(HOUR / 6).await.unwrap()), "token-1");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let cache = bench.cache.clone();
    let caller = tokio::spawn(async move { cache.token_lasting(MINUTE).await });
    settle().await;
    bench.advance(119);
    settle().await;
    assert!(!caller.is_finished());
    bench.advance(1);
    settle().await;
    assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_failure_is_told_and_holds() {
    let bench = Bench::new(|call| match call {
        2 => fails(ErrorKind::ClientRefused, Remedy::FixConfiguration),
        call => Does::Gives(numbered(call), HOUR),
    });
    bench.served().await;
    bench.advance(40 * 60);
    for _ in 0..5 {
        assert_eq!(bench.cache.token_lasting(HOUR / 2).await.unwrap_err().kind(), ErrorKind::ClientRefused);
    }
    assert_eq!((bench.calls(), bench.served().await.as_str()), (2, "token-1"));
    bench.advance(60);
    assert_eq!(text(&bench.cache.token_lasting(HOUR / 2).await.unwrap()), "token-3");
}

/// The second cache asks the first for a token, and not for how long.
#[tokio::test]
async fn a_token_that_another_cache_kept_is_not_asked_for_ever() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let outer = TokenCache::with_policy(bench.cache.clone(), CachePolicy::default(), Arc::clone(&bench.clock) as _);
    outer.token().await.unwrap();
    bench.advance(40 * 60);
    for _ in 0..5 {
        assert!(is_too_short(&outer.token_lasting(HOUR / 2).await.unwrap_err()));
    }
    assert_eq!(bench.calls(), 1);
}

/// A provider may keep tokens itself, each a little older than what it says.
#[tokio::test]
async fn a_provider_that_brings_one_aged_token_after_another_is_asked_twice_in_all() {
    let clock = Arc::<ManualClock>::default();
    clock.advance(24 * HOUR);
    let aged = |call| {
        let build: fn(Moment) -> TokenBuilder = match call % 2 {
            0 => |now| Token::bearer("token-even", Expiry::After(HOUR), before(now)),
            _ => |now| Token::bearer("token-odd", Expiry::After(HOUR), before(now)),
        };
        Does::Builds(build)
    };
    let bench = Bench::on(clock, aged);
    for _ in 0..5 {
        assert!(is_too_short(&bench.cache.token_lasting(HOUR / 2).await.unwrap_err()));
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_provider_that_brings_the_same_aged_token_is_asked_once() {
    let clock = Arc::<ManualClock>::default();
    clock.advance(24 * HOUR);
    let bench = Bench::on(clock, |_| Does::Builds(|now| Token::bearer("token-same", Expiry::After(HOUR), before(now))));
    bench.served().await;
    for _ in 0..5 {
        assert!(is_too_short(&bench.cache.token_lasting(HOUR / 2).await.unwrap_err()));
    }
    assert_eq!((bench.calls(), bench.served().await.as_str()), (2, "token-same"));
}

/// 40 minutes earlier.
fn before(now: Moment) -> Moment {
    Moment::new(now.wall() - 40 * MINUTE, now.monotonic() - 40 * MINUTE)
}
