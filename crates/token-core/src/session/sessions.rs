//! The users of a program, and one of them.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;

use super::grant::RefreshGrant;
use super::rotation::{Common, Rotation};
use super::store::{Expected, SessionStore};
use crate::cache::{CachePolicy, CacheState, TokenCache};
use crate::caches::TokenCaches;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::retry::{Retry, RetryPolicy};
use crate::token::Token;

type Cache<G> = TokenCache<Retry<Rotation<G>>>;

/// The logged-in users of a program: each has a [`Session`] that keeps itself fresh. For the feature `sessions`.
///
/// - A refresh token is stored before the access token that came with it is given out, so a program that ends at any point costs no user a login, but for one whose answer was just under way.
///   A refresh is noted in the store, sent, its answer stored, and served, in this order.
/// - One refresh of a user is under way at a time, also where several processes share a store; of all users together no more than [`in_flight`](SessionsBuilder::in_flight).
/// - An answer that the store does not take is served from memory, written as soon as the store takes it, and told of: [`CacheEvent::NotStored`](crate::CacheEvent::NotStored), [`SessionState::store_error`].
///   A refresh that the store cannot take note of is not sent.
/// - If the answer to a refresh is lost, no other is sent while the access token is usable: the refresh token may be spent, and to use it twice may end the login. Then it is tried once more, and the service decides.
/// - Memory is bounded: sessions that were not asked for lately are dropped when [`capacity`](SessionsBuilder::capacity) is reached, and read from the store when they are asked for again.
///
/// Processes that share a store need clocks that agree within a minute.
/// A clone is another handle to the same users.
///
/// ```
/// use std::sync::Arc;
/// use token_core::{Error, MemoryStore, RefreshGrant, Sessions, Token};
///
/// async fn serve<G: RefreshGrant + 'static>(service: G, token_of_login: Token) -> Result<(), Error> {
///     let sessions = Sessions::builder(service, Arc::new(MemoryStore::new())).build();
///
///     // After a login:
///     sessions.log_in("user-7", token_of_login).await?;
///     // At each request of the user:
///     let token = sessions.get("user-7")?.token().await?;
///     // At the end:
///     sessions.log_out("user-7").await?;
///     sessions.close().await
/// }
/// ```
pub struct Sessions<G> {
    shared: Arc<Shared<G>>,
}

struct Shared<G> {
    caches: TokenCaches<Arc<str>, Retry<Rotation<G>>>,
    common: Arc<Common<G>>,
}

