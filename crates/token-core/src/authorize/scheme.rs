//! What a service wants in a request, and how it says that it refuses a token.

use std::cell::OnceCell;

use http::header::{AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::fault::AuthorizeFault;
use super::target::Target;
use crate::clock::{Clock, Moment};
use crate::error::ErrorKind;
use crate::token::Token;

/// A request that is about to be sent, as far as it matters for authorising it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ApiRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// Where it goes.
    pub target: Target<'a>,
    /// The body.
    pub body: ApiBody<'a>,
}

impl<'a> ApiRequest<'a> {
    /// Joins its parts.
    #[inline]
    #[must_use]
    pub fn new(method: &'a Method, target: Target<'a>, body: ApiBody<'a>) -> Self {
        Self { method, target, body }
    }
}

/// The clock, read once: at the first question, and never again, so that all that is said of one request is said at one time.
pub struct OneReading<'a> {
    clock: &'a dyn Clock,
    moment: OnceCell<Moment>,
}

impl<'a> OneReading<'a> {
    /// Reads `clock` when it is asked.
    #[must_use]
    pub fn of(clock: &'a dyn Clock) -> Self {
        Self { clock, moment: OnceCell::new() }
    }

    /// The reading.
    #[must_use]
    pub fn moment(&self) -> Moment {
        *self.moment.get_or_init(|| self.clock.now())
    }
}

impl std::fmt::Debug for OneReading<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("OneReading").field(&self.moment.get()).finish()
    }
}

/// The body of a request.
#[derive(Clone, Copy)]
pub enum ApiBody<'a> {
    /// Exactly the bytes that are sent; none for a request without a body.
    Bytes(&'a [u8]),
    /// It is read while it is sent, so nobody knows it yet.
    Stream,
}

/// Shows the length, never the bytes.
impl std::fmt::Debug for ApiBody<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(formatter, "Bytes({})", bytes.len()),
            Self::Stream => formatter.write_str("Stream"),
        }
    }
}

impl<'a> ApiBody<'a> {
    /// The bytes, for a signature over them.
    ///
    /// # Errors
    ///
    /// It is a stream.
    pub fn bytes(self) -> Result<&'a [u8], AuthorizeFault> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Stream => Err(AuthorizeFault::BodyUnread),
        }
    }
}

/// An API's answer, as far as it was read.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ApiAnswer<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The first bytes of the body, at most [`ANSWER_BYTES`]; none where the rule does not ask for them.
    pub body: &'a [u8],
    /// Reading so far failed or took too long: a code that is not there may have been cut off.
    pub is_cut_off: bool,
}

impl<'a> ApiAnswer<'a> {
    /// An answer whose body was read as far as is looked at: what is beyond [`ANSWER_BYTES`] is left out.
    #[must_use]
    pub fn new(status: StatusCode, headers: &'a HeaderMap, body: &'a [u8]) -> Self {
        Self { status, headers, body: body.get(..ANSWER_BYTES).unwrap_or(body), is_cut_off: false }
    }

    /// The same, whose body could not be read so far.
    #[must_use]
    pub fn cut_off(self) -> Self {
        Self { is_cut_off: true, ..self }
    }
}

/// Shows the status and lengths: headers may hold cookies, and bodies anything.
impl std::fmt::Debug for ApiAnswer<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ApiAnswer")
            .field("status", &self.status.as_u16())
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .field("is_cut_off", &self.is_cut_off)
            .finish()
    }
}

/// How much of an answer's body is looked at. An error that a service documents is far shorter; a longer body is none.
pub const ANSWER_BYTES: usize = 4_096;

/// How a service wants its requests authorised (an authentication scheme, RFC 9110 section 11.1), and how it says that it refuses a token.
///
/// Whoever writes one adds headers, and no more: origins, waiting and trying again are the [`Authorizer`](crate::Authorizer)'s.
pub trait AuthScheme: Send + Sync + 'static {
    /// The name in errors, as `klikoo`.
    fn provider(&self) -> &'static str;

    /// Every header that [`apply`](Self::apply) may set. A request that has one of them already is an error.
    fn headers(&self) -> &[HeaderName];

    /// Whether what is added covers the body, which then must be at hand as bytes. Always the same.
    fn covers_body(&self) -> bool {
        false
    }

    /// Adds to `headers` what the service wants for `request` with `token`; whatever has the time in it has it of `now`.
    ///
    /// It is made here and now, by a key that is at hand: no request waits for a signature from elsewhere.
    ///
    /// `token` is `None` for an authoriser that was made without a provider, and only then.
    ///
    /// # Errors
    ///
    /// The request cannot be authorised. Then it is not sent, so what was added to `headers` does not matter.
    fn apply(
        &self,
        request: &ApiRequest<'_>,
        token: Option<&Token>,
        now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault>;

    /// Whether the codes of this service stand in the body of an answer. Always the same.
    fn has_codes_in_body(&self) -> bool {
        false
    }

    /// What the answer says went wrong, by a code that the service documents; `None` if it names none.
    ///
    /// The default reads the `error` of a bearer challenge (RFC 6750 section 3).
    fn error_kind(&self, answer: &ApiAnswer<'_>) -> Option<ErrorKind> {
        bearer_challenge(answer.headers)
    }
}

