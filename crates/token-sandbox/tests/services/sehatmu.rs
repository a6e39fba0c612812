//! SehatMu: client credentials in a form, the limiter, and the calls with a token.

use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};

use token_sandbox::{RefusalStatus, Route, Sandbox, SehatMuFailure, SehatMuSettings, SehatMuSuccess, Service};

use crate::{builder, client};

const WRONG_SECRET: &str = "token-test-only";

async fn ask(sandbox: &Sandbox, form: &[(&str, &str)]) -> Response {
    client().post(format!("{}/oauth/token", sandbox.sehatmu_base_url())).form(form).send().await.unwrap()
}

async fn ask_as(sandbox: &Sandbox, id: &str, secret: &str) -> (u16, Value) {
    crate::json(ask(sandbox, &[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)]).await).await
}

async fn right(sandbox: &Sandbox) -> (u16, Value) {
    let credentials = sandbox.sehatmu_credentials();
    ask_as(sandbox, credentials.client_id(), credentials.client_secret()).await
}

async fn token(sandbox: &Sandbox) -> String {
    let (status, body) = right(sandbox).await;
    assert_eq!(status, 200, "{body}");
    body["accessToken"].as_str().unwrap().to_owned()
}

async fn me(sandbox: &Sandbox, authorization: Option<&str>) -> Response {
    get(sandbox, "/oauth/me", authorization).await
}

async fn get(sandbox: &Sandbox, path: &str, authorization: Option<&str>) -> Response {
    let mut request = client().get(format!("{}{path}", sandbox.sehatmu_base_url()));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    request.send().await.unwrap()
}

fn text_of_outcome(body: &Value) -> &str {
    assert_eq!(body["resourceType"], "OperationOutcome", "{body}");
    assert_eq!((&body["issue"][0]["severity"], &body["issue"][0]["code"]), (&json!("invalid"), &json!("value")));
    body["issue"][0]["details"]["text"].as_str().unwrap()
}

#[tokio::test]
async fn a_token_comes_as_the_object_of_the_page() {
    let (builder, _clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let (status, body) = right(&sandbox).await;
    assert_eq!(status, 200);
    let token = body["accessToken"].as_str().unwrap();
    assert!(token.len() == 40 && token.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{token}");
    assert_eq!(body["accessTokenExpiresAt"], "2026-11-24T00:00:00.000Z");
    assert_eq!(body["clientId"], sandbox.sehatmu_credentials().client_id());
    assert_eq!(body["userId"], body["user"]["id"]);
    assert!(body["client"]["name"].is_string() && body["_id"].is_string());
    assert!(body.get("access_token").is_none());
    assert_eq!(sandbox.requests().sehatmu_token, 1);
}

#[tokio::test]
async fn two_other_forms_of_success_can_be_had() {
    let (builder, _clock) = builder();
    let sandbox = builder.sehatmu(|settings| settings.success_form = SehatMuSuccess::Rfc6749).start().await.unwrap();
    let (_, body) = right(&sandbox).await;
    assert_eq!(body.as_object().unwrap().len(), 3);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(86_400)));

    sandbox.configure_sehatmu(|settings| settings.success_form = SehatMuSuccess::SatuSehat);
    let (_, body) = right(&sandbox).await;
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("BearerToken"), &json!("86400")));
    assert_eq!(body["issued_at"], "1795392000000");
    assert!(
        body["developer.email"].is_string() && body["api_product_list"].is_string() && body["api_product_list_json"].is_array()
    );
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(me(&sandbox, Some(&format!("Bearer {token}"))).await.status(), 200);
}

#[tokio::test]
async fn a_client_may_come_with_http_basic() {
    let sandbox = Sandbox::start().await.unwrap();
    let credentials = sandbox.sehatmu_credentials();
    let url = format!("{}/oauth/token", sandbox.sehatmu_base_url());
    let form = [("grant_type", "client_credentials")];
    let send = async |id: &str, secret: &str| {
        crate::json(client().post(&url).basic_auth(id, Some(secret)).form(&form).send().await.unwrap()).await
    };
    assert_eq!(send(credentials.client_id(), credentials.client_secret()).await.0, 200);
    let (status, body) = send("", "x").await;
    assert_eq!((status, &body["error_description"]), (400, &json!("Missing parameter: `client_id`")));
    let (status, body) = send("x", "").await;
    assert_eq!((status, &body["error_description"]), (400, &json!("Missing parameter: `client_secret`")));
}

