//! What every provider must satisfy.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use provider_sehatmu::{SehatMu, SehatMuErrorCode};
use token_core::{ErrorKind, ExpiryFormat, Remedy, Resend, TokenProvider};
use token_testkit::{Answer, DocumentedError, Setup, Subject, SuccessFields, json_object, json_text};
use transport_reqwest::ReqwestTransport;

const SECRET: &str = "client-secret-test-only/+=1";
const MINUTE: Duration = Duration::from_secs(60);

fn provider(setup: &Setup) -> Arc<dyn TokenProvider> {
    let transport = setup.transport(|timeout| Arc::new(ReqwestTransport::builder().total_timeout(timeout).build().unwrap()));
    let builder = SehatMu::builder().base_url(&setup.base_url).client_id("id.sehatmu.client").client_secret(SECRET);
    Arc::new(builder.clock(Arc::clone(&setup.clock)).transport(transport).build_uncached().unwrap())
}

fn oauth_error(status: u16, code: &str, message: &str) -> Answer {
    let body = json_object(&[("error", Some(&json_text(code))), ("error_description", Some(&json_text(message)))]);
    Answer::json(status, body)
}

fn outcome(status: u16, code: &str, text: &str) -> Answer {
    let (code, text) = (json_text(code), json_text(text));
    let issue = format!(r#"[{{"severity":"invalid","code":{code},"details":{{"text":{text}}}}}]"#);
    Answer::json(status, json_object(&[("resourceType", Some("\"OperationOutcome\"")), ("issue", Some(&issue))]))
}

/// The OAuth names with their status and what they mean for a caller, written down a second time.
const OAUTH: &[(&str, u16, ErrorKind, Remedy)] = {
    use ErrorKind::{AccessDenied, ClientRefused, RequestRefused, Server, TokenRefused};
    use Remedy::{FixConfiguration, FixRequest, Refresh, Retry};
    &[
        ("insufficient_scope", 403, AccessDenied, FixConfiguration),
        ("invalid_argument", 500, Server, Retry),
        ("invalid_client", 400, ClientRefused, FixConfiguration),
        ("invalid_client", 401, ClientRefused, FixConfiguration),
        ("invalid_grant", 400, RequestRefused, FixConfiguration),
        ("invalid_request", 400, RequestRefused, FixConfiguration),
        ("invalid_scope", 400, RequestRefused, FixConfiguration),
        ("invalid_token", 401, TokenRefused, Refresh),
        ("server_error", 503, Server, Retry),
        ("unauthorized_client", 400, RequestRefused, FixConfiguration),
        ("unauthorized_request", 401, RequestRefused, FixRequest),
        ("unsupported_grant_type", 400, RequestRefused, FixConfiguration),
    ]
};

/// The codes in the faults of SATUSEHAT's gateway.
const GATEWAY: &[&str] = &["keymanagement.service.access_token_expired", "oauth.v2.InvalidAccessToken"];

/// Any refusal counts as a failed attempt, after which the service wants a minute's rest; a fault of its own does not.
fn held(answer: Answer, kind: ErrorKind, remedy: Remedy) -> DocumentedError {
    let error = DocumentedError::new(answer, kind, remedy);
    if kind == ErrorKind::Server { error } else { error.hold(MINUTE) }
}

/// Every documented case, in each shape in which it can come.
fn documented_errors() -> Vec<DocumentedError> {
    use ErrorKind::{ClientRefused, RateLimited, RequestRefused, Server};
    let oauth =
        |&(code, status, kind, remedy)| held(oauth_error(status, code, "in the service's words"), kind, remedy).code(code);
    let mut errors: Vec<_> = OAUTH.iter().map(oauth).collect();
    for status in [200, 400, 401, 403, 429] {
        let refused = outcome(status, "value", "The system was NOT ABLE TO BE AUTHENTICATED (invented)");
        let limited = outcome(status, "value", "No: rate limit policy. Rate Limit: 1 request per minute (invented)");
        errors.push(held(refused, ClientRefused, Remedy::FixConfiguration).code("value"));
        errors.push(held(limited, RateLimited, Remedy::Wait).code("value").retry_after(MINUTE));
    }
    let limited = |seconds: &str| outcome(429, "value", "rate limit").header("Retry-After", seconds);
    errors.push(held(limited("90"), RateLimited, Remedy::Wait).retry_after(MINUTE * 3 / 2));
    errors.push(held(limited("5"), RateLimited, Remedy::Wait).retry_after(MINUTE));
    let satusehat = Answer::json(401, r#"{"ErrorCode":"invalid_client","Error":"in the service's words"}"#);
    errors.push(held(satusehat, ClientRefused, Remedy::FixConfiguration).code("invalid_client"));
    let gateway = |status, code: &str| {
        Answer::json(status, format!(r#"{{"fault":{{"faultstring":"x","detail":{{"errorcode":"{code}"}}}}}}"#))
    };
    let refused = |code: &&str| held(gateway(401, code), ErrorKind::TokenRefused, Remedy::Refresh).code(*code);
    errors.extend(GATEWAY.iter().map(refused));
    errors.push(held(gateway(500, "oauth.v2.Invented"), Server, Remedy::Retry).code("oauth.v2.Invented"));
    let elsewhere = outcome(404, "not-found", "in the service's words");
    errors.push(held(elsewhere, ErrorKind::Configuration, Remedy::FixConfiguration).code("not-found"));
    let unknown = outcome(422, "structure", "in the service's words");
    errors.push(held(unknown, RequestRefused, Remedy::ContactService).code("structure"));
    errors.push(held(Answer::text(504, "Gateway Timeout"), Server, Remedy::Retry));
    errors
}

#[test]
fn the_second_table_names_every_code() {
    // These two have no name on the wire: their text tells them.
    let told_by_text = [SehatMuErrorCode::NotAuthenticated, SehatMuErrorCode::RateLimit];
    for code in SehatMuErrorCode::ALL {
        let is_in_table = OAUTH.iter().any(|&(name, status, _, _)| name == code.code() && Some(status) == code.http_status());
        let is_of_gateway = GATEWAY.contains(&code.code());
        let places = [is_in_table, is_of_gateway, told_by_text.contains(code)];
        assert_eq!(places.iter().filter(|is_there| **is_there).count(), 1, "{code:?}");
    }
}

/// The service's own shape: camelCase, an absolute time, no token type.
mod camel_case {
    use super::*;

    struct CamelCase;

    impl Subject for CamelCase {
        fn name(&self) -> &'static str {
            "sehatmu"
        }

        fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider> {
            provider(setup)
        }

        fn success(&self, fields: &SuccessFields<'_>) -> Answer {
            let client = r#"{"name":"Invented","email":"invented@service.example"}"#;
            Answer::json(
                200,
                json_object(&[
                    ("accessToken", fields.access_token),
                    ("accessTokenExpiresAt", fields.expiry),
                    ("clientId", Some("\"id.sehatmu.client\"")),
                    ("client", Some(client)),
                ]),
            )
        }

        fn refusal(&self, code: &str, message: &str) -> Answer {
            outcome(400, code, message)
        }

        fn documented_errors(&self) -> Vec<DocumentedError> {
            documented_errors()
        }

        fn expiry_format(&self) -> ExpiryFormat {
            ExpiryFormat::Rfc3339
        }

        fn resend(&self) -> Resend {
            Resend::AfterRefusal
        }

        fn secrets(&self) -> Vec<String> {
            vec![SECRET.to_owned()]
        }

        fn token_type(&self) -> Option<&str> {
            None
        }

        fn takes_numeric_token(&self) -> bool {
            true
        }
    }

    token_testkit::conformance_tests!(CamelCase);
}

/// RFC 6749, and SATUSEHAT's form of it, which differs in the token type's name alone.
mod snake_case {
    use super::*;

    struct SnakeCase;

    impl Subject for SnakeCase {
        fn name(&self) -> &'static str {
            "sehatmu"
        }

        fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider> {
            provider(setup)
        }

        fn success(&self, fields: &SuccessFields<'_>) -> Answer {
            Answer::json(
                200,
                json_object(&[
                    ("access_token", fields.access_token),
                    ("expires_in", fields.expiry),
                    ("token_type", fields.token_type),
                    ("issued_at", Some("\"1671109805593\"")),
                    ("developer.email", Some("\"invented@service.example\"")),
                ]),
            )
        }

        fn refusal(&self, code: &str, message: &str) -> Answer {
            oauth_error(400, code, message)
        }

        fn documented_errors(&self) -> Vec<DocumentedError> {
            documented_errors()
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

        fn token_type(&self) -> Option<&str> {
            Some("BearerToken")
        }

        fn takes_numeric_token(&self) -> bool {
            true
        }
    }

    token_testkit::conformance_tests!(SnakeCase);
}
