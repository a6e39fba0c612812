//! One user who is logged in, and the refresh token that keeps it so.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard};

use token_core::{
    Assembly, CachePolicy, Delivery, Error, ErrorKind, Remedy, Resend, Retry, RetryPolicy, Token, TokenCache, TokenProvider,
};

use crate::PROVIDER;
use crate::error::PrakerjaErrorCode;
use crate::provider::Prakerja;

/// How long one refresh waits for those before it: longer than any transport should take for one.
const LONGEST_WAIT: Duration = Duration::from_secs(2 * 60);

/// Asks Prakerja for a new token of one user each time, by the refresh token. [`PrakerjaUserBuilder::build`] gives one that keeps the answer.
///
/// A refresh is sent once. The refresh token in its answer replaces the one before; without one in the answer that one stays.
/// One refresh follows the other, so no refresh token is sent twice at once, and each runs as a task of its own:
/// a caller that goes away does not lose the refresh token on its way. For that a call needs a Tokio runtime.
///
/// The transport must have a deadline of its own, shorter than two minutes, as that of `transport-reqwest` has: a refresh waits as long as its transport does.
/// One that finds another under way waits two minutes for its turn, by the client's clock, and then gives [`Remedy::Retry`] without a request:
/// the other may be on a runtime that is alive and that nobody drives.
///
/// When the service says that the login is over, the refresh token is dropped, and this call and every later one gives [`Remedy::LogInAgain`], the later ones without a request.
/// A token carries the refresh token that was in force when it came ([`Token::refresh_token`]); what a program that keeps it elsewhere can rely on is told at [`Prakerja::user_from_refresh_token`].
///
/// A clone is another handle to the same login.
#[derive(Clone)]
pub struct PrakerjaUser {
    shared: Arc<Shared>,
}

struct Shared {
    prakerja: Prakerja,
    session: Mutex<Session>,
}

/// Whether the user is still logged in.
enum Session {
    LoggedIn {
        refresh_token: SecretString,
        /// The last answer was that the service could not make a token.
        could_not_mint: bool,
    },
    /// Why not, for every later call.
    Over(Error),
}

impl Session {
    fn begin(refresh_token: Option<SecretString>) -> Self {
        match refresh_token.filter(|token| !token.expose_secret().is_empty()) {
            Some(refresh_token) => Self::LoggedIn { refresh_token, could_not_mint: false },
            None => Self::Over(login_over("the login came without a refresh token, so it ends with its access token")),
        }
    }

    /// What to do with the answer to a refresh by `refresh_token`: the session after it, and what the caller gets.
    ///
    /// An error that is no verdict on the login keeps the refresh token, also when no answer came: the service may not have seen the request.
    /// `rotated` is the new refresh token of an answer that may be bad otherwise: it counts all the same, as the old one may be dead.
    fn after(
        refresh_token: SecretString,
        could_not_mint: bool,
        rotated: Option<SecretString>,
        answer: Result<Token, Error>,
    ) -> (Self, Result<Token, Error>) {
        let answer = answer.map_err(|error| if could_not_mint && is_mint_failure(&error) { minted_never(error) } else { error });
        let session = match &answer {
            Ok(token) => Self::begin(token.refresh_token().cloned()),
            Err(error) if error.remedy() == Remedy::LogInAgain => Self::Over(error.clone().with_retry_after(None)),
            Err(error) => {
                Self::LoggedIn { refresh_token: rotated.unwrap_or(refresh_token), could_not_mint: is_mint_failure(error) }
            }
        };
        (session, answer)
    }
}

fn is_mint_failure(error: &Error) -> bool {
    error.find_source() == Some(&PrakerjaErrorCode::CreateJwtToken)
}

/// The service could not make a token twice in a row: the first try may have spent the refresh token.
fn minted_never(error: Error) -> Error {
    let mut last =
        login_over("the service could not make a token, twice in a row").with_code(PrakerjaErrorCode::CreateJwtToken.code());
    if let Some(status) = error.http_status() {
        last = last.with_http_status(status);
    }
    last.with_source(error)
}

fn login_over(message: &'static str) -> Error {
    Error::new(PROVIDER, ErrorKind::LoginRequired, Remedy::LogInAgain).with_message(message)
}

