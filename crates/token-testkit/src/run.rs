//! What the checks have in common: a question to a provider, and a place for what is wrong with the answer.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::answer::Answer;
use crate::clock::ManualClock;
use crate::expiries;
use crate::report::Failure;
use crate::secrets::SecretFinder;
use crate::server::{RecordedRequest, ScriptedServer};
use crate::subject::{Setup, Subject, SuccessFields, Transports, json_text};
use token_core::{Error, Expiry, Token, TokenProvider};

/// The access token that the service gives, unless the check is about that.
pub(crate) const ACCESS_TOKEN: &str = "canary-access-token-for-test-only";
/// And the next one.
pub(crate) const NEXT_ACCESS_TOKEN: &str = "canary-following-token-for-test-only";
/// The refresh token that comes with it.
pub(crate) const REFRESH_TOKEN: &str = "canary-refresh-token-for-test-only";
/// The lifetime of a good token.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// For an answer that comes at once: far more than a busy machine needs.
const TIMEOUT: Duration = Duration::from_secs(30);
/// For an answer that never comes.
const SHORT_TIMEOUT: Duration = Duration::from_millis(500);
/// Whoever has not ended by now never will.
const NEVER: Duration = Duration::from_secs(60);

/// One check under way.
pub(crate) struct Run<'s> {
    pub(crate) subject: &'s dyn Subject,
    check: &'static str,
    failures: Vec<Failure>,
    transports: Transports,
}

/// A case of an answer, and how the provider's transport should be set for it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) answer: Answer,
    ends: bool,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, answer: Answer) -> Self {
        Self { name: name.into(), answer, ends: true }
    }

    /// An answer that never ends, so that the time-out must.
    pub(crate) fn unending(name: impl Into<String>, answer: Answer) -> Self {
        Self { ends: false, ..Self::new(name, answer) }
    }
}

/// What came of one question to a provider.
pub(crate) struct Asked {
    pub(crate) result: Result<Token, Error>,
    pub(crate) requests: Vec<RecordedRequest>,
}

impl<'s> Run<'s> {
    pub(crate) fn new(subject: &'s dyn Subject, check: &'static str) -> Self {
        Self { subject, check, failures: Vec::new(), transports: Transports::default() }
    }

    pub(crate) fn into_failures(self) -> Vec<Failure> {
        self.failures
    }

    pub(crate) fn fail(&mut self, case: &str, expected: impl Into<String>, found: impl Into<String>) {
        self.failures.push(Failure::new(self.check, case, expected, found));
    }

    pub(crate) fn expect(&mut self, case: &str, holds: bool, expected: impl Into<String>, found: impl Into<String>) {
        if !holds {
            self.fail(case, expected, found);
        }
    }

    /// A server that follows `script`; without one the check cannot go on.
    pub(crate) async fn server(&mut self, case: &str, answers: impl IntoIterator<Item = Answer>) -> Option<ScriptedServer> {
        let started = ScriptedServer::in_turn(answers).await;
        self.started(case, started)
    }

    pub(crate) fn started(&mut self, case: &str, started: std::io::Result<ScriptedServer>) -> Option<ScriptedServer> {
        started.map_err(|error| self.fail(case, "a port on loopback for the kit's server", error.to_string())).ok()
    }

    /// How to make a provider for a service at this URL.
    pub(crate) fn setup(&self, base_url: impl Into<String>, clock: Arc<ManualClock>) -> Setup {
        Setup::new(base_url, clock).with_timeout(TIMEOUT).with_transports(&self.transports)
    }

    /// Asks a new provider for one token while the service gives this answer.
    pub(crate) async fn ask(&mut self, case: &Case) -> Option<Asked> {
        let server = self.server(&case.name, [case.answer.clone()]).await?;
        let timeout = if case.ends { TIMEOUT } else { SHORT_TIMEOUT };
        let setup = self.setup(server.base_url(), Arc::new(ManualClock::new())).with_timeout(timeout);
        let provider = self.subject.provider(&setup);
        let result = self.token(&case.name, provider).await?;
        Some(Asked { result, requests: server.requests() })
    }

    /// Asks `provider` for one token. A panic and a wait without end are failures of the case.
    pub(crate) async fn token(&mut self, case: &str, provider: Arc<dyn TokenProvider>) -> Option<Result<Token, Error>> {
        let task = tokio::spawn(async move { provider.token().await });
        let abort = task.abort_handle();
        match tokio::time::timeout(NEVER, task).await {
            Ok(Ok(result)) => return Some(result),
            Ok(Err(panic)) => self.fail(case, "a token or an error", format!("a panic: {panic}")),
            Err(_) => {
                abort.abort();
                self.fail(case, "a token or an error within the time-out", format!("nothing after {} s", NEVER.as_secs()));
            }
        }
        None
    }

