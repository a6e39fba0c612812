//! Settings → request. No I/O.

use http::header::{ACCEPT, AUTHORIZATION, HeaderName};
use http::{HeaderValue, Method, Uri};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use token_core::{AuthorizeFault, Error, ErrorKind, Moment, Remedy, Resend, Token, TokenRequest, secret_header};

use crate::PROVIDER;
use crate::config::{AuthorizationStyle, Settings};
use crate::login::{AuthorizationCode, query};
use crate::signature::{SignKey, Signed, signed_path, timestamp};

pub(crate) const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");

const AUTHORIZE_PATH: &str = "/api/v1/oauth/authorize";

/// The code exchange (Create Token page). The page's table says "Query Params", all its samples send a JSON body.
pub(crate) fn exchange(settings: &Settings, code: &AuthorizationCode) -> TokenRequest {
    let request = begin(settings, Method::POST, settings.token_url.clone(), Resend::OnlyIfNotSent);
    request.with_body("application/json", json("code", code.expose()))
}

/// The refresh (Refresh Token page). The field is called `token`.
pub(crate) fn refresh(settings: &Settings, refresh_token: &SecretString) -> TokenRequest {
    let request = begin(settings, Method::POST, settings.refresh_url.clone(), Resend::OnlyIfNotSent);
    request.with_body("application/json", json("token", refresh_token.expose_secret()))
}

/// The profile (Get Profile page).
pub(crate) fn profile(settings: &Settings, token: &Token) -> Result<TokenRequest, Error> {
    let authorization = authorization(settings.authorization_style, token).map_err(unwritable)?;
    let request = begin(settings, Method::GET, settings.profile_url.clone(), Resend::AfterRefusal);
    Ok(request.with_header(AUTHORIZATION, authorization))
}

/// The value of `Authorization` in a call that carries `token`.
pub(crate) fn authorization(style: AuthorizationStyle, token: &Token) -> Result<HeaderValue, AuthorizeFault> {
    match style {
        AuthorizationStyle::Bare => header(AUTHORIZATION, token.access_token().expose_secret()),
        AuthorizationStyle::Bearer => Ok(token.authorization().clone()),
    }
}

/// The signed call for a login URL (Generate URL page). What is signed has the path, as the Generate Signature page says; of the query that page says nothing.
pub(crate) fn authorize(settings: &Settings, sign_key: &str, state: &str, at: &Moment) -> Result<TokenRequest, Error> {
    let query = query(&[
        ("state", state),
        ("scope", &settings.scope),
        ("client_id", &settings.client_id),
        ("redirect_uri", &settings.redirect_uri),
        ("login_uri", &settings.login_uri),
    ]);
    let url = settings
        .base_url
        .join(&Zeroizing::new([AUTHORIZE_PATH, "?", &query].concat()))
        .map_err(|fault| Error::new(PROVIDER, ErrorKind::Configuration, Remedy::FixConfiguration).with_source(fault))?;
    let timestamp = timestamp(at).ok_or_else(|| {
        Error::new(PROVIDER, ErrorKind::ClockSkew, Remedy::CorrectClock).with_message("this machine's clock is before 1970")
    })?;
    let signature = SignKey::new(sign_key).sign(&Signed {
        client_code: &settings.client_code,
        timestamp: &timestamp,
        method: &Method::GET,
        path: signed_path(&url, &settings.base_url),
        authorization: None,
        body: b"",
    });
    let signature = header(SIGNATURE, &signature).map_err(unwritable)?;
    let request = begin(settings, Method::GET, url, Resend::AfterRefusal);
    Ok(request.with_header(TIMESTAMP, timestamp).with_header(SIGNATURE, signature))
}

fn begin(settings: &Settings, method: Method, url: Uri, resend: Resend) -> TokenRequest {
    TokenRequest::new(method, url, resend)
        .with_header(ACCEPT, HeaderValue::from_static("application/json"))
        .with_header(CLIENT_ID, settings.client_id_header.clone())
}

/// Tokens and signatures hold visible ASCII alone, so this fails for none.
pub(crate) fn header(name: HeaderName, text: &str) -> Result<HeaderValue, AuthorizeFault> {
    secret_header(&[text]).map_err(|_| AuthorizeFault::Unwritable { name })
}

