//! Prakerja: code exchange, refresh, profile and the signed call.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::hmac;
use reqwest::Client;
use serde_json::{Value, json};

use token_core::Clock;
use token_sandbox::{Route, Sandbox, Service};

use crate::consent::{Login, login_url};
use crate::{builder, client, parameters};

pub(crate) async fn post(sandbox: &Sandbox, path: &str, client_id: Option<&str>, body: String) -> (u16, Value) {
    let mut request = client().post(format!("{}{path}", sandbox.prakerja_base_url())).body(body);
    if let Some(client_id) = client_id {
        request = request.header("X-Client-Id", client_id);
    }
    crate::json(request.send().await.unwrap()).await
}

async fn exchange(sandbox: &Sandbox, code: &str) -> (u16, Value) {
    let client_id = sandbox.prakerja_credentials().client_id();
    post(sandbox, "/api/v1/oauth/token", Some(client_id), json!({"code": code}).to_string()).await
}

async fn refresh(sandbox: &Sandbox, token: &str) -> (u16, Value) {
    let client_id = sandbox.prakerja_credentials().client_id();
    post(sandbox, "/api/v1/oauth/token/refresh", Some(client_id), json!({"token": token}).to_string()).await
}

async fn profile(sandbox: &Sandbox, authorization: Option<&str>) -> (u16, Value) {
    let mut request = client()
        .get(format!("{}/api/v1/resource/user_profile", sandbox.prakerja_base_url()))
        .header("X-Client-Id", sandbox.prakerja_credentials().client_id());
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    crate::json(request.send().await.unwrap()).await
}

fn new_code(sandbox: &Sandbox) -> String {
    let callback = sandbox.approve_consent(&login_url(sandbox, Login::default())).unwrap();
    parameters(&callback, "code").remove(0)
}

/// Access token and refresh token of a new login.
pub(crate) async fn log_in(sandbox: &Sandbox) -> (String, String) {
    tokens(&exchange(sandbox, &new_code(sandbox)).await)
}

fn tokens(answer: &(u16, Value)) -> (String, String) {
    assert_eq!(answer.0, 200, "{answer:?}");
    let text = |name: &str| answer.1["data"][name].as_str().unwrap_or_default().to_owned();
    (text("access_token"), text("refresh_token"))
}

pub(crate) fn assert_refused(answer: &(u16, Value), code: &str, message: &str) {
    assert_eq!(*answer, (400, json!({"code": code, "message": message, "success": false})));
}

#[tokio::test]
async fn a_code_gives_a_token_whose_expiry_is_an_absolute_time_in_text() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let (status, body) = exchange(&sandbox, &new_code(&sandbox)).await;
    assert_eq!(status, 200);
    assert_eq!((&body["message"], &body["success"], &body["errorCode"]), (&json!("no error"), &json!(true), &json!("0")));
    let data = body["data"].as_object().unwrap();
    assert!(data.values().all(Value::is_string), "{data:?}");
    assert_eq!(data.keys().collect::<Vec<_>>().len(), 5);
    let now = clock.now().wall().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(data["expires_in"], json!((now + 3_600).to_string()));
    assert_eq!(data["token_type"], "Bearer");
    assert_eq!(data["scope"], "name email");
    assert_eq!(sandbox.requests().prakerja_token, 1);
    assert_eq!(sandbox.outcomes(Route::PrakerjaToken)["ok"], 1);
}

#[tokio::test]
async fn a_code_is_good_for_one_exchange() {
    let sandbox = Sandbox::start().await.unwrap();
    let code = new_code(&sandbox);
    tokens(&exchange(&sandbox, &code).await);
    assert_refused(&exchange(&sandbox, &code).await, "ERROAUTH4031", "Unauthorized");
    assert_eq!(sandbox.outcomes(Route::PrakerjaToken)["ERROAUTH4031"], 1);
}

