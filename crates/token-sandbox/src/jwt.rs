//! Tokens of three parts signed with HS256: what Prakerja and Klikoo hand out.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Why a token was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JwtError {
    /// Not three parts, or not Base64 of JSON, or another algorithm.
    Malformed,
    /// Well-formed, but signed with another key.
    OtherKey,
}

/// Signs `claims`.
pub(crate) fn sign(key: &hmac::Key, claims: &Value) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": "JWT"}).to_string());
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let text = format!("{header}.{payload}");
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(key, text.as_bytes()));
    format!("{text}.{signature}")
}

/// Checks form and signature and gives the claims. The expiry is the caller's to check: it has a code of its own.
pub(crate) fn verify(key: &hmac::Key, token: &str) -> Result<Value, JwtError> {
    let (text, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, payload) = text.split_once('.').ok_or(JwtError::Malformed)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Malformed)?;
    let header = decode(header)?;
    let claims = decode(payload)?;
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(JwtError::Malformed);
    }
    hmac::verify(key, text.as_bytes(), &signature).map_err(|_| JwtError::OtherKey)?;
    Ok(claims)
}

fn decode(part: &str) -> Result<Value, JwtError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
    }

    #[test]
    fn what_was_signed_is_read_back() {
        let claims = json!({"sub": "user", "exp": 12});
        let token = sign(&key("a"), &claims);
        assert_eq!(verify(&key("a"), &token), Ok(claims));
        assert_eq!(verify(&key("b"), &token), Err(JwtError::OtherKey));
    }

    #[test]
    fn the_published_example_of_rfc_7515_is_accepted() {
        // RFC 7515, appendix A.1: another order of header fields, and line breaks inside the JSON.
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let key = BASE64_URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let claims = verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), token).unwrap();
        assert_eq!(claims["iss"], "joe");
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let unsigned = format!("{}.{}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), BASE64_URL_SAFE_NO_PAD.encode("{}"));
        for token in ["", "a", "a.b", "a.b.c", "!!.!!.!!", unsigned.as_str()] {
            assert_eq!(verify(&key("a"), token), Err(JwtError::Malformed), "{token}");
        }
    }
}
