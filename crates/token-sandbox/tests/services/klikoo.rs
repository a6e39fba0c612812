//! Klikoo: the RSA-signed token call, and calls with a token.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use reqwest::Response;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use token_core::Clock;
use token_sandbox::{KlikooSettings, Route, Sandbox, SandboxErrorKind, Service};
use token_testkit::ManualClock;

use crate::{builder, client};

const TOKEN: &str = "/v1/open-api/access-token";
const BALANCE: &str = "/v1/open-api/balance";
const INQUIRY: &str = "/v1/open-api/account/inquiry";

fn key(sandbox: &Sandbox) -> KeyPair {
    let der = PrivatePkcs8KeyDer::from_pem_slice(sandbox.klikoo_private_key_pem().as_bytes()).unwrap();
    KeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap()
}

fn sign(key: &KeyPair, text: &str) -> String {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    BASE64_STANDARD.encode(signature)
}

/// The clock's time, moved by `seconds`, as the page writes it.
fn timestamp(clock: &ManualClock, seconds: i64) -> String {
    let now = i64::try_from(clock.now().wall().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    // Jakarta's hour, written as if it were UTC's.
    Timestamp::from_second(now + seconds + 7 * 3_600).unwrap().to_string().replace('Z', "+07:00")
}

/// A token call; what is `None` is left out.
struct Call {
    timestamp: Option<String>,
    signature: Option<String>,
    content_type: &'static str,
    body: String,
}

impl Call {
    fn right(sandbox: &Sandbox, timestamp: &str) -> Self {
        let credentials = sandbox.klikoo_credentials();
        Self {
            signature: Some(sign(&key(sandbox), &format!("{}|{timestamp}", credentials.client_id()))),
            timestamp: Some(timestamp.to_owned()),
            content_type: "application/json",
            body: body("client_credentials", credentials.client_id(), credentials.client_secret()),
        }
    }

    async fn send(self, sandbox: &Sandbox) -> (u16, Value) {
        let mut request = client()
            .post(format!("{}{TOKEN}", sandbox.klikoo_base_url()))
            .header("Content-Type", self.content_type)
            .body(self.body);
        for (name, value) in [("Open-Api-Timestamp", self.timestamp), ("Open-Api-Signature", self.signature)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        crate::json(request.send().await.unwrap()).await
    }
}

fn body(grant_type: &str, client_id: &str, client_secret: &str) -> String {
    json!({"grant_type": grant_type, "additional_info": {"client_id": client_id, "client_secret": client_secret}}).to_string()
}

async fn token(sandbox: &Sandbox, clock: &ManualClock) -> String {
    let (status, body) = Call::right(sandbox, &timestamp(clock, 0)).send(sandbox).await;
    assert_eq!(status, 200, "{body}");
    body["data"]["access_token"].as_str().unwrap().to_owned()
}

/// The digital signature by the formula, over whatever is given.
fn digital(sandbox: &Sandbox, [method, path, token, time]: [&str; 4], body: &str) -> String {
    let hash: String =
        digest::digest(&digest::SHA256, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hmac_of(sandbox, &format!("{method}:{path}:{token}:{hash}:{time}"))
}

fn hmac_of(sandbox: &Sandbox, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA512, sandbox.klikoo_credentials().client_secret().as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// A balance call, signed as it should be for whatever token is in `authorization`.
async fn balance(sandbox: &Sandbox, clock: &ManualClock, authorization: Option<&str>) -> (u16, Value) {
    let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let now = timestamp(clock, 0);
    let mut request = client()
        .get(format!("{}{BALANCE}", sandbox.klikoo_base_url()))
        .header("Open-Api-Signature", digital(sandbox, ["GET", BALANCE, token, &now], ""))
        .header("Open-Api-Timestamp", now);
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    crate::json(request.send().await.unwrap()).await
}

fn refusal(code: &str, message: &str) -> Value {
    json!({"response_code": code, "response_message": message})
}

#[tokio::test]
async fn a_signed_call_gives_a_token_with_the_documented_claims() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    assert!(sandbox.klikoo_base_url().ends_with("/klikoo-b2b"));
    let time = timestamp(&clock, 0);
    assert_eq!(time, "2026-11-23T07:00:00+07:00");
    let (status, body) = Call::right(&sandbox, &time).send(&sandbox).await;
    assert_eq!(status, 200);
    assert_eq!((&body["response_code"], &body["response_message"]), (&json!("200012000"), &json!("Sukses")));
    assert_eq!((&body["data"]["token_type"], &body["data"]["expires_in"]), (&json!("Bearer"), &json!(900)));
    let token = body["data"]["access_token"].as_str().unwrap();
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts[0]["alg"], "HS256");
    assert_eq!(parts[1]["client_id"], sandbox.klikoo_credentials().client_id());
    assert_eq!((&parts[1]["exp"], &parts[1]["timestamp"]), (&json!(1_795_392_900), &json!(time)));
    assert!(parts[1]["user_id"].is_string());
    assert_eq!((sandbox.requests().klikoo_token, sandbox.requests().total()), (1, 1));
}

#[tokio::test]
async fn what_is_wrong_with_a_token_call_has_its_own_code() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let credentials = sandbox.klikoo_credentials();
    let (id, secret) = (credentials.client_id(), credentials.client_secret());
    let now = timestamp(&clock, 0);
    let right = || Call::right(&sandbox, &now);
    let with_body = |body: String| Call { body, ..right() };
    let stranger = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let hmac = BASE64_STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, secret.as_bytes()), now.as_bytes()));
    let other_id = "0b2f6f8e-9c3d-4b6e-8a51-3b7f1f0c2d4e";
    let (time, signature, invalid) = ("Waktu tidak sesuai", "Signature tidak sesuai", "Validasi Error");
    let (empty, kredensial) = ("Field tidak boleh kosong", "Kredensial tidak sesuai");
    let cases = [
        (Call::right(&sandbox, &timestamp(&clock, 1)), 400, "400016505", time),
        (Call::right(&sandbox, &timestamp(&clock, -301)), 400, "400016505", time),
        (Call::right(&sandbox, "2026-11-23T00:00:00Z"), 400, "400016505", time),
        (Call::right(&sandbox, "2026-11-23T00:00:00+00:00"), 400, "400016505", time),
        (Call::right(&sandbox, "2026-11-23 07:00:00+07:00"), 400, "400016505", time),
        // Local time of another zone under the offset of Jakarta.
        (Call::right(&sandbox, "2026-11-23T00:00:00+07:00"), 400, "400016505", time),
        (Call { timestamp: Some(timestamp(&clock, -1)), ..right() }, 400, "400016508", signature),
        (Call { signature: Some("not Base64!".to_owned()), ..right() }, 400, "400016508", signature),
        (Call { signature: Some(hmac), ..right() }, 400, "400016508", signature),
        (Call { signature: Some(sign(&stranger, &format!("{id}|{now}"))), ..right() }, 400, "400016508", signature),
        (Call { signature: Some(sign(&key(&sandbox), &format!("{id}{now}"))), ..right() }, 400, "400016508", signature),
        (with_body("not json".to_owned()), 400, "400016510", invalid),
        (with_body("[]".to_owned()), 400, "400016510", invalid),
        (with_body(json!({"grant_type": 1}).to_string()), 400, "400016510", invalid),
        (Call { content_type: "text/plain", ..right() }, 400, "400016510", invalid),
        (with_body("{}".to_owned()), 400, "400016512", empty),
        (with_body(json!({"grant_type": "client_credentials"}).to_string()), 400, "400016512", empty),
        (with_body(body("", id, secret)), 400, "400016512", empty),
        (with_body(body("client_credentials", "", secret)), 400, "400016512", empty),
        (with_body(body("client_credentials", id, "")), 400, "400016512", empty),
        (Call { timestamp: None, ..right() }, 400, "400016512", empty),
        (Call { signature: None, ..right() }, 400, "400016512", empty),
        (with_body(body("client_credentials", "no-uuid", secret)), 400, "400016568", "UUID tidak sesuai"),
        (with_body(body("password", id, secret)), 400, "400016569", "Grant type tidak sesuai"),
        (with_body(body("client_credentials", other_id, secret)), 401, "401016570", kredensial),
        (with_body(body("client_credentials", id, "token-test-only")), 401, "401016570", kredensial),
    ];
    let count = cases.len() as u64;
    for (index, (call, status, code, message)) in cases.into_iter().enumerate() {
        assert_eq!(call.send(&sandbox).await, (status, refusal(code, message)), "case {index}");
    }
    assert_eq!(sandbox.requests().klikoo_token, count);
    assert_eq!(sandbox.outcomes(Route::KlikooToken)["400016505"], 6);
}

