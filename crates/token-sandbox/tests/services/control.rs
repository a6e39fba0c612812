//! The control endpoint.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use token_sandbox::Sandbox;

use crate::consent::{Login, login_url};
use crate::{builder, client, parameters};

async fn control(sandbox: &Sandbox, method: Method, action: &str, body: &Value) -> (u16, Value) {
    let request = client().request(method, format!("{}/{action}", sandbox.control_url())).json(body);
    crate::json(request.send().await.unwrap()).await
}

#[tokio::test]
async fn without_the_secret_there_is_nothing() {
    let sandbox = Sandbox::start().await.unwrap();
    let (origin, secret) = sandbox.control_url().rsplit_once('/').unwrap();
    assert_eq!(secret.len(), 64);
    for path in
        ["", "/", "/clock", "/wrong/clock", &format!("/{}/clock", secret.to_uppercase()), &format!("/{}/clock", "0".repeat(64))]
    {
        assert_eq!(client().get(format!("{origin}{path}")).send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(client().get(format!("{}/clock", sandbox.control_url())).send().await.unwrap().status(), 200);
    // Nor is it on the services' own listeners.
    for base in [sandbox.prakerja_base_url(), sandbox.sehatmu_base_url(), sandbox.klikoo_base_url()] {
        assert_eq!(client().get(format!("{base}/{secret}/clock")).send().await.unwrap().status(), 404);
    }
}

#[tokio::test]
async fn the_clock_is_moved_and_told() {
    let (builder, _clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let (_, body) = control(&sandbox, Method::GET, "clock", &Value::Null).await;
    assert_eq!(body, json!({"now": "2026-11-23T00:00:00.000Z", "unix_seconds": 1_795_392_000}));
    let (_, body) = control(&sandbox, Method::POST, "clock", &json!({"advance_seconds": 90})).await;
    assert_eq!(body["now"], "2026-11-23T00:01:30.000Z");
    sandbox.advance_clock(-100);
    let (_, body) = control(&sandbox, Method::GET, "clock", &Value::Null).await;
    assert_eq!(body["now"], "2026-11-22T23:59:50.000Z");
}

#[tokio::test]
async fn settings_are_changed_by_name_and_all_or_none() {
    let sandbox = Sandbox::start().await.unwrap();
    let (_, before) = control(&sandbox, Method::GET, "settings", &Value::Null).await;
    assert_eq!((&before["klikoo"]["token_lifetime"], &before["sehatmu"]["success_form"]), (&json!(900.0), &json!("camel_case")));

    let patch = json!({"klikoo": {"token_lifetime": 15}, "sehatmu": {"success_form": "rfc6749", "token_lifetime": 0.5}});
    let (status, after) = control(&sandbox, Method::PATCH, "settings", &patch).await;
    assert_eq!(status, 200, "{after}");
    assert_eq!((&after["klikoo"]["token_lifetime"], &after["sehatmu"]["token_lifetime"]), (&json!(15.0), &json!(0.5)));
    assert_eq!(after["prakerja"], before["prakerja"]);
    sandbox.configure_klikoo(|settings| assert_eq!(settings.token_lifetime.as_secs(), 15));

    for wrong in [
        json!({"klikoo": {"token_lifetime": 1}, "sehatmu": {"no_such_setting": 1}}),
        json!({"klikoo": {"token_lifetime": -1}}),
        json!({"klikoo": {"token_lifetime": "soon"}}),
        json!({"klikoo": 1}),
        json!({"gojek": {}}),
        json!([]),
    ] {
        let (status, body) = control(&sandbox, Method::PATCH, "settings", &wrong).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(body["error"].is_string());
        assert_eq!(control(&sandbox, Method::GET, "settings", &Value::Null).await.1, after);
    }
}

#[tokio::test]
async fn a_patch_does_not_touch_what_it_does_not_name() {
    // Neither comes back from a number of seconds as it was.
    for lifetime in [Duration::MAX, Duration::new(3_000_000_000, 1)] {
        let sandbox = Sandbox::builder()
            .sehatmu(|settings| settings.token_lifetime = lifetime)
            .klikoo(|settings| settings.token_lifetime = lifetime)
            .start()
            .await
            .unwrap();
        let (status, body) = control(&sandbox, Method::PATCH, "settings", &json!({"klikoo": {"refuse_tokens": true}})).await;
        assert_eq!(status, 200, "{lifetime:?}: {body}");
        sandbox.configure_sehatmu(|settings| assert_eq!(settings.token_lifetime, lifetime));
        // No service reckons with more than a hundred years, so that is what a named one has afterwards.
        let hundred_years = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        sandbox.configure_klikoo(|settings| {
            assert!(settings.refuse_tokens);
            assert_eq!(settings.token_lifetime.as_secs(), lifetime.min(hundred_years).as_secs());
        });
    }
}

#[tokio::test]
async fn a_consent_is_answered_and_a_service_revoked() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = login_url(&sandbox, Login::default());
    let (status, body) = control(&sandbox, Method::POST, "consent", &json!({"url": url, "decision": "allow"})).await;
    assert_eq!(status, 200, "{body}");
    let code = parameters(body["location"].as_str().unwrap(), "code").remove(0);
    let (status, _) = control(&sandbox, Method::POST, "revoke", &json!({"service": "prakerja"})).await;
    assert_eq!(status, 200);
    let client_id = sandbox.prakerja_credentials().client_id();
    let answer = crate::prakerja::post(&sandbox, "/api/v1/oauth/token", Some(client_id), json!({"code": code}).to_string()).await;
    assert_eq!(answer.1["code"], "ERROAUTH4031");

    let user = sandbox.prakerja_users()[1].id();
    let (status, _) = control(&sandbox, Method::POST, "consent", &json!({"url": url, "decision": "allow", "user": user})).await;
    assert_eq!(status, 200);
    let (_, body) = control(&sandbox, Method::POST, "consent", &json!({"url": url, "decision": "deny"})).await;
    assert_eq!(body["location"], "http://127.0.0.1:8080/login");
    for wrong in [
        json!({"url": "http://lp.example/", "decision": "allow"}),
        json!({"url": url, "decision": "maybe"}),
        json!({"url": url, "decision": "allow", "user": "nobody"}),
        json!({"url": sandbox.prakerja_consent_url(), "decision": "allow"}),
    ] {
        assert_eq!(control(&sandbox, Method::POST, "consent", &wrong).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_outcome() {
    let sandbox = Sandbox::start().await.unwrap();
    let url = format!("{}/oauth/me", sandbox.sehatmu_base_url());
    for _ in 0..3 {
        client().get(&url).send().await.unwrap();
    }
    let (_, body) = control(&sandbox, Method::GET, "requests", &Value::Null).await;
    assert_eq!((&body["counts"]["sehatmu_me"], &body["counts"]["klikoo_token"]), (&json!(3), &json!(0)));
    assert_eq!(body["outcomes"], json!({"sehatmu_me": {"unauthorized_request": 3}}));
    assert_eq!(sandbox.requests().total(), 3);
    let (_, body) = control(&sandbox, Method::DELETE, "requests", &Value::Null).await;
    assert_eq!((&body["counts"]["sehatmu_me"], &body["outcomes"]), (&json!(0), &json!({})));
    assert_eq!(sandbox.requests().total(), 0);
}

#[tokio::test]
async fn what_is_not_understood_is_said() {
    let sandbox = Sandbox::start().await.unwrap();
    for (method, action, status) in [
        (Method::GET, "nothing", 404),
        (Method::PUT, "clock", 405),
        (Method::GET, "revoke", 405),
        (Method::POST, "clock", 400),
        (Method::POST, "revoke", 400),
    ] {
        let (answered, body) = control(&sandbox, method, action, &json!({"service": "gojek"})).await;
        assert_eq!(answered, status, "{action}");
        assert!(body["error"].is_string(), "{action}");
    }
}