#[tokio::test]
async fn a_code_ends_with_its_time() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let code = new_code(&sandbox);
    clock.advance(Duration::from_secs(59));
    let second = new_code(&sandbox);
    clock.advance(Duration::from_secs(1));
    assert_refused(&exchange(&sandbox, &code).await, "ERROAUTH4052", "Auth code expired");
    tokens(&exchange(&sandbox, &second).await);
}

#[tokio::test]
async fn the_newest_code_of_a_user_and_client_wins() {
    let sandbox = Sandbox::start().await.unwrap();
    let first = new_code(&sandbox);
    let other_user =
        sandbox.approve_consent_as(&login_url(&sandbox, Login::default()), sandbox.prakerja_users()[1].id()).unwrap();
    let second = new_code(&sandbox);
    assert_refused(&exchange(&sandbox, &first).await, "ERROAUTH4032", "Unauthorized");
    tokens(&exchange(&sandbox, &second).await);
    tokens(&exchange(&sandbox, &parameters(&other_user, "code")[0]).await);
}

#[tokio::test]
async fn a_code_is_bound_to_its_client() {
    let sandbox = Sandbox::start().await.unwrap();
    let other = sandbox.register_prakerja_client().unwrap();
    let code = new_code(&sandbox);
    let body = json!({"code": code}).to_string();
    assert_refused(&post(&sandbox, "/api/v1/oauth/token", Some(other.client_id()), body).await, "ERROAUTH4031", "Unauthorized");
    tokens(&exchange(&sandbox, &code).await);
}