#[tokio::test]
async fn a_timestamp_may_have_milliseconds_and_lie_within_the_tolerance() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    for time in [timestamp(&clock, -300), "2026-11-23T07:00:00.000+07:00".to_owned(), "2026-11-23T07:00:00.999+07:00".to_owned()]
    {
        assert_eq!(Call::right(&sandbox, &time).send(&sandbox).await.0, 200, "{time}");
    }
    sandbox.configure_klikoo(|settings| settings.tolerance_ahead = Duration::from_secs(10));
    assert_eq!(Call::right(&sandbox, &timestamp(&clock, 10)).send(&sandbox).await.0, 200);
    assert_eq!(Call::right(&sandbox, &timestamp(&clock, 11)).send(&sandbox).await.0, 400);
    // A clock that ran away is corrected by the `Date` of the refusal.
    sandbox.advance_clock(-3_600);
    assert_eq!(Call::right(&sandbox, &timestamp(&clock, 0)).send(&sandbox).await.1["response_code"], "400016505");
    assert_eq!(Call::right(&sandbox, &timestamp(&clock, -3_600)).send(&sandbox).await.0, 200);
}

#[tokio::test]
async fn codes_of_seven_digits_can_be_had() {
    let (builder, clock) = builder();
    let sandbox = builder.klikoo(|settings| settings.short_codes = true).start().await.unwrap();
    let (status, body) = Call::right(&sandbox, &timestamp(&clock, 0)).send(&sandbox).await;
    assert_eq!((status, &body["response_code"]), (200, &json!("2000100")));
    let (status, body) = balance(&sandbox, &clock, None).await;
    assert_eq!((status, &body["response_code"]), (401, &json!("4010100")));
    assert_eq!(sandbox.outcomes(Route::KlikooBalance)["401016500"], 1);
}

