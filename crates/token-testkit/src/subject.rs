//! What a provider tells the kit about itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::answer::Answer;
use token_core::{Clock, ErrorKind, ExpiryFormat, Remedy, Resend, TokenProvider, Transport};

/// A provider, described so that the checks can run against it.
///
/// Nearly all of it is about how the service answers; the kit does not care what a request looks like.
/// Describe a service with several answer forms as several subjects.
pub trait Subject {
    /// The provider's name in errors: [`Error::provider`](token_core::Error::provider).
    fn name(&self) -> &'static str;

    /// The provider as `setup` says, uncached and unretried, with invented secrets and real HTTP.
    ///
    /// Each call makes a new one; whether or not it keeps something, as a session keeps its refresh token, it asks the service once for each call of `token()`.
    fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider>;

    /// The service's good answer with these fields. Put them in as text, as [`json_object`] does: some are not JSON.
    fn success(&self, fields: &SuccessFields<'_>) -> Answer;

    /// The service's error answer with this code and this message, in the shape and with the status of a refusal.
    /// Write them with [`json_text`]. A service whose errors have no code may leave it out.
    fn refusal(&self, code: &str, message: &str) -> Answer;

    /// Every error that the service documents, at least one.
    fn documented_errors(&self) -> Vec<DocumentedError>;

    /// How the service writes an expiry.
    fn expiry_format(&self) -> ExpiryFormat;

    /// Whether the request does harm when it is sent twice. Client credentials do none; a refresh token may be spent.
    fn resend(&self) -> Resend;

    /// The secrets in the settings that the service gets to see, and whatever else must never be seen, such as a name that is in each good answer.
    /// The kit lets the service repeat each in its errors, and each must be taken out. What the service never sees goes into [`never_shown`](Self::never_shown).
    fn secrets(&self) -> Vec<String>;

    /// Secrets that are held but never sent, such as lines of a PEM key; one or two from its middle are enough.
    /// They must not be in an error, a token, a URL or a log. No service is made to repeat them.
    fn never_shown(&self) -> Vec<String> {
        Vec::new()
    }

    /// A code of the service's form that it does not document. `None` if its errors have no code.
    fn unknown_code(&self) -> Option<&str> {
        Some("code_nobody_documents")
    }

    /// The token type that the service states for a bearer token; `None` if it states none.
    fn token_type(&self) -> Option<&str> {
        Some("Bearer")
    }

    /// Whether a token that is a number is taken by its text. Without it, such a token must be an error.
    fn takes_numeric_token(&self) -> bool {
        false
    }

    /// Secrets that the service wants in the path or query of the request.
    fn secrets_in_url(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How a provider is to be made for a check.
#[derive(Clone)]
#[non_exhaustive]
pub struct Setup {
    /// The base URL of the service; it may have a path.
    pub base_url: String,
    /// Tells the provider the time.
    pub clock: Arc<dyn Clock>,
    /// After this long the transport gives up on an answer.
    pub timeout: Duration,
    transports: Transports,
}

/// The transports of a check by their time-out.
pub(crate) type Transports = Arc<Mutex<BTreeMap<Duration, Arc<dyn Transport>>>>;

impl Setup {
    /// The usual one, for tests of a provider's own: time-out after 30 s.
    #[must_use]
    pub fn new(base_url: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { base_url: base_url.into(), clock, timeout: Duration::from_secs(30), transports: Transports::default() }
    }

    /// The same with another time-out.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) fn with_transports(self, transports: &Transports) -> Self {
        Self { transports: Arc::clone(transports), ..self }
    }

    /// The transport for this time-out, made by `make` unless the check has one already.
    /// A check makes many providers, and a TLS client is slow to make: it reads the certificates of the system.
    #[must_use]
    pub fn transport(&self, make: impl FnOnce(Duration) -> Arc<dyn Transport>) -> Arc<dyn Transport> {
        let mut transports = self.transports.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(transports.entry(self.timeout).or_insert_with(|| make(self.timeout)))
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Setup")
            .field("base_url", &self.base_url)
            .field("clock", &self.clock)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The fields of a good answer, each as JSON text: a text has its quotation marks. `None` leaves the field out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SuccessFields<'a> {
    /// The access token.
    pub access_token: Option<&'a str>,
    /// The expiry.
    pub expiry: Option<&'a str>,
    /// The refresh token; of no use to a service that gives none.
    pub refresh_token: Option<&'a str>,
    /// The token type; always `None` for a service that states none.
    pub token_type: Option<&'a str>,
}

impl<'a> SuccessFields<'a> {
    /// These two alone, for tests of a provider's own.
    #[must_use]
    pub fn new(access_token: &'a str, expiry: &'a str) -> Self {
        Self { access_token: Some(access_token), expiry: Some(expiry), refresh_token: None, token_type: None }
    }

    /// The same with a refresh token.
    #[must_use]
    pub fn with_refresh_token(self, refresh_token: &'a str) -> Self {
        Self { refresh_token: Some(refresh_token), ..self }
    }

    /// The same with a token type.
    #[must_use]
    pub fn with_token_type(self, token_type: &'a str) -> Self {
        Self { token_type: Some(token_type), ..self }
    }
}

/// An error that a service documents, and what a provider is to make of it.
#[derive(Clone, Debug)]
pub struct DocumentedError {
    pub(crate) answer: Answer,
    pub(crate) kind: ErrorKind,
    pub(crate) remedy: Remedy,
    pub(crate) code: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) hold: Option<Duration>,
}

impl DocumentedError {
    /// An error whose code is not looked at.
    #[must_use]
    pub fn new(answer: Answer, kind: ErrorKind, remedy: Remedy) -> Self {
        Self { answer, kind, remedy, code: None, retry_after: None, hold: None }
    }

    /// Expects this code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Expects this [`Error::retry_after`](token_core::Error::retry_after).
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Expects this [`Error::hold`](token_core::Error::hold).
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = Some(hold);
        self
    }
}

/// A JSON object of these fields, whose values are JSON text already. `None` leaves a field out.
///
/// ```
/// use token_testkit::{json_object, json_text};
///
/// let data = json_object(&[("access_token", Some(&json_text("a\"b"))), ("expires_in", Some("900")), ("scope", None)]);
/// assert_eq!(data, r#"{"access_token":"a\"b","expires_in":900}"#);
/// ```
#[must_use]
pub fn json_object(fields: &[(&str, Option<&str>)]) -> String {
    let fields: Vec<_> =
        fields.iter().filter_map(|(name, value)| value.map(|value| format!("{}:{value}", json_text(name)))).collect();
    format!("{{{}}}", fields.join(","))
}

/// `text` as a JSON text, in quotation marks.
#[must_use]
pub fn json_text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\u{0}'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}
