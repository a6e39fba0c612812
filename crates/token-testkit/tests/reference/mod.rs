//! A provider of an invented service (RFC 6749 client credentials, more or less): right, or wrong in one way.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "this is a test"
)]

mod read;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, Uri};
use zeroize::Zeroizing;

use self::transport::SocketTransport;
use token_core::{
    Asked, BaseUrl, Clock, Error, ErrorKind, ExpiryFormat, Remedy, Resend, Token, TokenProvider, TokenRequest, exchange,
};
use token_testkit::{Answer, DocumentedError, Setup, Subject, SuccessFields, json_object, json_text};

pub(crate) const SECRET: &str = "client/secret+for-test-only=";
/// Held for nothing but to be kept.
const KEY_LINE: &str = "line-of-a-private-key-for-test-only";

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    AsksTwice,
    CutsLifetime,
    DropsPath,
    DropsRetryAfter,
    DropsUnknownCode,
    FollowsRedirects,
    GuessesExpiry,
    IdleTimeoutOnly,
    IgnoresDate,
    IgnoresTokenType,
    IgnoresUnknownFields,
    KeepsEcho,
    KeepsEchoInCode,
    LastKeyWins,
    LogsBody,
    LogsSecret,
    MixesUpDigits,
    None,
    CallsPagesServerTrouble,
    Panics,
    PastIsAnError,
    ReadsClockLate,
    ReadsNumbersOnly,
    ReadsTooMuch,
    RefusesNumber,
    RepairsToken,
    SaysHarmless,
    SecretInError,
    SecretInQuery,
    CallsServerTroublePermanent,
    ShowsKey,
    ShowsMessage,
    CallsSilenceServerTrouble,
    TakesHalfBodies,
    TakesNumber,
    TakesTrailingText,
    TokenInCause,
    TokenTypeExactly,
    TrustsAnyDate,
    UnknownIsRefused,
    WaitsForEver,
    WrongName,
    WrongRemedy,
}

/// The service's dialect, and the provider's fault.
#[derive(Clone, Copy)]
pub(crate) struct Reference {
    pub(crate) format: ExpiryFormat,
    pub(crate) resend: Resend,
    pub(crate) token_type: Option<&'static str>,
    pub(crate) takes_numeric_token: bool,
    pub(crate) fault: Fault,
}

impl Reference {
    pub(crate) fn rfc_6749(fault: Fault) -> Self {
        Self {
            format: ExpiryFormat::SecondsFromNow,
            resend: Resend::AfterRefusal,
            token_type: Some("Bearer"),
            takes_numeric_token: false,
            fault,
        }
    }

    pub(crate) fn date_and_time(fault: Fault) -> Self {
        Self { format: ExpiryFormat::Rfc3339, token_type: None, takes_numeric_token: true, ..Self::rfc_6749(fault) }
    }

    pub(crate) fn refresh(fault: Fault) -> Self {
        Self {
            format: ExpiryFormat::ByMagnitude,
            resend: Resend::OnlyIfNotSent,
            token_type: Some("BearerToken"),
            ..Self::rfc_6749(fault)
        }
    }

    pub(crate) fn with_format(format: ExpiryFormat) -> Self {
        Self { format, ..Self::rfc_6749(Fault::None) }
    }
}

