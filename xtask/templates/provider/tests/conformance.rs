//! What every provider must satisfy.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::sync::Arc;

use provider_new_service::{NewService, NewServiceErrorCode};
use token_core::{ErrorKind, ExpiryFormat, Remedy, Resend, TokenProvider};
use token_testkit::{Answer, DocumentedError, Setup, Subject, SuccessFields, json_object, json_text};
use transport_reqwest::ReqwestTransport;

const SECRET: &str = "client-secret-test-only/+=1";

type Row = (&'static str, u16, ErrorKind, Remedy);

/// The codes with their status and what they mean for a caller, written down a second time.
const ERRORS: &[Row] = {
    use ErrorKind::{AccessDenied, ClientRefused, RequestRefused, Server, TokenRefused};
    use Remedy::{FixConfiguration, Refresh, Retry};
    &[
        ("insufficient_scope", 403, AccessDenied, FixConfiguration),
        ("invalid_client", 401, ClientRefused, FixConfiguration),
        ("invalid_grant", 400, RequestRefused, FixConfiguration),
        ("invalid_request", 400, RequestRefused, FixConfiguration),
        ("invalid_scope", 400, RequestRefused, FixConfiguration),
        ("invalid_token", 401, TokenRefused, Refresh),
        ("server_error", 500, Server, Retry),
        ("temporarily_unavailable", 503, Server, Retry),
        ("unauthorized_client", 400, RequestRefused, FixConfiguration),
        ("unsupported_grant_type", 400, RequestRefused, FixConfiguration),
    ]
};

fn documented(&(code, status, kind, remedy): &Row) -> DocumentedError {
    DocumentedError::new(refusal(status, code, "in the service's words"), kind, remedy).code(code)
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let (code, message) = (json_text(code), json_text(message));
    Answer::json(status, json_object(&[("error", Some(&code)), ("error_description", Some(&message))]))
}

#[test]
fn the_second_table_names_every_code() {
    for code in NewServiceErrorCode::ALL {
        let is_in_table = ERRORS.iter().any(|&(name, status, _, _)| name == code.code() && Some(status) == code.http_status());
        assert!(is_in_table, "{code:?}");
    }
}

struct Described;

impl Subject for Described {
    fn name(&self) -> &'static str {
        "new-service"
    }

    fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider> {
        let transport = setup.transport(|timeout| Arc::new(ReqwestTransport::builder().total_timeout(timeout).build().unwrap()));
        let builder = NewService::builder().base_url(&setup.base_url).client_id("client-id").client_secret(SECRET);
        Arc::new(builder.clock(Arc::clone(&setup.clock)).transport(transport).build_uncached().unwrap())
    }

    fn success(&self, fields: &SuccessFields<'_>) -> Answer {
        let body = json_object(&[
            ("access_token", fields.access_token),
            ("token_type", fields.token_type),
            ("expires_in", fields.expiry),
        ]);
        Answer::json(200, body)
    }

    fn refusal(&self, code: &str, message: &str) -> Answer {
        refusal(400, code, message)
    }

    fn documented_errors(&self) -> Vec<DocumentedError> {
        ERRORS.iter().map(documented).collect()
    }

    fn expiry_format(&self) -> ExpiryFormat {
        ExpiryFormat::SecondsFromNow
    }

    fn resend(&self) -> Resend {
        Resend::AfterRefusal
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }
}

token_testkit::conformance_tests!(Described);
