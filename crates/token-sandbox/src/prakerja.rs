//! Prakerja: login in the browser, code exchange, refresh, profile, and one call of the integration APIs.
//!
//! Paths, fields and codes are those of the pages "Construct Oauth URL", "API Generate URL", "Create Token", "Refresh Token", "Get Profile" and "Generate Signature".

mod consent;
mod integration;
mod page;
mod signed;
mod token;

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::count::{Outcome, Route};
use crate::credentials::{PrakerjaCredentials, PrakerjaUser};
use crate::front::plain;
use crate::random;
use crate::settings::PrakerjaSettings;
use crate::state::Shared;
use crate::store::Store;

pub(crate) use consent::{Decision, decide_without_click, is_address};

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route(Route::PrakerjaConsent.path(), get(consent::show).post(consent::decide))
        .route(Route::PrakerjaLogin.path(), post(consent::log_in))
        .route(Route::PrakerjaToken.path(), post(token::exchange))
        .route(Route::PrakerjaRefresh.path(), post(token::refresh))
        .route(Route::PrakerjaAuthorize.path(), get(signed::authorize))
        .route(Route::PrakerjaProfile.path(), get(token::profile))
        .route(Route::PrakerjaRedeem.path(), post(integration::redeem))
        .fallback(async || plain(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || plain(StatusCode::METHOD_NOT_ALLOWED))
}

/// The state of the service.
pub(crate) struct Prakerja {
    pub(crate) settings: PrakerjaSettings,
    pub(crate) first_client: PrakerjaCredentials,
    more_clients: Vec<PrakerjaCredentials>,
    pub(crate) users: Vec<PrakerjaUser>,
    key: hmac::Key,
    /// Pages that were shown and not answered, by ticket.
    pending: Store<consent::Shown>,
    /// The ids of the users who are logged in, by what their browser's cookie says.
    logins: Store<String>,
    /// The newest code of each user and client, by [`code_key`].
    codes: Store<token::Code>,
    /// Refresh families by id.
    families: Store<token::Family>,
    /// Live access tokens, by the id in their claims.
    tokens: Store<token::Access>,
}

impl Prakerja {
    pub(crate) fn new(settings: PrakerjaSettings) -> Result<Self, Unspecified> {
        let credentials = PrakerjaCredentials::invent(settings.redirect_uris.first(), settings.login_uris.first())?;
        Ok(Self {
            settings,
            first_client: credentials,
            more_clients: Vec::new(),
            users: PrakerjaUser::invent()?,
            key: random::token_key()?,
            pending: Store::new(),
            logins: Store::new(),
            codes: Store::new(),
            families: Store::new(),
            tokens: Store::new(),
        })
    }

    /// Registers one more client.
    pub(crate) fn register(&mut self) -> Result<PrakerjaCredentials, Unspecified> {
        let settings = &self.settings;
        let credentials = PrakerjaCredentials::invent(settings.redirect_uris.first(), settings.login_uris.first())?;
        self.more_clients.push(credentials.clone());
        Ok(credentials)
    }

    pub(crate) fn revoke_all(&mut self) {
        self.pending.clear();
        self.codes.clear();
        self.families.clear();
        self.tokens.clear();
    }

    fn clients(&self) -> impl Iterator<Item = &PrakerjaCredentials> {
        std::iter::once(&self.first_client).chain(&self.more_clients)
    }

    fn client(&self, id: &str) -> Option<&PrakerjaCredentials> {
        self.clients().find(|client| client.client_id() == id)
    }

    /// The client that `X-Client-Id` names.
    fn client_of(&self, headers: &HeaderMap) -> Result<&PrakerjaCredentials, Refusal> {
        let id = header(headers, "x-client-id").ok_or(CLIENT_ID_ABSENT)?;
        self.client(id).ok_or(CLIENT_ID_UNKNOWN)
    }