/// What the `error` in `WWW-Authenticate: Bearer` means (RFC 6750 section 3.1); `None` if there is none that this section names.
#[must_use]
pub fn bearer_challenge(headers: &HeaderMap) -> Option<ErrorKind> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
        // A description in it may have letters beyond ASCII.
        let challenge = String::from_utf8_lossy(value.as_bytes());
        error_parameters(&challenge).find_map(|error| match error {
            "invalid_token" => Some(ErrorKind::TokenRefused),
            "insufficient_scope" => Some(ErrorKind::AccessDenied),
            "invalid_request" => Some(ErrorKind::RequestRefused),
            _ => None,
        })
    })
}

/// The values of the parameters `error`, quoted or not. A text in quotation marks that looks like one is none: `realm="error=x"`.
fn error_parameters(challenge: &str) -> impl Iterator<Item = &str> {
    // Outside quotation marks, then inside them, by turns. A backslash in a realm is no concern: no value that matters has one.
    let mut parts = challenge.split('"');
    std::iter::from_fn(move || {
        let outside = parts.next()?;
        let inside = parts.next();
        let name = outside.trim_end().strip_suffix('=').map(|rest| rest.trim_end());
        let quoted = name.filter(|name| ends_in_word(name, "error")).and(inside);
        let bare = outside.split([',', ' ']).find_map(|part| {
            let (name, value) = part.split_once('=')?;
            (name.eq_ignore_ascii_case("error") && !value.is_empty()).then_some(value)
        });
        Some(quoted.or(bare))
    })
    .flatten()
}

fn ends_in_word(text: &str, word: &str) -> bool {
    let at = text.len().checked_sub(word.len());
    let (before, end) = at.and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
    end.eq_ignore_ascii_case(word) && before.chars().next_back().is_none_or(|last| matches!(last, ',' | ' '))
}

/// `Authorization: Bearer ...` (RFC 6750 section 2.1), for any service that wants that and nothing else.
#[derive(Clone, Debug, Default)]
pub struct BearerScheme(());

/// The one header of many schemes.
const AUTHORIZATION_ALONE: &[HeaderName] = &[AUTHORIZATION];

impl AuthScheme for BearerScheme {
    fn provider(&self) -> &'static str {
        "bearer"
    }

    fn headers(&self) -> &[HeaderName] {
        AUTHORIZATION_ALONE
    }

    fn apply(
        &self,
        _request: &ApiRequest<'_>,
        token: Option<&Token>,
        _now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.authorization().clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_challenge_is_read_by_its_error() {
        let cases = [
            (r#"Bearer realm="x", error="invalid_token", error_description="expired""#, Some(ErrorKind::TokenRefused)),
            ("Bearer error=invalid_token", Some(ErrorKind::TokenRefused)),
            (r#"Bearer error = "invalid_token""#, Some(ErrorKind::TokenRefused)),
            (r#"Bearer ERROR="invalid_token""#, Some(ErrorKind::TokenRefused)),
            (r#"Bearer realm="Service",error="invalid_token""#, Some(ErrorKind::TokenRefused)),
            (r#"Bearer error="insufficient_scope", scope="a b""#, Some(ErrorKind::AccessDenied)),
            (r#"Bearer error="invalid_request""#, Some(ErrorKind::RequestRefused)),
            (r#"Bearer error_description="é", error="insufficient_scope""#, Some(ErrorKind::AccessDenied)),
            (r#"Bearer realm="error=invalid_token""#, None),
            (r#"Bearer my_error="invalid_token""#, None),
            (r#"Bearer error="other""#, None),
            ("Bearer", None),
            ("", None),
            (r#"Bearer error=""#, None),
        ];
        for (challenge, kind) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_bytes(challenge.as_bytes()).unwrap());
            assert_eq!(bearer_challenge(&headers), kind, "{challenge}");
        }
        let mut two = HeaderMap::new();
        two.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"x\""));
        two.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        assert_eq!(bearer_challenge(&two), Some(ErrorKind::TokenRefused));
    }
}
