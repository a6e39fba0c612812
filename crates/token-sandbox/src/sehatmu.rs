//! SehatMu: client credentials in a form.
//!
//! The answers are those of the page "Access Token" and of its captured sample; order and text of the checks are those of oauth2-server, the library behind them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::count::{Outcome, Route};
use crate::credentials::SehatMuCredentials;
use crate::front::plain;
use crate::random;
use crate::settings::{SehatMuFailure, SehatMuSettings, SehatMuSuccess};
use crate::state::{Shared, lock};
use crate::store::Store;
use crate::time::{self, Time};

const CLIENT_NAME: &str = "Klinik Contoh";
const USER_NAME: &str = "Petugas Contoh";
const USER_EMAIL: &str = "petugas@contoh.example";

/// The grants that the library knows; the client may use one of them.
const KNOWN_GRANTS: [&str; 4] = ["authorization_code", "client_credentials", "password", "refresh_token"];
const GRANT: &str = "client_credentials";

const WRONG_CLIENT: &str =
    "Client is not able to be authenticated (either client_id or client_secret combination is unacceptable)";
const LIMITED: &str = "Authentication temporarily cannot be performed due to the rate limit policy. Rate limit: 1 request per minute after a failed attempt.";

/// Within this long new tokens are counted.
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        // The library refuses other methods in its own form, so all of them reach it.
        .route(Route::SehatMuToken.path(), any(token))
        .route(Route::SehatMuMe.path(), get(me))
        .route(Route::SehatMuPatients.path(), get(patients))
        .fallback(async || outcome(StatusCode::NOT_FOUND, "not-found", json!({"severity": "error", "code": "not-found"})))
        .method_not_allowed_fallback(async || plain(StatusCode::METHOD_NOT_ALLOWED))
}

/// The state of the service.
pub(crate) struct SehatMu {
    pub(crate) settings: SehatMuSettings,
    pub(crate) credentials: SehatMuCredentials,
    user_id: String,
    organization: String,
    tokens: Store<()>,
    /// Client ids after a failed attempt, and until when they are refused.
    limited: Store<()>,
    /// When the tokens of the last minute were made, oldest first; counted only while there is a limit.
    minted: VecDeque<Time>,
}

impl SehatMu {
    pub(crate) fn new(settings: SehatMuSettings) -> Result<Self, Unspecified> {
        Ok(Self {
            settings,
            credentials: SehatMuCredentials::invent()?,
            user_id: random::uuid()?,
            organization: random::uuid()?,
            tokens: Store::new(),
            limited: Store::new(),
            minted: VecDeque::new(),
        })
    }

    pub(crate) fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    fn grant(&mut self, now: Time, headers: &HeaderMap, form: &Form) -> Result<Response, Refusal> {
        let (client_id, client_secret) = client_of(headers, form)?;
        // The limiter looks at the client id alone: within the window the right secret does not help.
        if let Some((ends, ())) = self.limited.get(&client_id)
            && now < ends
        {
            return Err(Refusal::Limited(ends.millis().saturating_sub(now.millis())));
        }
        let known = &self.credentials;
        let is_known = client_id == known.client_id()
            && verify_slices_are_equal(client_secret.as_bytes(), known.client_secret().as_bytes()).is_ok();
        if !is_known {
            if !self.settings.limiter_window.is_zero() {
                self.limited.insert(now, client_id, now.after(self.settings.limiter_window), ());
            }
            return Err(match self.settings.failure_form {
                SehatMuFailure::OAuth2 => invalid_client(headers, "Invalid client: client is invalid"),
                SehatMuFailure::OperationOutcome => Refusal::WrongClient,
            });
        }
        // From the body alone: in the query it is not seen.
        match form.get("grant_type") {
            None => return Err(invalid_request("Missing parameter: `grant_type`")),
            Some(GRANT) => {}
            Some(grant) if KNOWN_GRANTS.contains(&grant) => {
                return Err(Refusal::OAuth(
                    "unauthorized_client",
                    "Unauthorized client: `grant_type` is invalid",
                    StatusCode::BAD_REQUEST,
                ));
            }
            Some(_) => {
                return Err(Refusal::OAuth(
                    "unsupported_grant_type",
                    "Unsupported grant type: `grant_type` is invalid",
                    StatusCode::BAD_REQUEST,
                ));
            }
        }
        self.count_new_token(now)?;
        let token = random::hex::<20>()?;
        let id = random::uuid()?;
        let ends = now.after(self.settings.token_lifetime);
        let response = self.success(now, ends, &token, &id);
        self.tokens.insert(now, token, ends, ());
        Ok(response)
    }