#[tokio::test]
async fn a_malformed_call_is_refused_in_the_librarys_form_and_is_no_failed_attempt() {
    let sandbox = Sandbox::start().await.unwrap();
    let id = ("client_id", sandbox.sehatmu_credentials().client_id());
    let secret = ("client_secret", sandbox.sehatmu_credentials().client_secret());
    let cases = [
        (&[id, secret][..], "invalid_request", "Missing parameter: `grant_type`"),
        (&[id, secret, ("grant_type", "")], "invalid_request", "Missing parameter: `grant_type`"),
        (&[id, secret, ("grant_type", "guess")], "unsupported_grant_type", "Unsupported grant type: `grant_type` is invalid"),
        (&[id, secret, ("grant_type", "password")], "unauthorized_client", "Unauthorized client: `grant_type` is invalid"),
        (&[secret, ("grant_type", "client_credentials")], "invalid_client", "Invalid client: cannot retrieve client credentials"),
        (&[id, ("grant_type", "client_credentials")], "invalid_client", "Invalid client: cannot retrieve client credentials"),
        (
            &[id, id, secret, ("grant_type", "client_credentials")],
            "invalid_client",
            "Invalid client: cannot retrieve client credentials",
        ),
    ];
    for (form, error, description) in cases {
        let answer = crate::json(ask(&sandbox, form).await).await;
        assert_eq!(answer, (400, json!({"error": error, "error_description": description})), "{error}");
    }
    token(&sandbox).await;
}

#[tokio::test]
async fn the_grant_type_in_the_query_is_not_seen() {
    let sandbox = Sandbox::start().await.unwrap();
    let credentials = sandbox.sehatmu_credentials();
    let form = [("client_id", credentials.client_id()), ("client_secret", credentials.client_secret())];
    let url = format!("{}/oauth/token?grant_type=client_credentials", sandbox.sehatmu_base_url());
    let (status, body) = crate::json(client().post(&url).form(&form).send().await.unwrap()).await;
    assert_eq!((status, &body["error_description"]), (400, &json!("Missing parameter: `grant_type`")));
    let form = [form[0], form[1], ("grant_type", "client_credentials")];
    assert_eq!(client().post(&url).form(&form).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_a_post_with_a_form_is_taken() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = format!("{}/oauth/token", sandbox.sehatmu_base_url());
    let credentials = sandbox.sehatmu_credentials();
    let as_json = json!({"grant_type": "client_credentials", "client_id": credentials.client_id(), "client_secret": credentials.client_secret()});
    let content = "Invalid request: content must be application/x-www-form-urlencoded";
    let cases = [
        (client().get(&url), "Invalid request: method must be POST"),
        (client().put(&url).form(&[("a", "b")]), "Invalid request: method must be POST"),
        (client().post(&url), content),
        (client().post(&url).json(&as_json), content),
    ];
    for (request, description) in cases {
        let answer = crate::json(request.send().await.unwrap()).await;
        assert_eq!(answer, (400, json!({"error": "invalid_request", "error_description": description})));
    }
    let with_charset =
        client().post(&url).header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8").body(format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            credentials.client_id(),
            credentials.client_secret()
        ));
    assert_eq!(with_charset.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn after_a_failed_attempt_that_client_waits_a_minute_even_with_the_right_secret() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let id = sandbox.sehatmu_credentials().client_id().to_owned();
    let (status, body) = ask_as(&sandbox, &id, WRONG_SECRET).await;
    assert_eq!(status, 401);
    assert!(text_of_outcome(&body).contains("not able to be authenticated"), "{body}");

    clock.advance(Duration::from_secs(59));
    let (status, body) = right(&sandbox).await;
    assert_eq!(status, 429);
    assert!(text_of_outcome(&body).contains("rate limit"), "{body}");
    // Another client id is not held up by it, and a call within the window does not prolong it.
    assert_eq!(ask_as(&sandbox, "other.sehatmu.client", WRONG_SECRET).await.0, 401);
    clock.advance(Duration::from_secs(1));
    token(&sandbox).await;
    let outcomes = sandbox.outcomes(Route::SehatMuToken);
    assert_eq!((outcomes["wrong_client"], outcomes["limited"], outcomes["ok"]), (2, 1, 1));
}

#[tokio::test]
async fn more_new_tokens_within_a_minute_than_allowed_are_refused() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    for _ in 0..5 {
        token(&sandbox).await;
        clock.advance(Duration::from_secs(10));
    }
    // At 50 s, and just before the first is a minute old.
    for seconds in [0, 9] {
        clock.advance(Duration::from_secs(seconds));
        let (status, body) = right(&sandbox).await;
        assert_eq!(status, 429, "{body}");
        assert!(text_of_outcome(&body).contains("rate limit"), "{body}");
    }
    // What was refused does not count, and the window slides.
    clock.advance(Duration::from_secs(1));
    token(&sandbox).await;
    assert_eq!(right(&sandbox).await.0, 429);

    let credentials = sandbox.sehatmu_credentials();
    let (id, secret) = (credentials.client_id(), credentials.client_secret());
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    for (limit, retry_after) in [(5, "10"), (2, "40"), (1, "60"), (0, "60")] {
        sandbox.configure_sehatmu(|settings| {
            settings.retry_after = true;
            settings.new_tokens_per_minute = Some(limit);
        });
        assert_eq!(ask(&sandbox, &form).await.headers()["retry-after"], retry_after, "{limit}");
    }

    sandbox.configure_sehatmu(|settings| *settings = SehatMuSettings::mild());
    for _ in 0..20 {
        token(&sandbox).await;
    }
}

