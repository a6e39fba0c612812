//! Prakerja's integration API: the signed call, with and without a user's token.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use token_core::Clock;
use token_sandbox::{PrakerjaCredentials, Route, Sandbox, Service};
use token_testkit::ManualClock;

use crate::prakerja::{assert_refused, log_in};
use crate::{builder, client};

const PATH: &str = "/api/v1/integration/payment/redeem-code/commit";
const BODY: &str = r#"{"redeem_code":"code-test-only"}"#;

/// A signed call; what is `None` is left out.
struct Signed {
    client_code: Option<String>,
    timestamp: Option<String>,
    signature: Option<String>,
    authorization: Option<String>,
    body: String,
    query: &'static str,
}

impl Signed {
    fn right(sandbox: &Sandbox, seconds: u64) -> Self {
        Self::of(sandbox.prakerja_credentials(), &seconds.to_string(), None, BODY)
    }

    fn of(credentials: &PrakerjaCredentials, timestamp: &str, authorization: Option<&str>, body: &str) -> Self {
        Self {
            client_code: Some(credentials.client_code().to_owned()),
            timestamp: Some(timestamp.to_owned()),
            signature: Some(sign(credentials, timestamp, "POST", PATH, authorization.unwrap_or_default(), body)),
            authorization: authorization.map(str::to_owned),
            body: body.to_owned(),
            query: "",
        }
    }

