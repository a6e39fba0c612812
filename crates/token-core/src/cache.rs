//! Keeps one token, and asks for the next one once, whoever wants it.

mod flight;
mod policy;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::flight::{Answer, Flight};
pub use self::policy::CachePolicy;
use self::state::{Held, State};
use crate::clock::{Clock, Moment, SystemClock};
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::random;
use crate::token::Token;

/// Keeps a provider's token and asks for a new one when it is due.
///
/// - A usable token is given at once. One that is due for a refresh is given too, and one refresh begins behind it.
/// - When none is usable, one request is made, whoever asked; everyone who waits gets its answer, good or bad.
/// - A failure is followed by a pause that grows, in which callers get the remembered error with the time left. Refused credentials and "too many requests" hold for a minute, or as long as the service says. No pause is for ever.
/// - A token is over by the earlier of wall clock and monotonic clock.
///
/// A refresh is a task of its own that ends with its answer: a caller that goes away costs nothing and loses nothing.
/// Making a cache starts no task; the first request needs a Tokio runtime. A clone is another handle to the same cache.
///
/// ```
/// use token_core::{Error, Token, TokenCache, TokenProvider};
///
/// async fn call_an_api<P: TokenProvider + 'static>(tokens: &TokenCache<P>) -> Result<(), Error> {
///     let token = tokens.token().await?;
///     let refused = false; // send the request with `token.authorization()`; was the answer 401?
///     if refused {
///         tokens.invalidate(&token);
///     }
///     Ok(())
/// }
/// ```
pub struct TokenCache<P> {
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    provider: P,
    clock: Arc<dyn Clock>,
    policy: CachePolicy,
    current: ArcSwapOption<Held>,
    state: Mutex<State>,
}

/// What a caller gets who found no usable token.
enum Turn {
    /// One that landed meanwhile.
    Serve(Token),
    /// The answer of the request under way.
    Wait(watch::Receiver<Option<Answer>>),
}

