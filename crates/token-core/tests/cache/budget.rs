//! How often a service is asked that gives nothing of use; and that nothing is dead for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use token_core::{CachePolicy, Clock, ErrorKind, Remedy};

use crate::bench::{Bench, Does, HOUR, at_once, fails, runtime, settle, text};

/// Callers come every so often, for so long.
const STEP: Duration = Duration::from_millis(100);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A text of its own for each call, as a service gives.
fn new_token(call: usize) -> &'static str {
    Box::leak(format!("token-{call}").into_boxed_str())
}

/// The time between one request and the next, in milliseconds.
fn gaps(bench: &Bench) -> Vec<u128> {
    let called_at = bench.provider.called_at.lock().unwrap();
    called_at.iter().zip(called_at.iter().skip(1)).map(|(first, second)| (*second - *first).as_millis()).collect()
}

/// What callers get at last: a token no later than the last error said.
async fn is_served_within_the_stated_pause(bench: &Bench, what: &str) {
    if let Err(error) = bench.cache.token().await {
        let pause = error.retry_after().expect(what);
        assert!(pause <= HOUR, "{what}: {pause:?}");
        bench.clock.advance(pause - Duration::from_millis(1));
        assert!(bench.cache.token().await.is_err(), "{what}: the pause was told wrongly");
        bench.clock.advance(Duration::from_millis(1));
    }
    bench.served().await;
}

#[tokio::test]
async fn an_api_that_refuses_every_token_makes_requests_ever_rarer() {
    // How long tokens live and at what age they are refused, in seconds; the most requests.
    let cases = [
        ("as soon as they come", 3_600, 0, 10),
        ("short-lived ones, as soon as they come", 15, 0, 10),
        ("short-lived ones, after half of their life", 15, 8, 10),
        ("after half a minute of a minute", 60, 30, 10),
    ];
    for (what, lifetime, age, most) in cases {
        let bench = Bench::new(move |call| Does::Gives(new_token(call), Duration::from_secs(lifetime)));
        let began = bench.clock.now();
        let mut told = false;
        while bench.clock.now().elapsed_since(&began) < TEN_MINUTES {
            match bench.cache.token().await {
                Ok(token) if bench.clock.now().elapsed_since(&token.requested_at()) >= Duration::from_secs(age) => {
                    bench.cache.invalidate(&token);
                }
                Ok(_) => {}
                Err(error) => {
                    assert_eq!((error.kind(), error.remedy()), (ErrorKind::TokenRefused, Remedy::ContactService), "{what}");
                    assert!(error.retry_after().is_some(), "{what}");
                    told = true;
                }
            }
            tokio::task::yield_now().await;
            bench.clock.advance(STEP);
        }
        let gaps = gaps(&bench);
        assert!(told, "{what}: the error says that it is the API that refuses");
        assert!((3..=most).contains(&bench.calls()), "{what}: {} requests", bench.calls());
        assert!(gaps.is_sorted(), "{what}: {gaps:?}");
        assert!(gaps.last() > gaps.get(1), "{what}: {gaps:?}");
        is_served_within_the_stated_pause(&bench, what).await;
    }
}

/// Such a token has served until it was to be replaced anyway, so that its refusal costs nothing: a pause would take away what works.
#[tokio::test]
async fn short_lived_tokens_that_are_refused_late_cost_no_more_than_those_that_are_not() {
    let mut requests = Vec::new();
    for refused_at in [None, Some(11)] {
        let bench = Bench::new(move |call| Does::Gives(new_token(call), Duration::from_secs(15)));
        let began = bench.clock.now();
        while bench.clock.now().elapsed_since(&began) < TEN_MINUTES {
            let token = bench.cache.token().await.unwrap();
            let age = bench.clock.now().elapsed_since(&token.requested_at());
            if refused_at.is_some_and(|refused_at| age >= Duration::from_secs(refused_at)) {
                bench.cache.invalidate(&token);
            }
            tokio::task::yield_now().await;
            bench.clock.advance(STEP);
        }
        requests.push(bench.calls());
    }
    // One each 10.5 to 12 s, by chance.
    assert!(requests.iter().all(|requests| (50..=58).contains(requests)), "{requests:?}");
}