impl Shared {
    async fn refresh(&self) -> Result<Token, Error> {
        let mut session = self.session().await?;
        let (refresh_token, could_not_mint) = match &*session {
            Session::LoggedIn { refresh_token, could_not_mint } => (refresh_token.clone(), *could_not_mint),
            Session::Over(error) => return Err(error.clone()),
        };
        let (rotated, answer) = self.prakerja.refresh(&refresh_token).await;
        let (after, answer) = Session::after(refresh_token, could_not_mint, rotated, answer);
        *session = after;
        answer
    }

    /// The session, once no other refresh has it.
    async fn session(&self) -> Result<MutexGuard<'_, Session>, Error> {
        // Most calls meet no other and set no timer.
        if let Ok(session) = self.session.try_lock() {
            return Ok(session);
        }
        let mut session = pin!(self.session.lock());
        let mut deadline = self.prakerja.clock().sleep(LONGEST_WAIT);
        let waited = poll_fn(|context| match session.as_mut().poll(context) {
            Poll::Ready(session) => Poll::Ready(Some(session)),
            Poll::Pending => deadline.as_mut().poll(context).map(|()| None),
        });
        waited.await.ok_or_else(|| {
            Error::new(PROVIDER, ErrorKind::Internal, Remedy::Retry).with_message(
                "the refresh before this one has not ended in two minutes: the runtime that runs it may stand still",
            )
        })
    }
}

#[async_trait]
impl TokenProvider for PrakerjaUser {
    async fn token(&self) -> Result<Token, Error> {
        let runtime = Handle::try_current().map_err(|_| {
            Error::new(PROVIDER, ErrorKind::Internal, Remedy::FixConfiguration)
                .with_message("no Tokio runtime runs here, and a refresh needs one")
        })?;
        let shared = Arc::clone(&self.shared);
        // A task of its own: a refresh that is cut short would lose the new refresh token while the old one is spent.
        runtime.spawn(async move { shared.refresh().await }).await.unwrap_or_else(|lost| {
            let message =
                if lost.is_panic() { "the transport or the clock panicked" } else { "the runtime that ran the refresh ended" };
            // The refresh may have been sent by then.
            let error = Error::new(PROVIDER, ErrorKind::Internal, Remedy::Retry).with_message(message);
            Err(error.with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown))
        })
    }

    /// Nothing is kept but the refresh token, and an API's refusal of an access token says nothing of that one. Whether it is over too, the next refresh tells.
    fn invalidate(&self, _rejected: &Token) {}
}

impl fmt::Debug for PrakerjaUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PrakerjaUser").field("prakerja", &self.shared.prakerja).finish_non_exhaustive()
    }
}

/// Builds the provider of one user's tokens.
#[derive(Debug)]
#[must_use = "end it with `build`"]
pub struct PrakerjaUserBuilder {
    prakerja: Prakerja,
    assembly: Assembly,
    token: Option<Token>,
    refresh_token: Option<SecretString>,
}

impl PrakerjaUserBuilder {
    pub(crate) fn with_token(prakerja: Prakerja, token: Token) -> Self {
        let refresh_token = token.refresh_token().cloned();
        Self { assembly: prakerja.assembly().clone(), prakerja, token: Some(token), refresh_token }
    }

    pub(crate) fn with_refresh_token(prakerja: Prakerja, refresh_token: SecretString) -> Self {
        Self { assembly: prakerja.assembly().clone(), prakerja, token: None, refresh_token: Some(refresh_token) }
    }

