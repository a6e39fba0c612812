//! Requests with a token.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use provider_sehatmu::{SehatMu, SehatMuBuilder, SehatMuErrorCode, SehatMuScheme};
use token_core::{
    ApiAnswer, ApiBody, ApiRequest, Authorize, AuthorizeFault, Authorizer, Clock, Error, ErrorKind, Expiry, Target, Token,
    TokenProvider,
};
use token_testkit::ManualClock;

/// Gives one token, whoever asks.
struct Fixed(Token);

#[async_trait::async_trait]
impl TokenProvider for Fixed {
    async fn token(&self) -> Result<Token, Error> {
        Ok(self.0.clone())
    }

    fn invalidate(&self, _rejected: &Token) {}
}

fn fixed(clock: &ManualClock) -> Fixed {
    Fixed(Token::bearer("token-test-only", Expiry::After(Duration::from_secs(60)), clock.now()).build().unwrap())
}

fn builder() -> SehatMuBuilder {
    SehatMu::builder().base_url("https://service.example/api").client_id("id.sehatmu.client").client_secret("secret-test-only")
}

fn authorizer(reads_codes: bool) -> Authorizer<Fixed, SehatMuScheme> {
    let clock = Arc::new(ManualClock::new());
    builder().clock(Arc::clone(&clock) as _).authorizer(fixed(&clock)).unwrap().read_codes(reads_codes).build().unwrap()
}

async fn headers(authorizer: &dyn Authorize, url: &str) -> Result<HeaderMap, Error> {
    let url: Uri = url.parse().unwrap();
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&url).unwrap(), ApiBody::Stream);
    let mut headers = HeaderMap::new();
    authorizer.check(&request, &headers)?;
    let token = authorizer.token(None).await?;
    authorizer.attach(&request, token.as_ref(), &mut headers)?;
    Ok(headers)
}

#[tokio::test]
async fn a_request_to_the_base_urls_origin_is_a_bearers() {
    let authorizer = authorizer(false);
    let headers = headers(&authorizer, "https://service.example/fhir/Patient").await.unwrap();
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["authorization"], "Bearer token-test-only");
    assert!(headers["authorization"].is_sensitive());

    let error = self::headers(&authorizer, "https://other.example/fhir/Patient").await.unwrap_err();
    assert_eq!((error.provider(), error.kind()), ("sehatmu", ErrorKind::Unauthorizable));
    assert!(matches!(error.find_source(), Some(AuthorizeFault::OtherOrigin { .. })), "{error:?}");
}

#[test]
fn a_header_of_the_callers_is_refused() {
    let url = Uri::from_static("https://service.example/fhir/Patient");
    let request = ApiRequest::new(&Method::GET, Target::of_uri(&url).unwrap(), ApiBody::Stream);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("canary"));
    let error = authorizer(false).check(&request, &headers).unwrap_err();
    assert!(matches!(error.find_source(), Some(AuthorizeFault::HeaderSet { .. })), "{error:?}");
}

#[tokio::test]
async fn the_builders_clock_tells_the_time() {
    let clock = Arc::new(ManualClock::new());
    let authorizer = builder().clock(Arc::clone(&clock) as _).authorizer(fixed(&clock)).unwrap().build().unwrap();
    let takes = Some(Duration::from_secs(60));
    assert!(authorizer.token(takes).await.is_ok());
    clock.advance(Duration::from_secs(1));
    let error = authorizer.token(takes).await.unwrap_err();
    assert_eq!(error.find_source(), Some(&AuthorizeFault::TokenTooShort));
}

#[test]
fn wrong_settings_are_named_at_once_and_no_transport_is_needed() {
    let clock = ManualClock::new();
    let error = SehatMu::builder().authorizer(fixed(&clock)).map(|_| ()).unwrap_err();
    let named: Vec<_> = error.faults().iter().map(|fault| fault.setting()).collect();
    assert_eq!(named, ["base_url", "client_id", "client_secret"]);
    let error = SehatMu::builder().build_authorizer().map(|_| ()).unwrap_err();
    assert!(named.iter().all(|name| error.faults().iter().any(|fault| fault.setting() == *name)), "{error}");
}

fn is_refused(authorizer: &dyn Authorize, status: u16, challenge: Option<&'static str>, body: &str) -> bool {
    let status = StatusCode::from_u16(status).unwrap();
    let mut headers = HeaderMap::new();
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    // As a layer does: it reads no body that the authoriser does not want.
    let body = if authorizer.rules().wants_body_of(status) { body.as_bytes() } else { b"" };
    authorizer.is_refused(&ApiAnswer::new(status, &headers, body))
}