fn unwritable(fault: AuthorizeFault) -> Error {
    Error::new(PROVIDER, ErrorKind::Internal, Remedy::FixConfiguration).with_source(fault)
}

/// `{"field":"value"}`, written by hand because a serializer's buffer grows and leaves the secret's bytes behind.
fn json(field: &str, value: &str) -> Zeroizing<Vec<u8>> {
    // A character becomes at most six bytes.
    let mut body = Zeroizing::new(Vec::with_capacity(16 + field.len() + 6 * value.len()));
    body.extend_from_slice(b"{\"");
    body.extend_from_slice(field.as_bytes());
    body.extend_from_slice(b"\":\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => body.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                body.extend_from_slice(b"\\u00");
                let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                body.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
            _ => body.push(byte),
        }
    }
    body.extend_from_slice(b"\"}");
    body
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use token_core::Expiry;

    use super::*;
    use crate::config::test_settings;

    fn moment() -> Moment {
        Moment::new(SystemTime::UNIX_EPOCH + Duration::from_millis(1_516_239_022_999), Duration::ZERO)
    }

    #[test]
    fn a_body_is_json_whatever_the_value_holds() {
        for value in ["code-test-only", "", "\"\\", "a\"},{\"code\":\"b", "\0\u{1}\t\n\u{1f}\u{7f}", "日本 😀"] {
            let body = json("token", value);
            let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(read, serde_json::json!({"token": value}), "{value:?}");
        }
        let longest = json("code", &"\0".repeat(4_096));
        assert_eq!(longest.capacity(), 16 + 4 + 6 * 4_096, "it never moved");
    }

    #[test]
    fn a_refresh_is_a_post_of_the_token_that_is_not_sent_again() {
        let settings = test_settings(|config| config.base_url = Some("https://service.example/gate/".to_owned()));
        let request = refresh(&settings, &"refresh-test-only".into());
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.url(), "https://service.example/gate/api/v1/oauth/token/refresh");
        assert_eq!(request.body(), br#"{"token":"refresh-test-only"}"#);
        assert_eq!(request.headers()["x-client-id"], "lp-test-only");
        assert!(request.headers()["x-client-id"].is_sensitive());
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.resend(), Resend::OnlyIfNotSent);
    }

    #[test]
    fn the_profile_call_carries_the_token_in_the_style_that_is_set() {
        let token = Token::bearer("token-test-only", Expiry::Unknown, moment()).build().unwrap();
        for (style, header) in
            [(AuthorizationStyle::Bare, "token-test-only"), (AuthorizationStyle::Bearer, "Bearer token-test-only")]
        {
            let request = profile(&test_settings(|config| config.authorization_style = style), &token).unwrap();
            assert_eq!(request.headers()["authorization"], header);
            assert!(request.headers()["authorization"].is_sensitive());
            assert_eq!(request.url(), "https://api-proxy.prakerja.go.id/api/v1/resource/user_profile");
            assert_eq!(request.resend(), Resend::AfterRefusal);
        }
    }

    #[test]
    fn the_signed_call_signs_the_path_below_the_base_url() {
        let settings = test_settings(|config| {
            config.base_url = Some("https://service.example/gate".to_owned());
            config.client_id = Some("myclient_code".to_owned());
            config.sign_key = Some("my_sign_key".into());
            config.redirect_uri = Some("https://lp.example/c'(all)!*~?tenant=7".to_owned());
        });
        let request = authorize(&settings, "my_sign_key", "STATE-1", &moment()).unwrap();
        assert_eq!(request.headers()["x-timestamp"], "1516239022");
        assert_eq!(request.headers()["x-signature"], "96edb72191ebf35e5a19920a866cb083ba9ed36d");
        assert!(request.headers()["x-signature"].is_sensitive());
        assert_eq!(
            request.url(),
            "https://service.example/gate/api/v1/oauth/authorize?state=STATE-1&scope=name%20email%20prakerjaid%20notelp&\
             client_id=myclient_code&redirect_uri=https%3A%2F%2Flp.example%2Fc'(all)!*~%3Ftenant%3D7&\
             login_uri=https%3A%2F%2Flp.example%2Flogin"
        );
        let before = Moment::new(SystemTime::UNIX_EPOCH - Duration::from_secs(1), Duration::ZERO);
        assert_eq!(authorize(&settings, "k", "s", &before).unwrap_err().remedy(), Remedy::CorrectClock);
    }
}