    /// The limiter's other half. What it refuses does not count.
    fn count_new_token(&mut self, now: Time) -> Result<(), Refusal> {
        self.minted.retain(|minted| *minted <= now && now < minted.after(MINUTE));
        let Some(limit) = self.settings.new_tokens_per_minute else { return Ok(()) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if let Some(excess) = self.minted.len().checked_sub(limit) {
            // When this one is a minute old there is room again. With a limit of zero there never is.
            let ends = self.minted.get(excess).copied().unwrap_or(now).after(MINUTE);
            return Err(Refusal::Limited(ends.millis().saturating_sub(now.millis())));
        }
        self.minted.push_back(now);
        Ok(())
    }

    fn success(&self, now: Time, ends: Time, token: &str, id: &str) -> Response {
        let lifetime = time::seconds(self.settings.token_lifetime);
        let client_id = self.credentials.client_id();
        let mut response = match self.settings.success_form {
            SehatMuSuccess::CamelCase => Json(json!({
                "accessToken": token,
                "accessTokenExpiresAt": ends.rfc3339(),
                "clientId": client_id,
                "client": {"name": CLIENT_NAME, "email": USER_EMAIL},
                "userId": self.user_id,
                "user": {"id": self.user_id, "name": USER_NAME, "email": USER_EMAIL},
                "_id": id,
            }))
            .into_response(),
            SehatMuSuccess::Rfc6749 => {
                let body = Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": lifetime}));
                ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], body).into_response()
            }
            SehatMuSuccess::SatuSehat => Json(json!({
                "access_token": token,
                "api_product_list": "[contoh-api]",
                "api_product_list_json": ["contoh-api"],
                "application_name": id,
                "client_id": client_id,
                "developer.email": USER_EMAIL,
                "expires_in": lifetime.to_string(),
                "issued_at": now.millis().to_string(),
                "organization_name": self.organization,
                "refresh_count": "0",
                "refresh_token_expires_in": "0",
                "scope": "",
                "status": "approved",
                "token_type": "BearerToken",
            }))
            .into_response(),
        };
        response.extensions_mut().insert(Outcome("ok"));
        response
    }

    fn refused(&self, refusal: &Refusal) -> Response {
        match *refusal {
            Refusal::Limited(remaining) => {
                let issue = json!({"severity": "invalid", "code": "value", "details": {"text": LIMITED}});
                let mut response = outcome(self.settings.limiter_status.status(), "limited", issue);
                if self.settings.retry_after {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(remaining.saturating_add(999) / 1_000));
                }
                response
            }
            Refusal::WrongClient => {
                let issue = json!({"severity": "invalid", "code": "value", "details": {"text": WRONG_CLIENT}});
                outcome(self.settings.failure_status.status(), "wrong_client", issue)
            }
            Refusal::OAuth(error, description, status) => {
                let mut response = (status, Json(json!({"error": error, "error_description": description}))).into_response();
                if error == "invalid_client" && status == StatusCode::UNAUTHORIZED {
                    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Service\""));
                }
                if error == "invalid_token" {
                    let challenge = HeaderValue::from_static("Bearer realm=\"Service\",error=\"invalid_token\"");
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                response.extensions_mut().insert(Outcome(error));
                response
            }
            Refusal::NoAuthentication => {
                let mut response =
                    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Service\""))])
                        .into_response();
                response.extensions_mut().insert(Outcome("unauthorized_request"));
                response
            }
        }
    }

    /// Whether a call with this token would be let in now.
    pub(crate) fn takes(&self, now: Time, token: &str) -> bool {
        !self.settings.refuse_tokens && self.tokens.get(token).is_some_and(|(ends, ())| now < ends)
    }

    /// The live token that a request carries, and its end.
    fn bearer<'h>(&self, now: Time, headers: &'h HeaderMap) -> Result<(&'h str, Time), Refusal> {
        let header = headers.get(AUTHORIZATION).ok_or(Refusal::NoAuthentication)?;
        let token = header
            .to_str()
            .ok()
            .and_then(|header| header.strip_prefix("Bearer "))
            .ok_or(invalid_request("Invalid request: malformed authorization header"))?;
        let dead = |text| Refusal::OAuth("invalid_token", text, StatusCode::UNAUTHORIZED);
        let (ends, ()) = self.tokens.get(token).ok_or(dead("Invalid token: access token is invalid"))?;
        if now >= ends {
            return Err(dead("Invalid token: access token has expired"));
        }
        if self.settings.refuse_tokens {
            return Err(dead("Invalid token: access token is invalid"));
        }
        Ok((token, ends))
    }

    fn me(&self, now: Time, headers: &HeaderMap) -> Result<Response, Refusal> {
        let (token, ends) = self.bearer(now, headers)?;
        let mut response = Json(json!({
            "data": {
                "accessToken": token,
                "accessTokenExpiresAt": ends.rfc3339(),
                "client": {"id": self.credentials.client_id()},
                "user": {"id": self.user_id},
            },
            "userId": self.user_id,
            "sessionType": "oauth2",
        }))
        .into_response();
        response.extensions_mut().insert(Outcome("ok"));
        Ok(response)
    }
}

