//! Requests that take long, and tokens that would be over before.

use std::sync::Arc;
use std::time::Duration;

use token_core::{
    Authorize, AuthorizeFault, Authorizer, Error, ErrorKind, Expiry, Remedy, Retry, Token, TokenCache, TokenProvider,
};
use token_testkit::ManualClock;

use crate::world::{MINUTE, Service, at_once, bearer, fault, header, numbered, settle};

type Cached = Authorizer<TokenCache<Arc<Service>>>;

/// An authoriser with a cache, whose first token was asked for `ago`.
async fn begun(
    answer: impl Fn(usize) -> Result<(&'static str, Expiry), Error> + Send + Sync + 'static,
    ago: Duration,
) -> (Arc<ManualClock>, Arc<Service>, TokenCache<Arc<Service>>) {
    let clock = Arc::default();
    let service = Service::new(&clock, answer);
    let cache = service.cached();
    cache.token().await.unwrap();
    clock.advance(ago);
    (clock, service, cache)
}

fn taking(clock: &Arc<ManualClock>, cache: &TokenCache<Arc<Service>>, takes: Duration) -> Cached {
    bearer(clock, cache.clone()).takes(takes).build().unwrap()
}

fn is_too_short(error: &Error) -> bool {
    (error.kind(), error.remedy(), fault(error))
        == (ErrorKind::Unauthorizable, Remedy::FixRequest, Some(&AuthorizeFault::TokenTooShort))
}

#[tokio::test]
async fn a_request_that_takes_longer_than_its_token_lives_gets_a_new_one() {
    // A token of 15 minutes at 10 minutes; how long the request takes, in seconds, and which token it gets.
    let cases = [(0, "Bearer token-1", 1), (240, "Bearer token-1", 1), (360, "Bearer token-2", 2), (869, "Bearer token-2", 2)];
    for (takes, given, calls) in cases {
        let (clock, service, cache) = begun(numbered, 10 * MINUTE).await;
        let authorizer = taking(&clock, &cache, Duration::from_secs(takes));
        assert_eq!(header(&authorizer).await.unwrap(), given, "{takes} s");
        assert_eq!(service.calls(), calls, "{takes} s");
        assert_eq!(at_once(header(&authorizer)).expect("nobody waits").unwrap(), given, "{takes} s: it is kept");
        assert_eq!(service.calls(), calls, "{takes} s");
    }
}

#[tokio::test]
async fn many_such_requests_at_once_make_one_for_a_token_and_others_get_the_old_one() {
    let clock = Arc::default();
    let service = Service::gated(&clock, numbered);
    let cache = service.cached();
    service.gate.add_permits(1);
    cache.token().await.unwrap();
    clock.advance(10 * MINUTE);
    let authorizer = taking(&clock, &cache, 6 * MINUTE);
    let requests: Vec<_> = (0..10)
        .map(|_| {
            let authorizer = authorizer.clone();
            tokio::spawn(async move { header(&authorizer).await })
        })
        .collect();
    settle().await;
    let short = taking(&clock, &cache, Duration::ZERO);
    assert_eq!(at_once(header(&short)).expect("nobody waits").unwrap(), "Bearer token-1", "the old one serves others meanwhile");
    assert!(requests.iter().all(|request| !request.is_finished()));
    service.gate.add_permits(1);
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), "Bearer token-2");
    }
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn a_request_that_takes_longer_than_any_token_lives_fails_and_nobody_is_asked() {
    let (clock, service, cache) = begun(numbered, 10 * MINUTE).await;
    let authorizer = taking(&clock, &cache, 16 * MINUTE);
    for _ in 0..5 {
        let error = at_once(header(&authorizer)).expect("nobody waits").unwrap_err();
        assert!(is_too_short(&error), "{error:?}");
    }
    assert_eq!(service.calls(), 1);
    assert!(cache.state().holding.is_none(), "it is no failure of the service");
    assert_eq!(cache.token().await.unwrap().authorization(), "Bearer token-1");
}

#[tokio::test]
async fn without_a_token_one_is_asked_for_to_know_how_long_they_live() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    let authorizer = taking(&clock, &service.cached(), 16 * MINUTE);
    for _ in 0..5 {
        assert!(is_too_short(&header(&authorizer).await.unwrap_err()));
    }
    assert_eq!(service.calls(), 1);
}

/// Some services do, until it is over.
#[tokio::test]
async fn a_service_that_gives_the_same_token_again_is_asked_once() {
    let same = |call| Ok(("token-same", Expiry::After(if call == 1 { 15 * MINUTE } else { 5 * MINUTE })));
    let (clock, service, cache) = begun(same, 10 * MINUTE).await;
    let authorizer = taking(&clock, &cache, 6 * MINUTE);
    for _ in 0..5 {
        let error = header(&authorizer).await.unwrap_err();
        assert!(is_too_short(&error), "{error:?}");
        assert_eq!(service.calls(), 2);
    }
    assert_eq!(header(&taking(&clock, &cache, MINUTE)).await.unwrap(), "Bearer token-same");
    assert_eq!(service.calls(), 2);
}

/// As above, by a service that says each time how long a token lives that is asked for, and not how long it still does.
#[tokio::test]
async fn a_service_that_gives_ever_new_tokens_that_are_short_is_not_asked_for_ever() {
    let ever_shorter = |call| {
        Ok((
            ["", "a", "b", "c"].get(call).copied().unwrap_or("d"),
            Expiry::After(match call {
                1 => 15 * MINUTE,
                _ => 2 * MINUTE,
            }),
        ))
    };
    let (clock, service, cache) = begun(ever_shorter, 10 * MINUTE).await;
    let authorizer = taking(&clock, &cache, 6 * MINUTE);
    for _ in 0..5 {
        assert!(is_too_short(&header(&authorizer).await.unwrap_err()));
    }
    assert_eq!(service.calls(), 2);
}

