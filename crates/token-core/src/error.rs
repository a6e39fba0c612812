//! One error for every provider: what went wrong, and what to do about it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::text::untrusted;
use crate::transport::{Delivery, Resend, TransportError, TransportErrorKind};

/// Why there is no token.
///
/// It is opaque and cheap to clone. `Display` says what happened and what to do next; the cause is in [`source`](StdError::source).
/// Neither a secret nor a response body is in its `Display`, `Debug` or source chain.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
    /// Apart from the rest, so that a remembered error can be given out with the time left.
    retry_after: Option<Duration>,
}

#[derive(Clone)]
struct Inner {
    provider: &'static str,
    kind: ErrorKind,
    remedy: Remedy,
    message: Cow<'static, str>,
    code: Option<String>,
    http_status: Option<u16>,
    service_message: Option<String>,
    hold: Option<Duration>,
    /// `None` until someone says it; then it counts as not to be sent again.
    sent: Option<(Resend, Delivery)>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `provider`, with the text that `kind` has by itself. The request counts as not to be sent again unless it never left.
    #[must_use]
    pub fn new(provider: &'static str, kind: ErrorKind, remedy: Remedy) -> Self {
        let inner = Inner {
            provider,
            kind,
            remedy,
            message: Cow::Borrowed(kind.phrase()),
            code: None,
            http_status: None,
            service_message: None,
            hold: None,
            sent: None,
            source: None,
        };
        Self { inner: Arc::new(inner), retry_after: None }
    }

    /// The error of a request that got no answer.
    #[must_use]
    pub fn from_transport(provider: &'static str, resend: Resend, error: TransportError) -> Self {
        let remedy = match error.kind() {
            // What is not HTTP, or not TLS, is most often the wrong port.
            TransportErrorKind::Certificate
            | TransportErrorKind::NoRuntime
            | TransportErrorKind::Protocol
            | TransportErrorKind::RefusedUrl => Remedy::FixConfiguration,
            TransportErrorKind::TooLarge => Remedy::ContactService,
            TransportErrorKind::Connect | TransportErrorKind::Interrupted | TransportErrorKind::TimedOut => Remedy::Retry,
        };
        let delivery = error.delivery();
        Self::new(provider, ErrorKind::Transport, remedy).with_delivery(resend, delivery).with_source(error)
    }

