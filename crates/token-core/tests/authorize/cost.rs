//! What it costs where the token is at hand, and whose tokens can be used.

use std::sync::Arc;

use allocation_counter::measure;
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use token_core::{ApiBody, ApiRequest, Authorize, Bearer, Target, TokenProvider};

use crate::world::{API, Service, bearer, header, numbered};

#[tokio::test]
async fn a_token_at_hand_is_attached_without_an_allocation_of_ours() {
    let clock = Arc::default();
    let cache = Service::new(&clock, numbered).cached();
    cache.token().await.unwrap();
    let tokens: Arc<dyn TokenProvider> = Arc::new(cache);
    let authorizer = bearer(&clock, Arc::clone(&tokens)).build().unwrap();
    let uri = Uri::from_static("https://api.example/v1/balance");
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&uri).unwrap(), ApiBody::Stream);
    // What is made once, as a first look at the clock.
    let token = authorizer.try_token(None).unwrap().unwrap();
    let through_a_pointer: Arc<dyn Authorize> = Arc::new(authorizer.clone());

    let mut counts = [0; 5];
    let [mut roomy, mut tried] = [(); 2].map(|()| HeaderMap::with_capacity(8));
    let mut empty = HeaderMap::new();
    let mut plain = HeaderMap::new();
    let [through_dyn, through_authorizer, at_once, attached, attached_to_an_empty_map] = &mut counts;
    *through_dyn = measure(|| drop(tokens.try_token().unwrap())).count_total;
    *through_authorizer = measure(|| drop(authorizer.try_token(None).unwrap())).count_total;
    *at_once = measure(|| drop(through_a_pointer.try_authorize(&request, None, &mut tried).unwrap())).count_total;
    *attached = measure(|| through_a_pointer.attach(&request, Some(&token), &mut roomy).unwrap()).count_total;
    *attached_to_an_empty_map = measure(|| through_a_pointer.attach(&request, Some(&token), &mut empty).unwrap()).count_total;
    let growth = measure(|| drop(plain.insert(header::AUTHORIZATION, HeaderValue::from_static("x")))).count_total;
    assert!(growth > 0, "the allocations are counted");
    assert_eq!(counts, [0, 0, 0, 0, growth]);
    assert!(roomy.contains_key(header::AUTHORIZATION) && empty == roomy && tried == roomy);
}

#[tokio::test]
async fn an_authoriser_takes_a_provider_whose_type_nobody_knows() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    let tokens: [Arc<dyn TokenProvider>; 2] = [Arc::clone(&service) as _, Arc::new(service.cached())];
    let mut authorizers: Vec<Bearer<Arc<dyn TokenProvider>>> = Vec::new();
    for tokens in tokens {
        authorizers.push(Bearer::of(tokens).origin(API).build().unwrap());
    }
    for (authorizer, expected) in authorizers.iter().zip(["Bearer token-1", "Bearer token-2"]) {
        assert_eq!(header(authorizer).await.unwrap(), expected);
    }
}

#[cfg(feature = "mock")]
#[tokio::test]
async fn an_authoriser_takes_a_mock() {
    use token_core::{Clock as _, Expiry, MockTokenProvider, SystemClock, Token};

    let mut tokens = MockTokenProvider::new();
    tokens.expect_token().times(2).returning(|| {
        let token = Token::bearer("token-test-only", Expiry::After(crate::world::MINUTE), SystemClock.now());
        Ok(token.build().unwrap())
    });
    tokens.expect_invalidate().times(1).return_const(());
    let authorizer = Bearer::of(tokens).origin(API).build().unwrap();
    assert_eq!(header(&authorizer).await.unwrap(), "Bearer token-test-only");
    assert!(authorizer.try_token(None).is_none());
    let token = authorizer.token(Some(crate::world::MINUTE / 2)).await.unwrap().unwrap();
    authorizer.invalidate(&token);
}
