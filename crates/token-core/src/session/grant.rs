//! What a service with refresh tokens has to tell: how to refresh, and whose sessions are whose.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::Error;
use crate::token::Token;

/// Refreshes a user's tokens at one service (RFC 6749 section 6): what a provider implements to get `Sessions` (feature `sessions`) for nothing.
#[async_trait]
pub trait RefreshGrant: Send + Sync {
    /// Whose sessions these are: service, base URL, client. A session that was kept under another one is not found.
    fn realm(&self) -> Realm;

    /// Sends `refresh_token` once, and never again by itself.
    ///
    /// An error that means that this login is over has [`Remedy::LogInAgain`](crate::Remedy::LogInAgain). One that comes after the request may have been sent says so: [`Error::is_in_doubt`].
    async fn refresh(&self, refresh_token: &SecretString) -> Refreshed;

    /// Whether the service may have spent the refresh token although it answered with `error`. Twice in a row, that ends the login.
    fn may_have_spent(&self, error: &Error) -> bool {
        let _ = error;
        false
    }
}

/// What a refresh brought.
#[derive(Debug)]
pub struct Refreshed {
    /// The refresh token that takes the place of the one that was sent, if there is one in the answer: also where the rest of it is bad, as the old one may be dead.
    pub refresh_token: Option<SecretString>,
    /// The new token, or what went wrong.
    pub outcome: Result<Token, Error>,
}

/// What sessions are kept apart by besides the user: compared as a whole, never joined into one text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Realm {
    provider: &'static str,
    parts: Vec<(&'static str, String)>,
}

impl Realm {
    /// Begins with the name of the provider, as in its errors.
    #[must_use]
    pub fn new(provider: &'static str) -> Self {
        Self { provider, parts: Vec::new() }
    }

    /// Adds what else tells two realms apart, as `base_url` or `client_id`. No secret.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parts.push((name, value.into()));
        self
    }

    /// The name of the provider.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    pub(super) fn parts(&self) -> &[(&'static str, String)] {
        &self.parts
    }
}
