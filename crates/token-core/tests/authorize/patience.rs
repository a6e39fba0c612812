//! How long a request waits for a token.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Uri};
use token_core::{
    ApiBody, ApiRequest, Authorize, AuthorizeFault, Error, ErrorKind, Expiry, Remedy, Target, TokenProvider, Tried,
};
use token_testkit::ManualClock;

use crate::world::{API, MINUTE, Service, at_once, bearer, fault, header, headers, numbered, settle};

const SECOND: Duration = Duration::from_secs(1);

fn is_pending(error: &Error) -> bool {
    (error.kind(), error.remedy(), error.provider()) == (ErrorKind::Pending, Remedy::Retry, "bearer")
}

/// Moves the clock by seconds until `request` ends, and gives their number.
async fn seconds<T>(clock: &ManualClock, request: &tokio::task::JoinHandle<T>) -> u64 {
    for second in 0..100 {
        settle().await;
        if request.is_finished() {
            return second;
        }
        clock.advance(SECOND);
    }
    panic!("it waits on");
}

#[tokio::test]
async fn a_provider_that_never_answers_is_waited_for_as_long_as_was_said() {
    for (patience, waited) in [(None, 30), (Some(5), 5), (Some(1), 1), (Some(0), 0)] {
        let clock = Arc::default();
        let service = Service::gated(&clock, numbered);
        let mut builder = bearer(&clock, Arc::clone(&service));
        if let Some(patience) = patience {
            builder = builder.patience(SECOND * patience);
        }
        let authorizer = builder.build().unwrap();
        let request = tokio::spawn(async move { header(&authorizer).await });
        assert_eq!(seconds(&clock, &request).await, waited, "{patience:?}");
        let error = request.await.unwrap().unwrap_err();
        assert!(is_pending(&error), "{error}");
        let says = if waited == 0 { "not to wait for one".to_owned() } else { format!("no token came within {waited}") };
        assert!(error.to_string().contains(&says), "{error}");
        assert_eq!(service.calls(), 1);
    }
}

#[tokio::test]
async fn a_token_that_comes_in_time_is_attached() {
    let clock = Arc::default();
    let service = Service::gated(&clock, numbered);
    let authorizer = bearer(&clock, Arc::clone(&service)).patience(SECOND * 5).build().unwrap();
    let request = tokio::spawn(async move { header(&authorizer).await });
    settle().await;
    clock.advance(SECOND * 4);
    service.gate.add_permits(1);
    settle().await;
    assert_eq!(request.await.unwrap().unwrap(), "Bearer token-1");
}

#[tokio::test]
async fn the_request_of_a_cache_goes_on_when_patience_ends_and_serves_the_next() {
    for patience in [SECOND * 5, Duration::ZERO] {
        let clock = Arc::default();
        let service = Service::gated(&clock, numbered);
        let authorizer = bearer(&clock, service.cached()).patience(patience).build().unwrap();
        let waits = authorizer.clone();
        let request = tokio::spawn(async move { header(&waits).await });
        assert_eq!(seconds(&clock, &request).await, patience.as_secs());
        assert!(is_pending(&request.await.unwrap().unwrap_err()));
        service.gate.add_permits(1);
        settle().await;
        assert_eq!(at_once(header(&authorizer)).expect("nobody waits").unwrap(), "Bearer token-1", "{patience:?}");
        assert_eq!(service.calls(), 1, "{patience:?}");
    }
}

#[tokio::test]
async fn without_patience_what_is_there_is_attached() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    let cache = service.cached();
    let authorizer = bearer(&clock, cache.clone()).patience(Duration::ZERO).build().unwrap();
    cache.token().await.unwrap();
    assert_eq!(at_once(header(&authorizer)).expect("nobody waits").unwrap(), "Bearer token-1");
    let bare = bearer(&clock, service).patience(Duration::ZERO).build().unwrap();
    assert_eq!(at_once(header(&bare)).expect("nobody waits").unwrap(), "Bearer token-2", "a provider that does not wait");
}

#[tokio::test]
async fn an_error_of_the_provider_is_passed_on() {
    let clock = Arc::default();
    let refused = || Error::new("test", ErrorKind::ClientRefused, Remedy::FixConfiguration);
    let service = Service::new(&clock, move |_| Err(refused()));
    let tokens: [Arc<dyn TokenProvider>; 2] = [Arc::clone(&service) as _, Arc::new(service.cached())];
    for tokens in tokens {
        let authorizer = bearer(&clock, tokens).build().unwrap();
        let error = header(&authorizer).await.unwrap_err();
        assert_eq!(
            (error.provider(), error.kind(), error.remedy()),
            ("test", ErrorKind::ClientRefused, Remedy::FixConfiguration)
        );
        assert!(authorizer.try_token(None).is_none());
    }
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn a_token_at_hand_comes_without_waiting() {
    let clock = Arc::default();
    let service = Service::new(&clock, |_| Ok(("token-test-only", Expiry::Unknown)));
    let bare = bearer(&clock, Arc::clone(&service)).build().unwrap();
    assert!(bare.try_token(None).is_none());
    assert_eq!(service.calls(), 0);
    let cached = bearer(&clock, service.cached()).build().unwrap();
    assert!(cached.try_token(None).is_none(), "its request has begun");
    settle().await;
    assert!(matches!(cached.try_token(None), Some(Some(_))));
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_request_is_authorised_at_once_if_its_token_is_at_hand() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    let authorizer = bearer(&clock, service.cached()).build().unwrap();
    let (api, elsewhere) = (Uri::from_static(API), Uri::from_static("https://elsewhere.example"));
    let request = |uri| ApiRequest::new(&Method::GET, Target::of_uri(uri).unwrap(), ApiBody::Bytes(b""));
    let before = headers(&[("accept", "text/plain")]);
    let mut all = before.clone();

    let Tried::Waits(checked) = authorizer.try_authorize(&request(&api), None, &mut all).unwrap() else { panic!() };
    assert_eq!(all, before);
    let token = authorizer.token(None).await.unwrap();
    authorizer.attach_checked(checked, &request(&api), token.as_ref(), &mut all).unwrap();
    assert_eq!((&all["authorization"], all.len()), (&HeaderValue::from_static("Bearer token-1"), 2));

    // A header of the caller, and another origin, are faults whether there is a token or not.
    let error = authorizer.try_authorize(&request(&api), None, &mut all).unwrap_err();
    assert_eq!(fault(&error), Some(&AuthorizeFault::HeaderSet { name: AUTHORIZATION }));
    let mut all = before.clone();
    let error = authorizer.try_authorize(&request(&elsewhere), None, &mut all).unwrap_err();
    assert!(matches!(fault(&error), Some(AuthorizeFault::OtherOrigin { .. })));
    assert_eq!(all, before);

    let Tried::Authorized(Some(token)) = authorizer.try_authorize(&request(&api), None, &mut all).unwrap() else { panic!() };
    assert_eq!(&all["authorization"], token.authorization());
    let mut all = before.clone();
    let tried = authorizer.try_authorize(&request(&api), Some(16 * MINUTE), &mut all).unwrap();
    assert!(matches!(tried, Tried::Waits(_)) && all == before, "no token lives so long");
}