impl Subject for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn provider(&self, setup: &Setup) -> Arc<dyn TokenProvider> {
        let transport = SocketTransport { timeout: setup.timeout, fault: self.fault };
        let base = BaseUrl::parse(&setup.base_url).unwrap();
        Arc::new(Provider { reference: *self, transport, base, clock: Arc::clone(&setup.clock) })
    }

    fn success(&self, fields: &SuccessFields<'_>) -> Answer {
        let body = json_object(&[
            ("access_token", fields.access_token),
            ("token_type", fields.token_type),
            ("expires", fields.expiry),
            ("refresh_token", fields.refresh_token),
        ]);
        Answer::json(200, body)
    }

    fn refusal(&self, code: &str, message: &str) -> Answer {
        let (code, message) = (json_text(code), json_text(message));
        Answer::json(400, json_object(&[("error", Some(&code)), ("error_description", Some(&message))]))
    }

    fn documented_errors(&self) -> Vec<DocumentedError> {
        let refusal = |code, kind, remedy| DocumentedError::new(self.refusal(code, "no"), kind, remedy).code(code);
        vec![
            refusal("invalid_client", ErrorKind::ClientRefused, Remedy::FixConfiguration),
            refusal("invalid_scope", ErrorKind::RequestRefused, Remedy::FixConfiguration),
            DocumentedError::new(
                self.refusal("slow_down", "no").header("retry-after", "9"),
                ErrorKind::RateLimited,
                Remedy::Wait,
            )
            .code("slow_down")
            .retry_after(Duration::from_secs(9))
            .hold(Duration::from_secs(90)),
        ]
    }

    fn expiry_format(&self) -> ExpiryFormat {
        self.format
    }

    fn resend(&self) -> Resend {
        self.resend
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }

    fn never_shown(&self) -> Vec<String> {
        vec![KEY_LINE.to_owned()]
    }

    fn token_type(&self) -> Option<&str> {
        self.token_type
    }

    fn takes_numeric_token(&self) -> bool {
        self.takes_numeric_token
    }
}

pub(crate) struct Provider {
    reference: Reference,
    transport: SocketTransport,
    base: BaseUrl,
    clock: Arc<dyn Clock>,
}

impl Provider {
    fn has(&self, fault: Fault) -> bool {
        self.reference.fault == fault
    }

    fn name(&self) -> &'static str {
        if self.has(Fault::WrongName) { "unnamed" } else { "reference" }
    }

    fn request(&self) -> TokenRequest {
        let url: Uri = if self.has(Fault::DropsPath) {
            format!("{}/oauth/token", self.base.origin()).parse().unwrap()
        } else if self.has(Fault::SecretInQuery) {
            self.base.join("/oauth/token?client_secret=client%2Fsecret%2Bfor-test-only%3D").unwrap()
        } else if self.has(Fault::ShowsKey) {
            self.base.join(&format!("/oauth/token?key={KEY_LINE}")).unwrap()
        } else {
            self.base.join("/oauth/token").unwrap()
        };
        let body = "grant_type=client_credentials&client_id=client&client_secret=client%2Fsecret%2Bfor-test-only%3D";
        let resend = if self.has(Fault::SaysHarmless) { Resend::AfterRefusal } else { self.reference.resend };
        TokenRequest::new(Method::POST, url, resend)
            .with_body("application/x-www-form-urlencoded", Zeroizing::new(body.as_bytes().to_vec()))
    }

    async fn ask(&self) -> Result<Token, Error> {
        let asked = Asked { provider: self.name(), at: self.clock.now(), secrets: &[SECRET] };
        let result = exchange(&self.transport, asked, self.request(), |reply| self.read(reply)).await;
        result.map_err(|error| {
            let late = error.kind() == ErrorKind::Transport && error.http_status().is_none();
            if late && self.has(Fault::CallsSilenceServerTrouble) {
                return Error::new(self.name(), ErrorKind::Server, Remedy::Retry);
            }
            error
        })
    }
}

#[async_trait]
impl TokenProvider for Provider {
    async fn token(&self) -> Result<Token, Error> {
        if self.has(Fault::LogsSecret) {
            tracing::trace!(client_secret = SECRET, "asks for a token");
        }
        if self.has(Fault::ShowsKey) {
            tracing::trace!(key = KEY_LINE, "signs");
        }
        if self.has(Fault::AsksTwice) {
            drop(self.ask().await);
        }
        self.ask().await
    }

    fn invalidate(&self, _rejected: &Token) {}
}