    async fn send(self, sandbox: &Sandbox) -> (u16, Value) {
        let mut request = client().post(format!("{}{PATH}{}", sandbox.prakerja_base_url(), self.query)).body(self.body);
        let headers = [
            ("client_code", self.client_code),
            ("timestamp", self.timestamp),
            ("signature", self.signature),
            ("authorization", self.authorization),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        crate::json(request.send().await.unwrap()).await
    }
}

fn sign(credentials: &PrakerjaCredentials, timestamp: &str, method: &str, path: &str, authorization: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, credentials.sign_key().as_bytes());
    let text = [credentials.client_code(), timestamp, method, path, authorization, body].concat();
    hmac::sign(&key, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds(clock: &ManualClock) -> u64 {
    clock.now().wall().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_signed_call_is_answered_as_a_success() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    // The query is no part of what is signed.
    for query in ["", "?a=b"] {
        let (status, body) = Signed { query, ..Signed::right(&sandbox, seconds(&clock)) }.send(&sandbox).await;
        assert_eq!((status, &body["success"], &body["errorCode"]), (200, &json!(true), &json!("0")));
        assert_eq!(body["data"]["redeem_code"], "code-test-only");
        assert!(body["data"]["redeem_id"].is_string());
    }
    assert_eq!(sandbox.requests().prakerja_redeem, 2);
    assert_eq!(sandbox.outcomes(Route::PrakerjaRedeem)["ok"], 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_signed_call_has_its_own_code() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let now = seconds(&clock);
    let credentials = sandbox.prakerja_credentials();
    let other = sandbox.register_prakerja_client().unwrap();
    let right = || Signed::right(&sandbox, now);
    let of = |timestamp: &str, body: &str| Signed::of(credentials, timestamp, None, body);
    let signed = |method: &str, path: &str, authorization: &str, body: &str| Signed {
        signature: Some(sign(credentials, &now.to_string(), method, path, authorization, body)),
        ..right()
    };
    let text = now.to_string();
    let cases = [
        (Signed { client_code: None, ..right() }, "ERROAUTH4024", "Unauthorized"),
        (Signed { client_code: Some("nobody".to_owned()), ..right() }, "ERROAUTH4029", "Unauthorized"),
        // The client id is not the client code.
        (Signed { client_code: Some(credentials.client_id().to_owned()), ..right() }, "ERROAUTH4029", "Unauthorized"),
        (of("now", BODY), "ERROAUTH4034", "timestamp harus integer"),
        (of(&format!("{now}.5"), BODY), "ERROAUTH4034", "timestamp harus integer"),
        (Signed::right(&sandbox, now + 1), "ERROAUTH4035", "timestamp melebihi waktu server"),
        (Signed::right(&sandbox, now - 301), "ERROAUTH4036", "Signature expired"),
        (of(&text, "redeem_code=code"), "ERROAUTH4037", "Signature payload invalid JSON"),
        (Signed { timestamp: Some((now - 1).to_string()), ..right() }, "ERROAUTH4038", "Signature not match"),
        (Signed { client_code: Some(other.client_code().to_owned()), ..right() }, "ERROAUTH4038", "Signature not match"),
        (Signed { body: r#"{"redeem_code":"other"}"#.to_owned(), ..right() }, "ERROAUTH4038", "Signature not match"),
        (Signed { authorization: Some("token-test-only".to_owned()), ..right() }, "ERROAUTH4038", "Signature not match"),
        (signed("GET", PATH, "", BODY), "ERROAUTH4038", "Signature not match"),
        (signed("POST", "/api/v1/oauth/authorize", "", BODY), "ERROAUTH4038", "Signature not match"),
        (signed("POST", PATH, "token-test-only", BODY), "ERROAUTH4038", "Signature not match"),
        (Signed { signature: Some(right().signature.unwrap().to_uppercase()), ..right() }, "ERROAUTH4038", "Signature not match"),
        (Signed { signature: None, ..right() }, "ERROAUTH4039", "Signature not found"),
        (Signed { timestamp: None, ..right() }, "ERROAUTH4040", "Timestamp not found"),
        (of(&text, ""), "ERROAUTH4044", "Input tidak valid"),
        (of(&text, "[]"), "ERROAUTH4044", "Input tidak valid"),
        (of(&text, "{}"), "ERROAUTH4044", "Input tidak valid"),
    ];
    for (signed, code, message) in cases {
        assert_refused(&signed.send(&sandbox).await, code, message);
    }
    // As old as is still taken.
    assert_eq!(Signed::right(&sandbox, now - 300).send(&sandbox).await.0, 200);
    assert_eq!(Signed::of(&other, &text, None, BODY).send(&sandbox).await.0, 200);
}

#[tokio::test]
async fn a_token_that_goes_along_is_signed_as_it_is_sent_and_must_be_alive() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let (access, _) = log_in(&sandbox).await;
    let ask = async |credentials: &PrakerjaCredentials, authorization: &str| {
        Signed::of(credentials, &seconds(&clock).to_string(), Some(authorization), BODY).send(&sandbox).await
    };
    let own = sandbox.prakerja_credentials();
    for authorization in [access.clone(), format!("Bearer {access}")] {
        assert_eq!(ask(own, &authorization).await.0, 200);
        // What is signed is the whole value of the header.
        let signature = sign(own, &seconds(&clock).to_string(), "POST", PATH, &access, BODY);
        let signed = Signed::of(own, &seconds(&clock).to_string(), Some(&authorization), BODY);
        let is_bare = authorization == access;
        let answer = Signed { signature: Some(signature), ..signed }.send(&sandbox).await;
        assert_eq!(answer.0, if is_bare { 200 } else { 400 });
    }

    assert_refused(&ask(own, "damaged").await, "ERROAUTH4048", "Unauthorized");
    let other = sandbox.register_prakerja_client().unwrap();
    assert_refused(&ask(&other, &access).await, "ERROAUTH4048", "Unauthorized");
    let elsewhere = Sandbox::start().await.unwrap();
    let (foreign, _) = log_in(&elsewhere).await;
    assert_refused(&ask(own, &foreign).await, "ERROAUTH4050", "Unauthorized");

    clock.advance(Duration::from_secs(3_600));
    assert_refused(&ask(own, &access).await, "ERROAUTH4051", "Token expired");
    let (access, _) = log_in(&sandbox).await;
    sandbox.revoke_all(Service::Prakerja);
    assert_refused(&ask(own, &access).await, "ERROAUTH4048", "Unauthorized");
}
