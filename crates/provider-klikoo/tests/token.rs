//! Against the sandbox, over real HTTP and by the default transport.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod support {
    pub(crate) mod keys;
}

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Uri};

use provider_klikoo::{Klikoo, KlikooBuilder, KlikooErrorCode, KlikooScheme, TimestampPrecision, canonical_json};
use token_core::{
    ApiBody, ApiRequest, Authorize as _, Authorizer, ErrorKind, Remedy, Resend, Retry, Target, Token, TokenCache, TokenRequest,
    Transport as _,
};
use token_sandbox::{Sandbox, SandboxBuilder, Service};
use token_testkit::ManualClock;
use transport_reqwest::ReqwestTransport;

/// A sandbox and a builder that go by the same clock.
async fn start(change: impl FnOnce(SandboxBuilder) -> SandboxBuilder) -> (Arc<ManualClock>, Sandbox, KlikooBuilder) {
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let sandbox = change(Sandbox::builder().clock(clock.clone())).start().await.unwrap();
    let credentials = sandbox.klikoo_credentials();
    let builder = Klikoo::builder()
        .base_url(sandbox.klikoo_base_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .private_key(credentials.private_key_pem())
        .clock(clock.clone());
    (clock, sandbox, builder)
}

/// What signs the calls with a token.
type Signing = Authorizer<TokenCache<Retry<Klikoo>>, KlikooScheme>;

/// Sends a call with this token, signed, and gives the answer's status.
async fn call(authorizer: &Signing, token: &Token, method: Method, url: String, body: &[u8]) -> StatusCode {
    let url: Uri = url.parse().unwrap();
    let request = ApiRequest::new(&method, Target::of_uri(&url).unwrap(), ApiBody::Bytes(body));
    let mut headers = HeaderMap::new();
    authorizer.attach(&request, Some(token), &mut headers).unwrap();
    let mut request = TokenRequest::new(method.clone(), url.clone(), Resend::AfterRefusal);
    for (name, value) in &headers {
        request = request.with_header(name.clone(), value.clone());
    }
    if !body.is_empty() {
        request = request.with_body("application/json", body.to_vec().into());
    }
    ReqwestTransport::new().unwrap().send(request).await.unwrap().status()
}

async fn balance(sandbox: &Sandbox, authorizer: &Signing, token: &Token) -> StatusCode {
    call(authorizer, token, Method::GET, format!("{}/v1/open-api/balance", sandbox.klikoo_base_url()), b"").await
}

#[tokio::test]
async fn a_token_is_obtained_accepted_and_kept() {
    let (clock, sandbox, builder) = start(|sandbox| sandbox).await;
    let authorizer = builder.build_authorizer().unwrap();
    let tokens = authorizer.tokens().unwrap();
    let first = tokens.token().await.unwrap();
    assert_eq!(balance(&sandbox, &authorizer, &first).await, StatusCode::OK);
    assert!(tokens.token().await.unwrap().is_same(&first));
    assert_eq!(sandbox.requests().klikoo_token, 1);

    clock.advance(Duration::from_secs(900));
    assert_eq!(balance(&sandbox, &authorizer, &first).await, StatusCode::UNAUTHORIZED);
    let second = tokens.token().await.unwrap();
    assert_eq!(balance(&sandbox, &authorizer, &second).await, StatusCode::OK);
    assert_eq!(sandbox.requests().klikoo_token, 2);

    sandbox.revoke_all(Service::Klikoo);
    tokens.invalidate(&second);
    assert_eq!(balance(&sandbox, &authorizer, &tokens.token().await.unwrap()).await, StatusCode::OK);
    assert_eq!(sandbox.requests().klikoo_token, 3);
}

#[tokio::test]
async fn what_is_signed_is_what_the_service_checks() {
    let (_clock, sandbox, builder) = start(|sandbox| sandbox).await;
    let authorizer = builder.clone().build_authorizer().unwrap();
    let token = authorizer.tokens().unwrap().token().await.unwrap();
    let url = |query: &str| format!("{}/v1/open-api/account/inquiry{query}", sandbox.klikoo_base_url());
    let body = br#"{ "bank_code": "000", "account_number": "<1> & 2" }"#;
    for body in [body.as_slice(), &canonical_json(body).unwrap()] {
        for query in ["", "?page=1&size=a%2Fb"] {
            assert_eq!(call(&authorizer, &token, Method::POST, url(query), body).await, StatusCode::OK, "{query}");
        }
    }
    // The sandbox checks: with another secret it says no.
    let other = builder.client_secret("secret-of-another").build_authorizer().unwrap();
    assert_eq!(call(&other, &token, Method::POST, url(""), body).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn many_callers_make_one_request() {
    let (_clock, sandbox, builder) = start(|sandbox| sandbox).await;
    let tokens = builder.build().unwrap();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.token().await.map(|_| ()) })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(sandbox.requests().klikoo_token, 1);
}

#[tokio::test]
async fn milliseconds_and_short_codes_are_understood_on_both_sides() {
    let (_clock, sandbox, builder) = start(|sandbox| sandbox.klikoo(|settings| settings.short_codes = true)).await;
    let authorizer = builder.clone().timestamp_precision(TimestampPrecision::Milliseconds).build_authorizer().unwrap();
    let token = authorizer.tokens().unwrap().token().await.unwrap();
    assert_eq!(balance(&sandbox, &authorizer, &token).await, StatusCode::OK);

    let error = builder.client_secret("secret-of-another").build().unwrap().token().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::ClientRefused, Some("4010170")));
}

