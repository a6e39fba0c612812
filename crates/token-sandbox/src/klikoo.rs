//! Klikoo, the B2B Open API: client credentials with an RSA-signed header, and calls with a token.
//!
//! Headers, body and codes are those of the pages "Access Token", "Digital Signature" and "APIs Response Code".

mod mistake;
mod signature;

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::count::{Outcome, Route};
use crate::credentials::KlikooCredentials;
use crate::error::SandboxError;
use crate::front::plain;
use crate::jwt;
use crate::random;
use crate::settings::KlikooSettings;
use crate::state::{Shared, lock};
use crate::store::Store;
use crate::time::{self, Time};

use self::mistake::Call;
use self::signature::Signed;

/// The prefix of the real base URL. Paths are signed without it.
pub(crate) const PREFIX: &str = "/klikoo-b2b";

const TIMESTAMP: &str = "open-api-timestamp";
const SIGNATURE: &str = "open-api-signature";

/// What the real service does not have: a sentence for the person who is puzzled by a refusal.
const HINT: HeaderName = HeaderName::from_static("sandbox-hint");

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route(Route::KlikooToken.path(), post(token))
        .route(Route::KlikooBalance.path(), get(balance))
        .route(Route::KlikooInquiry.path(), post(inquiry))
        .fallback(async || plain(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || plain(StatusCode::METHOD_NOT_ALLOWED))
}

/// The state of the service.
pub(crate) struct Klikoo {
    pub(crate) settings: KlikooSettings,
    pub(crate) credentials: KlikooCredentials,
    public_key: Vec<u8>,
    user_id: String,
    key: hmac::Key,
    /// Live tokens, by the id in their claims.
    tokens: Store<()>,
}

/// A line of Klikoo's table of codes: the long form, the short one and the message. The hint is the sandbox's own.
#[derive(Clone, Copy, Debug)]
struct Code {
    long: &'static str,
    short: &'static str,
    message: &'static str,
    hint: Option<&'static str>,
}

const fn code(long: &'static str, short: &'static str, message: &'static str) -> Code {
    Code { long, short, message, hint: None }
}

// The short form is three digits of HTTP, two of the service and the last two of the case, as in `2000100`.
const OK: Code = code("200012000", "2000100", "Sukses");
const OK_ACCOUNT: Code = code("200032000", "2000300", "Sukses");
const TIME: Code = code("400016505", "4000105", "Waktu tidak sesuai");
const SIGNED_WRONG: Code = code("400016508", "4000108", "Signature tidak sesuai");
const INVALID: Code = code("400016510", "4000110", "Validasi Error");
const EMPTY_FIELD: Code = code("400016512", "4000112", "Field tidak boleh kosong");
const NO_UUID: Code = code("400016568", "4000168", "UUID tidak sesuai");
const GRANT_TYPE: Code = code("400016569", "4000169", "Grant type tidak sesuai");
const TOKEN_WRONG: Code = code("401016500", "4010100", "Token tidak sesuai");
const TOKEN_EXPIRED: Code = code("401016535", "4010135", "Token kadaluarsa");
const CREDENTIALS: Code = code("401016570", "4010170", "Kredensial tidak sesuai");
const ASK_ADMIN: Code = code("500019999", "5000199", "Harap hubungi admin");

impl From<Unspecified> for Code {
    fn from(_: Unspecified) -> Self {
        ASK_ADMIN
    }
}

impl Klikoo {
    pub(crate) fn new(settings: KlikooSettings) -> Result<Self, Unspecified> {
        let (credentials, public_key) = KlikooCredentials::invent()?;
        Ok(Self { settings, credentials, public_key, user_id: random::uuid()?, key: random::token_key()?, tokens: Store::new() })
    }

    /// Puts a public key (PEM, or the Base64 of a PEM) in the place of the registered one.
    pub(crate) fn register_public_key(&mut self, text: &str) -> Result<(), SandboxError> {
        self.public_key = signature::public_key(text)?;
        Ok(())
    }

    pub(crate) fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    fn answer(&self, code: Code, data: Option<Value>) -> Response {
        let digits = if self.settings.short_codes { code.short } else { code.long };
        let mut body = json!({"response_code": digits, "response_message": code.message});
        if let (Some(data), Some(body)) = (data, body.as_object_mut()) {
            body.insert("data".to_owned(), data);
        }
        // The code's first three digits are the status, by the page's own definition.
        let status = code.long.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(Outcome(code.long));
        if let Some(hint) = code.hint {
            response.headers_mut().insert(HINT, HeaderValue::from_static(hint));
        }
        response
    }

