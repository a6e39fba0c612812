//! Status, headers, bytes → token or error. No I/O.

use secrecy::SecretString;

use token_core::json::{Object, Value};
use token_core::{Error, Expiry, ExpiryFormat, Reply, Token, check_token_type};

use crate::error::{SehatMuErrorCode, refusal};

/// Reads the answer to a token request.
///
/// A token comes in one of three shapes: the service's own camelCase object, RFC 6749, or SATUSEHAT's with every field a string.
/// What the body says goes before the status, as both kinds of error have been seen with 200.
pub(crate) fn token(reply: &Reply<'_>) -> Result<Token, Error> {
    let object = reply.object()?;
    if let Some(refused) = Refused::find(&object) {
        return Err(refusal(reply, refused));
    }
    if !reply.status().is_success() {
        return Err(reply.unexpected());
    }
    let name = if object.get("accessToken").is_some() { "accessToken" } else { "access_token" };
    // The page types the token as a number, so a number is taken by its text.
    let access_token = object.text_or_number(name).map_err(|fault| reply.invalid(fault))?;
    if let Some(token_type) = object.optional_text("token_type").map_err(|fault| reply.invalid(fault))? {
        check_token_type(token_type, &["Bearer", "BearerToken"]).map_err(|fault| reply.invalid(fault))?;
    }
    let scope = object.optional_text("scope").ok().flatten().unwrap_or_default();
    Token::bearer(SecretString::from(access_token.as_str()), expiry(reply, &object), reply.asked_at())
        .scope(scope)
        .clock_offset(reply.clock_offset())
        .build()
        .map_err(|fault| reply.invalid(fault))
}

/// The absolute time where it is there and can be read, else the seconds.
fn expiry(reply: &Reply<'_>, object: &Object) -> Expiry {
    match reply.expiry(ExpiryFormat::Rfc3339, object.get("accessTokenExpiresAt")) {
        Expiry::Unknown => reply.expiry(ExpiryFormat::SecondsFromNow, object.get("expires_in")),
        known @ Expiry::After(_) => known,
    }
}

/// An error in one of the shapes that are documented for the service or seen from its kind.
pub(crate) struct Refused<'o> {
    /// The error's name or code, as it came.
    pub(crate) code: Option<&'o str>,
    /// What the service says about it.
    pub(crate) message: Option<&'o str>,
    /// The documented case, if it is one.
    pub(crate) meaning: SehatMuErrorCode,
}

impl<'o> Refused<'o> {
    pub(crate) fn find(object: &'o Object) -> Option<Self> {
        operation_outcome(object).or_else(|| oauth_error(object)).or_else(|| gateway_error(object))
    }

    fn by_code(code: &'o str, message: Option<&'o str>) -> Self {
        Self { code: Some(code), message, meaning: SehatMuErrorCode::from_code(code) }
    }
}

/// FHIR's `OperationOutcome`. Its severity and code are free texts here, so the case is told by the details' text (Access Token page).
fn operation_outcome(object: &Object) -> Option<Refused<'_>> {
    let is_outcome = object.optional_text("resourceType").ok()?? == "OperationOutcome";
    let issue = match object.get("issue") {
        Some(Value::Array(issues)) => issues.first().and_then(|issue| issue.as_object().ok()),
        _ => None,
    };
    let details = issue.and_then(|issue| issue.optional_object("details").ok()?);
    let message = text_of(details, "text").or_else(|| text_of(issue, "diagnostics"));
    let code = text_of(issue, "code");
    is_outcome.then(|| Refused {
        meaning: SehatMuErrorCode::from_outcome(message.unwrap_or_default(), code.unwrap_or_default()),
        code,
        message,
    })
}

fn text_of<'o>(object: Option<&'o Object>, field: &'static str) -> Option<&'o str> {
    object?.optional_text(field).ok()?
}

/// `{error, error_description}` (RFC 6749 section 5.2), or `{ErrorCode, Error}` as SATUSEHAT writes it.
fn oauth_error(object: &Object) -> Option<Refused<'_>> {
    let text = |field| object.optional_text(field).ok().flatten();
    if let Some(code) = text("ErrorCode") {
        return Some(Refused::by_code(code, text("Error")));
    }
    text("error").map(|code| Refused::by_code(code, text("error_description")))
}

/// `{fault: {faultstring, detail: {errorcode}}}`, from SATUSEHAT's gateway.
fn gateway_error(object: &Object) -> Option<Refused<'_>> {
    let fault = object.optional_object("fault").ok()??;
    let message = fault.optional_text("faultstring").ok().flatten();
    let detail = fault.optional_object("detail").ok().flatten();
    let code = detail.and_then(|detail| detail.optional_text("errorcode").ok()?);
    Some(Refused::by_code(code.unwrap_or("fault"), message))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, StatusCode};
    use secrecy::ExposeSecret;
    use zeroize::Zeroizing;

    use token_core::{Asked, Moment, TokenResponse};

    use super::*;

    /// 2026-11-23T00:00:00Z
    const NOW: Duration = Duration::from_secs(1_795_392_000);

    fn read(body: &str) -> Result<Token, Error> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        let response = TokenResponse::new(StatusCode::OK, HeaderMap::new(), body);
        let at = Moment::new(SystemTime::UNIX_EPOCH + NOW, Duration::ZERO);
        token(&Reply::new(response, Asked { provider: "sehatmu", at, secrets: &[] }))
    }

    #[test]
    fn camel_case_and_the_absolute_time_go_first() {
        let hour = Expiry::After(Duration::from_secs(3_600));
        let cases = [
            (r#"{"accessToken":"t1","access_token":"t2"}"#, "t1", Expiry::Unknown),
            (r#"{"accessToken":null,"access_token":"t2"}"#, "t2", Expiry::Unknown),
            (r#"{"accessToken":"t1","accessTokenExpiresAt":"2026-11-23T01:00:00.000Z","expires_in":60}"#, "t1", hour),
            (r#"{"accessToken":"t1","accessTokenExpiresAt":"soon","expires_in":"3600"}"#, "t1", hour),
            (r#"{"access_token":"t1","expires_in":3600,"token_type":"bearertoken","scope":""}"#, "t1", hour),
            (r#"{"accessToken":718,"scope":["a"]}"#, "718", Expiry::Unknown),
        ];
        for (body, access_token, expiry) in cases {
            let token = read(body).unwrap();
            assert_eq!((token.access_token().expose_secret(), token.expiry()), (access_token, expiry), "{body}");
        }
    }

    #[test]
    fn an_error_that_came_with_200_is_an_error() {
        for body in [
            r#"{"resourceType":"OperationOutcome","issue":[]}"#,
            r#"{"resourceType":"OperationOutcome","access_token":"t"}"#,
            r#"{"error":"invalid_client","access_token":"t"}"#,
            r#"{"fault":{}}"#,
            "{}",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