#[tokio::test]
async fn what_is_wrong_with_an_exchange_or_a_refresh_has_its_own_code() {
    let sandbox = Sandbox::start().await.unwrap();
    let elsewhere = Sandbox::start().await.unwrap();
    let id = Some(sandbox.prakerja_credentials().client_id());
    let foreign_code = json!({"code": new_code(&elsewhere)}).to_string();
    let (foreign_access, foreign_refresh) = log_in(&elsewhere).await;
    let foreign_refresh = json!({"token": foreign_refresh}).to_string();
    let (access, token) = log_in(&sandbox).await;
    let exchange = "/api/v1/oauth/token";
    let refresh = "/api/v1/oauth/token/refresh";
    let body = |name: &str, value: &str| json!({name: value}).to_string();
    let cases = [
        (exchange, None, body("code", "x"), "ERROAUTH4024", "Unauthorized"),
        (exchange, Some(""), body("code", "x"), "ERROAUTH4024", "Unauthorized"),
        (exchange, Some("nobody"), body("code", "x"), "ERROAUTH4029", "Unauthorized"),
        (exchange, id, body("token", &token), "ERROAUTH4042", "grant_type tidak sesuai"),
        (exchange, id, String::new(), "ERROAUTH4044", "Input tidak valid"),
        (exchange, id, "code=x".to_owned(), "ERROAUTH4044", "Input tidak valid"),
        (exchange, id, "[]".to_owned(), "ERROAUTH4044", "Input tidak valid"),
        (exchange, id, body("code", ""), "ERROAUTH4044", "Input tidak valid"),
        (exchange, id, r#"{"code":7}"#.to_owned(), "ERROAUTH4044", "Input tidak valid"),
        (exchange, id, body("code", "damaged"), "ERROAUTH4047", "Unauthorized"),
        (exchange, id, body("code", &access), "ERROAUTH4047", "Unauthorized"),
        (exchange, id, foreign_code, "ERROAUTH4050", "Unauthorized"),
        (refresh, None, body("token", "x"), "ERROAUTH4024", "Unauthorized"),
        (refresh, Some("nobody"), body("token", "x"), "ERROAUTH4029", "Unauthorized"),
        (refresh, id, body("code", "x"), "ERROAUTH4042", "grant_type tidak sesuai"),
        (refresh, id, body("refresh_token", &token), "ERROAUTH4044", "Input tidak valid"),
        (refresh, id, body("token", &access), "ERROAUTH4043", "Refresh token key not found"),
        (refresh, id, body("token", "damaged"), "ERROAUTH4048", "Unauthorized"),
        (refresh, id, foreign_refresh, "ERROAUTH4050", "Unauthorized"),
    ];
    for (path, client_id, body, code, message) in cases {
        let answer = post(&sandbox, path, client_id, body.clone()).await;
        assert_eq!(answer, (400, json!({"code": code, "message": message, "success": false})), "{path} {client_id:?} {body}");
    }
    assert_refused(&profile(&sandbox, Some(&foreign_access)).await, "ERROAUTH4050", "Unauthorized");
    // None of the refused requests spoiled the login.
    tokens(&self::refresh(&sandbox, &token).await);
}

#[tokio::test]
async fn a_refresh_gives_a_new_refresh_token_and_a_second_use_of_the_old_one_ends_the_login() {
    let sandbox = Sandbox::start().await.unwrap();
    let (first_access, first) = log_in(&sandbox).await;
    let (second_access, second) = tokens(&refresh(&sandbox, &first).await);
    assert_ne!(first, second);
    assert_ne!(first_access, second_access);
    for access in [&first_access, &second_access] {
        assert_eq!(profile(&sandbox, Some(access)).await.0, 200);
    }
    assert_refused(&refresh(&sandbox, &first).await, "ERROAUTH4043", "Refresh token key not found");
    assert_refused(&refresh(&sandbox, &second).await, "ERROAUTH4043", "Refresh token key not found");
    for access in [&first_access, &second_access] {
        assert_refused(&profile(&sandbox, Some(access)).await, "ERROAUTH4048", "Unauthorized");
    }
    assert_eq!(sandbox.requests().prakerja_refresh, 3);
}

#[tokio::test]
async fn the_end_of_one_login_leaves_the_others() {
    let sandbox = Sandbox::start().await.unwrap();
    let (_, first) = log_in(&sandbox).await;
    let (other_access, other) = log_in(&sandbox).await;
    refresh(&sandbox, &first).await;
    assert_eq!(refresh(&sandbox, &first).await.0, 400);
    assert_eq!(profile(&sandbox, Some(&other_access)).await.0, 200);
    tokens(&refresh(&sandbox, &other).await);
}

#[tokio::test]
async fn a_mild_refresh_keeps_the_refresh_token() {
    let (builder, clock) = builder();
    let sandbox = builder.mild().start().await.unwrap();
    let (_, first) = log_in(&sandbox).await;
    clock.advance(Duration::from_secs(10));
    for _ in 0..2 {
        let (_, again) = tokens(&refresh(&sandbox, &first).await);
        assert_eq!(again, first);
    }
    // The curl line of the refresh page has the path of the exchange.
    let client_id = sandbox.prakerja_credentials().client_id();
    tokens(&post(&sandbox, "/api/v1/oauth/token", Some(client_id), json!({"token": first}).to_string()).await);
}

#[tokio::test]
async fn an_answer_without_a_refresh_token_leaves_the_old_one_alive() {
    let sandbox = Sandbox::builder().prakerja(|settings| settings.refresh_token_on_refresh = false).start().await.unwrap();
    let (_, first) = log_in(&sandbox).await;
    for _ in 0..2 {
        let (status, body) = refresh(&sandbox, &first).await;
        assert_eq!((status, body["data"].get("refresh_token")), (200, None));
    }
    sandbox.configure_prakerja(|settings| settings.refresh_token_on_exchange = false);
    let (_, none) = log_in(&sandbox).await;
    assert_eq!(none, "");
}

#[tokio::test]
async fn a_refresh_token_ends_with_its_time_and_belongs_to_its_client() {
    let (builder, clock) = builder();
    let sandbox = builder.prakerja(|settings| settings.refresh_token_lifetime = Duration::from_secs(100)).start().await.unwrap();
    let (_, token) = log_in(&sandbox).await;
    let other = sandbox.register_prakerja_client().unwrap();
    let body = json!({"token": token}).to_string();
    let answer = post(&sandbox, "/api/v1/oauth/token/refresh", Some(other.client_id()), body).await;
    assert_refused(&answer, "ERROAUTH4043", "Refresh token key not found");
    clock.advance(Duration::from_secs(100));
    assert_refused(&refresh(&sandbox, &token).await, "ERROAUTH4051", "Token expired");
}

#[tokio::test]
async fn the_profile_takes_a_bare_token_and_a_bearer_token_and_gives_what_was_allowed() {
    let sandbox = Sandbox::start().await.unwrap();
    let (access, _) = log_in(&sandbox).await;
    let user = &sandbox.prakerja_users()[0];
    for authorization in [access.clone(), format!("Bearer {access}"), format!("bearer {access}")] {
        let (status, body) = profile(&sandbox, Some(&authorization)).await;
        assert_eq!(status, 200);
        let expected = json!({
            "dp_user_id": user.id(),
            "email": user.email(),
            "name": user.name(),
            "no_prakerja": "",
            "phone_number": "",
            "user_id": user.id(),
        });
        assert_eq!(body["data"], expected);
    }
}

#[tokio::test]
async fn the_profile_refuses_a_token_that_is_absent_damaged_dead_or_anothers() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let (access, token) = log_in(&sandbox).await;
    assert_refused(&profile(&sandbox, None).await, "ERROAUTH4053", "Token not found");
    assert_refused(&profile(&sandbox, Some("damaged")).await, "ERROAUTH4048", "Unauthorized");
    assert_refused(&profile(&sandbox, Some(&token)).await, "ERROAUTH4048", "Unauthorized");

    let other = sandbox.register_prakerja_client().unwrap();
    let response = client()
        .get(format!("{}/api/v1/resource/user_profile", sandbox.prakerja_base_url()))
        .header("X-Client-Id", other.client_id())
        .header("Authorization", &access);
    assert_refused(&crate::json(response.send().await.unwrap()).await, "ERROAUTH4048", "Unauthorized");

    sandbox.configure_prakerja(|settings| settings.refuse_tokens = true);
    assert_refused(&profile(&sandbox, Some(&access)).await, "ERROAUTH4048", "Unauthorized");
    sandbox.configure_prakerja(|settings| settings.refuse_tokens = false);
    assert_eq!(profile(&sandbox, Some(&access)).await.0, 200);

    clock.advance(Duration::from_secs(3_600));
    assert_refused(&profile(&sandbox, Some(&access)).await, "ERROAUTH4051", "Token expired");
    let (access, _) = tokens(&refresh(&sandbox, &token).await);
    sandbox.revoke_all(Service::Prakerja);
    assert_refused(&profile(&sandbox, Some(&access)).await, "ERROAUTH4048", "Unauthorized");
}