#[test]
fn every_documented_code_counts_in_every_shape() {
    let reading = authorizer(true);
    let other = authorizer(false);
    for code in SehatMuErrorCode::ALL {
        // The two cases of an outcome have no code on the wire; one of them speaks of the token call.
        if matches!(code, SehatMuErrorCode::NotAuthenticated | SehatMuErrorCode::RateLimit) {
            continue;
        }
        let wanted = matches!(
            code,
            SehatMuErrorCode::InvalidToken | SehatMuErrorCode::AccessTokenExpired | SehatMuErrorCode::InvalidAccessToken
        );
        assert_eq!(code.kind() == ErrorKind::TokenRefused, wanted);
        let code = code.code();
        for body in [
            format!(r#"{{"error":"{code}","error_description":"text"}}"#),
            format!(r#"{{"ErrorCode":"{code}","Error":"text"}}"#),
            format!(r#"{{"fault":{{"faultstring":"text","detail":{{"errorcode":"{code}"}}}}}}"#),
        ] {
            assert_eq!(is_refused(&other, 401, None, &body), wanted, "{body}");
            assert_eq!(is_refused(&reading, 400, None, &body), wanted, "{body}");
            assert!(!is_refused(&other, 400, None, &body), "{body}");
        }
    }
}

#[test]
fn a_challenge_goes_before_the_body_and_a_bare_401_is_a_refusal() {
    const INVALID: &str = r#"Bearer realm="Service",error="invalid_token""#;
    const SCOPE: &str = r#"Bearer error="insufficient_scope""#;
    const REALM: &str = r#"Bearer realm="Service""#;
    let outcome = |text: &str| {
        let issue = format!(r#"[{{"severity":"invalid","code":"value","details":{{"text":"{text}"}}}}]"#);
        format!(r#"{{"resourceType":"OperationOutcome","issue":{issue}}}"#)
    };
    let (limit, client) = (outcome("Rate limit: 1 request per minute"), outcome("Client is not able to be authenticated"));
    for (status, challenge, body, wanted) in [
        (401, Some(INVALID), r#"{"error":"insufficient_scope"}"#, true),
        (401, Some(SCOPE), r#"{"error":"invalid_token"}"#, false),
        (401, Some(REALM), r#"{"error":"invalid_token"}"#, true),
        (401, Some(REALM), r#"{"error":"unauthorized_request"}"#, false),
        (401, Some(REALM), "", true),
        (401, None, "", true),
        (401, None, "<html>", true),
        (401, None, r#"{"error":"other"}"#, true),
        (401, None, r#"{"fault":{}}"#, true),
        (401, None, &limit, false),
        (401, None, &client, true),
        (403, Some(INVALID), r#"{"error":"invalid_token"}"#, false),
        (200, None, r#"{"resourceType":"Patient"}"#, false),
    ] {
        assert_eq!(is_refused(&authorizer(false), status, challenge, body), wanted, "{status} {challenge:?} {body}");
    }
    assert!(is_refused(&authorizer(true), 403, Some(INVALID), ""));
    assert!(is_refused(&authorizer(true), 200, None, r#"{"fault":{"detail":{"errorcode":"oauth.v2.InvalidAccessToken"}}}"#));
    assert!(!is_refused(&authorizer(true), 403, None, &client));
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_token_that_the_api_refuses_is_replaced() {
    use token_core::{BaseUrl, Resend, TokenRequest, Transport};
    use token_sandbox::{Sandbox, Service};
    use transport_reqwest::ReqwestTransport;

    let clock = Arc::new(ManualClock::new());
    let sandbox = Sandbox::builder().clock(Arc::clone(&clock) as _).start().await.unwrap();
    let credentials = sandbox.sehatmu_credentials();
    let authorizer = SehatMu::builder()
        .base_url(sandbox.sehatmu_base_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .clock(Arc::clone(&clock) as _)
        .build_authorizer()
        .unwrap();
    let url = BaseUrl::parse(sandbox.sehatmu_base_url()).unwrap().join("/oauth/me").unwrap();
    let transport = ReqwestTransport::new().unwrap();
    let ask = async || {
        let headers = headers(&authorizer, &url.to_string()).await.unwrap();
        let request = TokenRequest::new(Method::GET, url.clone(), Resend::AfterRefusal)
            .with_header(http::header::AUTHORIZATION, headers["authorization"].clone());
        let response = transport.send(request).await.unwrap();
        let answer = ApiAnswer::new(response.status(), response.headers(), response.body());
        (response.status().as_u16(), authorizer.is_refused(&answer))
    };

    assert_eq!(ask().await, (200, false));
    sandbox.revoke_all(Service::SehatMu);
    assert_eq!(ask().await, (401, true));
    let cache = authorizer.tokens().unwrap();
    authorizer.invalidate(&cache.try_token().unwrap());
    assert_eq!(ask().await, (200, false));
    assert_eq!(sandbox.requests().sehatmu_token, 2);
}
