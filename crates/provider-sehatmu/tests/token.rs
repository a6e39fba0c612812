//! Against the sandbox, over HTTP.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};

use provider_sehatmu::{SehatMu, SehatMuBuilder, SehatMuErrorCode};
use token_core::{BaseUrl, Clock, ErrorKind, Remedy, Resend, Token, TokenProvider, TokenRequest, Transport};
use token_sandbox::{RefusalStatus, Sandbox, SehatMuFailure, SehatMuSettings, SehatMuSuccess};
use token_testkit::ManualClock;
use transport_reqwest::ReqwestTransport;

const MINUTE: Duration = Duration::from_secs(60);

struct Bench {
    clock: Arc<ManualClock>,
    sandbox: Sandbox,
}

impl Bench {
    async fn new(change: impl FnOnce(&mut SehatMuSettings)) -> Self {
        let clock = Arc::new(ManualClock::sleeping_moves_time());
        let sandbox = Sandbox::builder().clock(Arc::clone(&clock) as _).sehatmu(change).start().await.unwrap();
        Self { clock, sandbox }
    }

    fn builder(&self) -> SehatMuBuilder {
        let credentials = self.sandbox.sehatmu_credentials();
        SehatMu::builder()
            .base_url(self.sandbox.sehatmu_base_url())
            .client_id(credentials.client_id())
            .client_secret(credentials.client_secret())
            .clock(Arc::clone(&self.clock) as _)
    }

    fn requests(&self) -> u64 {
        self.sandbox.requests().sehatmu_token
    }

    /// Whether the protected resource takes the token.
    async fn accepts(&self, token: &Token) -> bool {
        let url = BaseUrl::parse(self.sandbox.sehatmu_base_url()).unwrap().join("/oauth/me").unwrap();
        let request =
            TokenRequest::new(Method::GET, url, Resend::AfterRefusal).with_header(AUTHORIZATION, token.authorization().clone());
        ReqwestTransport::new().unwrap().send(request).await.unwrap().status() == StatusCode::OK
    }
}

#[tokio::test]
async fn a_token_is_accepted_cached_and_replaced_when_it_is_over() {
    let bench = Bench::new(|_| {}).await;
    let tokens = bench.builder().build().unwrap();
    let first = tokens.token().await.unwrap();
    assert!(bench.accepts(&first).await);
    assert!(tokens.token().await.unwrap().is_same(&first));
    assert_eq!(bench.requests(), 1);

    bench.clock.advance(24 * 60 * MINUTE);
    assert!(!bench.accepts(&first).await, "the token is over");
    let second = tokens.token().await.unwrap();
    assert!(bench.accepts(&second).await);
    assert_eq!(bench.requests(), 2);

    bench.sandbox.revoke_all(token_sandbox::Service::SehatMu);
    tokens.invalidate(&second);
    assert!(bench.accepts(&tokens.token().await.unwrap()).await);
    assert_eq!(bench.requests(), 3);
}

#[tokio::test]
async fn every_success_shape_gives_a_token_with_its_lifetime() {
    for form in [SehatMuSuccess::CamelCase, SehatMuSuccess::Rfc6749, SehatMuSuccess::SatuSehat] {
        let bench = Bench::new(|settings| settings.success_form = form).await;
        let token = bench.builder().build_uncached().unwrap().token().await.unwrap();
        assert!(bench.accepts(&token).await, "{form:?}");
        let left = token.lifetime_left(&bench.clock.now()).unwrap();
        let day = 24 * 60 * MINUTE;
        assert!(left <= day && left > day - MINUTE, "{form:?}: {left:?}");
    }
}

#[tokio::test]
async fn a_refused_secret_is_one_request_and_a_hold_of_a_minute() {
    for form in [SehatMuFailure::OperationOutcome, SehatMuFailure::OAuth2] {
        for status in [RefusalStatus::BadRequest, RefusalStatus::Unauthorized, RefusalStatus::Forbidden] {
            let bench = Bench::new(|settings| {
                settings.failure_form = form;
                settings.failure_status = status;
            })
            .await;
            let tokens = bench.builder().client_secret("wrong-secret-test-only").build().unwrap();
            let error = tokens.token().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.remedy()),
                (ErrorKind::ClientRefused, Remedy::FixConfiguration),
                "{form:?} {status:?}"
            );
            let code = error.find_source::<SehatMuErrorCode>();
            assert!(matches!(code, Some(SehatMuErrorCode::NotAuthenticated | SehatMuErrorCode::InvalidClient)), "{code:?}");

            bench.clock.advance(MINUTE - Duration::from_secs(1));
            let error = tokens.token().await.unwrap_err();
            assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
            assert_eq!(bench.requests(), 1, "the service allows one failure a minute");
            bench.clock.advance(Duration::from_secs(1));
            assert_eq!(tokens.token().await.unwrap_err().kind(), ErrorKind::ClientRefused);
            assert_eq!(bench.requests(), 2);
        }
    }
}

#[tokio::test]
async fn the_limiter_is_waited_out() {
    for status in [RefusalStatus::TooManyRequests, RefusalStatus::Unauthorized, RefusalStatus::BadRequest] {
        let bench = Bench::new(|settings| settings.limiter_status = status).await;
        let wrong = bench.builder().client_secret("wrong-secret-test-only").build_uncached().unwrap();
        assert!(wrong.token().await.is_err());

        let tokens = bench.builder().build().unwrap();
        let error = tokens.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::RateLimited, Remedy::Wait), "{status:?}");
        assert_eq!(error.retry_after(), Some(MINUTE));
        assert_eq!(bench.requests(), 2, "it is not tried again before its time");
        bench.clock.advance(MINUTE);
        assert!(bench.accepts(&tokens.token().await.unwrap()).await);
        assert_eq!(bench.requests(), 3);
    }
}

#[tokio::test]
async fn a_hundred_callers_make_one_request() {
    let bench = Bench::new(|_| {}).await;
    let tokens = bench.builder().build().unwrap();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.token().await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(bench.requests(), 1);
}