impl<G: RefreshGrant + 'static> Sessions<G> {
    /// Begins with a service and a store. The store of a program that must keep its users over a restart is one that writes, as `token-store` has.
    pub fn builder(grant: G, store: Arc<dyn SessionStore>) -> SessionsBuilder<G> {
        SessionsBuilder {
            grant,
            store,
            capacity: 100_000,
            in_flight: 64,
            retry: RetryPolicy::default(),
            cache: CachePolicy::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The session of a user, whether logged in or not: nothing is asked yet. `user` is the program's own name of the user.
    ///
    /// It is not dropped from memory while somebody has it, so give it back soon.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] after [`close`](Self::close), for a user who is not in memory.
    pub fn get(&self, user: &str) -> Result<Session<G>, Error> {
        Ok(Session { cache: self.shared.caches.get_by(user, || Arc::from(user))? })
    }

    /// Keeps the login of a user, in place of one before. Handles of that user's session go on with the new login.
    ///
    /// If the store does not take it, the login counts all the same, and is written later: [`SessionState::store_error`].
    ///
    /// # Errors
    ///
    /// As with [`get`](Self::get); [`ErrorKind::Internal`] without a Tokio runtime.
    pub async fn log_in(&self, user: &str, token: Token) -> Result<Session<G>, Error> {
        let session = self.get(user)?;
        let provider = self.shared.common.realm.provider();
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            Error::new(provider, ErrorKind::Internal, Remedy::FixProgram)
                .with_message("no Tokio runtime runs here, and a session needs one")
        })?;
        let task = session.clone();
        // A task of its own, so that a caller who goes away does not lose the login.
        let begun = runtime.spawn(async move {
            task.rotation().begin(token.clone()).await;
            task.cache.give(token);
        });
        begun.await.map_err(|_| {
            Error::new(provider, ErrorKind::Internal, Remedy::LogInAgain)
                .with_message("the login could not be kept: the session store panicked, or the runtime ended")
        })?;
        Ok(session)
    }

    /// Ends the login of a user, here and in the store. Handles of the session give [`ErrorKind::LoginRequired`] from now on.
    ///
    /// Another process that shares the store notices when the access token that it holds is due, at its end at the latest. At the service nothing is ended.
    ///
    /// # Errors
    ///
    /// The session is over here, but could not be removed from the store, and would come back from there: call it again.
    pub async fn log_out(&self, user: &str) -> Result<(), Error> {
        let provider = self.shared.common.realm.provider();
        let internal = |remedy, message| Error::new(provider, ErrorKind::Internal, remedy).with_message(message);
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| internal(Remedy::FixProgram, "no Tokio runtime runs here, and a session needs one"))?;
        let (sessions, user) = (self.clone(), Arc::from(user));
        // A task of its own, so that a caller who goes away does not leave half a logout.
        let ended = runtime.spawn(async move { sessions.logged_out(&user).await });
        ended.await.unwrap_or_else(|_| {
            Err(internal(Remedy::Retry, "the logout did not end: the session store panicked, or the runtime ended"))
        })
    }

    async fn logged_out(&self, user: &Arc<str>) -> Result<(), Error> {
        let Shared { caches, common } = &*self.shared;
        let provider = common.realm.provider();
        let unwritten = common.unwritten_of(user);
        // Made if there is none, and kept until all is over: a call meanwhile finds it, and not the store.
        let cache = caches.get_by(user, || Arc::clone(user)).ok();
        if let Some(cache) = &cache {
            let over = Error::new(provider, ErrorKind::LoginRequired, Remedy::LogInAgain);
            cache.provider().provider().end();
            cache.end(over.with_message("the user has logged out"));
        }
        if let Some(unwritten) = unwritten {
            // It may be about to be written.
            unwritten.end();
            unwritten.settled().await;
            unwritten.end();
        }
        let removed = common.store.delete(&common.key(user), Expected::Anything).await;
        caches.remove(user);
        removed.map_err(|error| error.into_error(provider))
    }

    /// Begins no more refreshes, for any user, waits for those under way, and tries once more to store what is not stored yet.
    ///
    /// A usable token is still given out; who would need a new one gets [`ErrorKind::Closed`].
    ///
    /// # Errors
    ///
    /// Something could not be stored, and is lost when the program ends.
    pub async fn close(&self) -> Result<(), Error> {
        let Shared { caches, common } = &*self.shared;
        caches.close().await;
        common.close();
        // All at once, as a store that does not answer takes its time for each of them.
        let unwritten = common.all_unwritten();
        let mut open: Vec<Pin<Box<_>>> = unwritten.iter().map(|unwritten| Box::pin(unwritten.flush())).collect();
        let mut outcome = Ok(());
        poll_fn(|context| {
            open.retain_mut(|flushing| match flushing.as_mut().poll(context) {
                Poll::Ready(flushed) => {
                    outcome = flushed.and(outcome.clone());
                    false
                }
                Poll::Pending => true,
            });
            if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        outcome
    }

    /// How many users are in memory now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.caches.len()
    }

    /// Whether no user is in memory now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.caches.is_empty()
    }
}

impl<G> Drop for Shared<G> {
    fn drop(&mut self) {
        self.common.forget_unwritten();
    }
}

impl<G> Clone for Sessions<G> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<G> fmt::Debug for Sessions<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sessions")
            .field("realm", &self.shared.common.realm)
            .field("caches", &self.shared.caches)
            .field("store", &self.shared.common.store)
            .finish_non_exhaustive()
    }
}

/// Takes the settings of [`Sessions`].
#[must_use = "end it with `build`"]
pub struct SessionsBuilder<G> {
    grant: G,
    store: Arc<dyn SessionStore>,
    capacity: usize,
    in_flight: usize,
    retry: RetryPolicy,
    cache: CachePolicy,
    clock: Arc<dyn Clock>,
}

