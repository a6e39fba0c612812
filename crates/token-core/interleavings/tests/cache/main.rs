//! What must be true of a cache however its threads are interleaved. Each test is a scenario of a few threads; `explore` runs it under many schedules.
//!
//! Besides, of every call in every scenario: a token that is given out was usable when the caller came to it;
//! one that was refused before the call began is not given out, unless a request that began later brought it again;
//! none is older than one that was given out before the call began; the end of each request is told of once;
//! an error is not given while a usable token is held; there is one request at a time; nobody hangs, and no task is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may panic"
)]

mod explore;
mod world;

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use interleavings::{ErrorKind, Freshness, Runtime};

use self::explore::explore;
use self::world::{Does, Service, World, numbered, poll_once, text};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn callers_of_a_cold_cache_share_one_request() {
    explore(2, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let twice = || {
            assert_eq!(world.served(&cache), "token-1");
            // What is answered is kept: it is there before anybody hears of it.
            assert_eq!(world.try_token(&cache).as_ref().map(text).as_deref(), Some("token-1"));
        };
        world.together(&[&twice, &twice]);
        world.end();
        assert_eq!(world.service.calls(), 1);
    });
}

#[test]
fn callers_of_every_kind_share_one_request() {
    explore(1, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let waits = || assert_eq!(world.served(&cache), "token-1");
        let is_patient = || assert_eq!(text(&world.token_within(&cache, HOUR).unwrap()), "token-1");
        let tries = || assert!(world.try_token(&cache).is_none_or(|token| text(&token) == "token-1"));
        world.together(&[&waits, &is_patient, &tries]);
        world.end();
        assert_eq!(world.service.calls(), 1);
    });
}

#[test]
fn who_waits_for_a_failure_shares_it() {
    explore(2, || {
        let world = World::new(|_| Does::Fails(ErrorKind::Server));
        let cache = world.cache();
        let fails = || assert_eq!(world.token(&cache).unwrap_err().kind(), ErrorKind::Server);
        world.together(&[&fails, &fails]);
        world.end();
        // Who came later got the remembered error.
        assert_eq!(world.service.calls(), 1);
    });
}

#[test]
fn callers_with_a_due_token_begin_one_refresh() {
    explore(2, || {
        let world = World::new(numbered);
        let (cache, _) = world.cache_with_token(85);
        let is_served = || assert!(["token-0", "token-1"].contains(&world.served(&cache).as_str()));
        world.together(&[&is_served, &is_served]);
        world.end();
        assert_eq!((world.served(&cache).as_str(), world.service.calls()), ("token-1", 1));
    });
}

#[test]
fn callers_who_need_a_longer_token_share_one_request() {
    explore(2, || {
        let world = World::new(numbered);
        let (cache, _) = world.cache_with_token(50);
        let needs = || assert_eq!(text(&world.token_lasting(&cache, HOUR / 60).unwrap()), "token-1");
        world.together(&[&needs, &needs]);
        world.end();
        assert_eq!((world.served(&cache).as_str(), world.service.calls()), ("token-1", 1));
    });
}

#[test]
fn a_caller_who_needs_a_longer_token_keeps_no_other_from_the_old_one() {
    explore(1, || {
        let world = World::new(numbered);
        let (cache, _) = world.cache_with_token(50);
        let needs = || assert_eq!(text(&world.token_lasting(&cache, HOUR / 60).unwrap()), "token-1");
        let is_served = || assert!(["token-0", "token-1"].contains(&world.served(&cache).as_str()));
        world.together(&[&needs, &is_served, &is_served]);
        world.end();
        assert_eq!(world.service.calls(), 1);
    });
}

#[test]
fn a_token_refused_while_its_refresh_lands_is_gone_and_the_new_one_stays() {
    explore(2, || {
        let world = World::new(numbered);
        let (cache, old) = world.cache_with_token(85);
        let is_served = || assert!(["token-0", "token-1"].contains(&world.served(&cache).as_str()));
        let refuses = || {
            world.invalidate(&cache, &old);
            assert_eq!(world.served(&cache), "token-1");
        };
        world.together(&[&is_served, &refuses]);
        world.end();
        assert_eq!((world.served(&cache).as_str(), world.service.calls()), ("token-1", 1));
    });
}

#[test]
fn a_refused_token_that_its_refresh_brings_again_is_not_kept() {
    explore(2, || {
        let world = World::new(|call| if call == 1 { Does::Gives("token-0") } else { Does::Gives("token-2") });
        let (cache, old) = world.cache_with_token(85);
        let is_served = || assert!(["token-0", "token-2"].contains(&world.served(&cache).as_str()));
        let refuses = || {
            world.invalidate(&cache, &old);
            world.served(&cache);
        };
        world.together(&[&is_served, &refuses]);
        world.end();
        assert!(world.service.calls() <= 2);
    });
}

