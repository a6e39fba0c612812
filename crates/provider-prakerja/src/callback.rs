//! What the browser brings back: untrusted until it has been through here.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use token_core::{Error, ErrorKind, Remedy};

use crate::PROVIDER;

/// What a callback holds at most once.
pub(crate) const SINGLE: [&str; 4] = ["code", "state", "error", "error_description"];

const LONGEST_QUERY: usize = 8 * 1_024;
const MOST_PARAMETERS: usize = 32;
const LONGEST_VALUE: usize = 4_096;

/// Why a callback is refused, or what it says. Every case ends this login; the next one begins anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// Both an error and a code.
    #[error("the callback has both a `code` and an `error`")]
    CodeAndError,
    /// The code holds what no code does.
    #[error("the `code` in the callback has a character that is not visible ASCII")]
    CodeCharacter,
    /// The user said no, or the service did.
    #[error("the login was denied")]
    Denied(Denial),
    /// A `%` without two hexadecimal digits, text that is not UTF-8, or a character that no query holds.
    #[error("the callback's query is not percent-encoded as it should be")]
    Encoding,
    /// The login began more than ten minutes ago, by the clock of this machine that went further.
    #[error("the login began more than ten minutes ago")]
    Expired,
    /// No code, or an empty one, and no error.
    #[error("the callback has no `code`")]
    MissingCode,
    /// A code without a state, or with an empty one: nothing shows that this browser began the login.
    #[error("the callback has no `state`, so it may be forged")]
    MissingState,
    /// A sealed login was opened twice, and this callback came before: see [`Prakerja::open_login`](crate::Prakerja::open_login).
    #[error("the callback of this login came before")]
    Replayed,
    /// A parameter is there twice.
    #[error("the callback has `{0}` twice")]
    Repeated(&'static str),
    /// The query is over 8 KiB, or the parameter over 4,096 bytes.
    #[error("the {0} of the callback is too long")]
    TooLong(&'static str),
    /// Over 32 parameters.
    #[error("the callback has more than 32 parameters")]
    TooManyParameters,
    /// The state is not that of this login: the callback belongs to another one, or is forged.
    #[error("the `state` in the callback is not that of this login, so it may be forged")]
    WrongState,
}

impl From<CallbackError> for Error {
    fn from(fault: CallbackError) -> Self {
        let kind = match &fault {
            CallbackError::Denied(denial) => return denial.error().with_source(fault),
            CallbackError::Expired | CallbackError::Replayed => ErrorKind::LoginRequired,
            _ => ErrorKind::InvalidResponse,
        };
        Self::new(PROVIDER, kind, Remedy::LogInAgain).with_message(fault.to_string()).with_source(fault)
    }
}

/// What came with a denial. Both texts are untrusted and cleaned.
#[derive(Clone, PartialEq, Eq)]
pub struct Denial {
    code: String,
    message: Option<String>,
    has_state: bool,
}

impl Denial {
    /// One that says nothing: the browser came to the login URI without parameters.
    pub(crate) fn without_words() -> Self {
        Self { code: String::new(), message: None, has_state: false }
    }

    /// `secret` is taken out of both texts.
    fn new(error: &str, description: Option<&str>, has_state: bool, secret: &str) -> Self {
        let without_secret = |text: &str| text.replace(secret, "[secret]");
        // The core's error cleans and cuts what it is given.
        let cleaned = Error::new(PROVIDER, ErrorKind::AccessDenied, Remedy::LogInAgain)
            .with_code(&without_secret(error))
            .with_service_message(&description.map(without_secret).unwrap_or_default());
        Self {
            code: cleaned.code().unwrap_or_default().to_owned(),
            message: cleaned.service_message().filter(|message| !message.is_empty()).map(str::to_owned),
            has_state,
        }
    }

    pub(crate) fn error(&self) -> Error {
        let mut error = Error::new(PROVIDER, ErrorKind::AccessDenied, Remedy::LogInAgain).with_message("the login was denied");
        if !self.code.is_empty() {
            error = error.with_code(&self.code);
        }
        if let Some(message) = &self.message {
            error = error.with_service_message(message);
        }
        error
    }

    /// The parameter `error`, as `access_denied`: at most 64 characters. Empty if there was none.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The parameter `error_description`, if there is one: at most 200 characters.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Whether the `state` of this login came with it. Without it, anyone may have sent the browser here.
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.has_state
    }
}

/// Shows the code, not the service's words.
impl fmt::Debug for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Denial").field("code", &self.code).finish_non_exhaustive()
    }
}

/// What a callback brings that is not of another login.
pub(crate) struct Callback {
    /// Whether it has the login's state, and so is of this login for certain.
    pub(crate) has_state: bool,
    pub(crate) code: Result<Zeroizing<String>, CallbackError>,
}

/// Why a callback is refused, and whether it had the login's state all the same.
pub(crate) struct Refusal {
    pub(crate) error: CallbackError,
    pub(crate) has_state: bool,
}

