//! Signatures, and the generate-URL endpoint: the one call of the login that is signed.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::count::Route;
use crate::credentials::PrakerjaCredentials;
use crate::random::to_hex;
use crate::state::{Shared, lock};
use crate::time::{self, Time};

use super::consent::{Parameters, check_addresses, scopes, with_parameters};
use super::{
    CLIENT_ID_UNKNOWN, Prakerja, Refusal, SIGNATURE_ABSENT, SIGNATURE_EXPIRED, SIGNATURE_WRONG, SIGNED_BODY_NOT_JSON,
    TIMESTAMP_ABSENT, TIMESTAMP_AHEAD, TIMESTAMP_NOT_INTEGER, header, success,
};

pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let now = shared.clock.now();
    let prakerja = lock(&shared.prakerja);
    let client = prakerja.client_of(&headers)?;
    let signed =
        Signed { names: LOGIN, method: &Method::GET, path: Route::PrakerjaAuthorize.path(), headers: &headers, body: &body };
    signed.verify(&prakerja, client, now)?;

    let parameters = Parameters::read(query.as_deref().unwrap_or_default(), prakerja.settings.plus_is_space)?;
    let client_id = parameters.one("client_id")?;
    if client_id != client.client_id() {
        return Err(CLIENT_ID_UNKNOWN);
    }
    let scope = parameters.one("scope")?;
    scopes(&scope)?;
    let redirect_uri = parameters.one("redirect_uri")?;
    let login_uri = parameters.one("login_uri")?;
    check_addresses(&prakerja.settings, &redirect_uri, &login_uri)?;
    let state = parameters.one("state")?;
    let redirect_url = with_parameters(
        &shared.urls.prakerja_consent,
        &[
            ("client_id", &client_id),
            ("client_name", client.client_name()),
            ("login_uri", &login_uri),
            ("redirect_uri", &redirect_uri),
            ("scope", &scope),
            ("state", &state),
        ],
    );
    Ok(success(&json!({"redirect_url": redirect_url})))
}

/// The headers of a signed request.
#[derive(Clone, Copy)]
pub(super) struct Names {
    signature: &'static str,
    timestamp: &'static str,
}

/// Those of the login (Prakerja, Generate URL page).
const LOGIN: Names = Names { signature: "x-signature", timestamp: "x-timestamp" };

/// Those of the integration APIs (Prakerja, Generate Signature page).
pub(super) const INTEGRATION: Names = Names { signature: "signature", timestamp: "timestamp" };

/// A request whose signature is to be looked at.
pub(super) struct Signed<'a> {
    pub(super) names: Names,
    pub(super) method: &'a Method,
    /// As it came, without the query.
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Signed<'_> {
    pub(super) fn verify(&self, prakerja: &Prakerja, client: &PrakerjaCredentials, now: Time) -> Result<(), Refusal> {
        let signature = header(self.headers, self.names.signature).ok_or(SIGNATURE_ABSENT)?;
        let timestamp = header(self.headers, self.names.timestamp).ok_or(TIMESTAMP_ABSENT)?;
        let seconds: i64 = timestamp.parse().map_err(|_| TIMESTAMP_NOT_INTEGER)?;
        if seconds > now.seconds().saturating_add(time::seconds(prakerja.settings.tolerance_ahead)) {
            return Err(TIMESTAMP_AHEAD);
        }
        if now.seconds().saturating_sub(seconds) > time::seconds(prakerja.settings.signature_lifetime) {
            return Err(SIGNATURE_EXPIRED);
        }
        if !self.body.is_empty() && serde_json::from_slice::<Value>(self.body).is_err() {
            return Err(SIGNED_BODY_NOT_JSON);
        }
        let body = std::str::from_utf8(self.body).map_err(|_| SIGNED_BODY_NOT_JSON)?;
        let token = header(self.headers, AUTHORIZATION.as_str()).unwrap_or_default();
        let text = signed_text(client.client_code(), timestamp, self.method, self.path, token, body);
        let expected = sign(client.sign_key(), &text);
        verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).map_err(|_| SIGNATURE_WRONG)
    }
}

/// Prakerja, Generate Signature page; the place of the token is from the official sample in Go, which leaves it empty when there is none.
fn signed_text(client_code: &str, timestamp: &str, method: &Method, path: &str, token: &str, body: &str) -> String {
    [client_code, timestamp, method.as_str(), path, token, body].concat()
}

/// HMAC-SHA1 in lower-case hexadecimal; the key is the text of `sign_key`.
fn sign(sign_key: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, sign_key.as_bytes());
    to_hex(hmac::sign(&key, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_signed_as_documented() {
        // The key and the code are the page's placeholders, not anyone's credentials.
        let body = r#"{"redeem_code":"code"}"#;
        let path = "/api/v1/integration/payment/redeem-code/commit";
        let text = signed_text("myclient_code", "1516239022", &Method::POST, path, "", body);
        assert_eq!(sign("my_sign_key", &text), "943c20a8e36b6243f576404b00fffdc86411ce1f");
    }

    #[test]
    fn a_get_signs_no_body_and_no_query() {
        let text = signed_text("myclient_code", "1516239022", &Method::GET, Route::PrakerjaAuthorize.path(), "", "");
        assert_eq!(sign("my_sign_key", &text), "96edb72191ebf35e5a19920a866cb083ba9ed36d");
    }
}