#[test]
fn refusals_of_one_token_at_once_make_one_request() {
    explore(1, || {
        let world = World::new(numbered);
        let (cache, old) = world.cache_with_token(10);
        let refuses = || {
            world.invalidate(&cache, &old);
            assert_eq!(world.served(&cache), "token-1");
        };
        world.together(&[&refuses, &refuses, &refuses]);
        world.end();
        assert_eq!((world.service.calls(), cache.state().counts.refusals), (1, 1));
    });
}

#[test]
fn a_token_that_ends_during_a_call_is_not_given_out_later() {
    explore(2, || {
        let world = World::new(numbered);
        let (cache, _) = world.cache_with_token(75);
        let is_served = || {
            world.served(&cache);
        };
        let time_goes_by = || {
            world.clock.advance(10);
            world.clock.sleep_machine(10);
            world.clock.advance(85);
        };
        world.together(&[&is_served, &time_goes_by]);
        world.end();
        assert!(world.service.calls() <= 3);
    });
}

#[test]
fn a_token_that_ends_before_its_caller_comes_back_is_not_given_out() {
    explore(2, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let waits = || match world.token(&cache) {
            Ok(token) => assert!(["token-1", "token-2"].contains(&text(&token).as_str())),
            // It was over when it came.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ClockSkew),
        };
        let time_goes_by = || world.clock.advance(95);
        world.together(&[&waits, &time_goes_by]);
        world.end();
        assert!(world.service.calls() <= 2);
    });
}

#[test]
fn a_caller_that_goes_away_stops_nobody() {
    explore(2, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let goes_away = || {
            let mut call = pin!(cache.token());
            let _ = poll_once(call.as_mut());
        };
        let stays = || assert_eq!(world.served(&cache), "token-1");
        world.together(&[&goes_away, &stays]);
        world.end();
        // Whoever began it, it was brought to its end.
        assert_eq!((world.served(&cache).as_str(), world.service.calls()), ("token-1", 1));
    });
}

#[test]
fn patience_that_ends_while_the_answer_lands_stops_nobody() {
    explore(1, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let is_patient = || match world.token_within(&cache, Duration::from_secs(1)) {
            Ok(token) => assert_eq!(text(&token), "token-1"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Pending),
        };
        let stays = || assert_eq!(world.served(&cache), "token-1");
        let time_goes_by = || world.clock.advance(1);
        world.together(&[&is_patient, &stays, &time_goes_by]);
        world.end();
        assert_eq!(world.service.calls(), 1);
    });
}

#[test]
fn a_request_that_nobody_holds_is_cut_off() {
    explore(2, || {
        // It is never opened, so it ends only by being cut off.
        let world = World::with_service(Service::new(|_| Does::GivesWhenOpened("token-1")).cancel_safe());
        let handles = [Mutex::new(Some(world.cache())), Mutex::new(None)];
        *handles[1].lock().unwrap() = handles[0].lock().unwrap().clone();
        let leaves = |handle: &Mutex<Option<_>>| {
            let cache: world::Cache = handle.lock().unwrap().take().unwrap();
            assert!(poll_once(pin!(cache.token())).is_pending());
        };
        world.together(&[&|| leaves(&handles[0]), &|| leaves(&handles[1])]);
        world.end();
        assert_eq!((world.service.calls(), world.service.ended.load(Ordering::SeqCst)), (1, 0));
    });
}

#[test]
fn a_request_that_somebody_holds_is_not_cut_off() {
    explore(2, || {
        let world = World::with_service(Service::new(numbered).cancel_safe());
        let cache = world.cache();
        let other = Mutex::new(Some(cache.clone()));
        let leaves = || {
            let other = other.lock().unwrap().take().unwrap();
            let _ = poll_once(pin!(other.token()));
        };
        let stays = || assert_eq!(world.served(&cache), "token-1");
        world.together(&[&leaves, &stays]);
        world.end();
        assert_eq!(world.service.calls(), 1);
    });
}

#[test]
fn a_request_that_must_not_be_lost_comes_to_its_end() {
    explore(3, || {
        let world = World::new(|_| Does::GivesWhenOpened("token-1"));
        let cache = Mutex::new(Some(world.cache()));
        let leaves = || {
            let cache = cache.lock().unwrap().take().unwrap();
            match poll_once(pin!(cache.token())) {
                Poll::Ready(served) => assert_eq!(text(&served.unwrap()), "token-1"),
                Poll::Pending => {}
            }
        };
        world.together(&[&leaves, &|| world.service.open()]);
        world.end();
        assert_eq!((world.service.calls(), world.service.ended.load(Ordering::SeqCst)), (1, 1));
    });
}