/// A signed call for a login URL; what is `None` is left out.
struct Signed<'a> {
    client_id: Option<&'a str>,
    timestamp: Option<String>,
    signature: Option<String>,
    query: String,
}

impl<'a> Signed<'a> {
    fn right(sandbox: &'a Sandbox, seconds: i64) -> Self {
        let credentials = sandbox.prakerja_credentials();
        Self {
            client_id: Some(credentials.client_id()),
            timestamp: Some(seconds.to_string()),
            signature: Some(sign(sandbox, &seconds.to_string(), "")),
            query: format!(
                "state=s1&scope=name&client_id={}&redirect_uri={}&login_uri={}",
                credentials.client_id(),
                credentials.redirect_uri(),
                credentials.login_uri()
            ),
        }
    }

    async fn send(self, client: &Client, sandbox: &Sandbox) -> (u16, Value) {
        let mut request = client.get(format!("{}/api/v1/oauth/authorize?{}", sandbox.prakerja_base_url(), self.query));
        let headers = [
            ("X-Client-Id", self.client_id.map(str::to_owned)),
            ("X-Timestamp", self.timestamp),
            ("X-Signature", self.signature),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        crate::json(request.send().await.unwrap()).await
    }
}

fn sign(sandbox: &Sandbox, timestamp: &str, body: &str) -> String {
    let credentials = sandbox.prakerja_credentials();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, credentials.sign_key().as_bytes());
    let text = format!("{}{timestamp}GET/api/v1/oauth/authorize{body}", credentials.client_code());
    hmac::sign(&key, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_signed_call_gives_a_login_url_that_works() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let now = i64::try_from(clock.now().wall().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let (status, body) = Signed::right(&sandbox, now).send(&client(), &sandbox).await;
    assert_eq!(status, 200, "{body}");
    let url = body["data"]["redirect_url"].as_str().unwrap();
    assert!(url.starts_with(sandbox.prakerja_consent_url()), "{url}");
    assert!(!url.contains('+'), "{url}");
    let callback = sandbox.approve_consent(url).unwrap();
    assert_eq!(parameters(&callback, "state"), ["s1"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_signed_call_has_its_own_code() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let now = i64::try_from(clock.now().wall().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let right = || Signed::right(&sandbox, now);
    let query = |from: &str, to: &str| Signed { query: right().query.replace(from, to), ..right() };
    let cases = [
        (Signed { client_id: None, ..right() }, "ERROAUTH4024"),
        (Signed { client_id: Some("nobody"), ..right() }, "ERROAUTH4029"),
        (query("client_id=", "client_id=x"), "ERROAUTH4029"),
        (query("scope=name", "scope=password"), "ERROAUTH4033"),
        (Signed { timestamp: Some("now".to_owned()), ..right() }, "ERROAUTH4034"),
        (Signed { timestamp: Some(format!("{now}.5")), ..right() }, "ERROAUTH4034"),
        (Signed::right(&sandbox, now + 1), "ERROAUTH4035"),
        (Signed::right(&sandbox, now - 301), "ERROAUTH4036"),
        (Signed { timestamp: Some((now - 1).to_string()), ..right() }, "ERROAUTH4038"),
        (Signed { signature: Some(right().signature.unwrap().to_uppercase()), ..right() }, "ERROAUTH4038"),
        (Signed { signature: Some(sign(&sandbox, &now.to_string(), "{}")), ..right() }, "ERROAUTH4038"),
        (Signed { signature: None, ..right() }, "ERROAUTH4039"),
        (Signed { timestamp: None, ..right() }, "ERROAUTH4040"),
        (query("state=s1", "state="), "ERROAUTH4044"),
        (query("redirect_uri=http://127.0.0.1", "redirect_uri=http://lp.example"), "ERROAUTH4045"),
        (query("login_uri=http://127.0.0.1", "login_uri=http://lp.example"), "ERROAUTH4046"),
    ];
    let client = client();
    for (index, (signed, code)) in cases.into_iter().enumerate() {
        let (status, body) = signed.send(&client, &sandbox).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "case {index}");
    }
    // As old as is still taken, and as far ahead as a setting allows.
    assert_eq!(Signed::right(&sandbox, now - 300).send(&client, &sandbox).await.0, 200);
    sandbox.configure_prakerja(|settings| settings.tolerance_ahead = Duration::from_secs(60));
    assert_eq!(Signed::right(&sandbox, now + 60).send(&client, &sandbox).await.0, 200);
}

#[tokio::test]
async fn a_signed_body_must_be_json() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let now = clock.now().wall().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    for (body, status, code) in [("not json", 400, json!("ERROAUTH4037")), (r#"{"a":1}"#, 200, Value::Null)] {
        let query = Signed::right(&sandbox, 0).query;
        let request = client()
            .get(format!("{}/api/v1/oauth/authorize?{query}", sandbox.prakerja_base_url()))
            .header("X-Client-Id", sandbox.prakerja_credentials().client_id())
            .header("X-Timestamp", &now)
            .header("X-Signature", sign(&sandbox, &now, body))
            .body(body);
        let (answered, answer) = crate::json(request.send().await.unwrap()).await;
        assert_eq!((answered, &answer["code"]), (status, &code), "{body}");
    }
}