    /// Replaces the text of the kind: a short lower-case phrase without a secret.
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.change(|inner| inner.message = message.into())
    }

    /// Keeps the service's error code, known or not. Control characters are dropped and it is cut at 64 characters.
    #[must_use]
    pub fn with_code(self, code: &str) -> Self {
        self.change(|inner| inner.code = Some(untrusted(code, 64)))
    }

    /// Keeps the HTTP status.
    #[must_use]
    pub fn with_http_status(self, status: u16) -> Self {
        self.change(|inner| inner.http_status = Some(status))
    }

    /// Keeps the service's own words, for [`service_message`](Self::service_message) alone.
    /// Control and bidi characters are dropped and it is cut at 200 characters; take out the secrets of the request before.
    #[must_use]
    pub fn with_service_message(self, message: &str) -> Self {
        self.change(|inner| inner.service_message = Some(untrusted(message, 200)))
    }

    /// Says when the service wants to be asked again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// Says for how long a cache should not ask again, where the service does not say so itself. Zero: it may ask again at once.
    #[must_use]
    pub fn with_hold(self, hold: Duration) -> Self {
        self.change(|inner| inner.hold = Some(hold))
    }

    /// Says how far the request got and whether a second copy does harm. What was said before is never loosened by it.
    #[must_use]
    pub fn with_delivery(self, resend: Resend, delivery: Delivery) -> Self {
        if self.inner.sent.is_some() && !self.may_be_sent_again() {
            return self;
        }
        self.change(|inner| inner.sent = Some((resend, delivery)))
    }

    /// Keeps the cause. It must hold no secret and no body; that rules out `serde_json::Error`, whose text quotes values.
    #[must_use]
    pub fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        self.inner.remedy
    }

    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.inner.remedy, Remedy::Retry | Remedy::Wait)
    }

    /// How long to wait before asking again, if the service or a cache said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// For how long a cache should not ask again, where the service did not say so itself.
    #[must_use]
    pub fn hold(&self) -> Option<Duration> {
        self.inner.hold
    }

    /// The provider, as `klikoo`.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.inner.provider
    }

    /// The service's error code as it came, known or not.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// The HTTP status of the answer, if there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.inner.http_status
    }

    /// The service's own words: untrusted, cleaned, at most 200 characters. Not part of `Display`.
    #[must_use]
    pub fn service_message(&self) -> Option<&str> {
        self.inner.service_message.as_deref()
    }

    /// The provider's own error, or any other cause, by its type.
    #[must_use]
    pub fn find_source<E: StdError + 'static>(&self) -> Option<&E> {
        std::iter::successors(self.source(), |&error| error.source()).find_map(|error| error.downcast_ref())
    }

    /// Whether the request that failed may be sent once more: decided by how far it got, which no provider can talk away.
    #[must_use]
    pub fn may_be_sent_again(&self) -> bool {
        matches!(self.inner.sent, Some((Resend::AfterRefusal, _) | (_, Delivery::NotSent)))
    }

    /// Whether the service may have acted on a request whose answer is lost, so that a second copy could do harm.
    ///
    /// A rotated refresh token is the case in point: the old one may be dead, and sending it again may end the login.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        let is_lost = match self.inner.kind {
            ErrorKind::InvalidResponse | ErrorKind::Transport => true,
            // Most of these end before anything is sent, so someone must have said that this one did not.
            ErrorKind::Internal => self.inner.sent.is_some(),
            _ => false,
        };
        is_lost && !self.may_be_sent_again()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.inner.provider, self.inner.message)?;
        match (&self.inner.code, self.inner.http_status) {
            (Some(code), Some(status)) => write!(formatter, " (code `{code}`, HTTP {status})")?,
            (Some(code), None) => write!(formatter, " (code `{code}`)")?,
            (None, Some(status)) => write!(formatter, " (HTTP {status})")?,
            (None, None) => {}
        }
        write!(formatter, "; {}", self.inner.remedy)?;
        if let Some(after) = self.retry_after {
            // Rounded up, so that nobody asks too early.
            let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
            match self.is_transient() {
                true => write!(formatter, " (in {seconds} s)")?,
                false => write!(formatter, " (the service is not asked again for {seconds} s)")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("provider", &self.inner.provider)
            .field("kind", &self.inner.kind)
            .field("remedy", &self.inner.remedy)
            .field("message", &self.inner.message)
            .field("code", &self.inner.code)
            .field("http_status", &self.inner.http_status)
            .field("retry_after", &self.retry_after)
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The user, or the service on a user's behalf, said no.
    AccessDenied,
    /// An answer that is not the service's own: a firewall, a proxy, a page for people.
    Blocked,
    /// The service does not accept the client id, secret or signature.
    ClientRefused,
    /// The cache was closed, and asks for no more tokens.
    Closed,
    /// A clock is wrong: the service's, or this machine's.
    ClockSkew,
    /// A setting is missing or wrong.
    Configuration,
    /// A fault of this program: a provider panicked, no Tokio runtime, a runtime that ended.
    Internal,
    /// The answer is not what the service documents.
    InvalidResponse,
    /// The login, its code or its refresh token is over.
    LoginRequired,
    /// A request is under way, and the caller's patience ended before it: see [`RefreshUnderWay`](crate::RefreshUnderWay).
    Pending,
    /// Too many requests.
    RateLimited,
    /// The service understood the request and refuses it for another reason.
    RequestRefused,
    /// A fault at the service.
    Server,
    /// Sessions cannot be read from where they are kept, or written there: see [`StoreError`](crate::StoreError).
    Store,
    /// The API keeps refusing tokens that the service has just issued.
    TokenRefused,
    /// No answer: network, TLS, time-out.
    Transport,
    /// A request that cannot be given a token, and so is not sent: see [`AuthorizeFault`](crate::AuthorizeFault).
    Unauthorizable,
}

impl ErrorKind {
    fn phrase(self) -> &'static str {
        match self {
            Self::AccessDenied => "access was denied",
            Self::Blocked => "something between here and the service answered in its place",
            Self::ClientRefused => "the service refused the client's credentials",
            Self::Closed => "the cache was closed",
            Self::ClockSkew => "the clocks of this machine and of the service disagree",
            Self::Configuration => "a setting is missing or wrong",
            Self::Internal => "the request could not be run",
            Self::InvalidResponse => "the answer is not what the service documents",
            Self::LoginRequired => "the login is over",
            Self::Pending => "the request for a token has not ended yet",
            Self::RateLimited => "the service got too many requests",
            Self::RequestRefused => "the service refused the request",
            Self::Server => "the service has a fault",
            Self::Store => "the session store failed",
            Self::TokenRefused => "tokens fresh from the service are refused",
            Self::Transport => "no answer from the service",
            Self::Unauthorizable => "a request cannot be given its token, so it was not sent",
        }
    }
}

/// What to do about an error. `Display` gives it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Ask the service's staff.
    ContactService,
    /// Correct the clock of this machine.
    CorrectClock,
    /// Correct a setting, a credential or the network that the program runs in.
    FixConfiguration,
    /// Correct the program.
    FixProgram,
    /// Correct what the program sends.
    FixRequest,
    /// Send the user through the login again.
    LogInAgain,
    /// Use the refresh token, then log in again if that fails.
    Refresh,
    /// Try again, with a pause that grows.
    Retry,
    /// Wait, then try once.
    Wait,
}