impl<P: TokenProvider + 'static> TokenCache<P> {
    /// Caches `provider` by the default policy and the machine's clock.
    #[must_use]
    pub fn new(provider: P) -> Self {
        Self::with_policy(provider, CachePolicy::default(), Arc::new(SystemClock))
    }

    /// Caches `provider` by `policy` and `clock`.
    #[must_use]
    pub fn with_policy(provider: P, policy: CachePolicy, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared { provider, clock, policy, current: ArcSwapOption::empty(), state: Mutex::new(State::default()) };
        Self { shared: Arc::new(shared) }
    }

    /// Begins with a token that is already there, as from a login. It is judged like any other: a token that is over is not served.
    #[must_use]
    pub fn with_token(self, token: Token) -> Self {
        let held = Held::new(token, &self.shared.policy, random::unit());
        self.shared.current.store(Some(Arc::new(held)));
        self
    }

    /// Gives a usable token: the one that is held, or that of the one request under way.
    ///
    /// Dropping the future does not stop a request that has begun.
    ///
    /// # Errors
    ///
    /// No token is usable and the request for one failed, or failed so recently that it is not repeated yet: [`Error::retry_after`] has the time left.
    pub async fn token(&self) -> Result<Token, Error> {
        loop {
            let now = self.shared.clock.now();
            if let Some(token) = self.held(&now) {
                return Ok(token);
            }
            let mut answer = match self.turn(&now)? {
                Turn::Serve(token) => return Ok(token),
                Turn::Wait(answer) => answer,
            };
            let policy = &self.shared.policy;
            match answer.wait_for(Option::is_some).await.ok().and_then(|answer| (*answer).clone()) {
                // A caller may come back to its future long after the answer landed, when the token in it is over.
                Some(Answer::Given(token)) if Held::new(token.clone(), policy, 0.0).is_usable(&self.shared.clock.now()) => {
                    return Ok(token);
                }
                Some(Answer::AskAgain | Answer::Given(_)) => {}
                Some(Answer::Failed(error)) => return Err(error),
                None => return Err(policy.error(ErrorKind::Internal, Remedy::Retry, flight::LOST)),
            }
        }
    }

    /// Drops `rejected` if it is the token that is held; another one stays. The next call asks for a new one.
    ///
    /// When an API refuses one fresh token after another, the requests for new ones become rarer and rarer.
    pub fn invalidate(&self, rejected: &Token) {
        let now = self.shared.clock.now();
        {
            let mut state = self.shared.lock();
            let current = self.shared.current.load_full();
            if current.is_some_and(|held| held.token().has_same_access_token(rejected)) {
                self.shared.current.store(None);
                state.refused(rejected, &self.shared.policy, now);
            }
        }
        self.shared.provider.invalidate(rejected);
    }

    /// The provider that is asked for new tokens.
    #[must_use]
    pub fn provider(&self) -> &P {
        &self.shared.provider
    }

    /// The token that is held, if it is usable. When it is due, a refresh begins behind it.
    fn held(&self, now: &Moment) -> Option<Token> {
        let held = self.shared.current.load();
        let held = held.as_ref().filter(|held| held.is_usable(now))?;
        if held.is_due(now) {
            self.refresh_behind(now);
        }
        Some(held.token().clone())
    }

    fn refresh_behind(&self, now: &Moment) {
        // Nobody waits here: if another caller has the lock, that one sees to the refresh.
        let mut state = match self.shared.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        // Read again: the refresh may have ended between the look at the token and the lock.
        let due = self.shared.current.load().as_ref().is_some_and(|held| held.is_due(now));
        if due
            && !state.must_not_refresh(now)
            && let Ok(runtime) = Handle::try_current()
        {
            let flight = Flight::begin(&self.shared, &mut state, *now);
            drop(state);
            flight.spawn(&runtime);
        }
    }

    fn turn(&self, now: &Moment) -> Result<Turn, Error> {
        let mut begun = None;
        let (turn, late) = {
            let mut state = self.shared.lock();
            let late = state.give_up_late_flight(now, &self.shared.policy);
            (self.join_or_begin(&mut state, now, &mut begun), late)
        };
        // Both after the lock is gone: this wakes callers, and a task that is spawned on a dying runtime ends at once, which takes the lock.
        if let Some(late) = late {
            let error = self.shared.policy.error(ErrorKind::Internal, Remedy::Retry, flight::TOO_LATE);
            late.send_replace(Some(Answer::Failed(error)));
        }
        if let Some((flight, runtime)) = begun {
            flight.spawn(&runtime);
        }
        turn
    }

    fn join_or_begin(&self, state: &mut State, now: &Moment, begun: &mut Option<(Flight<P>, Handle)>) -> Result<Turn, Error> {
        // A refresh may have landed between the first look and the lock.
        if let Some(held) = self.shared.current.load().as_ref().filter(|held| held.is_usable(now)) {
            return Ok(Turn::Serve(held.token().clone()));
        }
        if let Some(answer) = state.flight() {
            return Ok(Turn::Wait(answer));
        }
        if let Some(error) = state.pause_left(now) {
            return Err(error);
        }
        let runtime = Handle::try_current().map_err(|_| {
            let message = "no Tokio runtime runs here, and a request needs one";
            self.shared.policy.error(ErrorKind::Internal, Remedy::FixConfiguration, message)
        })?;
        let flight = Flight::begin(&self.shared, state, *now);
        let answer = flight.answer();
        *begun = Some((flight, runtime));
        Ok(Turn::Wait(answer))
    }
}

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever holds the lock runs nothing that is not ours and leaves the state whole, so a poisoned lock is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<P: TokenProvider + 'static> TokenProvider for TokenCache<P> {
    async fn token(&self) -> Result<Token, Error> {
        Self::token(self).await
    }

    fn invalidate(&self, rejected: &Token) {
        Self::invalidate(self, rejected);
    }
}

impl<P> Clone for TokenCache<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P> fmt::Debug for TokenCache<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.shared.current.load();
        formatter
            .debug_struct("TokenCache")
            .field("token", &held.as_ref().map(|held| held.token()))
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}