#[test]
fn a_closed_cache_has_no_request_under_way_and_begins_none() {
    explore(2, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let calls = || match world.token(&cache) {
            Ok(token) => assert_eq!(text(&token), "token-1"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
        };
        let requests = Mutex::new(0);
        let closes = || {
            shuttle::future::block_on(cache.close());
            let state = cache.state();
            assert!(state.is_closed && state.refreshing.is_none());
            // What was under way is not lost.
            assert_eq!(world.try_token(&cache).is_some(), state.counts.requests == 1);
            *requests.lock().unwrap() = world.service.calls();
        };
        world.together(&[&calls, &closes]);
        world.end();
        assert_eq!(world.service.calls(), *requests.lock().unwrap());
    });
}

#[test]
fn a_panic_in_the_provider_is_an_error_for_those_who_wait_and_for_nobody_else() {
    explore(2, || {
        let world = World::new(|call| if call == 1 { Does::Panics } else { Does::Gives("token-2") });
        let cache = world.cache();
        let calls = || match world.token(&cache) {
            Ok(token) => assert_eq!(text(&token), "token-2"),
            Err(error) => assert!(error.to_string().contains("planted"), "{error}"),
        };
        world.together(&[&calls, &calls]);
        assert_eq!(world.served(&cache), "token-2");
        world.end();
        assert_eq!(world.service.calls(), 2);
    });
}

#[test]
fn a_runtime_that_ends_takes_its_request_and_nobody_else() {
    explore(1, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let calls = || match world.token(&cache) {
            Ok(token) => assert!(["token-1", "token-2"].contains(&text(&token).as_str())),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Internal),
        };
        let elsewhere = Runtime::new(1);
        let calls_elsewhere = || {
            elsewhere.enter();
            calls();
        };
        world.together(&[&calls, &calls_elsewhere, &|| world.runtime.end()]);
        elsewhere.enter();
        world.token(&cache).expect("a token");
        elsewhere.join();
        world.end();
        assert!(world.service.calls() <= 3);
    });
}

/// The time that a request may take ends while its answer lands, and a caller that comes then begins the next one.
fn late(script: fn(usize) -> Does, served_after: &[&str]) {
    let world = World::with_service(Service::new(script).lifetime(HOUR).most_at_once(2));
    let cache = world.cache();
    assert!(cache.try_token().is_none());
    world.service.until_it_is_asked();
    let was_given_up = AtomicBool::new(false);
    let calls = || match world.token(&cache) {
        Ok(token) => assert!(["token-1", "token-2"].contains(&text(&token).as_str())),
        // The first came to its end in time.
        Err(error) if error.kind() == ErrorKind::Server => {}
        // It did not, and what becomes of it is nobody's concern any more.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
            was_given_up.store(true, Ordering::SeqCst);
            assert!(served_after.contains(&world.served(&cache).as_str()));
        }
    };
    let comes_late = || {
        world.clock.advance(121);
        calls();
    };
    world.together(&[&calls, &comes_late]);
    world.end();
    let state = cache.state();
    assert!(world.service.calls() <= 2 && state.refreshing.is_none());
    assert!(state.holding.is_none() || !was_given_up.load(Ordering::SeqCst), "what was given up caused a pause");
    // Whatever it came to later is not counted again.
    assert!(state.counts.failures <= 1, "{:?}", state.counts);
}

#[test]
fn a_late_answer_takes_nothing_from_the_request_after_it() {
    // A good token is welcome, even late.
    explore(1, || late(numbered, &["token-1", "token-2"]));
}

#[test]
fn a_late_failure_takes_nothing_from_the_request_after_it() {
    explore(1, || {
        late(|call| if call == 1 { Does::Fails(ErrorKind::Server) } else { Does::Gives("token-2") }, &["token-2"]);
    });
}

#[test]
fn a_request_is_late_by_when_it_began_and_not_by_when_its_caller_looked() {
    explore(1, || {
        let world = World::with_service(Service::new(numbered).lifetime(HOUR).most_at_once(2));
        let cache = world.cache();
        let calls = || {
            if let Err(error) = world.token(&cache) {
                assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
            }
        };
        world.together(&[&calls, &calls, &|| world.clock.advance(121)]);
        // Whatever was given up had its time.
        world.end();
    });
}

#[test]
fn a_snapshot_does_not_contradict_itself() {
    explore(2, || {
        let world = World::new(numbered);
        let cache = world.cache();
        let calls = || {
            let token = world.token(&cache).unwrap();
            world.invalidate(&cache, &token);
        };
        let looks = || {
            for _ in 0..2 {
                let state = cache.state();
                let counts = state.counts;
                assert_eq!(state.refreshing.is_some(), counts.requests > counts.tokens + counts.failures, "{state:?}");
                assert_eq!(state.freshness == Freshness::Fresh, counts.tokens > counts.refusals, "{state:?}");
                assert_eq!(state.generation, counts.tokens, "{state:?}");
            }
        };
        world.together(&[&calls, &looks]);
        world.end();
    });
}
