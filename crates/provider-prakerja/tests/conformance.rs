//! What every provider must satisfy, by the refresh of a user who is logged in.
#![cfg(feature = "reqwest")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use provider_prakerja::{Prakerja, PrakerjaErrorCode};
use token_core::{ErrorKind, ExpiryFormat, Remedy, Resend, TokenProvider};
use token_testkit::{Answer, DocumentedError, Setup, Subject, SuccessFields, json_object, json_text};
use transport_reqwest::ReqwestTransport;

const REFRESH_TOKEN: &str = "refresh-token-test-only-0000000001";
const SIGN_KEY: &str = "sign-key-test-only-0000000001";

struct RefreshingUser;

impl Subject for RefreshingUser {
    fn name(&self) -> &'static str {
        "prakerja"
    }

    fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider> {
        let transport = ReqwestTransport::builder().total_timeout(setup.timeout).build().unwrap();
        let prakerja = Prakerja::builder()
            .client_id("lp-test-only")
            .client_name("Lembaga Contoh")
            .redirect_uri("https://lp.example/callback")
            .login_uri("https://lp.example/login")
            .base_url(&setup.base_url)
            .sign_key(SIGN_KEY)
            .clock(Arc::clone(&setup.clock))
            .transport(Arc::new(transport))
            .build()
            .unwrap();
        Arc::new(prakerja.user_from_refresh_token(REFRESH_TOKEN).build_uncached())
    }

    fn success(&self, fields: &SuccessFields<'_>) -> Answer {
        let data = json_object(&[
            ("access_token", fields.access_token),
            ("expires_in", fields.expiry),
            ("refresh_token", fields.refresh_token),
            ("scope", Some("\"name email\"")),
            ("token_type", fields.token_type),
        ]);
        let body = json_object(&[
            ("message", Some("\"no error\"")),
            ("success", Some("true")),
            ("errorCode", Some("\"0\"")),
            ("data", Some(&data)),
        ]);
        Answer::json(200, body)
    }

    fn refusal(&self, code: &str, message: &str) -> Answer {
        let body =
            json_object(&[("code", Some(&json_text(code))), ("message", Some(&json_text(message))), ("success", Some("false"))]);
        Answer::json(400, body)
    }

    fn documented_errors(&self) -> Vec<DocumentedError> {
        PrakerjaErrorCode::ALL
            .iter()
            .map(|known| {
                let (kind, remedy) = match known.code() {
                    // By themselves they say to refresh; of a refresh they say that the login is over.
                    "ERROAUTH4048" | "ERROAUTH4051" => (ErrorKind::LoginRequired, Remedy::LogInAgain),
                    _ => (known.kind(), known.remedy()),
                };
                DocumentedError::new(self.refusal(known.code(), known.message()), kind, remedy).code(known.code())
            })
            .collect()
    }

    fn unknown_code(&self) -> Option<&str> {
        Some("ERROAUTH9999")
    }

    fn expiry_format(&self) -> ExpiryFormat {
        ExpiryFormat::ByMagnitude
    }

    fn resend(&self) -> Resend {
        Resend::OnlyIfNotSent
    }

    fn secrets(&self) -> Vec<String> {
        vec![REFRESH_TOKEN.to_owned(), SIGN_KEY.to_owned()]
    }
}

token_testkit::conformance_tests!(RefreshingUser);