/// Reads a callback of the login with this `state`.
///
/// The state is verified before anything else is believed. An error may come without one: which parameters the service adds to the login URI is not documented.
pub(crate) fn read(raw_query: &str, state: &str) -> Result<Callback, CallbackError> {
    let raw_query = raw_query.strip_prefix('?').unwrap_or(raw_query);
    let mut parameters = Parameters::read(raw_query)?;
    let [code, given_state, error, description] = SINGLE.map(|name| parameters.take(name));
    let (code, given_state, error, description) = (code?, given_state?, error?, description?);
    let has_state = given_state.is_some();
    if given_state.is_some_and(|given| verify_slices_are_equal(given.as_bytes(), state.as_bytes()).is_err()) {
        return Err(CallbackError::WrongState);
    }
    let denial = |error: &str| Denial::new(error, description.as_deref().map(String::as_str), has_state, state);
    let code = match (code, error) {
        (Some(_), Some(_)) => Err(CallbackError::CodeAndError),
        (None, Some(error)) => Err(CallbackError::Denied(denial(&error))),
        (None, None) => Err(CallbackError::MissingCode),
        (Some(_), None) if !has_state => Err(CallbackError::MissingState),
        (Some(code), None) if !code.bytes().all(|byte| byte.is_ascii_graphic()) => Err(CallbackError::CodeCharacter),
        (Some(code), None) => Ok(code),
    };
    Ok(Callback { has_state, code })
}

/// The parameters of a query, decoded once.
pub(crate) struct Parameters(Vec<(Zeroizing<String>, Zeroizing<String>)>);

impl Parameters {
    pub(crate) fn read(raw_query: &str) -> Result<Self, CallbackError> {
        if raw_query.len() > LONGEST_QUERY {
            return Err(CallbackError::TooLong("query"));
        }
        if !raw_query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(CallbackError::Encoding);
        }
        let pairs = raw_query.split('&').filter(|pair| !pair.is_empty());
        if pairs.clone().nth(MOST_PARAMETERS).is_some() {
            return Err(CallbackError::TooManyParameters);
        }
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.as_str() == name)
    }

    /// The value of a parameter that may be there once. An empty one counts as absent.
    fn take(&mut self, name: &'static str) -> Result<Option<Zeroizing<String>>, CallbackError> {
        let mut values = self.0.iter_mut().filter(|(known, _)| known.as_str() == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(CallbackError::Repeated(name)),
            (Some(value), None) if value.len() > LONGEST_VALUE => Err(CallbackError::TooLong(name)),
            (Some(value), None) => Ok(Some(std::mem::take(value)).filter(|value| !value.is_empty())),
            (None, None) => Ok(None),
        }
    }
}

/// As a form is decoded, but what is no encoding is refused and not left as it is.
fn decode(text: &str) -> Result<Zeroizing<String>, CallbackError> {
    let is_encoded = |after: &str| after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_encoded) {
        return Err(CallbackError::Encoding);
    }
    // Decoding only shrinks a text, so the bytes never move and leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    for part in text.split_inclusive('+') {
        let plain = part.strip_suffix('+').unwrap_or(part);
        bytes.extend(percent_decode_str(plain));
        if plain.len() < part.len() {
            bytes.push(b' ');
        }
    }
    // Checked before it is taken: the error of `from_utf8` would own the bytes.
    std::str::from_utf8(&bytes).map_err(|_| CallbackError::Encoding)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|_| CallbackError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decoding_is_strict() {
        let cases = [
            ("", Some("")),
            ("plain", Some("plain")),
            ("a+b%20c%2Bd", Some("a b c+d")),
            ("%E6%97%A5", Some("日")),
            ("%e6%97%a5", Some("日")),
            ("%25", Some("%")),
            ("%2525", Some("%25")),
            ("%00", Some("\0")),
            ("%", None),
            ("%4", None),
            ("%4%31", None),
            ("%zz", None),
            ("%+1", None),
            ("a%%41", None),
            ("%FF", None),
            ("%C3", None),
            ("%ED%A0%80", None),
            ("%C0%AF", None),
        ];
        for (text, decoded) in cases {
            assert_eq!(decode(text).ok().as_deref().map(String::as_str), decoded, "{text}");
        }
    }

    #[test]
    fn a_denial_shows_only_cleaned_text() {
        let denial = Denial::new(
            "access\u{202e}_denied\n",
            Some(&format!("no state-test-only {}", "x".repeat(900))),
            true,
            "state-test-only",
        );
        assert_eq!(denial.code(), "access_denied");
        assert!(denial.message().unwrap().starts_with("no [secret] xxx"));
        assert_eq!(denial.message().unwrap().chars().count(), 200);
        assert!(!format!("{denial:?}").contains("xxx"));
        let error = Error::from(CallbackError::Denied(denial));
        assert_eq!(error.to_string(), "prakerja: the login was denied (code `access_denied`); log the user in again");
        assert!(error.service_message().unwrap().starts_with("no [secret]"));
    }

    proptest! {
        #[test]
        fn what_is_kept_of_a_query_is_bounded_by_its_limit(unit in "[a-c=%&+\\PC]{1,6}", times in 1_usize..4_000) {
            let query = unit.repeat(times);
            match Parameters::read(&query) {
                Ok(Parameters(pairs)) => {
                    prop_assert!(query.len() <= LONGEST_QUERY && pairs.len() <= MOST_PARAMETERS);
                    let kept: usize = pairs.iter().map(|(name, value)| name.capacity() + value.capacity()).sum();
                    prop_assert!(kept <= query.len(), "{} of {}", kept, query.len());
                }
                Err(error) => prop_assert!(query.len() <= LONGEST_QUERY || error == CallbackError::TooLong("query")),
            }
        }
    }
}