    /// Tries again by another policy than the client's.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.assembly.retry = policy;
        self
    }

    /// Keeps tokens by another policy than the client's.
    pub fn cache(mut self, mut policy: CachePolicy) -> Self {
        policy.provider = PROVIDER;
        self.assembly.cache = policy;
        self
    }

    /// Builds the provider, tried again where nothing was sent, and cached. It begins with the token of the login, and refreshes when that is due.
    ///
    /// Without a refresh token it gives the token of the login until its end, and then [`Remedy::LogInAgain`].
    #[must_use]
    pub fn build(self) -> TokenCache<Retry<PrakerjaUser>> {
        let assembly = self.assembly.clone();
        let token = self.token.clone();
        let cache = assembly.cached(self.build_uncached());
        match token {
            Some(token) => cache.with_token(token),
            None => cache,
        }
    }

    /// Builds the bare provider: it refreshes at every call, once, and does not give the token of the login.
    #[must_use]
    pub fn build_uncached(self) -> PrakerjaUser {
        let session = Mutex::new(Session::begin(self.refresh_token));
        PrakerjaUser { shared: Arc::new(Shared { prakerja: self.prakerja, session }) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use token_core::{Expiry, Moment};

    use super::*;

    fn token(refresh_token: Option<&str>) -> Token {
        Token::bearer("token-test-only", Expiry::Unknown, Moment::new(SystemTime::UNIX_EPOCH, Duration::ZERO))
            .refresh_token(refresh_token.map(SecretString::from))
            .build()
            .unwrap()
    }

    fn refusal(kind: ErrorKind, remedy: Remedy) -> Result<Token, Error> {
        Err(Error::new(PROVIDER, kind, remedy))
    }

    fn mint_failure() -> Result<Token, Error> {
        Err(Error::new(PROVIDER, ErrorKind::Server, Remedy::Retry).with_source(PrakerjaErrorCode::CreateJwtToken))
    }

    #[test]
    fn what_a_refresh_leaves_behind() {
        let cases = [
            ("a new refresh token", false, Ok(token(Some("refresh-two"))), Some(("refresh-two", false))),
            ("no new one", false, Ok(token(Some("refresh-one"))), Some(("refresh-one", false))),
            ("a new one after a failure to mint", true, Ok(token(Some("refresh-two"))), Some(("refresh-two", false))),
            ("the login is over", false, refusal(ErrorKind::LoginRequired, Remedy::LogInAgain), None),
            ("a wrong setting", false, refusal(ErrorKind::ClientRefused, Remedy::FixConfiguration), Some(("refresh-one", false))),
            ("no answer", false, refusal(ErrorKind::Transport, Remedy::Retry), Some(("refresh-one", false))),
            ("an unknown code", false, refusal(ErrorKind::RequestRefused, Remedy::ContactService), Some(("refresh-one", false))),
            ("a fault", true, refusal(ErrorKind::Server, Remedy::Retry), Some(("refresh-one", false))),
            ("the first failure to mint", false, mint_failure(), Some(("refresh-one", true))),
            ("the second", true, mint_failure(), None),
        ];
        for (what, could_not_mint, answer, left) in cases {
            let (session, answer) = Session::after("refresh-one".into(), could_not_mint, None, answer);
            match (session, left) {
                (Session::LoggedIn { refresh_token, could_not_mint }, Some(left)) => {
                    assert_eq!((refresh_token.expose_secret(), could_not_mint), left, "{what}");
                    assert!(answer.is_ok() || answer.unwrap_err().remedy() != Remedy::LogInAgain, "{what}");
                }
                (Session::Over(error), None) => {
                    assert_eq!((error.kind(), error.remedy()), (ErrorKind::LoginRequired, Remedy::LogInAgain), "{what}");
                    assert_eq!(answer.unwrap_err().remedy(), Remedy::LogInAgain, "{what}");
                }
                _ => panic!("{what}"),
            }
        }
    }

    #[test]
    fn a_rotated_refresh_token_is_kept_whatever_came_with_it() {
        let rotated = || Some(SecretString::from("refresh-two"));
        let bad = refusal(ErrorKind::InvalidResponse, Remedy::ContactService);
        let (session, answer) = Session::after("refresh-one".into(), true, rotated(), bad);
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidResponse);
        let Session::LoggedIn { refresh_token, could_not_mint } = session else { panic!("no verdict on the login") };
        assert_eq!((refresh_token.expose_secret(), could_not_mint), ("refresh-two", false));
        // A verdict is one, whatever stands beside it.
        let over = refusal(ErrorKind::LoginRequired, Remedy::LogInAgain);
        assert!(matches!(Session::after("refresh-one".into(), false, rotated(), over).0, Session::Over(_)));
    }

    #[test]
    fn without_a_refresh_token_the_session_cannot_be_refreshed() {
        for none in [None, Some(SecretString::from(""))] {
            assert!(matches!(Session::begin(none), Session::Over(error) if error.remedy() == Remedy::LogInAgain));
        }
    }
}