#[tokio::test]
async fn a_service_that_hands_out_dead_tokens_is_asked_ever_more_rarely() {
    type Gives = fn(usize) -> (&'static str, u64);
    // What the n-th call brings: a token, and how many milliseconds it lives.
    let (over, nearly): (Gives, Gives) = (|call| (new_token(call), 0), |call| (new_token(call), 999));
    let (same, same_nearly): (Gives, Gives) = (|_| ("token-good", 0), |_| ("token-good", 999));
    let cases: [(&str, Vec<Gives>); 8] = [
        ("new ones that are over", vec![over]),
        ("new ones that are nearly over", vec![nearly]),
        ("the same one, over", vec![same]),
        ("the same one, nearly over", vec![same_nearly]),
        ("by turns new and the same", vec![over, same]),
        ("by turns over and nearly", vec![nearly, over]),
        ("all kinds", vec![same, over, nearly, same_nearly]),
        ("two of each", vec![over, over, nearly, nearly, same, same]),
    ];
    for (what, kinds) in cases {
        for began_well in [true, false] {
            let what = format!("{what}, after a good one: {began_well}");
            let healed = Arc::new(AtomicBool::new(false));
            let script_healed = Arc::clone(&healed);
            let kinds = kinds.clone();
            let bench = Bench::new(move |call| {
                let (token, millis) = kinds[call % kinds.len()](call);
                match call {
                    1 if began_well => Does::Gives("token-good", HOUR),
                    _ if script_healed.load(Ordering::SeqCst) => Does::Gives("token-healed", HOUR),
                    _ => Does::Gives(token, Duration::from_millis(millis)),
                }
            });
            if began_well {
                bench.served().await;
                bench.advance(3_600);
            }
            let began = bench.clock.now();
            while bench.clock.now().elapsed_since(&began) < TEN_MINUTES {
                if let Err(error) = bench.cache.token().await {
                    let says = (error.kind(), error.remedy());
                    let known = [(ErrorKind::ClockSkew, Remedy::CorrectClock), (ErrorKind::Server, Remedy::Retry)];
                    assert!(known.contains(&says), "{what}: {error}");
                }
                tokio::task::yield_now().await;
                bench.clock.advance(STEP);
            }
            let dead = bench.calls() - usize::from(began_well);
            assert!((3..=10).contains(&dead), "{what}: {dead} requests, {:?}", gaps(&bench));
            healed.store(true, Ordering::SeqCst);
            is_served_within_the_stated_pause(&bench, &what).await;
            assert_eq!(bench.served().await, "token-healed", "{what}");
        }
    }
}

/// The first request is so slow that it is given up, on a runtime that nobody drives. It ends while the service refuses the credentials.
#[test]
fn refused_credentials_are_not_tried_twice_in_a_minute() {
    type First = fn() -> Does;
    let refused = || fails(ErrorKind::ClientRefused, Remedy::FixConfiguration);
    // What the first request comes to, and when, in seconds.
    let cases: [(&str, First, u64); 9] = [
        ("never", refused, u64::MAX),
        ("refused, at once", refused, 121),
        ("refused, at the end of the hold", refused, 179),
        ("too many requests", || fails(ErrorKind::RateLimited, Remedy::Wait), 150),
        ("a fault", || fails(ErrorKind::Server, Remedy::Retry), 150),
        ("a panic", || Does::Panics, 150),
        ("a token that is over", || Does::Gives("token-late", Duration::ZERO), 150),
        // Usable for nine tenths of its life, so for half a second more.
        ("a token that is nearly over", || Does::Gives("token-late", Duration::from_millis(167_222)), 150),
        ("a good token", || Does::Gives("token-late", Duration::from_secs(400)), 150),
    ];
    for (what, late, lands_at) in cases {
        let healed = Arc::new(AtomicBool::new(false));
        let script_healed = Arc::clone(&healed);
        let bench = Bench::gated(move |call| match call {
            1 => late(),
            _ if script_healed.load(Ordering::SeqCst) => Does::Gives("token-healed", HOUR),
            _ => refused(),
        });
        let (slow, quick) = (runtime(), runtime());
        slow.block_on(async {
            assert!(bench.cache.try_token().is_none(), "{what}");
            settle().await;
        });
        let bench = bench.opened();
        bench.advance(121);
        for second in 121..3_721 {
            if second == lands_at {
                slow.block_on(settle());
            }
            quick.block_on(async {
                if second % 2 == 0 {
                    let _ = bench.cache.token().await;
                } else {
                    let _ = (bench.cache.try_token(), bench.cache.token_within(Duration::ZERO).await.is_ok());
                }
                tokio::task::yield_now().await;
            });
            bench.advance(1);
        }
        let gaps = gaps(&bench);
        assert!(gaps.iter().all(|gap| *gap >= 60_000), "{what}: {gaps:?}");
        assert!(bench.calls() > 50, "{what}: it is tried again when the minute is over");
        healed.store(true, Ordering::SeqCst);
        quick.block_on(is_served_within_the_stated_pause(&bench, what));
        assert_eq!(quick.block_on(async { text(&bench.cache.token().await.unwrap()) }), "token-healed", "{what}");
    }
}

/// A verdict on the credentials counts whoever waited for it, and also while later requests fail in another way.
#[test]
fn a_late_verdict_on_the_credentials_holds_for_a_minute() {
    let bench = Bench::gated(|call| match call {
        1 => fails(ErrorKind::ClientRefused, Remedy::FixConfiguration),
        _ => fails(ErrorKind::Server, Remedy::Retry),
    });
    let (slow, quick) = (runtime(), runtime());
    slow.block_on(async {
        assert!(bench.cache.try_token().is_none());
        settle().await;
    });
    let bench = bench.opened();
    bench.advance(121);
    assert_eq!(quick.block_on(bench.error()).kind(), ErrorKind::Server);
    slow.block_on(settle());
    for _ in 0..60 {
        assert_eq!(quick.block_on(bench.error()).kind(), ErrorKind::ClientRefused);
        assert_eq!(bench.calls(), 2);
        bench.advance(1);
    }
    assert_eq!(quick.block_on(bench.error()).kind(), ErrorKind::Server, "it is tried again");
}

#[tokio::test]
async fn a_service_that_never_answers_is_asked_ever_more_rarely() {
    let mut policy = CachePolicy::default();
    policy.longest_request = Duration::from_secs(1);
    let bench = Bench::with(Arc::default(), policy, |call| Does::Gives(new_token(call), HOUR));
    for _ in 0..6_000 {
        // Before the request itself can end, as it is with many callers.
        assert!(at_once(bench.cache.token_within(Duration::ZERO)).unwrap().is_err());
        settle().await;
        bench.clock.advance(STEP);
    }
    assert!((5..=25).contains(&bench.calls()), "{} requests, {:?}", bench.calls(), gaps(&bench));
    let bench = bench.opened();
    is_served_within_the_stated_pause(&bench, "it answers at last").await;
}

/// A caller each tenth of a second for ten minutes, at a service that gives good tokens, which an API takes or refuses.
#[tokio::test]
async fn no_setting_makes_a_storm() {
    type Set = fn(&mut CachePolicy);
    let cases: [(&str, Set); 7] = [
        ("the default", |_| ()),
        ("no time for a request", |policy| policy.longest_request = Duration::ZERO),
        ("due at once", |policy| (policy.refresh_after, policy.refresh_jitter) = (0.0, 0.0)),
        ("due at once by chance", |policy| (policy.refresh_after, policy.refresh_jitter) = (0.1, 0.1)),
        ("jitter without end", |policy| policy.refresh_jitter = f64::INFINITY),
        ("jitter that is no number", |policy| policy.refresh_jitter = f64::NAN),
        ("due before it came", |policy| policy.refresh_after = f64::NEG_INFINITY),
    ];
    for (what, set) in cases {
        for is_refused in [true, false] {
            let mut policy = CachePolicy::default();
            set(&mut policy);
            let bench = Bench::with(Arc::default(), policy, |call| Does::Gives(new_token(call), HOUR)).opened();
            for _ in 0..6_000 {
                match bench.cache.token().await {
                    Ok(token) if is_refused => bench.cache.invalidate(&token),
                    _ => {}
                }
                tokio::task::yield_now().await;
                bench.clock.advance(STEP);
            }
            let most = if is_refused { 10 } else { 2 };
            assert!((1..=most).contains(&bench.calls()), "{what}, refused: {is_refused}: {} requests", bench.calls());
        }
    }
}

#[tokio::test]
async fn a_crowd_makes_one_request_even_without_time_for_it() {
    let mut policy = CachePolicy::default();
    policy.longest_request = Duration::ZERO;
    let bench = Bench::with(Arc::default(), policy, |call| Does::Gives(new_token(call), HOUR));
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let cache = bench.cache.clone();
            tokio::spawn(async move { cache.token().await.is_ok() })
        })
        .collect();
    settle().await;
    bench.open();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn no_setting_makes_a_pause_for_ever() {
    type First = fn() -> Does;
    let cases: [(&str, First); 3] = [
        ("refused", || fails(ErrorKind::ClientRefused, Remedy::FixConfiguration)),
        ("too many requests", || fails(ErrorKind::RateLimited, Remedy::Wait)),
        ("over on arrival", || Does::Gives("token-dead", Duration::ZERO)),
    ];
    for (what, first) in cases {
        let mut policy = CachePolicy::default();
        policy.refused_pause = Duration::MAX;
        let script = move |call| if call == 1 { first() } else { Does::Gives(new_token(call), HOUR) };
        let bench = Bench::with(Arc::default(), policy, script).opened();
        assert_eq!(bench.error().await.retry_after(), Some(HOUR), "{what}");
        is_served_within_the_stated_pause(&bench, what).await;
    }
}
