//! Requests with a token: the digital signature.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use token_core::json::Value;
use token_core::{ApiAnswer, ApiRequest, AuthScheme, AuthorizeFault, ErrorKind, OneReading, Token, secret_header};

use crate::PROVIDER;
use crate::code::ResponseCode;
use crate::config::Settings;
use crate::error::KlikooErrorCode;
use crate::request::{SIGNATURE, TIMESTAMP};
use crate::signature::{TimestampPrecision, timestamp};

/// How Klikoo wants its requests after the token: a bearer token, a time, and a signature over both, the path and the body (Klikoo, Digital Signature page).
///
/// [`KlikooBuilder::build_authorizer`](crate::KlikooBuilder::build_authorizer) gives an authoriser with it, and [`authorizer`](crate::KlikooBuilder::authorizer) one for tokens from elsewhere.
///
/// The signature covers the body byte by byte, so it must be at hand as bytes, and those bytes are what must be sent. It covers neither query nor host.
pub struct KlikooScheme {
    key: hmac::Key,
    base_path: String,
    precision: TimestampPrecision,
}

static HEADERS: [HeaderName; 3] = [AUTHORIZATION, TIMESTAMP, SIGNATURE];

/// 64 bytes in Base64.
const SIGNATURE_LENGTH: usize = 88;

impl KlikooScheme {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA512, settings.expose_client_secret().as_bytes()),
            base_path: settings.base_url.path().to_owned(),
            precision: settings.timestamp_precision,
        }
    }

    /// The signature over `METHOD:PATH:TOKEN:HASHED_PAYLOAD:TIMESTAMP`. The text goes into the hash in pieces, so no copy of the token is left behind.
    fn sign(&self, method: &str, path: &str, token: &str, body: &[u8], timestamp: &str) -> Option<HeaderValue> {
        let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
        let mut context = hmac::Context::with_key(&self.key);
        let parts = [method.as_bytes(), path.as_bytes(), token.as_bytes(), &hash];
        for part in parts {
            context.update(part);
            context.update(b":");
        }
        context.update(timestamp.as_bytes());
        let mut text = Zeroizing::new([0; SIGNATURE_LENGTH]);
        let length = BASE64_STANDARD.encode_slice(context.sign(), text.as_mut_slice()).ok()?;
        secret_header(&[std::str::from_utf8(text.get(..length)?).ok()?]).ok()
    }
}

impl AuthScheme for KlikooScheme {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn headers(&self) -> &[HeaderName] {
        &HEADERS
    }

    fn covers_body(&self) -> bool {
        true
    }

    fn apply(
        &self,
        request: &ApiRequest<'_>,
        token: Option<&Token>,
        now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        let token = token.ok_or(AuthorizeFault::Unsigned)?;
        let path = request.target.path_below(&self.base_path)?;
        let body = request.body.bytes()?;
        let timestamp = timestamp(now.moment().wall(), self.precision).ok_or(AuthorizeFault::Clock)?;
        let signature = self
            .sign(request.method.as_str(), path, token.access_token().expose_secret(), body, &timestamp)
            .ok_or(AuthorizeFault::Unsigned)?;
        let timestamp = HeaderValue::try_from(timestamp).map_err(|_| AuthorizeFault::Unsigned)?;
        headers.insert(AUTHORIZATION, token.authorization().clone());
        headers.insert(TIMESTAMP, timestamp);
        headers.insert(SIGNATURE, signature);
        Ok(())
    }

    fn has_codes_in_body(&self) -> bool {
        true
    }

    /// By the documented codes alone. One of seven digits is none of them: its two digits of the case are not enough.
    fn error_kind(&self, answer: &ApiAnswer<'_>) -> Option<ErrorKind> {
        let value = Value::parse(answer.body).ok()?;
        // Whatever is no code is not kept: it may be a token.
        let code: ResponseCode = value.as_object().ok()?.text_or_number("response_code").ok()?.parse().ok()?;
        match KlikooErrorCode::from_code(code.as_str()) {
            KlikooErrorCode::Unknown(_) => None,
            known => Some(known.kind()),
        }
    }
}

/// Shows neither the key nor the path, in which a secret may stand by mistake.
impl fmt::Debug for KlikooScheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KlikooScheme").field("timestamp_precision", &self.precision).finish_non_exhaustive()
    }
}