#[tokio::test]
async fn another_registered_key_takes_the_place_of_the_first() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public: PublicKeyX509Der<'static> = pair.public_key().as_der().unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(public.as_ref()));
    let now = timestamp(&clock, 0);
    // As it is, and as the dashboard takes it.
    for text in [pem.clone(), BASE64_STANDARD.encode(&pem)] {
        sandbox.register_public_key(&text).unwrap();
        let signature = sign(&pair, &format!("{}|{now}", sandbox.klikoo_credentials().client_id()));
        assert_eq!(Call { signature: Some(signature), ..Call::right(&sandbox, &now) }.send(&sandbox).await.0, 200);
        assert_eq!(Call::right(&sandbox, &now).send(&sandbox).await.1["response_code"], "400016508");
    }
    for text in ["", "nonsense", sandbox.klikoo_private_key_pem()] {
        assert_eq!(sandbox.register_public_key(text).unwrap_err().kind(), SandboxErrorKind::PublicKey);
    }
}

#[tokio::test]
async fn calls_need_a_live_token() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let elsewhere = Sandbox::builder().clock(clock.clone()).start().await.unwrap();
    let first = format!("Bearer {}", token(&sandbox, &clock).await);
    let foreign = format!("Bearer {}", token(&elsewhere, &clock).await);
    let (status, body) = balance(&sandbox, &clock, Some(&first)).await;
    assert_eq!((status, &body["response_code"]), (200, &json!("200032000")));

    let wrong = (401, refusal("401016500", "Token tidak sesuai"));
    let bare = first.trim_start_matches("Bearer ").to_owned();
    for authorization in [None, Some("Bearer token-test-only"), Some(bare.as_str()), Some(foreign.as_str()), Some("é")] {
        assert_eq!(balance(&sandbox, &clock, authorization).await, wrong, "{authorization:?}");
    }

    sandbox.configure_klikoo(|settings| settings.refuse_tokens = true);
    assert_eq!(balance(&sandbox, &clock, Some(&first)).await, wrong);
    sandbox.configure_klikoo(|settings| settings.refuse_tokens = false);

    clock.advance(Duration::from_secs(899));
    assert_eq!(balance(&sandbox, &clock, Some(&first)).await.0, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(balance(&sandbox, &clock, Some(&first)).await, (401, refusal("401016535", "Token kadaluarsa")));

    let second = format!("Bearer {}", token(&sandbox, &clock).await);
    sandbox.revoke_all(Service::Klikoo);
    assert_eq!(balance(&sandbox, &clock, Some(&second)).await, wrong);
}