#[tokio::test]
async fn switches_of_the_refusals() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let id = sandbox.sehatmu_credentials().client_id().to_owned();
    for (setting, status) in [
        (RefusalStatus::BadRequest, 400),
        (RefusalStatus::Unauthorized, 401),
        (RefusalStatus::Forbidden, 403),
        (RefusalStatus::TooManyRequests, 429),
    ] {
        clock.advance(Duration::from_secs(60));
        sandbox.configure_sehatmu(|settings| {
            settings.failure_status = setting;
            settings.limiter_status = setting;
        });
        assert_eq!(ask_as(&sandbox, &id, WRONG_SECRET).await.0, status);
        assert_eq!(right(&sandbox).await.0, status);
    }

    sandbox.configure_sehatmu(|settings| settings.retry_after = true);
    clock.advance(Duration::from_millis(500));
    let credentials = sandbox.sehatmu_credentials();
    let form = [("client_id", credentials.client_id()), ("client_secret", credentials.client_secret())];
    assert_eq!(ask(&sandbox, &form).await.headers()["retry-after"], "60");

    sandbox.configure_sehatmu(|settings| {
        settings.failure_form = SehatMuFailure::OAuth2;
        settings.limiter_window = Duration::ZERO;
    });
    clock.advance(Duration::from_secs(60));
    let refusal = json!({"error": "invalid_client", "error_description": "Invalid client: client is invalid"});
    assert_eq!(ask_as(&sandbox, &id, WRONG_SECRET).await, (400, refusal.clone()));
    let url = format!("{}/oauth/token", sandbox.sehatmu_base_url());
    let response = client()
        .post(url)
        .basic_auth(&id, Some(WRONG_SECRET))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"Service\"");
    assert_eq!(crate::json(response).await, (401, refusal));
    // No limiter: the right secret is taken at once.
    token(&sandbox).await;
}

#[tokio::test]
async fn me_tells_whose_token_it_is() {
    let (builder, _clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let token = token(&sandbox).await;
    let (status, body) = crate::json(me(&sandbox, Some(&format!("Bearer {token}"))).await).await;
    assert_eq!(status, 200);
    assert_eq!(body["sessionType"], "oauth2");
    assert_eq!(body["data"]["client"]["id"], sandbox.sehatmu_credentials().client_id());
    assert_eq!(body["data"]["accessTokenExpiresAt"], "2026-11-24T00:00:00.000Z");
    assert_eq!(body["userId"], body["data"]["user"]["id"]);
}

#[tokio::test]
async fn me_refuses_a_token_that_is_absent_wrong_or_dead() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let first = format!("Bearer {}", token(&sandbox).await);
    let absent = me(&sandbox, None).await;
    assert_eq!(absent.status(), 401);
    assert_eq!(absent.headers()["www-authenticate"], "Bearer realm=\"Service\"");
    assert_eq!(absent.text().await.unwrap(), "");

    let (status, body) = crate::json(me(&sandbox, Some("Basic eDp5")).await).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));

    let invalid = (401, json!({"error": "invalid_token", "error_description": "Invalid token: access token is invalid"}));
    let expired = (401, json!({"error": "invalid_token", "error_description": "Invalid token: access token has expired"}));
    let response = me(&sandbox, Some("Bearer token-test-only")).await;
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"Service\",error=\"invalid_token\"");
    assert_eq!(crate::json(response).await, invalid);

    sandbox.configure_sehatmu(|settings| settings.refuse_tokens = true);
    assert_eq!(crate::json(me(&sandbox, Some(&first)).await).await, invalid);
    sandbox.configure_sehatmu(|settings| settings.refuse_tokens = false);

    clock.advance(Duration::from_secs(86_399));
    assert_eq!(me(&sandbox, Some(&first)).await.status(), 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(crate::json(me(&sandbox, Some(&first)).await).await, expired);

    let second = format!("Bearer {}", token(&sandbox).await);
    sandbox.revoke_all(Service::SehatMu);
    assert_eq!(crate::json(me(&sandbox, Some(&second)).await).await, invalid);
}

#[tokio::test]
async fn a_fhir_read_wants_a_live_token() {
    let (builder, _clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let authorization = format!("Bearer {}", token(&sandbox).await);
    let patients = async |authorization: Option<&str>| get(&sandbox, "/fhir/Patient?name=x", authorization).await;
    let (status, body) = crate::json(patients(Some(&authorization)).await).await;
    assert_eq!((status, &body["resourceType"]), (200, &json!("Bundle")));
    assert_eq!(patients(None).await.status(), 401);
    sandbox.revoke_all(Service::SehatMu);
    let (status, body) = crate::json(patients(Some(&authorization)).await).await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_token")));
    assert_eq!(sandbox.requests().sehatmu_patients, 3);
    assert_eq!(sandbox.outcomes(Route::SehatMuPatients)["invalid_token"], 1);
}