/// The digits of a SHA-256, in lower case.
fn hex(digest: &[u8]) -> [u8; 64] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut digits = [b'0'; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    digits
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use token_core::settings::SettingsCheck;

    use super::*;
    use crate::config::Config;

    const SORTED: &str = r#"{"account_number":true,"bank_code":"000"}"#;

    fn scheme(secret: &str) -> KlikooScheme {
        let config = Config {
            base_url: Some("https://service.example/klikoo-b2b".to_owned()),
            client_id: Some("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02".to_owned()),
            client_secret: Some(secret.into()),
            ..Config::default()
        };
        KlikooScheme::new(&config.check(&mut SettingsCheck::new("test")).unwrap())
    }

    #[test]
    fn the_hash_of_a_body_is_the_documented_one() {
        let cases = [
            (SORTED, "7791c19c8a1031a23713d71ef8d5a76c62beef20a5ed3b9c6731d108ac70af6e"),
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ];
        for (body, expected) in cases {
            let digits = hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
            assert_eq!(std::str::from_utf8(&digits), Ok(expected), "{body}");
        }
    }

    #[test]
    fn the_signature_is_that_of_another_implementation() {
        // Made from the formula with invented values: the result of the page's own example was not published.
        let scheme = scheme("0123456789abcdef0123456789abcdef");
        let time = "2022-03-21T10:11:40+07:00";
        let cases = [
            (
                ("POST", "/v1/open-api/account/inquiry", SORTED),
                "UW6cDhR3dEgNyHkPlpmifmaCvY0B19UwWZJ3RQpkAjI4MiW+Oaw+18WQJUNsJ4VuMCdYmyoctshrD2fpzqBE4A==",
            ),
            (
                ("GET", "/v1/open-api/balance", ""),
                "nd5KiNaaao3lIhPuDOKygmr8EFQFBbDzOYKo9l+/g0TKnKpmjQkBFH//tPaIGTITonqkHDcl+8Yr+0xBaCUIBA==",
            ),
        ];
        for ((method, path, body), expected) in cases {
            let signature = scheme.sign(method, path, "TOKEN", body.as_bytes(), time).unwrap();
            assert_eq!(signature, expected, "{method} {path}");
            assert!(signature.is_sensitive());
        }
    }

    #[test]
    fn a_documented_code_says_what_went_wrong_and_no_other_does() {
        let scheme = scheme("secret-test-only");
        let kind = |body: &str| scheme.error_kind(&ApiAnswer::new(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body.as_bytes()));
        for code in KlikooErrorCode::ALL {
            for service in ["00", "01", "02", "03", "04"] {
                let digits = code.code().replace("xx", service);
                let message = code.message();
                let text = format!(r#"{{"response_code":"{digits}","response_message":"{message}"}}"#);
                assert_eq!(kind(&text), Some(code.kind()), "{digits}");
                assert_eq!(kind(&format!(r#"{{"response_code":{digits}}}"#)), Some(code.kind()), "{digits}");
                let refuses = matches!(code.code(), "401xx6500" | "401xx6535");
                assert_eq!(kind(&text) == Some(ErrorKind::TokenRefused), refuses, "{digits}");
            }
        }
        let none = [
            "",
            "<html>401</html>",
            "[]",
            "{}",
            r#"{"response_code":null}"#,
            r#"{"response_code":["401016500"]}"#,
            r#"{"response_code":"200012000"}"#,
            r#"{"response_code":"4010100"}"#,
            r#"{"response_code":"401010001"}"#,
            r#"{"response_code":"401016500","response_code":"401016500"}"#,
            r#"{"code":"401016500"}"#,
            r#"{"response_code":"401016500""#,
        ];
        for body in none {
            assert_eq!(kind(body), None, "{body}");
        }
    }

    #[test]
    fn without_a_token_nothing_is_signed() {
        let uri = http::Uri::from_static("https://service.example/klikoo-b2b/v1/open-api/balance");
        let request =
            ApiRequest::new(&http::Method::GET, token_core::Target::of_uri(&uri).unwrap(), token_core::ApiBody::Bytes(b""));
        let now = OneReading::of(&token_core::SystemClock);
        let mut headers = HeaderMap::new();
        assert_eq!(scheme("canary").apply(&request, None, &now, &mut headers), Err(AuthorizeFault::Unsigned));
        assert!(headers.is_empty());
        assert_eq!(format!("{:?}", scheme("canary")), "KlikooScheme { timestamp_precision: Seconds, .. }");
    }
}