async fn token(State(shared): State<Arc<Shared>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let now = shared.clock.now();
    let mut sehatmu = lock(&shared.sehatmu);
    let result = check_form(&method, &headers).and_then(|()| sehatmu.grant(now, &headers, &Form::read(&body)));
    result.unwrap_or_else(|refusal| sehatmu.refused(&refusal))
}

async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let now = shared.clock.now();
    let sehatmu = lock(&shared.sehatmu);
    sehatmu.me(now, &headers).unwrap_or_else(|refusal| sehatmu.refused(&refusal))
}

/// A search that finds nobody: whoever asks wants to know whether the token is taken. The path is made up, as none is documented.
async fn patients(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let now = shared.clock.now();
    let sehatmu = lock(&shared.sehatmu);
    match sehatmu.bearer(now, &headers) {
        Ok(_) => {
            let bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": 0});
            let mut response = Json(bundle).into_response();
            response.extensions_mut().insert(Outcome("ok"));
            response
        }
        Err(refusal) => sehatmu.refused(&refusal),
    }
}

enum Refusal {
    /// The limiter refuses for this many more milliseconds.
    Limited(i64),
    NoAuthentication,
    /// In the library's form: error, description, status.
    OAuth(&'static str, &'static str, StatusCode),
    WrongClient,
}

impl From<Unspecified> for Refusal {
    fn from(_: Unspecified) -> Self {
        Self::OAuth("server_error", "Server error: no random numbers", StatusCode::SERVICE_UNAVAILABLE)
    }
}

fn invalid_request(description: &'static str) -> Refusal {
    Refusal::OAuth("invalid_request", description, StatusCode::BAD_REQUEST)
}

/// 401 when the client came with HTTP authentication, else 400.
fn invalid_client(headers: &HeaderMap, description: &'static str) -> Refusal {
    let status = if headers.contains_key(AUTHORIZATION) { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    Refusal::OAuth("invalid_client", description, status)
}

fn outcome(status: StatusCode, name: &'static str, issue: Value) -> Response {
    let issues = Value::Array(vec![issue]);
    let mut response = (status, Json(json!({"resourceType": "OperationOutcome", "issue": issues}))).into_response();
    response.extensions_mut().insert(Outcome(name));
    response
}

fn check_form(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    if method != Method::POST {
        return Err(invalid_request("Invalid request: method must be POST"));
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(())
    } else {
        Err(invalid_request("Invalid request: content must be application/x-www-form-urlencoded"))
    }
}

/// HTTP Basic when there is any, else the form.
fn client_of(headers: &HeaderMap, form: &Form) -> Result<(String, String), Refusal> {
    if let Some((id, secret)) = basic(headers) {
        if id.is_empty() {
            return Err(invalid_request("Missing parameter: `client_id`"));
        }
        if secret.is_empty() {
            return Err(invalid_request("Missing parameter: `client_secret`"));
        }
        return Ok((id, secret));
    }
    match (form.get("client_id"), form.get("client_secret")) {
        (Some(id), Some(secret)) => Ok((id.to_owned(), secret.to_owned())),
        _ => Err(invalid_client(headers, "Invalid client: cannot retrieve client credentials")),
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field that is there once and not empty. A doubled one becomes a list in the library and is then no text.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) if !value.is_empty() => Some(value),
            _ => None,
        }
    }
}
