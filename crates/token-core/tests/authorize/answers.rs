//! Which answers of an API refuse the token, and what is done about it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use token_core::{
    ApiAnswer, ApiRequest, AuthScheme, Authorize, AuthorizeFault, Authorizer, ErrorKind, OneReading, ResendPolicy, Token,
};

use crate::world::{API, Service, authorize, bearer, header, headers, numbered};

/// A service whose codes stand in the body.
struct Coded;

impl AuthScheme for Coded {
    fn provider(&self) -> &'static str {
        "coded"
    }

    fn headers(&self) -> &[HeaderName] {
        const { &[header::AUTHORIZATION] }
    }

    fn apply(
        &self,
        _request: &ApiRequest<'_>,
        token: Option<&Token>,
        _now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, token.authorization().clone());
        }
        Ok(())
    }

    fn has_codes_in_body(&self) -> bool {
        true
    }

    fn error_kind(&self, answer: &ApiAnswer<'_>) -> Option<ErrorKind> {
        match answer.body {
            b"token" => Some(ErrorKind::TokenRefused),
            b"signature" => Some(ErrorKind::ClientRefused),
            _ => None,
        }
    }
}

const NO_TOKEN: &str = r#"Bearer error="invalid_token""#;
const NO_SCOPE: &str = r#"Bearer error="insufficient_scope""#;

/// Whether an answer with this status and challenge refuses the token.
fn bearer_refused(authorizer: &dyn Authorize, status: u16, challenge: Option<&'static str>) -> bool {
    let headers = headers(challenge.map(|challenge| ("www-authenticate", challenge)).as_slice());
    authorizer.is_refused(&ApiAnswer::new(StatusCode::from_u16(status).unwrap(), &headers, b""))
}

fn code_refused(authorizer: &dyn Authorize, status: u16, body: &'static str) -> bool {
    let challenge = headers(&[("www-authenticate", NO_TOKEN)]);
    let answer = ApiAnswer::new(StatusCode::from_u16(status).unwrap(), &challenge, body.as_bytes());
    authorizer.is_refused(&answer)
}