    /// Asks for a token that must come.
    pub(crate) async fn ask_for_token(&mut self, case: &Case) -> Option<Token> {
        match self.ask(case).await?.result {
            Ok(token) => Some(token),
            Err(error) => {
                self.fail(&case.name, "a token", shown(&error));
                None
            }
        }
    }

    /// Asks for an error that must come.
    pub(crate) async fn ask_for_error(&mut self, case: &Case) -> Option<Error> {
        match self.ask(case).await?.result {
            Ok(token) => {
                self.fail(&case.name, "an error", format!("a token: {token:?}"));
                None
            }
            Err(error) => Some(error),
        }
    }

    /// A good answer.
    pub(crate) fn good(&self) -> Draft {
        Draft::good(self.subject)
    }

    /// A good answer with this expiry, in JSON text.
    pub(crate) fn good_until(&self, expiry: &str) -> Answer {
        Draft { expiry: Some(expiry.to_owned()), ..self.good() }.answer(self.subject)
    }

    /// The expiry a time from the clock's beginning, as the service writes it.
    pub(crate) fn expiry_in(&self, seconds: i64) -> String {
        expiries::usual(self.subject.expiry_format(), seconds)
    }

    pub(crate) fn expect_lifetime(&mut self, case: &str, token: &Token, shortest: Duration, longest: Duration) {
        // An `f64` on the way costs less than this.
        let slack = Duration::from_millis(1);
        let holds = matches!(token.expiry(), Expiry::After(lifetime)
            if lifetime >= shortest.saturating_sub(slack) && lifetime <= longest.saturating_add(slack));
        let expected = if shortest == longest {
            format!("a lifetime of {longest:?}")
        } else {
            format!("a lifetime from {shortest:?} to {longest:?}")
        };
        self.expect(case, holds, expected, format!("{:?}", token.expiry()));
    }

    pub(crate) fn expect_access_token(&mut self, case: &str, token: &Token, expected: &str) {
        let found = token.access_token().expose_secret();
        self.expect(case, found == expected, format!("the access token `{expected}`"), format!("`{found}`"));
    }

    /// Finds the kit's tokens, the subject's secrets and what it never shows, in this order.
    pub(crate) fn finder(&self) -> SecretFinder {
        let tokens = [ACCESS_TOKEN, NEXT_ACCESS_TOKEN, REFRESH_TOKEN].map(str::to_owned);
        SecretFinder::new(tokens.into_iter().chain(self.subject.secrets()).chain(self.subject.never_shown()))
    }

    /// `text` must show no secret.
    pub(crate) fn expect_no_secret(&mut self, case: &str, finder: &SecretFinder, place: &str, text: &str) {
        if let Some(leak) = finder.find(text) {
            let whose = match leak.number().checked_sub(3) {
                Some(number) => format!("secret {number} of the subject"),
                None => "a token".to_owned(),
            };
            self.fail(case, format!("no secret in {place}"), format!("{whose}, {}, in: {}", leak.spelling(), start(text)));
        }
    }
}

/// The parts of a good answer, before a check changes one.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) access_token: Option<String>,
    pub(crate) expiry: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) token_type: Option<String>,
}

impl Draft {
    pub(crate) fn good(subject: &dyn Subject) -> Self {
        Self {
            access_token: Some(json_text(ACCESS_TOKEN)),
            expiry: Some(expiries::usual(subject.expiry_format(), HOUR.as_secs().cast_signed())),
            refresh_token: Some(json_text(REFRESH_TOKEN)),
            token_type: subject.token_type().map(json_text),
        }
    }

    pub(crate) fn answer(&self, subject: &dyn Subject) -> Answer {
        subject.success(&SuccessFields {
            access_token: self.access_token.as_deref(),
            expiry: self.expiry.as_deref(),
            refresh_token: self.refresh_token.as_deref(),
            token_type: self.token_type.as_deref(),
        })
    }
}

/// An error with what a person needs to see where it came from.
pub(crate) fn shown(error: &Error) -> String {
    format!("the error {:?} (`{error}`)", error.kind())
}

/// The start of a text that may be long.
pub(crate) fn start(text: &str) -> String {
    let mut start: String = text.chars().take(400).collect();
    if start.len() < text.len() {
        start.push_str("...");
    }
    start
}
