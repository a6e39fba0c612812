//! The trait that everything is.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;
use crate::token::Token;

/// Gives a token that is valid now.
///
/// A provider asks its service each time. To keep the answer, wrap it in a [`TokenCache`](crate::TokenCache); to try again after a passing fault, in a [`Retry`](crate::Retry).
/// A decorator that keeps nothing passes [`invalidate`](Self::invalidate), [`try_token`](Self::try_token) and [`token_lasting`](Self::token_lasting) on to the provider that it holds.
#[async_trait]
pub trait TokenProvider: Send + Sync {
    /// Gives a token that is valid now.
    ///
    /// # Errors
    ///
    /// The error says what went wrong, and what would help: see [`Error::remedy`].
    async fn token(&self) -> Result<Token, Error>;

    /// Tells the provider that `rejected` was refused by the API it was meant for.
    fn invalidate(&self, rejected: &Token);

    /// Gives a token that is at hand, without waiting. A provider that keeps none has none, so the default is `None`: ask [`token`](Self::token).
    fn try_token(&self) -> Option<Token> {
        None
    }

    /// Gives a token that is valid now and still will be after `at_least`, for a request that takes so long.
    ///
    /// A provider that asks its service each time gives the freshest there is, so the default is [`token`](Self::token): look at [`Token::lifetime_left`].
    ///
    /// # Errors
    ///
    /// As with [`token`](Self::token), or the service's tokens do not live so long.
    async fn token_lasting(&self, at_least: Duration) -> Result<Token, Error> {
        let _ = at_least;
        self.token().await
    }

    /// Whether a request of [`token`](Self::token) that is cut off midway loses nothing: what it asked for can be asked for again.
    ///
    /// Not so where an answer may bring a refresh token that takes the place of the old one, so the default is `false`.
    /// A cache that nobody holds any more cuts its request off only if this is `true`. A decorator passes on what its provider says.
    fn is_cancel_safe(&self) -> bool {
        false
    }
}

impl<P: TokenProvider + ?Sized> TokenProvider for Arc<P> {
    /// As `async_trait` would write it, but for a second box around the future that comes in one.
    fn token<'this, 'future>(&'this self) -> Pin<Box<dyn Future<Output = Result<Token, Error>> + Send + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        (**self).token()
    }

    fn invalidate(&self, rejected: &Token) {
        (**self).invalidate(rejected);
    }

    fn try_token(&self) -> Option<Token> {
        (**self).try_token()
    }

    fn token_lasting<'this, 'future>(
        &'this self,
        at_least: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Token, Error>> + Send + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        (**self).token_lasting(at_least)
    }

    fn is_cancel_safe(&self) -> bool {
        (**self).is_cancel_safe()
    }
}

#[cfg(feature = "mock")]
mockall::mock! {
    /// A [`TokenProvider`] that answers what a test tells it to.
    ///
    /// ```
    /// use std::time::Duration;
    /// use token_core::{Clock, Error, ErrorKind, Expiry, MockTokenProvider, Remedy, SystemClock, Token, TokenProvider};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut provider = MockTokenProvider::new();
    /// provider.expect_token().returning(|| Err(Error::new("test", ErrorKind::RateLimited, Remedy::Wait)));
    /// assert_eq!(provider.token().await.unwrap_err().kind(), ErrorKind::RateLimited);
    ///
    /// let mut provider = MockTokenProvider::new();
    /// provider.expect_token().returning(|| {
    ///     let token = Token::bearer("token-test-only", Expiry::After(Duration::from_secs(900)), SystemClock.now());
    ///     Ok(token.build().unwrap())
    /// });
    /// assert_eq!(provider.token().await.unwrap().authorization(), "Bearer token-test-only");
    /// # });
    /// ```
    pub TokenProvider {}

    #[async_trait]
    impl TokenProvider for TokenProvider {
        async fn token(&self) -> Result<Token, Error>;
        fn invalidate(&self, rejected: &Token);
    }
}
