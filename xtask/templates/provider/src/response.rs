//! Status, headers, bytes → token or error. No I/O.

use token_core::json::Object;
use token_core::{Error, ExpiryFormat, Reply, Token, check_token_type};

use crate::error::refusal;

/// The names under which the service means a bearer token.
const TOKEN_TYPES: &[&str] = &["Bearer"];

/// Reads the answer to a token request (RFC 6749 section 5).
///
/// What the body says goes before the status: an error that came with 200 is an error.
pub(crate) fn token(reply: &Reply<'_>) -> Result<Token, Error> {
    let object = reply.object()?;
    if let Some(refused) = Refused::find(&object) {
        return Err(refusal(reply, &refused));
    }
    if !reply.status().is_success() {
        return Err(reply.unexpected());
    }
    let access_token = object.text("access_token").map_err(|fault| reply.invalid(fault))?;
    let token_type = object.text("token_type").map_err(|fault| reply.invalid(fault))?;
    check_token_type(token_type, TOKEN_TYPES).map_err(|fault| reply.invalid(fault))?;
    let expiry = reply.expiry(ExpiryFormat::SecondsFromNow, object.get("expires_in"));
    let scope = object.optional_text("scope").ok().flatten().unwrap_or_default();
    Token::bearer(access_token, expiry, reply.asked_at())
        .clock_offset(reply.clock_offset())
        .scope(scope)
        .build()
        .map_err(|fault| reply.invalid(fault))
}

/// An error in the service's own shape.
pub(crate) struct Refused<'a> {
    /// The error's code, as it came.
    pub(crate) code: &'a str,
    /// What the service says about it.
    pub(crate) message: Option<&'a str>,
}

impl<'a> Refused<'a> {
    /// `{error, error_description}` (RFC 6749 section 5.2).
    fn find(object: &'a Object) -> Option<Self> {
        let text = |field| object.optional_text(field).ok().flatten();
        Some(Self { code: text("error")?, message: text("error_description") })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, StatusCode};
    use secrecy::ExposeSecret;
    use zeroize::Zeroizing;

    use token_core::{Asked, Expiry, Moment, TokenResponse};

    use super::*;
    use crate::PROVIDER;

    fn read(body: &str) -> Result<Token, Error> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        let response = TokenResponse::new(StatusCode::OK, HeaderMap::new(), body);
        let at = Moment::new(SystemTime::UNIX_EPOCH, Duration::ZERO);
        token(&Reply::new(response, Asked { provider: PROVIDER, at, secrets: &[] }))
    }

    #[test]
    fn a_good_answer_is_read() {
        let token = read(r#"{"access_token":"t","token_type":"bearer","expires_in":3600,"scope":"read write"}"#).unwrap();
        assert_eq!(token.access_token().expose_secret(), "t");
        assert_eq!(token.expiry(), Expiry::After(Duration::from_secs(3_600)));
        assert_eq!(token.scopes(), ["read", "write"]);
    }

    #[test]
    fn what_lacks_a_part_or_says_error_is_no_token() {
        for body in [
            "{}",
            r#"{"token_type":"Bearer"}"#,
            r#"{"access_token":"t"}"#,
            r#"{"error":"invalid_client","access_token":"t","token_type":"Bearer"}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