#[tokio::test]
async fn a_wrong_secret_is_asked_once_and_then_held() {
    let (clock, sandbox, builder) = start(|sandbox| sandbox).await;
    let tokens = builder.client_secret("secret-of-another").build().unwrap();
    for _ in 0..3 {
        let error = tokens.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::ClientRefused, Remedy::FixConfiguration));
        assert_eq!((error.code(), error.http_status()), (Some("401016570"), Some(401)));
        assert_eq!(error.find_source(), Some(&KlikooErrorCode::CredentialMismatch));
        assert_eq!(error.service_message(), Some("Kredensial tidak sesuai"));
    }
    assert_eq!(sandbox.requests().klikoo_token, 1);
    clock.advance(Duration::from_secs(61));
    tokens.token().await.unwrap_err();
    assert_eq!(sandbox.requests().klikoo_token, 2);
}

#[tokio::test]
async fn a_wrong_client_and_a_wrong_key_are_told_apart() {
    let (_clock, _sandbox, builder) = start(|sandbox| sandbox).await;
    let other = builder.clone().client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02").build().unwrap();
    assert_eq!(other.token().await.unwrap_err().find_source(), Some(&KlikooErrorCode::CredentialMismatch));

    let other = builder.private_key(support::keys::RSA.as_str()).build().unwrap();
    let error = other.token().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::ClientRefused, Some("400016508")));
    assert_eq!(error.find_source(), Some(&KlikooErrorCode::SignatureMismatch));
}

#[tokio::test]
async fn a_wrong_clock_is_told_with_its_offset() {
    let (clock, sandbox, builder) = start(|sandbox| sandbox).await;
    let klikoo = builder.build().unwrap();
    for (move_by, words) in [(600, "600 s behind"), (-605, "5 s ahead of")] {
        sandbox.advance_clock(move_by);
        let error = klikoo.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::ClockSkew, Remedy::CorrectClock));
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.is_transient());
        // The pause after the failure.
        clock.advance(Duration::from_secs(60));
    }
    sandbox.advance_clock(5);
    klikoo.token().await.unwrap();
}

#[tokio::test]
async fn a_wrong_path_is_a_setting_to_correct() {
    let (_clock, sandbox, builder) = start(|sandbox| sandbox).await;
    let without_prefix = sandbox.klikoo_base_url().trim_end_matches("/klikoo-b2b");
    let error = builder.base_url(without_prefix).build().unwrap().token().await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
}

#[tokio::test]
async fn a_service_that_is_gone_is_tried_again() {
    let (clock, sandbox, builder) = start(|sandbox| sandbox).await;
    let tokens = builder.build().unwrap();
    sandbox.shutdown().await;
    let error = tokens.token().await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Transport, Remedy::Retry));
    assert_eq!(clock.slept().len(), 2, "three tries");
}