    /// Form first, then the clock, then who it is: the order in which each fault can be told apart.
    fn token(&mut self, now: Time, headers: &HeaderMap, body: &[u8]) -> Result<Value, Code> {
        let body = json_body(headers, body)?;
        let info = body.get("additional_info").unwrap_or(&Value::Null);
        let grant_type = field(&body, "grant_type")?;
        let client_id = field(info, "client_id")?;
        let client_secret = field(info, "client_secret")?;
        let timestamp = header(headers, TIMESTAMP)?;
        let signature = header(headers, SIGNATURE)?;
        if grant_type != "client_credentials" {
            return Err(GRANT_TYPE);
        }
        if !random::is_uuid(client_id) {
            return Err(NO_UUID);
        }
        self.check_time(now, timestamp)?;
        // Without the client there is no key to check the signature with.
        if client_id != self.credentials.client_id() {
            return Err(CREDENTIALS);
        }
        let text = format!("{client_id}|{timestamp}");
        if !signature::is_rsa_signature(&self.public_key, &text, signature) {
            return Err(SIGNED_WRONG);
        }
        verify_slices_are_equal(client_secret.as_bytes(), self.credentials.client_secret().as_bytes())
            .map_err(|_| CREDENTIALS)?;

        let id = random::uuid()?;
        let ends = Time::from_seconds(now.seconds()).after(self.settings.token_lifetime);
        let token = jwt::sign(
            &self.key,
            &json!({
                "client_id": client_id,
                "exp": ends.seconds(),
                // Not in the documented sample: without it two tokens of one second would be the same text.
                "jti": id,
                "timestamp": timestamp,
                "user_id": self.user_id,
            }),
        );
        if self.settings.one_token_per_client {
            self.tokens.clear();
        }
        self.tokens.insert(now, id, ends, ());
        Ok(json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": time::seconds(self.settings.token_lifetime),
        }))
    }

    /// What every call with a token must bring: first the token, then a signature for it.
    fn authorize(&self, now: Time, head: &Parts, body: &[u8]) -> Result<(), Code> {
        let headers = &head.headers;
        let mut authorizations = headers.get_all(AUTHORIZATION).iter();
        let token = authorizations
            .next()
            .filter(|_| authorizations.next().is_none())
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer "))
            .map(|(_, token)| token)
            .ok_or(TOKEN_WRONG)?;
        self.check_token(now, token)?;
        if !self.settings.check_digital_signature {
            return Ok(());
        }
        let timestamp = header(headers, TIMESTAMP)?;
        let signature = header(headers, SIGNATURE)?;
        self.check_time(now, timestamp)?;
        // As they stand in the request line.
        let path = head.uri.path();
        let path = path.strip_prefix(PREFIX).unwrap_or(path);
        let hash = signature::body_hash(body);
        let signed = Signed { method: head.method.as_str(), path, token, hash: &hash, timestamp };
        let client_secret = self.credentials.client_secret();
        if !signature::is_hmac(client_secret, &signed.text(), signature) {
            let call = Call { signed, query: head.uri.query(), body, signature };
            return Err(Code { hint: mistake::explain(client_secret, &call), ..SIGNED_WRONG });
        }
        Ok(())
    }

    /// Whether a call with this token would be let in now, if it is signed as it should be.
    pub(crate) fn takes(&self, now: Time, token: &str) -> bool {
        self.check_token(now, token).is_ok()
    }

    fn check_token(&self, now: Time, token: &str) -> Result<(), Code> {
        let claims = jwt::verify(&self.key, token).map_err(|_| TOKEN_WRONG)?;
        if now.seconds() >= claims.get("exp").and_then(Value::as_i64).unwrap_or_default() {
            return Err(TOKEN_EXPIRED);
        }
        let id = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
        if self.settings.refuse_tokens || self.tokens.get(id).is_none() {
            return Err(TOKEN_WRONG);
        }
        Ok(())
    }

    fn check_time(&self, now: Time, timestamp: &str) -> Result<(), Code> {
        let seconds = signature::timestamp_seconds(timestamp).ok_or(TIME)?;
        let ahead = seconds.saturating_sub(now.seconds());
        if ahead > time::seconds(self.settings.tolerance_ahead) || -ahead > time::seconds(self.settings.tolerance_behind) {
            return Err(TIME);
        }
        Ok(())
    }
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = shared.clock.now();
    let mut klikoo = lock(&shared.klikoo);
    match klikoo.token(now, &headers, &body) {
        Ok(data) => klikoo.answer(OK, Some(data)),
        Err(code) => klikoo.answer(code, None),
    }
}

async fn balance(State(shared): State<Arc<Shared>>, head: Parts, body: Bytes) -> Response {
    let now = shared.clock.now();
    let klikoo = lock(&shared.klikoo);
    match klikoo.authorize(now, &head, &body) {
        Ok(()) => klikoo.answer(OK_ACCOUNT, Some(json!({"balance": 1_000_000, "currency": "IDR"}))),
        Err(code) => klikoo.answer(code, None),
    }
}

async fn inquiry(State(shared): State<Arc<Shared>>, head: Parts, body: Bytes) -> Response {
    let now = shared.clock.now();
    let klikoo = lock(&shared.klikoo);
    match klikoo.authorize(now, &head, &body).and_then(|()| json_body(&head.headers, &body)) {
        Ok(_) => klikoo.answer(OK_ACCOUNT, Some(json!({"account_name": "Siti Contoh"}))),
        Err(code) => klikoo.answer(code, None),
    }
}

fn json_body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Code> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(INVALID);
    }
    serde_json::from_slice::<Value>(body).ok().filter(Value::is_object).ok_or(INVALID)
}

/// A field with text: absent or empty is one code, another type is another.
fn field<'a>(object: &'a Value, name: &str) -> Result<&'a str, Code> {
    match object.get(name) {
        None | Some(Value::Null) => Err(EMPTY_FIELD),
        Some(Value::String(text)) if text.is_empty() => Err(EMPTY_FIELD),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(INVALID),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Code> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(EMPTY_FIELD),
        (Some(value), None) if value.is_empty() => Err(EMPTY_FIELD),
        (Some(value), None) => value.to_str().map_err(|_| INVALID),
        (Some(_), Some(_)) => Err(INVALID),
    }
}
