//! Requests that are signed, with a token or without.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use token_core::{
    ApiAnswer, ApiBody, ApiRequest, AuthScheme, Authorize, AuthorizeFault, Authorizer, ErrorKind, OneReading, Remedy, Target,
    Token,
};
use token_testkit::ManualClock;

use crate::world::{API, Service, fault, headers, numbered};

static SIGNED: [HeaderName; 2] = [header::AUTHORIZATION, HeaderName::from_static("x-signature")];

fn signature() -> HeaderName {
    HeaderName::from_static("x-signature")
}

/// "Signs" by the length of the body and the seconds since 1970. An empty body is what the machine's clock cannot be written for.
struct Signed;

impl AuthScheme for Signed {
    fn provider(&self) -> &'static str {
        "signed"
    }

    fn headers(&self) -> &[HeaderName] {
        &SIGNED
    }

    fn covers_body(&self) -> bool {
        true
    }

    fn apply(
        &self,
        request: &ApiRequest<'_>,
        token: Option<&Token>,
        now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        let body = request.body.bytes()?;
        if body.is_empty() {
            return Err(AuthorizeFault::Clock);
        }
        let seconds = now.moment().wall().duration_since(std::time::UNIX_EPOCH).map_err(|_| AuthorizeFault::Clock)?.as_secs();
        let value = HeaderValue::from_str(&format!("{} of {}", body.len(), seconds)).map_err(|_| AuthorizeFault::Clock)?;
        headers.insert(signature(), value);
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, token.authorization().clone());
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_signature_covers_a_body_that_is_at_hand_and_not_too_long() {
    let clock = Arc::<ManualClock>::default();
    let service = Service::new(&clock, numbered);
    let builder = Authorizer::with_scheme(Arc::clone(&service), Signed).origin(API).clock(Arc::clone(&clock) as _);
    let authorizer = builder.longest_body(4).build().unwrap();
    assert!(authorizer.rules().covers_body() && authorizer.rules().longest_body() == 4);
    let too_long = AuthorizeFault::BodyTooLong { limit: 4 };
    let set = |name| AuthorizeFault::HeaderSet { name };
    let cases = [
        (ApiBody::Bytes(b"12345"), None, Some(too_long)),
        (ApiBody::Stream, None, Some(AuthorizeFault::BodyUnread)),
        (ApiBody::Bytes(b"1234"), Some(("x-signature", "x")), Some(set(signature()))),
        (ApiBody::Bytes(b"1234"), Some(("authorization", "x")), Some(set(header::AUTHORIZATION))),
        (ApiBody::Bytes(b"1234"), Some(("x-other", "x")), None),
    ];
    let uri = Uri::from_static(API);
    for (body, pair, expected) in cases {
        let request = ApiRequest::new(&Method::POST, Target::of_uri(&uri).unwrap(), body);
        let before = headers(pair.as_slice());
        let mut after = before.clone();
        let outcome = authorizer.authorize(&request, &mut after).await;
        assert_eq!(outcome.as_ref().err().and_then(fault), expected.as_ref(), "{body:?} {pair:?}");
        match outcome {
            Err(_) => assert_eq!(after, before, "{body:?} {pair:?}"),
            Ok(token) => {
                assert_eq!(after.get(signature()).unwrap(), "4 of 1795392000");
                assert_eq!(after.get(header::AUTHORIZATION), token.as_ref().map(Token::authorization));
            }
        }
    }
    assert_eq!(service.calls(), 1, "only the good request needs a token");
}

#[tokio::test]
async fn a_clock_that_cannot_be_written_is_to_be_corrected() {
    let clock = Arc::<ManualClock>::default();
    let authorizer = Authorizer::with_scheme(Service::new(&clock, numbered), Signed).origin(API).build().unwrap();
    let uri = Uri::from_static(API);
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&uri).unwrap(), ApiBody::Bytes(b""));
    let error = authorizer.authorize(&request, &mut HeaderMap::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Unauthorizable, Remedy::CorrectClock));
    assert_eq!((error.provider(), fault(&error)), ("signed", Some(&AuthorizeFault::Clock)));
}

#[tokio::test]
async fn without_tokens_a_request_is_signed_and_nothing_is_refused_or_sent_again() {
    let clock = Arc::<ManualClock>::default();
    let authorizer = Authorizer::without_token(Signed).origin(API).clock(Arc::clone(&clock) as _).build().unwrap();
    assert!(authorizer.tokens().is_none());
    assert!(matches!(authorizer.try_token(None), Some(None)));
    assert!(matches!(authorizer.token(None).await, Ok(None)));
    let uri = Uri::from_static(API);
    let request = ApiRequest::new(&Method::POST, Target::of_uri(&uri).unwrap(), ApiBody::Bytes(b"body"));
    let mut all = HeaderMap::new();
    assert!(authorizer.authorize(&request, &mut all).await.unwrap().is_none());
    assert_eq!(all, headers(&[("x-signature", "4 of 1795392000")]));
    let none = HeaderMap::new();
    let answer = ApiAnswer::new(StatusCode::UNAUTHORIZED, &none, b"");
    assert!(!authorizer.is_refused(&answer) && !authorizer.rules().may_resend(&Method::GET));
    let other = Uri::from_static("https://evil.example");
    assert!(authorizer.guard(Target::of_uri(&other), &all).is_err(), "a signature is for an allowed origin alone");
}
