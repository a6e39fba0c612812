//! What every provider must satisfy.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod support {
    pub(crate) mod keys;
}

use std::sync::Arc;

use provider_klikoo::{Klikoo, KlikooErrorCode};
use token_core::{ExpiryFormat, Resend, TokenProvider};
use token_testkit::{Answer, DocumentedError, Setup, Subject, SuccessFields, json_object, json_text};
use transport_reqwest::ReqwestTransport;

use support::keys::RSA;

const CLIENT_SECRET: &str = "client-secret-test-only-0000000001";

struct KlikooSubject;

impl KlikooSubject {
    fn refused(status: u16, code: &str, message: &str) -> Answer {
        let (code, message) = (json_text(code), json_text(message));
        Answer::json(status, json_object(&[("response_code", Some(&code)), ("response_message", Some(&message))]))
    }
}

impl Subject for KlikooSubject {
    fn name(&self) -> &'static str {
        "klikoo"
    }

    fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider> {
        let transport = ReqwestTransport::builder().total_timeout(setup.timeout).build().unwrap();
        let klikoo = Klikoo::builder()
            .base_url(&setup.base_url)
            .client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02")
            .client_secret(CLIENT_SECRET)
            .private_key(RSA.as_str())
            .clock(Arc::clone(&setup.clock))
            .transport(Arc::new(transport));
        Arc::new(klikoo.build_uncached().unwrap())
    }

    fn success(&self, fields: &SuccessFields<'_>) -> Answer {
        let data = json_object(&[
            ("access_token", fields.access_token),
            ("token_type", fields.token_type),
            ("expires_in", fields.expiry),
            // Klikoo has none; where one is in the answer it is not taken for anything.
            ("refresh_token", fields.refresh_token),
        ]);
        let body =
            [("response_code", Some("\"200012000\"")), ("response_message", Some("\"Sukses\"")), ("data", Some(data.as_str()))];
        Answer::json(200, json_object(&body))
    }

    fn refusal(&self, code: &str, message: &str) -> Answer {
        Self::refused(400, code, message)
    }

    fn unknown_code(&self) -> Option<&str> {
        Some("400017777")
    }

    fn documented_errors(&self) -> Vec<DocumentedError> {
        let error = |known: &KlikooErrorCode| {
            let (http, case) = known.code().split_once("xx").unwrap();
            let code = format!("{http}01{case}");
            let answer = Self::refused(http.parse().unwrap(), &code, known.message());
            DocumentedError::new(answer, known.kind(), known.remedy()).code(code)
        };
        KlikooErrorCode::ALL.iter().map(error).collect()
    }

    fn expiry_format(&self) -> ExpiryFormat {
        ExpiryFormat::SecondsFromNow
    }

    fn resend(&self) -> Resend {
        Resend::AfterRefusal
    }

    /// What the service is sent. It never sees the private key, so it cannot repeat it.
    fn secrets(&self) -> Vec<String> {
        vec![CLIENT_SECRET.to_owned()]
    }

    /// Two lines from the middle of the key.
    fn never_shown(&self) -> Vec<String> {
        RSA.lines().skip(5).take(2).map(str::to_owned).collect()
    }
}

token_testkit::conformance_tests!(KlikooSubject);