#[tokio::test]
async fn a_new_token_ends_the_old_one_unless_told_otherwise() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let first = format!("Bearer {}", token(&sandbox, &clock).await);
    let second = format!("Bearer {}", token(&sandbox, &clock).await);
    assert_ne!(first, second);
    assert_eq!(balance(&sandbox, &clock, Some(&first)).await, (401, refusal("401016500", "Token tidak sesuai")));
    assert_eq!(balance(&sandbox, &clock, Some(&second)).await.0, 200);
    sandbox.configure_klikoo(|settings| *settings = KlikooSettings::mild());
    let third = format!("Bearer {}", token(&sandbox, &clock).await);
    assert_eq!(balance(&sandbox, &clock, Some(&second)).await.0, 200);
    assert_eq!(balance(&sandbox, &clock, Some(&third)).await.0, 200);
}

/// Names and values; one whose value is `None` is left out.
type Headers<'a> = &'a [(&'a str, Option<&'a str>)];

/// An inquiry with these headers.
async fn inquiry(sandbox: &Sandbox, query: &str, body: &str, headers: Headers<'_>) -> Response {
    let mut request = client()
        .post(format!("{}{INQUIRY}{query}", sandbox.klikoo_base_url()))
        .header("Content-Type", "application/json")
        .body(body.to_owned());
    for (name, value) in headers {
        if let Some(value) = value {
            request = request.header(*name, *value);
        }
    }
    request.send().await.unwrap()
}

/// Status, code and hint of an answer.
async fn told(response: Response) -> (u16, String, Option<String>) {
    let hint = response.headers().get("sandbox-hint").map(|value| value.to_str().unwrap().to_owned());
    let (status, body) = crate::json(response).await;
    (status, body["response_code"].as_str().unwrap().to_owned(), hint)
}