impl<G: RefreshGrant + 'static> SessionsBuilder<G> {
    /// For how many users there is room in memory; none counts as one. Default 100,000.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How many refreshes may be under way at once; none counts as one. Default 64.
    pub fn in_flight(mut self, most: usize) -> Self {
        self.in_flight = most;
        self
    }

    /// How often a refresh that was not sent is tried again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How long tokens are kept. Its provider's name is that of the service.
    pub fn cache(mut self, policy: CachePolicy) -> Self {
        self.cache = policy;
        self
    }

    /// Tells the time by another clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts nothing and asks nobody.
    #[must_use]
    pub fn build(self) -> Sessions<G> {
        let Self { grant, store, capacity, in_flight, retry, mut cache, clock } = self;
        let realm = grant.realm();
        cache.provider = realm.provider();
        let common = Arc::new(Common::new(grant, realm, store, clock, cache, in_flight));
        let of = Arc::clone(&common);
        let caches = TokenCaches::new(capacity, move |user: &Arc<str>| {
            let clock = || Arc::clone(&of.clock);
            let retried = Retry::with_policy(Rotation::new(&of, user), retry.clone(), clock());
            Ok(TokenCache::with_shared_policy(retried, Arc::clone(&of.policy), clock()))
        });
        Sessions { shared: Arc::new(Shared { caches, common }) }
    }
}

impl<G> fmt::Debug for SessionsBuilder<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionsBuilder")
            .field("store", &self.store)
            .field("capacity", &self.capacity)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// One user's tokens, which refresh by themselves: see [`Sessions`]. A clone is another handle to the same session.
///
/// An error with [`Remedy::LogInAgain`] says that the user has to log in; every other one, that it may work later.
pub struct Session<G> {
    cache: Cache<G>,
}

impl<G: RefreshGrant + 'static> Session<G> {
    /// Gives a usable token, as [`TokenCache::token`] does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LoginRequired`]: nobody is logged in, or the service ended the login. Otherwise as with [`TokenCache::token`], or [`ErrorKind::Store`].
    pub async fn token(&self) -> Result<Token, Error> {
        self.cache.token().await
    }

    /// Gives a usable token, and waits no longer than `patience`, as [`TokenCache::token_within`] does.
    ///
    /// # Errors
    ///
    /// As with [`token`](Self::token), or [`ErrorKind::Pending`].
    pub async fn token_within(&self, patience: Duration) -> Result<Token, Error> {
        self.cache.token_within(patience).await
    }

    /// Gives the token that is in memory, if it is usable, as [`TokenCache::try_token`] does.
    #[must_use]
    pub fn try_token(&self) -> Option<Token> {
        self.cache.try_token()
    }

    /// Gives the value of an `Authorization` header, as [`TokenCache::authorization`] does.
    ///
    /// # Errors
    ///
    /// As with [`token`](Self::token).
    pub async fn authorization(&self) -> Result<HeaderValue, Error> {
        self.cache.authorization().await
    }

    /// Drops `rejected`, which an API refused, if it is the token that is held: the next call refreshes.
    pub fn invalidate(&self, rejected: &Token) {
        self.cache.invalidate(rejected);
    }

    /// How the session stands now.
    #[must_use]
    pub fn state(&self) -> SessionState {
        SessionState { cache: self.cache.state(), store_error: self.rotation().store_error() }
    }

    /// The program's name of the user. Personal data, perhaps.
    #[must_use]
    pub fn user(&self) -> &str {
        self.rotation().user()
    }

    /// Begins no more refreshes of this user, on any handle, waits for the one under way, and tries once more to store what is not stored yet.
    ///
    /// # Errors
    ///
    /// Something could not be stored, and is lost when the program ends.
    pub async fn close(&self) -> Result<(), Error> {
        self.cache.close().await;
        self.rotation().flush().await
    }

    fn rotation(&self) -> &Rotation<G> {
        self.cache.provider().provider()
    }
}

#[async_trait]
impl<G: RefreshGrant + 'static> TokenProvider for Session<G> {
    async fn token(&self) -> Result<Token, Error> {
        Self::token(self).await
    }

    fn invalidate(&self, rejected: &Token) {
        Self::invalidate(self, rejected);
    }

    fn try_token(&self) -> Option<Token> {
        Self::try_token(self)
    }

    async fn token_lasting(&self, at_least: Duration) -> Result<Token, Error> {
        self.cache.token_lasting(at_least).await
    }

    /// A refresh belongs to no caller, so who goes away cuts nothing off.
    fn is_cancel_safe(&self) -> bool {
        true
    }
}

impl<G> Clone for Session<G> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone() }
    }
}

/// Shows no user.
impl<G> fmt::Debug for Session<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("cache", &self.cache).finish()
    }
}

/// How a session stands: for a health page, a log or a test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionState {
    /// Its token and its refreshes.
    pub cache: CacheState,
    /// Why the newest refresh token is in memory alone; `None`: it is in the store, or there is none.
    pub store_error: Option<Error>,
}