impl fmt::Display for Remedy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ContactService => "ask the service's staff",
            Self::CorrectClock => "correct this machine's clock",
            Self::FixConfiguration => "correct the settings",
            Self::FixProgram => "correct the program",
            Self::FixRequest => "correct the request",
            Self::LogInAgain => "log the user in again",
            Self::Refresh => "refresh the token, or log the user in again",
            Self::Retry => "try again",
            Self::Wait => "wait, then try once",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_what_happened_and_what_to_do() {
        let error = Error::new("klikoo", ErrorKind::ClientRefused, Remedy::FixConfiguration)
            .with_code("401016570")
            .with_http_status(401)
            .with_retry_after(Some(Duration::from_millis(59_001)));
        assert_eq!(
            error.to_string(),
            "klikoo: the service refused the client's credentials (code `401016570`, HTTP 401); correct the settings (the service is not asked again for 60 s)"
        );
        let error = Error::new("sehatmu", ErrorKind::RateLimited, Remedy::Wait).with_retry_after(Some(Duration::MAX));
        assert!(error.to_string().ends_with("; wait, then try once (in 18446744073709551615 s)"), "{error}");
    }

    #[test]
    fn what_a_service_says_is_cleaned_and_kept_out_of_display() {
        let error = Error::new("klikoo", ErrorKind::Server, Remedy::Retry)
            .with_service_message(&format!("a\u{202e}b\u{1b}[31m{}", "c".repeat(300)))
            .with_code("4\n0\u{200b}4");
        let message = error.service_message().unwrap_or_default();
        assert!(message.starts_with("ab[31mccc"), "{message}");
        assert_eq!(message.chars().count(), 200);
        assert_eq!(error.code(), Some("404"));
        assert!(!error.to_string().contains("ccc"));
    }

    #[test]
    fn only_what_did_no_harm_is_sent_again() {
        let cases = [
            (Resend::AfterRefusal, Delivery::NotSent, true),
            (Resend::AfterRefusal, Delivery::Unknown, true),
            (Resend::AfterRefusal, Delivery::Answered, true),
            (Resend::OnlyIfNotSent, Delivery::NotSent, true),
            (Resend::OnlyIfNotSent, Delivery::Unknown, false),
            (Resend::OnlyIfNotSent, Delivery::Answered, false),
        ];
        for (resend, delivery, again) in cases {
            let error = Error::new("test", ErrorKind::Server, Remedy::Retry).with_delivery(resend, delivery);
            assert_eq!(error.may_be_sent_again(), again, "{resend:?} {delivery:?}");
        }
        assert!(!Error::new("test", ErrorKind::Server, Remedy::Retry).may_be_sent_again(), "nothing said");

        let refused =
            Error::new("test", ErrorKind::Server, Remedy::Retry).with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown);
        let loosened = refused.with_delivery(Resend::AfterRefusal, Delivery::NotSent);
        assert!(!loosened.may_be_sent_again(), "nobody talks it into more");

        let in_doubt =
            |kind, resend, delivery| Error::new("test", kind, Remedy::Retry).with_delivery(resend, delivery).is_in_doubt();
        assert!(in_doubt(ErrorKind::Transport, Resend::OnlyIfNotSent, Delivery::Unknown), "the answer is lost");
        assert!(in_doubt(ErrorKind::InvalidResponse, Resend::OnlyIfNotSent, Delivery::Answered), "the answer is torn");
        assert!(!in_doubt(ErrorKind::Server, Resend::OnlyIfNotSent, Delivery::Answered), "the service said that it failed");
        assert!(!in_doubt(ErrorKind::Transport, Resend::OnlyIfNotSent, Delivery::NotSent));
        assert!(!in_doubt(ErrorKind::Transport, Resend::AfterRefusal, Delivery::Unknown));
        assert!(in_doubt(ErrorKind::Internal, Resend::OnlyIfNotSent, Delivery::Unknown), "the runtime ended after sending");
        assert!(!Error::new("test", ErrorKind::Internal, Remedy::Retry).is_in_doubt());
    }

    #[test]
    fn the_cause_is_found_by_its_type() {
        let cause = TransportError::new(TransportErrorKind::TimedOut, Delivery::Unknown, "no answer in 30 s");
        let error = Error::from_transport("klikoo", Resend::AfterRefusal, cause);
        assert_eq!(error.find_source::<TransportError>().map(TransportError::kind), Some(TransportErrorKind::TimedOut));
        assert!(error.find_source::<std::io::Error>().is_none());
        assert!(error.is_transient());
    }
}