#[tokio::test]
async fn a_call_is_signed_over_what_is_sent() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let token = token(&sandbox, &clock).await;
    let bearer = format!("Bearer {token}");
    let now = timestamp(&clock, 0);
    let in_milliseconds = now.replace('+', ".000+");
    // The bytes count, and no reading of them: blanks, order and what is no JSON at all.
    for (body, code) in [
        (r#"{"bank_code":"000","account_number":"1"}"#, "200032000"),
        ("{ \"bank_code\" : \"000\"\n}", "200032000"),
        ("not json", "400016510"),
        ("", "400016510"),
    ] {
        for time in [&now, &in_milliseconds] {
            // The query is no part of the signed text.
            let signature = digital(&sandbox, ["POST", INQUIRY, &token, time], body);
            let headers = [
                ("Authorization", Some(&*bearer)),
                ("Open-Api-Timestamp", Some(time)),
                ("Open-Api-Signature", Some(&*signature)),
            ];
            let (_, found, hint) = told(inquiry(&sandbox, "?page=1", body, &headers).await).await;
            assert_eq!((found.as_str(), hint), (code, None), "{body}");
        }
    }
    assert_eq!(balance(&sandbox, &clock, Some(&bearer)).await.0, 200);
    // An answer to `HEAD` has no body, but its status: the method counts as it came.
    for (method, status) in [("HEAD", 200), ("GET", 400)] {
        let request = client()
            .head(format!("{}{BALANCE}", sandbox.klikoo_base_url()))
            .header("Authorization", &bearer)
            .header("Open-Api-Timestamp", &now)
            .header("Open-Api-Signature", digital(&sandbox, [method, BALANCE, &token, &now], ""));
        assert_eq!(request.send().await.unwrap().status(), status, "{method}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_signed_call_has_its_own_code() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let token = token(&sandbox, &clock).await;
    let bearer = format!("Bearer {token}");
    let (now, late, early) = (timestamp(&clock, 0), timestamp(&clock, -301), timestamp(&clock, 1));
    let body = r#"{"bank_code":"000"}"#;
    let sign = |time: &str| digital(&sandbox, ["POST", INQUIRY, &token, time], body);
    let (right, signed_late, signed_early) = (sign(&now), sign(&late), sign(&early));
    let other = digital(&sandbox, ["POST", BALANCE, &token, &now], body);
    let (a, t, s) = ("Authorization", "Open-Api-Timestamp", "Open-Api-Signature");
    let cases: [(Headers<'_>, u16, &str); 17] = [
        (&[(a, Some(&bearer)), (t, Some(&now)), (s, Some(&right))], 200, "200032000"),
        (&[(a, Some(&bearer)), (t, Some(&now)), (s, Some(&other))], 400, "400016508"),
        (&[(a, Some(&bearer)), (t, Some(&now)), (s, Some("not Base64!"))], 400, "400016508"),
        (&[(a, Some(&bearer)), (t, Some(&late)), (s, Some(&signed_late))], 400, "400016505"),
        (&[(a, Some(&bearer)), (t, Some(&early)), (s, Some(&signed_early))], 400, "400016505"),
        (&[(a, Some(&bearer)), (t, Some("soon")), (s, Some(&right))], 400, "400016505"),
        (&[(a, Some(&bearer)), (t, Some(&now)), (s, None)], 400, "400016512"),
        (&[(a, Some(&bearer)), (t, Some(&now)), (s, Some(""))], 400, "400016512"),
        (&[(a, Some(&bearer)), (t, None), (s, Some(&right))], 400, "400016512"),
        (&[(a, Some(&bearer)), (t, Some(&now)), (s, Some(&right)), (s, Some(&right))], 400, "400016510"),
        (&[(a, Some(&bearer)), (t, Some(&now)), (t, Some(&now)), (s, Some(&right))], 400, "400016510"),
        (&[(a, Some(&bearer)), (t, Some(&now)), (s, Some("é"))], 400, "400016510"),
        // The token comes first.
        (&[(t, Some(&now)), (s, Some(&right))], 401, "401016500"),
        (&[(a, Some("Bearer token-test-only")), (t, Some(&now)), (s, Some(&right))], 401, "401016500"),
        (&[(a, Some("Bearer token-test-only"))], 401, "401016500"),
        (&[(a, Some(&token)), (t, Some(&now)), (s, Some(&right))], 401, "401016500"),
        (&[(a, Some(&bearer)), (a, Some(&bearer)), (t, Some(&now)), (s, Some(&right))], 401, "401016500"),
    ];
    for (index, (headers, status, code)) in cases.into_iter().enumerate() {
        assert_eq!(told(inquiry(&sandbox, "", body, headers).await).await, (status, code.to_owned(), None), "case {index}");
    }
    clock.advance(Duration::from_secs(900));
    let headers = [(a, Some(&*bearer)), (t, Some(&*now)), (s, Some(&*right))];
    assert_eq!(told(inquiry(&sandbox, "", body, &headers).await).await, (401, "401016535".to_owned(), None));
    assert_eq!(sandbox.requests().klikoo_inquiry, 18);
}

#[tokio::test]
async fn a_known_mistake_in_a_signature_is_told_in_a_header() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    let token = token(&sandbox, &clock).await;
    let bearer = format!("Bearer {token}");
    let now = timestamp(&clock, 0);
    let sent = "{\"bank_code\": \"000\", \"account_number\": \"1\"}";
    let blanks = sent.replace(' ', "");
    let sorted = r#"{"account_number":"1","bank_code":"000"}"#;
    let over = |method: &str, path: &str, body: &str| digital(&sandbox, [method, path, &token, &now], body);
    let hash: String =
        digest::digest(&digest::SHA256, sent.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let capitals = hash.to_ascii_uppercase();
    let hexadecimal: String =
        BASE64_STANDARD.decode(over("POST", INQUIRY, sent)).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let cases = [
        (sent, over("POST", &format!("/klikoo-b2b{INQUIRY}"), sent), "the path was signed with /klikoo-b2b"),
        (sent, over("POST", &format!("{INQUIRY}?page=1"), sent), "the path was signed with the query"),
        (sent, over("post", INQUIRY, sent), "the method was signed in lower case"),
        ("", over("POST", INQUIRY, "{}"), "the hash of {} was signed"),
        (sent, over("POST", INQUIRY, &blanks), "the hash of the body without its blanks"),
        (sent, over("POST", INQUIRY, sorted), "the hash of the body with sorted keys"),
        (sent, hmac_of(&sandbox, &format!("POST:{INQUIRY}:{token}:{capitals}:{now}")), "the hash was signed in upper case"),
        (sent, hexadecimal, "the signature is in hexadecimal"),
        (sent, hmac_of(&sandbox, &format!("POST:{INQUIRY}:{hash}:{now}")), "the token was left out"),
        (sent, digital(&sandbox, ["POST", INQUIRY, &bearer, &now], sent), "the token was signed with the word Bearer"),
        (
            sent,
            digital(&sandbox, ["POST", INQUIRY, &token, "2026-11-23T00:00:00Z"], sent),
            "another form of the timestamp was signed",
        ),
    ];
    for (body, signature, words) in cases {
        let headers =
            [("Authorization", Some(&*bearer)), ("Open-Api-Timestamp", Some(&*now)), ("Open-Api-Signature", Some(&*signature))];
        let (status, code, hint) = told(inquiry(&sandbox, "?page=1", body, &headers).await).await;
        assert_eq!((status, code.as_str()), (400, "400016508"), "{words}");
        assert!(hint.as_ref().is_some_and(|hint| hint.starts_with(words)), "{words}: {hint:?}");
    }
}

#[tokio::test]
async fn a_token_alone_is_enough_where_the_signature_is_not_checked() {
    for settings in [KlikooSettings::strict(), KlikooSettings::mild()] {
        assert!(settings.check_digital_signature);
    }
    let (builder, clock) = builder();
    let sandbox = builder.klikoo(|settings| settings.check_digital_signature = false).start().await.unwrap();
    let bearer = format!("Bearer {}", token(&sandbox, &clock).await);
    let headers = [("Authorization", Some(&*bearer))];
    assert_eq!(told(inquiry(&sandbox, "", "{}", &headers).await).await.0, 200);
    assert_eq!(told(inquiry(&sandbox, "", "{}", &[]).await).await.0, 401);
}
