//! Klikoo's two signatures, seen from the side that checks them.

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

use crate::error::{SandboxError, SandboxErrorKind};
use crate::random::to_hex;

/// Reads a public key as the dashboard takes it: the Base64 of a whole PEM file. The PEM itself is taken too.
pub(super) fn public_key(text: &str) -> Result<Vec<u8>, SandboxError> {
    let refused = || SandboxError::new(SandboxErrorKind::PublicKey);
    let pem = if text.contains("-----BEGIN") {
        text.as_bytes().to_vec()
    } else {
        let joined: String = text.split_ascii_whitespace().collect();
        BASE64_STANDARD.decode(joined).map_err(|_| refused())?
    };
    let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| refused())?;
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref()).map_err(|_| refused())?;
    Ok(der.as_ref().to_vec())
}

/// SHA256withRSA over `text`, in standard Base64 (Klikoo, Access Token page).
pub(super) fn is_rsa_signature(public_key: &[u8], text: &str, signature: &str) -> bool {
    let Ok(signature) = BASE64_STANDARD.decode(signature) else {
        return false;
    };
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key).verify(text.as_bytes(), &signature).is_ok()
}

/// What a digital signature covers.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) token: &'a str,
    pub(super) hash: &'a str,
    pub(super) timestamp: &'a str,
}

impl Signed<'_> {
    /// `METHOD:PATH:TOKEN:HASHED_PAYLOAD:TIMESTAMP` (Klikoo, Digital Signature page).
    pub(super) fn text(&self) -> String {
        let Self { method, path, token, hash, timestamp } = self;
        format!("{method}:{path}:{token}:{hash}:{timestamp}")
    }
}

/// SHA-256 of the bytes that came, in lower-case hexadecimal.
///
/// Whether the real service writes them anew first is not known; bytes that are signed as sent pass here.
pub(super) fn body_hash(body: &[u8]) -> String {
    to_hex(digest::digest(&digest::SHA256, body).as_ref())
}

/// HMAC-SHA512 over `text` with the text of the client secret as key, in standard Base64.
pub(super) fn is_hmac(client_secret: &str, text: &str, signature: &str) -> bool {
    let Ok(signature) = BASE64_STANDARD.decode(signature) else {
        return false;
    };
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA512, client_secret.as_bytes()), text.as_bytes(), &signature).is_ok()
}

/// Seconds since 1970 of `YYYY-MM-DDTHH:MM:SS+07:00`, with or without three digits of milliseconds; `None` for any other form.
pub(super) fn timestamp_seconds(text: &str) -> Option<i64> {
    let local = text.strip_suffix("+07:00")?;
    let shape = |template: &str| {
        local.len() == template.len()
            && local
                .bytes()
                .zip(template.bytes())
                .all(|(byte, shape)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
    };
    if !shape("0000-00-00T00:00:00") && !shape("0000-00-00T00:00:00.000") {
        return None;
    }
    // Rounded down, as are the sandbox's own seconds.
    text.parse::<Timestamp>().ok().map(|timestamp| timestamp.as_millisecond().div_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_documented_forms_of_the_timestamp_are_read() {
        assert_eq!(timestamp_seconds("2022-03-21T10:11:40+07:00"), Some(1_647_832_300));
        assert_eq!(timestamp_seconds("2022-03-21T10:11:40.999+07:00"), Some(1_647_832_300));
    }

    #[test]
    fn other_forms_of_the_timestamp_are_refused() {
        for text in [
            "",
            "+07:00",
            "2022-03-21T10:11:40Z",
            "2022-03-21T10:11:40+00:00",
            "2022-03-21T10:11:40+0700",
            "2022-03-21 10:11:40+07:00",
            "2022-03-21t10:11:40+07:00",
            "2022-03-21T10:11:40.9+07:00",
            "2022-03-21T10:11+07:00",
            "2022-13-21T10:11:40+07:00",
            "1647832300",
        ] {
            assert_eq!(timestamp_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn the_digital_signature_is_checked_over_the_documented_text() {
        // Made from the formula with invented values, and checked with another implementation.
        let secret = "0123456789abcdef0123456789abcdef";
        let time = "2022-03-21T10:11:40+07:00";
        let sorted = br#"{"account_number":true,"bank_code":"000"}"#;
        let text =
            |method, path, body: &[u8]| Signed { method, path, token: "TOKEN", hash: &body_hash(body), timestamp: time }.text();
        let post = text("POST", "/v1/open-api/account/inquiry", sorted);
        assert!(is_hmac(
            secret,
            &post,
            "UW6cDhR3dEgNyHkPlpmifmaCvY0B19UwWZJ3RQpkAjI4MiW+Oaw+18WQJUNsJ4VuMCdYmyoctshrD2fpzqBE4A=="
        ));
        let get = text("GET", "/v1/open-api/balance", b"");
        assert!(is_hmac(
            secret,
            &get,
            "nd5KiNaaao3lIhPuDOKygmr8EFQFBbDzOYKo9l+/g0TKnKpmjQkBFH//tPaIGTITonqkHDcl+8Yr+0xBaCUIBA=="
        ));
        assert!(!is_hmac(
            secret,
            &get,
            "UW6cDhR3dEgNyHkPlpmifmaCvY0B19UwWZJ3RQpkAjI4MiW+Oaw+18WQJUNsJ4VuMCdYmyoctshrD2fpzqBE4A=="
        ));
        assert!(!is_hmac(
            "another secret",
            &get,
            "nd5KiNaaao3lIhPuDOKygmr8EFQFBbDzOYKo9l+/g0TKnKpmjQkBFH//tPaIGTITonqkHDcl+8Yr+0xBaCUIBA=="
        ));
    }

    #[test]
    fn what_is_no_rsa_key_is_not_registered() {
        for text in ["", "not a key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "bm90IGEga2V5"] {
            assert!(public_key(text).is_err(), "{text}");
        }
    }
}
