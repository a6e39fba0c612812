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
        return Err(refusal(reply, &refused));
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
pub(crate) struct Refused {
    /// The error's name or code, as it came.
    pub(crate) code: Option<String>,
    /// What the service says about it.
    pub(crate) message: Option<String>,
    /// The documented case, if it is one.
    pub(crate) meaning: SehatMuErrorCode,
}

impl Refused {
    fn find(object: &Object) -> Option<Self> {
        operation_outcome(object).or_else(|| oauth_error(object)).or_else(|| gateway_error(object))
    }

    fn by_code(code: &str, message: Option<&str>) -> Self {
        Self { code: Some(code.to_owned()), message: message.map(str::to_owned), meaning: SehatMuErrorCode::from_code(code) }
    }
}

/// FHIR's `OperationOutcome`. Its severity and code are free texts here, so the case is told by the details' text (Access Token page).
fn operation_outcome(object: &Object) -> Option<Refused> {
    let is_outcome = object.optional_text("resourceType").ok()?? == "OperationOutcome";
    let issue = match object.get("issue") {
        Some(Value::Array(issues)) => issues.first().and_then(|issue| issue.as_object().ok()),
        _ => None,
    };
    let text_of = |object: Option<&Object>, field| object?.optional_text(field).ok()?.map(str::to_owned);
    let details = issue.and_then(|issue| issue.optional_object("details").ok()?);
    let message = text_of(details, "text").or_else(|| text_of(issue, "diagnostics"));
    let code = text_of(issue, "code");
    is_outcome.then(|| Refused {
        meaning: SehatMuErrorCode::from_outcome(message.as_deref().unwrap_or_default(), code.as_deref().unwrap_or_default()),
        code,
        message,
    })
}

/// `{error, error_description}` (RFC 6749 section 5.2), or `{ErrorCode, Error}` as SATUSEHAT writes it.
fn oauth_error(object: &Object) -> Option<Refused> {
    let text = |field| object.optional_text(field).ok().flatten();
    if let Some(code) = text("ErrorCode") {
        return Some(Refused::by_code(code, text("Error")));
    }
    text("error").map(|code| Refused::by_code(code, text("error_description")))
}

/// `{fault: {faultstring, detail: {errorcode}}}`, from SATUSEHAT's gateway.
fn gateway_error(object: &Object) -> Option<Refused> {
    let fault = object.optional_object("fault").ok()??;
    let message = fault.optional_text("faultstring").ok().flatten();
    let detail = fault.optional_object("detail").ok().flatten();
    let code = detail.and_then(|detail| detail.optional_text("errorcode").ok()?);
    Some(Refused::by_code(code.unwrap_or("fault"), message))
}