#[test]
fn a_bearer_token_is_refused_by_401_and_by_a_code_where_codes_are_read() {
    // The status and the challenge; whether the token is refused, and whether it is where codes are read.
    let cases = [
        (401, None, true, true),
        (401, Some(NO_TOKEN), true, true),
        (401, Some("Bearer"), true, true),
        (401, Some(r#"Bearer error="something_else""#), true, true),
        (401, Some("Basic realm=\"x\""), true, true),
        (401, Some(NO_SCOPE), false, false),
        (401, Some(r#"Bearer error="invalid_request""#), false, false),
        (403, None, false, false),
        (403, Some(NO_TOKEN), false, true),
        (403, Some(NO_SCOPE), false, false),
        (400, Some(NO_TOKEN), false, true),
        (400, None, false, false),
        (200, None, false, false),
        (200, Some(NO_TOKEN), false, true),
        (407, None, false, false),
        (500, None, false, false),
    ];
    let clock = Arc::default();
    let build = |read| bearer(&clock, Service::new(&clock, numbered)).read_codes(read).build().unwrap();
    let (quiet, reading) = (build(false), build(true));
    for (status, challenge, refused, refused_where_read) in cases {
        assert_eq!(bearer_refused(&quiet, status, challenge), refused, "{status} {challenge:?}");
        assert_eq!(bearer_refused(&reading, status, challenge), refused_where_read, "{status} {challenge:?}, codes are read");
    }
}

#[test]
fn a_code_in_the_body_counts_and_not_the_challenge() {
    let cases = [
        (401, "token", true, true),
        (401, "", true, true),
        (401, "unknown", true, true),
        (401, "signature", false, false),
        (400, "token", false, true),
        (200, "token", false, true),
        (400, "signature", false, false),
        (400, "", false, false),
        (200, "", false, false),
    ];
    let clock = Arc::default();
    let build = |read| {
        let builder = Authorizer::with_scheme(Service::new(&clock, numbered), Coded).origin(API);
        builder.read_codes(read).build().unwrap()
    };
    let (quiet, reading) = (build(false), build(true));
    for (status, body, refused, refused_where_read) in cases {
        assert_eq!(code_refused(&quiet, status, body), refused, "{status} {body}");
        assert_eq!(code_refused(&reading, status, body), refused_where_read, "{status} {body}, codes are read");
    }
}

#[test]
fn a_rule_of_the_program_takes_the_place_of_ours() {
    let clock = Arc::default();
    let grpc = |answer: &ApiAnswer<'_>| answer.headers.get("grpc-status").is_some_and(|status| status == "16");
    let authorizer = bearer(&clock, Service::new(&clock, numbered)).read_codes(true).refused_when(grpc).build().unwrap();
    assert!(!bearer_refused(&authorizer, 401, Some(NO_TOKEN)));
    for (status, refused) in [("16", true), ("7", false)] {
        let headers = headers(&[("grpc-status", status)]);
        assert_eq!(authorizer.is_refused(&ApiAnswer::new(StatusCode::OK, &headers, b"")), refused);
    }
}

#[test]
fn where_no_token_is_used_none_is_refused() {
    let build = || Authorizer::without_token(Coded).origin(API).read_codes(true);
    let with_a_rule = build().refused_when(|_| true).build().unwrap();
    for authorizer in [build().build().unwrap(), with_a_rule] {
        for status in [200, 400, 401, 403] {
            assert!(!code_refused(&authorizer, status, "token"), "{status}");
            assert!(!authorizer.rules().wants_body_of(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        assert!(!authorizer.rules().may_resend(&Method::GET));
    }
}

#[test]
fn a_body_is_wanted_where_a_code_may_stand_in_it() {
    let clock = Arc::default();
    let bearers = [false, true].map(|read| bearer(&clock, Service::new(&clock, numbered)).read_codes(read).build().unwrap());
    let coded = [false, true].map(|read| {
        let builder = Authorizer::with_scheme(Service::new(&clock, numbered), Coded).origin(API);
        builder.read_codes(read).build().unwrap()
    });
    // The status; whether its body is wanted: of a bearer service, of one with codes in bodies, and of each where codes are read.
    let cases = [
        (101, [false, false, false, false]),
        (200, [false, false, true, true]),
        (400, [false, false, true, true]),
        (401, [false, true, true, true]),
        (403, [false, false, true, true]),
        (500, [false, false, true, true]),
    ];
    for (status, wanted) in cases {
        let status = StatusCode::from_u16(status).unwrap();
        let [quiet, reading] = &bearers;
        let [coded, coded_reading] = &coded;
        let authorizers: [&dyn Authorize; 4] = [quiet, coded, reading, coded_reading];
        assert_eq!(authorizers.map(|authorizer| authorizer.rules().wants_body_of(status)), wanted, "{status}");
    }
}

#[test]
fn an_answer_is_looked_at_where_it_may_refuse_the_token() {
    let clock = Arc::default();
    let build = || bearer(&clock, Service::new(&clock, numbered));
    let quiet = build().build().unwrap();
    let reading = build().read_codes(true).build().unwrap();
    let with_a_rule = build().refused_when(|_| true).build().unwrap();
    let without = Authorizer::without_token(Coded).origin(API).read_codes(true).refused_when(|_| true).build().unwrap();
    let authorizers: [(&dyn Authorize, _); 4] =
        [(&quiet, [401].as_slice()), (&reading, &[200, 400, 401, 500]), (&with_a_rule, &[200, 400, 401, 500]), (&without, &[])];
    for (authorizer, looked_at) in authorizers {
        for status in [200, 400, 401, 500] {
            let may = authorizer.rules().may_refuse(StatusCode::from_u16(status).unwrap());
            assert_eq!(may, looked_at.contains(&status), "{status}");
            assert_eq!(bearer_refused(authorizer, status, Some(NO_TOKEN)), may, "{status}");
        }
    }
}

#[test]
fn a_request_is_sent_again_as_the_program_says() {
    let clock = Arc::default();
    let build = |policy| bearer(&clock, Service::new(&clock, numbered)).resend(policy).build().unwrap();
    let cases = [
        (Method::GET, [true, true, false]),
        (Method::HEAD, [true, true, false]),
        (Method::PUT, [true, true, false]),
        (Method::DELETE, [true, true, false]),
        (Method::POST, [true, false, false]),
        (Method::PATCH, [true, false, false]),
        ("QUERY".parse().unwrap(), [true, true, false]),
        ("MINE".parse().unwrap(), [true, false, false]),
    ];
    let policies = [ResendPolicy::AnyMethod, ResendPolicy::Idempotent, ResendPolicy::Never];
    for (method, may) in cases {
        assert_eq!(policies.map(|policy| build(policy).rules().may_resend(&method)), may, "{method}");
    }
}

#[tokio::test]
async fn a_refused_token_is_told_to_the_provider_and_the_next_request_gets_another() {
    let clock = Arc::default();
    let service = Service::new(&clock, numbered);
    let authorizer = bearer(&clock, service.cached()).build().unwrap();
    let mut all = HeaderMap::new();
    let token = authorize(&authorizer, &Method::GET, API, &mut all).await.unwrap().unwrap();
    assert_eq!(header(&authorizer).await.unwrap(), "Bearer token-1");
    authorizer.invalidate(&token);
    assert_eq!(service.invalidated.load(Ordering::SeqCst), 1);
    assert_eq!(header(&authorizer).await.unwrap(), "Bearer token-2");
    authorizer.invalidate(&token);
    assert_eq!(header(&authorizer).await.unwrap(), "Bearer token-2", "the one that is held was not refused");
    assert_eq!(service.calls(), 2);
}
