//! Against a stub of the service, over HTTP on loopback.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provider_new_service::{NewService, NewServiceBuilder, NewServiceErrorCode};
use token_core::{ErrorKind, Remedy};
use token_testkit::{Answer, ManualClock, RecordedRequest, ScriptedServer, json_object, json_text};

const CLIENT_ID: &str = "client-id";
const CLIENT_SECRET: &str = "client-secret-test-only";
const HOUR: Duration = Duration::from_secs(3_600);

/// The service, as its page describes it.
struct Stub {
    clock: Arc<ManualClock>,
    server: ScriptedServer,
}

impl Stub {
    async fn start() -> Self {
        let issued = AtomicUsize::new(0);
        let server = ScriptedServer::start(move |request| answer(request, &issued)).await.unwrap();
        Self { clock: Arc::new(ManualClock::sleeping_moves_time()), server }
    }

    fn builder(&self) -> NewServiceBuilder {
        let builder = NewService::builder().base_url(self.server.base_url()).clock(Arc::clone(&self.clock) as _);
        builder.client_id(CLIENT_ID).client_secret(CLIENT_SECRET)
    }

    fn requests(&self) -> usize {
        self.server.requests().len()
    }
}

fn answer(request: &RecordedRequest, issued: &AtomicUsize) -> Answer {
    let form: BTreeMap<_, _> = form_urlencoded::parse(request.body()).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    if request.path() != "/oauth/token" {
        return Answer::html(404, "<html>nothing here</html>");
    }
    if request.method() != "POST" || request.header("content-type") != Some("application/x-www-form-urlencoded") {
        return refusal(400, "invalid_request", "POST a form");
    }
    if field("grant_type") != Some("client_credentials") {
        return refusal(400, "unsupported_grant_type", "only client credentials");
    }
    if (field("client_id"), field("client_secret")) != (Some(CLIENT_ID), Some(CLIENT_SECRET)) {
        return refusal(401, "invalid_client", "who is that?");
    }
    let access_token = json_text(&format!("token-{}-test-only", issued.fetch_add(1, Ordering::Relaxed)));
    let scope = json_text(field("scope").unwrap_or("read"));
    let body = json_object(&[
        ("access_token", Some(&access_token)),
        ("token_type", Some("\"Bearer\"")),
        ("expires_in", Some("3600")),
        ("scope", Some(&scope)),
    ]);
    Answer::json(200, body)
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let (code, message) = (json_text(code), json_text(message));
    Answer::json(status, json_object(&[("error", Some(&code)), ("error_description", Some(&message))]))
}

#[tokio::test]
async fn a_token_is_cached_and_replaced_when_it_is_over() {
    let stub = Stub::start().await;
    let tokens = stub.builder().build().unwrap();
    let first = tokens.token().await.unwrap();
    assert_eq!(first.authorization(), "Bearer token-0-test-only");
    assert!(tokens.token().await.unwrap().is_same(&first));
    assert_eq!(stub.requests(), 1);

    stub.clock.advance(HOUR);
    let second = tokens.token().await.unwrap();
    assert_eq!(second.authorization(), "Bearer token-1-test-only");
    assert_eq!(stub.requests(), 2);

    tokens.invalidate(&second);
    assert_eq!(tokens.token().await.unwrap().authorization(), "Bearer token-2-test-only");
    assert_eq!(stub.requests(), 3);
}

#[tokio::test]
async fn a_wrong_secret_is_one_request_and_an_error_that_says_what_to_do() {
    let stub = Stub::start().await;
    let tokens = stub.builder().client_secret("wrong-secret-test-only").build().unwrap();
    for _ in 0..3 {
        let error = tokens.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::ClientRefused, Remedy::FixConfiguration));
        assert_eq!(error.find_source::<NewServiceErrorCode>(), Some(&NewServiceErrorCode::InvalidClient));
    }
    assert_eq!(stub.requests(), 1, "a refusal is remembered");
}

#[tokio::test]
async fn the_scope_is_asked_for() {
    let stub = Stub::start().await;
    let token = stub.builder().scope("read write").build().unwrap().token().await.unwrap();
    assert_eq!(token.scopes(), ["read", "write"]);
}