    /// The client that `client_code` names. The codes are those of a client id: the table has no others.
    fn client_by_code(&self, headers: &HeaderMap) -> Result<&PrakerjaCredentials, Refusal> {
        let code = header(headers, "client_code").ok_or(CLIENT_ID_ABSENT)?;
        self.clients().find(|client| client.client_code() == code).ok_or(CLIENT_ID_UNKNOWN)
    }
}

/// A line of Prakerja's table of errors. Every one is HTTP 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

const fn refusal(code: &'static str, message: &'static str) -> Refusal {
    Refusal { code, message }
}

const CLIENT_ID_ABSENT: Refusal = refusal("ERROAUTH4024", "Unauthorized");
const CLIENT_ID_UNKNOWN: Refusal = refusal("ERROAUTH4029", "Unauthorized");
const USER_UNKNOWN: Refusal = refusal("ERROAUTH4030", "Unauthorized");
const CODE_UNKNOWN: Refusal = refusal("ERROAUTH4031", "Unauthorized");
const CODE_NOT_SAME: Refusal = refusal("ERROAUTH4032", "Unauthorized");
const SCOPE_UNKNOWN: Refusal = refusal("ERROAUTH4033", "scope tidak sesuai");
const TIMESTAMP_NOT_INTEGER: Refusal = refusal("ERROAUTH4034", "timestamp harus integer");
const TIMESTAMP_AHEAD: Refusal = refusal("ERROAUTH4035", "timestamp melebihi waktu server");
const SIGNATURE_EXPIRED: Refusal = refusal("ERROAUTH4036", "Signature expired");
const SIGNED_BODY_NOT_JSON: Refusal = refusal("ERROAUTH4037", "Signature payload invalid JSON");
const SIGNATURE_WRONG: Refusal = refusal("ERROAUTH4038", "Signature not match");
const SIGNATURE_ABSENT: Refusal = refusal("ERROAUTH4039", "Signature not found");
const TIMESTAMP_ABSENT: Refusal = refusal("ERROAUTH4040", "Timestamp not found");
const OTHER_GRANT: Refusal = refusal("ERROAUTH4042", "grant_type tidak sesuai");
const REFRESH_TOKEN_UNKNOWN: Refusal = refusal("ERROAUTH4043", "Refresh token key not found");
const INPUT: Refusal = refusal("ERROAUTH4044", "Input tidak valid");
const REDIRECT_URI: Refusal = refusal("ERROAUTH4045", "Redirect URI not valid");
const LOGIN_URI: Refusal = refusal("ERROAUTH4046", "Login URI not valid");
const CODE_MALFORMED: Refusal = refusal("ERROAUTH4047", "Unauthorized");
const TOKEN_MALFORMED: Refusal = refusal("ERROAUTH4048", "Unauthorized");
const CANNOT_MINT: Refusal = refusal("ERROAUTH4049", "Unauthorized");
const OTHER_KEY: Refusal = refusal("ERROAUTH4050", "Unauthorized");
const TOKEN_EXPIRED: Refusal = refusal("ERROAUTH4051", "Token expired");
const CODE_EXPIRED: Refusal = refusal("ERROAUTH4052", "Auth code expired");
const TOKEN_ABSENT: Refusal = refusal("ERROAUTH4053", "Token not found");

impl From<Unspecified> for Refusal {
    fn from(_: Unspecified) -> Self {
        CANNOT_MINT
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::BAD_REQUEST, Json(json!({"code": self.code, "message": self.message, "success": false})))
            .into_response();
        response.extensions_mut().insert(Outcome(self.code));
        response
    }
}

fn success(data: &Value) -> Response {
    let mut response = Json(json!({"message": "no error", "success": true, "errorCode": "0", "data": data})).into_response();
    response.extensions_mut().insert(Outcome("ok"));
    response
}

/// A header that is there once, is text and is not empty.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    value.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

fn code_key(user_id: &str, client_id: &str) -> String {
    // User ids are UUIDs, so the first bar ends one.
    format!("{user_id}|{client_id}")
}