/// By as much as the answer is on its way, which no setting foresees.
#[tokio::test]
async fn tokens_that_just_miss_what_is_needed_do_not_make_one_request_after_another() {
    let clock = Arc::<ManualClock>::default();
    let way = Arc::clone(&clock);
    let slow_twice = move |call| {
        if call <= 2 {
            way.advance(Duration::from_secs(1));
        }
        numbered(call)
    };
    let service = Service::new(&clock, slow_twice);
    let cache = service.cached();
    let (all_of_it, less) = (taking(&clock, &cache, Duration::from_secs(870)), Duration::from_secs(869));
    // The cache alone counts the time in which it does not use a token, so it is asked itself.
    for _ in 0..5 {
        assert!(is_too_short(&cache.token_lasting(Duration::from_secs(870)).await.unwrap_err()));
    }
    assert_eq!(service.calls(), 2);
    assert_eq!(cache.token_lasting(less).await.unwrap().authorization(), "Bearer token-2");
    assert_eq!(header(&all_of_it).await.unwrap(), "Bearer token-2", "its end is still after that of the request");
    assert_eq!(service.calls(), 2);
    clock.advance(15 * MINUTE);
    assert_eq!(header(&all_of_it).await.unwrap(), "Bearer token-3", "the answer comes faster now");
    assert_eq!(service.calls(), 3);
    clock.advance(MINUTE);
    let longer = cache.token_lasting(Duration::from_secs(870)).await.unwrap();
    assert_eq!((longer.authorization(), service.calls()), (&http::HeaderValue::from_static("Bearer token-many"), 4));
}

#[tokio::test]
async fn in_a_pause_the_remembered_error_comes_and_the_old_token_serves_others() {
    let once = |call| match call {
        2 => Err(Error::new("test", ErrorKind::RateLimited, Remedy::Wait)),
        call => numbered(call),
    };
    let (clock, service, cache) = begun(once, 10 * MINUTE).await;
    let authorizer = taking(&clock, &cache, 6 * MINUTE);
    for left in [60, 60, 40] {
        if left == 40 {
            clock.advance(Duration::from_secs(20));
        }
        let error = header(&authorizer).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(left))));
    }
    assert_eq!(header(&taking(&clock, &cache, Duration::ZERO)).await.unwrap(), "Bearer token-1");
    assert_eq!(service.calls(), 2);
    clock.advance(Duration::from_secs(40));
    assert_eq!(header(&authorizer).await.unwrap(), "Bearer token-3");
}

#[tokio::test]
async fn a_request_can_say_otherwise() {
    let (clock, service, cache) = begun(numbered, 10 * MINUTE).await;
    let name = |token: Option<Token>| token.unwrap().authorization().to_str().unwrap().to_owned();
    let long = taking(&clock, &cache, 6 * MINUTE);
    assert!(long.try_token(None).is_none());
    assert_eq!(long.try_token(Some(4 * MINUTE)).map(name).as_deref(), Some("Bearer token-1"));
    assert_eq!(long.token(Some(Duration::ZERO)).await.map(name).unwrap(), "Bearer token-1");
    assert_eq!(service.calls(), 1, "nobody who needs a new token has asked");
    let short = taking(&clock, &cache, Duration::ZERO);
    assert!(short.try_token(Some(6 * MINUTE)).is_none());
    assert_eq!(short.token(Some(6 * MINUTE)).await.map(name).unwrap(), "Bearer token-2");
    assert_eq!(long.try_token(None).map(name).as_deref(), Some("Bearer token-2"));
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn a_token_whose_end_nobody_knows_is_long_enough() {
    let unknown = |call| Ok((if call == 1 { "token-1" } else { "token-2" }, Expiry::Unknown));
    let clock = Arc::default();
    let service = Service::new(&clock, unknown);
    let cached = taking(&clock, &service.cached(), 60 * MINUTE);
    for _ in 0..3 {
        assert_eq!(header(&cached).await.unwrap(), "Bearer token-1", "the first request and those after it");
    }
    assert_eq!(service.calls(), 1);
    let bare = bearer(&clock, Arc::clone(&service)).takes(60 * MINUTE).build().unwrap();
    assert_eq!(header(&bare).await.unwrap(), "Bearer token-2");
}

#[tokio::test]
async fn a_provider_without_a_cache_gives_the_longest_there_is() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    for (takes, is_given) in [(15, true), (16, false)] {
        let authorizer = bearer(&clock, Arc::clone(&service)).takes(takes * MINUTE).build().unwrap();
        let outcome = header(&authorizer).await;
        assert_eq!(outcome.is_ok(), is_given, "{takes} min");
        assert!(outcome.err().is_none_or(|error| is_too_short(&error) && error.provider() == "bearer"));
    }
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn decorators_pass_on_how_long_a_token_must_last() {
    type Around = fn(TokenCache<Arc<Service>>) -> Arc<dyn TokenProvider>;
    let cases: [(&str, Around); 3] = [
        ("a cache", |cache| Arc::new(cache)),
        ("a pointer to a cache", |cache| Arc::new(Arc::new(cache))),
        ("a retry of a cache", |cache| Arc::new(Retry::new(cache))),
    ];
    for (what, around) in cases {
        let (clock, service, cache) = begun(numbered, 10 * MINUTE).await;
        let authorizer = bearer(&clock, around(cache)).takes(6 * MINUTE).build().unwrap();
        assert_eq!(header(&authorizer).await.unwrap(), "Bearer token-2", "{what}");
        assert_eq!(service.calls(), 2, "{what}");
    }
}
