//! One user who is logged in, and the refresh token that keeps it so.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use token_core::{Assembly, CachePolicy, Error, ErrorKind, Remedy, Retry, RetryPolicy, Token, TokenCache, TokenProvider};

use crate::PROVIDER;
use crate::error::PrakerjaErrorCode;
use crate::provider::Prakerja;

/// Asks Prakerja for a new token of one user each time, by the refresh token. [`PrakerjaUserBuilder::build`] gives one that keeps the answer.
///
/// A refresh is sent once. The refresh token in its answer replaces the one before; without one in the answer that one stays.
/// One refresh follows the other, so no refresh token is sent twice at once, and each runs as a task of its own:
/// a caller that goes away does not lose the refresh token on its way. For that a call needs a Tokio runtime.
///
/// When the service says that the login is over, the refresh token is dropped, and this call and every later one gives [`Remedy::LogInAgain`], the later ones without a request.
/// Every token carries the refresh token that is in force ([`Token::refresh_token`]), for programs that keep it elsewhere.
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
    fn after(refresh_token: SecretString, could_not_mint: bool, answer: Result<Token, Error>) -> (Self, Result<Token, Error>) {
        let answer = answer.map_err(|error| if could_not_mint && is_mint_failure(&error) { minted_never(error) } else { error });
        let session = match &answer {
            Ok(token) => Self::begin(token.refresh_token().cloned()),
            Err(error) if error.remedy() == Remedy::LogInAgain => Self::Over(error.clone().with_retry_after(None)),
            Err(error) => Self::LoggedIn { refresh_token, could_not_mint: is_mint_failure(error) },
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
        let mut session = self.session.lock().await;
        let (refresh_token, could_not_mint) = match &*session {
            Session::LoggedIn { refresh_token, could_not_mint } => (refresh_token.clone(), *could_not_mint),
            Session::Over(error) => return Err(error.clone()),
        };
        let answer = self.prakerja.refresh(&refresh_token).await;
        let (after, answer) = Session::after(refresh_token, could_not_mint, answer);
        *session = after;
        answer
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
            let message = if lost.is_panic() { "the transport panicked" } else { "the runtime that ran the refresh ended" };
            Err(Error::new(PROVIDER, ErrorKind::Internal, Remedy::Retry).with_message(message))
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
            let (session, answer) = Session::after("refresh-one".into(), could_not_mint, answer);
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
    fn without_a_refresh_token_the_session_cannot_be_refreshed() {
        for none in [None, Some(SecretString::from(""))] {
            assert!(matches!(Session::begin(none), Session::Over(error) if error.remedy() == Remedy::LogInAgain));
        }
    }
}
