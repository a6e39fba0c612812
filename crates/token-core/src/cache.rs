//! Keeps one token, and asks for the next one once, whoever wants it.

mod flight;
mod held;
mod landing;
mod observer;
mod policy;
#[cfg_attr(token_core_shuttle, path = "../interleavings/src/runtime.rs")]
mod runtime;
mod snapshot;
mod state;
#[cfg_attr(token_core_shuttle, path = "../interleavings/src/sync.rs")]
mod sync;
#[cfg(feature = "tracing")]
mod trace;

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;

use self::flight::{Flight, FlightHandle};
pub(crate) use self::flight::{caught, within};
use self::held::Held;
use self::landing::{Answer, Landed, Landing};
pub use self::observer::{CacheEvent, Observer};
pub use self::policy::CachePolicy;
#[cfg(not(token_core_shuttle))]
use self::runtime::Runtime;
#[cfg(token_core_shuttle)]
pub use self::runtime::Runtime;
pub use self::snapshot::{CacheCounts, CacheState, Freshness};
use self::state::State;
use self::sync::{ArcSwapOption, AtomicUsize, Mutex, MutexGuard};
use crate::authorize::AuthorizeFault;
use crate::clock::{Clock, Moment, SystemClock};
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::token::Token;

/// Keeps a provider's token and asks for a new one when it is due.
///
/// - A usable token is given at once. One that is due for a refresh is given too, and one refresh begins behind it.
/// - When none is usable, one request is made, whoever asked; everyone who waits gets its answer, good or bad.
/// - A failure is followed by a pause that grows, in which callers get the remembered error with the time left. Refused credentials and "too many requests" hold for a minute, or as long as the service says. No pause is for ever.
/// - Tokens that an API refuses although they are fresh, or that are over when they come, make requests ever rarer.
/// - A token is over by the earlier of wall clock and monotonic clock.
///
/// A refresh is a task of its own that ends with its answer: a caller that goes away costs nothing and loses nothing.
/// Making a cache starts no task; the first request needs a Tokio runtime. A clone is another handle to the same cache.
/// When the last handle is gone, a request under way is cut off if the provider says that [nothing is lost by it](TokenProvider::is_cancel_safe), and the token is wiped.
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
    /// Read by every call, so it comes first, with what else every call reads.
    current: ArcSwapOption<Held>,
    clock: Arc<dyn Clock>,
    /// Apart, as it is large and one for all caches of a set.
    policy: Arc<CachePolicy>,
    /// How many `TokenCache`s point here. The task of a request does as well, and is not counted.
    handles: AtomicUsize,
    is_cancel_safe: bool,
    state: Mutex<State>,
    provider: P,
}

/// What a caller gets who found no usable token.
enum Turn {
    /// One that landed meanwhile.
    Serve(Token),
    /// The answer of the request under way.
    Wait(Wait),
}

/// A call that is served at its first poll, or waits.
///
/// By hand, since a state machine of the compiler's takes longer than the token.
struct Call<'a, P, F> {
    cache: &'a TokenCache<P>,
    take: F,
    waiting: Waiting<'a>,
}

/// For what a call waits.
enum Waiting<'a> {
    /// For nothing yet.
    Not,
    /// For the request under way: most do, perhaps ten thousand at once, so there is no box to it.
    Landing(Landed),
    /// For more than that.
    Long(Pin<Box<dyn Future<Output = Result<Token, Error>> + Send + 'a>>),
}

impl<P: TokenProvider + 'static, T, F: Fn(&Token) -> T + Unpin> Future for Call<'_, P, F> {
    type Output = Result<T, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Waiting::Not = self.waiting {
            // As `fresh` does, but with the answer made in its place.
            let held = self.cache.shared.current.load();
            if let Some(token) = self.cache.surely_fresh(&held) {
                self.cache.shared.policy.tell(&CacheEvent::Hit);
                return Poll::Ready(Ok((self.take)(token)));
            }
        }
        self.wait(context).map_ok(|token| (self.take)(&token))
    }
}

impl<P: TokenProvider + 'static, F> Call<'_, P, F> {
    #[cold]
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Result<Token, Error>> {
        let cache = self.cache;
        if let Waiting::Not = self.waiting {
            if let Some(token) = cache.usable(false) {
                return Poll::Ready(Ok(token));
            }
            let wait = match cache.turn() {
                Ok(Turn::Serve(token)) => return Poll::Ready(Ok(token)),
                Ok(Turn::Wait(wait)) => wait,
                Err(error) => return Poll::Ready(Err(error)),
            };
            cache.shared.policy.tell(&CacheEvent::Wait);
            self.waiting = match wait.look_after {
                None => Waiting::Landing(wait.landing.answer()),
                Some(_) => Waiting::Long(Box::pin(cache.usable_or_awaited(true))),
            };
        }
        if let Waiting::Landing(landed) = &mut self.waiting {
            let answer = std::task::ready!(Pin::new(landed).poll(context));
            if let Some(outcome) = cache.landed(answer) {
                return Poll::Ready(outcome);
            }
            self.waiting = Waiting::Long(Box::pin(cache.usable_or_awaited(true)));
        }
        match &mut self.waiting {
            Waiting::Long(long) => long.as_mut().poll(context),
            Waiting::Not | Waiting::Landing(_) => Poll::Pending,
        }
    }
}

/// Why a cache of which a set has a handle should not be dropped by it.
#[cfg(feature = "caches")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    /// It knows that the service must not be asked yet.
    Holding,
    /// Someone else has a handle, or a request is under way.
    InUse,
    None,
}

struct Wait {
    landing: Arc<Landing>,
    /// When to look after a request that runs on another runtime, which may be one that nobody drives.
    look_after: Option<Duration>,
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
        Self::with_shared_policy(provider, Arc::new(policy), clock)
    }

    /// As [`with_policy`](Self::with_policy), by a policy that other caches have too.
    pub(crate) fn with_shared_policy(provider: P, policy: Arc<CachePolicy>, clock: Arc<dyn Clock>) -> Self {
        let (current, handles, state) = (ArcSwapOption::empty(), AtomicUsize::new(1), Mutex::new(State::default()));
        let is_cancel_safe = provider.is_cancel_safe();
        Self { shared: Arc::new(Shared { current, clock, policy, is_cancel_safe, handles, state, provider }) }
    }

    /// Begins with a token that is already there, as from a login. It is judged like any other: a token that is over is not served.
    #[must_use]
    pub fn with_token(self, token: Token) -> Self {
        let mut state = self.shared.lock();
        let held = state.given(token, &self.shared.policy);
        self.shared.current.store(Some(Arc::new(held)));
        drop(state);
        self
    }

    /// Takes a token that no request brought in place of the one that is held. What went wrong before says nothing of what comes after it.
    #[cfg(feature = "sessions")]
    pub(crate) fn give(&self, token: Token) {
        let mut state = self.shared.lock();
        if state.over.is_none() {
            state.begin_anew();
            let held = state.given(token, &self.shared.policy);
            self.shared.current.store(Some(Arc::new(held)));
        }
    }

    /// Drops the token, and gives `error` from now on, on any handle, whatever a request under way brings.
    #[cfg(feature = "sessions")]
    pub(crate) fn end(&self, error: Error) {
        let mut state = self.shared.lock();
        state.over = Some(error);
        self.shared.current.store(None);
    }

    /// Gives a usable token: the one that is held, or that of the one request under way.
    ///
    /// Dropping the future does not stop a request that has begun.
    ///
    /// # Errors
    ///
    /// No token is usable and the request for one failed, or failed so recently that it is not repeated yet: [`Error::retry_after`] has the time left.
    pub fn token(&self) -> impl Future<Output = Result<Token, Error>> + Send {
        Call { cache: self, take: Token::clone, waiting: Waiting::Not }
    }

    /// Gives a usable token as [`token`](Self::token) does, but waits no longer than `patience`; zero means not at all.
    ///
    /// # Errors
    ///
    /// As with [`token`](Self::token); or [`ErrorKind::Pending`]: a request is under way and goes on. [`RefreshUnderWay`], by [`Error::find_source`], says how far it is.
    pub async fn token_within(&self, patience: Duration) -> Result<Token, Error> {
        if let Some(token) = self.fresh(Token::clone) {
            return Ok(token);
        }
        let limit = async {
            // On a runtime without timers nobody can wait for a time, so it counts as gone.
            if !patience.is_zero() {
                let _ = caught(self.shared.clock.sleep(patience)).await;
            }
            Ok(())
        };
        match within(Box::pin(self.usable_or_awaited(false)), limit).await {
            Some(outcome) => outcome,
            // A token may have landed since, or the request may have failed.
            None => self.usable(true).ok_or_else(|| self.pending()),
        }
    }

    /// Gives a token that is usable now and still will be after `at_least`, for a request that takes so long. The one that is held, or that of one request, as with [`token`](Self::token).
    ///
    /// # Errors
    ///
    /// As with [`token`](Self::token); or [`ErrorKind::Unauthorizable`] with [`AuthorizeFault::TokenTooShort`]: the service's tokens do not live so long.
    pub async fn token_lasting(&self, at_least: Duration) -> Result<Token, Error> {
        let shared = &self.shared;
        // The generation of the token that was too short when another was asked for, and how many came since that are too short as well.
        let (mut asked, mut came) = (None, 0);
        loop {
            let held = shared.current.load_full();
            let now = shared.clock.now();
            let held = held.filter(|held| held.is_usable(&now));
            if let Some(held) = &held {
                if held.lasts(at_least, &now) {
                    // For the refresh behind a token that is due, and whoever counts.
                    let _ = self.usable(asked.is_some());
                    return Ok(held.token().clone());
                }
                came += u32::from(asked.is_some_and(|before| before != held.generation()));
                if came >= SHORT_TOKENS {
                    shared.lock().found_too_long(at_least);
                }
                let is_hopeless = held.whole_use(&shared.policy) < at_least || held.is_given_until_its_end();
                if is_hopeless || shared.lock().is_too_long(at_least) {
                    let message = "the service's tokens do not live as long as the request was said to take";
                    let error = shared.policy.error(ErrorKind::Unauthorizable, Remedy::FixRequest, message);
                    return Err(error.with_source(AuthorizeFault::TokenTooShort));
                }
            }
            let wait = match self.turn_for(at_least)? {
                Turn::Serve(token) => return Ok(token),
                Turn::Wait(wait) => wait,
            };
            if asked.is_none() {
                shared.policy.tell(&CacheEvent::Wait);
            }
            asked = Some(held.map_or(0, |held| held.generation()));
            let look_after = wait.look_after.unwrap_or_else(|| shared.policy.longest_request());
            if let Some(Answer::Failed(error)) = within(wait.landing.answer(), caught(shared.clock.sleep(look_after))).await {
                // A login may have given one meanwhile.
                let held = shared.current.load_full().filter(|held| held.lasts(at_least, &shared.clock.now()));
                return held.map(|held| held.token().clone()).ok_or(error);
            }
        }
    }

    /// Gives the token that is held, if it is usable; never waits.
    ///
    /// If it is due or over, a request begins behind it, as with [`token`](Self::token), provided that a Tokio runtime runs here.
    #[must_use]
    pub fn try_token(&self) -> Option<Token> {
        match self.fresh(Token::clone) {
            Some(token) => Some(token),
            None => self.usable_or_begun(),
        }
    }

    /// Gives the value of an `Authorization` header, `Bearer ...`, built once for each token and marked sensitive.
    ///
    /// To tell the cache of a token that an API refused, take [`token`](Self::token) and its [`authorization`](Token::authorization) instead.
    ///
    /// # Errors
    ///
    /// As with [`token`](Self::token).
    pub fn authorization(&self) -> impl Future<Output = Result<HeaderValue, Error>> + Send {
        Call { cache: self, take: |token: &Token| token.authorization().clone(), waiting: Waiting::Not }
    }

    /// Gives the value of an `Authorization` header if the token that is held is usable; never waits. See [`try_token`](Self::try_token).
    #[must_use]
    pub fn try_authorization(&self) -> Option<HeaderValue> {
        match self.fresh(|token| token.authorization().clone()) {
            Some(value) => Some(value),
            None => self.usable_or_begun().map(|token| token.authorization().clone()),
        }
    }

    /// Drops `rejected` if it is the token that is held; another one stays. The next call asks for a new one.
    ///
    /// When an API refuses one fresh token after another, the requests for new ones become rarer and rarer.
    pub fn invalidate(&self, rejected: &Token) {
        let shared = &self.shared;
        let now = shared.clock.now();
        let events = {
            let mut state = shared.lock();
            let current = shared.current.load_full();
            if let Some(held) = current.filter(|held| held.token().has_same_access_token(rejected)) {
                shared.current.store(None);
                state.refused(&held, &shared.policy, now);
            }
            state.take_events()
        };
        shared.tell_all(&events);
        shared.provider.invalidate(rejected);
    }

    /// How the cache stands now: for a health page, a log or a test.
    #[must_use]
    pub fn state(&self) -> CacheState {
        let shared = &self.shared;
        let mut state = shared.lock();
        // The clock inside the lock, so that nothing in the state is later than it.
        let now = shared.clock.now();
        let held = shared.current.load();
        let held = held.as_deref();
        let freshness = match held {
            Some(held) if !held.is_usable(&now) => Freshness::Empty,
            Some(held) if held.is_due(&now) => Freshness::Due,
            Some(_) => Freshness::Fresh,
            None => Freshness::Empty,
        };
        CacheState {
            freshness,
            refreshing: state.flight.as_ref().map(|flight| now.monotonic_since(&flight.began)),
            holding: state.pause_left(&now).and_then(|error| error.retry_after()),
            is_in_doubt: state.is_in_doubt(),
            is_closed: state.is_closed,
            generation: state.generation(),
            age: held.map(|held| now.elapsed_since(&held.token().requested_at())),
            lifetime_left: held.and_then(|held| held.token().lifetime_left(&now)),
            last_error: state.last_error.clone(),
            counts: state.counts,
        }
    }

    /// Begins no more requests, on any handle, and waits for the one under way, so that nothing is lost when the program ends.
    ///
    /// A usable token is still given out; who would need a new one gets [`ErrorKind::Closed`].
    pub async fn close(&self) {
        self.stop();
        let under_way = {
            let state = self.shared.lock();
            let now = self.shared.clock.now();
            let left = |flight: &FlightHandle| flight.given_up_in(&now, &self.shared.policy);
            state.flight.as_ref().map(|flight| (Arc::clone(&flight.landing), left(flight)))
        };
        if let Some((landing, left)) = under_way {
            // The request has a limit of its own, but may run on a runtime that nobody drives.
            let _ = within(landing.answer(), caught(self.shared.clock.sleep(left))).await;
        }
    }

    /// Begins no more requests, on any handle.
    pub(crate) fn stop(&self) {
        self.shared.lock().is_closed = true;
    }

    /// What would be lost if this handle were the last one and were dropped. It waits for nothing.
    #[cfg(feature = "caches")]
    pub(crate) fn tie(&self) -> Tie {
        if self.shared.handles.load(Ordering::Acquire) > 1 {
            return Tie::InUse;
        }
        let state = match self.shared.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Tie::InUse,
        };
        if state.flight.is_some() {
            return Tie::InUse;
        }
        // A reading that lags only keeps a cache a little longer.
        let now = self.shared.clock.coarse();
        let is_usable = || self.shared.current.load().as_ref().is_some_and(|held| held.is_usable(&now));
        if state.holds_back(&now, is_usable) { Tie::Holding } else { Tie::None }
    }

    /// The provider that is asked for new tokens.
    #[must_use]
    pub fn provider(&self) -> &P {
        &self.shared.provider
    }

    /// The token in `held`, if not even a coarse reading of the clocks can be wrong about it: the way of nearly every call.
    ///
    /// `held` was loaded before, not the clock: a caller that was held up in between gets no token of the past.
    #[inline]
    fn surely_fresh<'a>(&self, held: &'a Option<Arc<Held>>) -> Option<&'a Token> {
        let held = held.as_deref().filter(|held| held.is_surely_fresh(&*self.shared.clock))?;
        Some(held.token())
    }

    /// What `take` makes of the token that is held, if it is surely fresh.
    #[inline]
    fn fresh<T>(&self, take: impl FnOnce(&Token) -> T) -> Option<T> {
        let held = self.shared.current.load();
        let token = self.surely_fresh(&held)?;
        self.shared.policy.tell(&CacheEvent::Hit);
        Some(take(token))
    }

    /// The token that is held, if it is usable. When it is due, a refresh begins behind it.
    ///
    /// Whoever waited for it was told of by [`CacheEvent::Wait`].
    fn usable(&self, has_waited: bool) -> Option<Token> {
        let held = self.shared.current.load();
        // As in `fresh`: a reading from before may be of a time when the token was still good.
        let now = self.shared.clock.now();
        let held = held.as_ref().filter(|held| held.is_usable(&now))?;
        let is_due = held.is_due(&now);
        if !has_waited {
            self.shared.policy.tell(if is_due { &CacheEvent::Due } else { &CacheEvent::Hit });
        }
        if is_due {
            self.refresh_behind();
        }
        Some(held.token().clone())
    }

    fn usable_or_begun(&self) -> Option<Token> {
        self.usable(false).or_else(|| match self.turn() {
            Ok(Turn::Serve(token)) => Some(token),
            Ok(Turn::Wait(_)) | Err(_) => None,
        })
    }

    /// Whoever waited before was told of.
    async fn usable_or_awaited(&self, mut has_waited: bool) -> Result<Token, Error> {
        let shared = &self.shared;
        loop {
            if let Some(token) = self.usable(has_waited) {
                return Ok(token);
            }
            let wait = match self.turn()? {
                Turn::Serve(token) => return Ok(token),
                Turn::Wait(wait) => wait,
            };
            if !has_waited {
                shared.policy.tell(&CacheEvent::Wait);
                has_waited = true;
            }
            let answer = match wait.look_after {
                None => wait.landing.answer().await,
                Some(after) => match within(wait.landing.answer(), caught(shared.clock.sleep(after))).await {
                    Some(answer) => answer,
                    None => continue,
                },
            };
            if let Some(outcome) = self.landed(answer) {
                return outcome;
            }
        }
    }

    /// What a caller gets who waited for a request. `None`: what it brought is not surely fresh, and is to be looked at like any other.
    fn landed(&self, answer: Answer) -> Option<Result<Token, Error>> {
        match answer {
            // What it brought is in its place, and is looked at there: it may be over or refused by now.
            Answer::Landed => {
                let held = self.shared.current.load();
                self.surely_fresh(&held).cloned().map(Ok)
            }
            Answer::Failed(error) => Some(self.usable(true).ok_or(error)),
        }
    }

    fn refresh_behind(&self) {
        // Nobody waits here: if another caller has the lock, that one sees to the refresh.
        let mut state = match self.shared.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let now = self.shared.clock.now();
        let late = state.give_up_late_flight(&now, &self.shared.policy);
        // Read again: the refresh may have ended between the look at the token and the lock.
        let is_due = self.shared.current.load().as_ref().is_some_and(|held| held.is_due(&now));
        let runtime = if is_due && state.may_refresh(&now) { Runtime::current() } else { None };
        let flight = runtime.map(|runtime| Flight::begin(&self.shared, &mut state, runtime, now));
        let events = state.take_events();
        drop(state);
        self.shared.go_on(late, &events, flight);
    }

    fn turn(&self) -> Result<Turn, Error> {
        self.turn_for(Duration::ZERO)
    }

    /// The turn of a caller who wants a token that stays usable for `at_least`.
    fn turn_for(&self, at_least: Duration) -> Result<Turn, Error> {
        let mut begun = None;
        let (turn, late, events) = {
            let mut state = self.shared.lock();
            // The clock inside the lock: a reading from before may be of a time when the token was still good.
            let now = self.shared.clock.now();
            let late = state.give_up_late_flight(&now, &self.shared.policy);
            let turn = self.join_or_begin(&mut state, &now, at_least, &mut begun);
            (turn, late, state.take_events())
        };
        self.shared.go_on(late, &events, begun);
        turn
    }

    fn join_or_begin(
        &self,
        state: &mut State,
        now: &Moment,
        at_least: Duration,
        begun: &mut Option<Flight<P>>,
    ) -> Result<Turn, Error> {
        let policy = &self.shared.policy;
        let held = self.shared.current.load();
        let usable = held.as_ref().filter(|held| held.is_usable(now));
        // A refresh may have landed between the first look and the lock.
        if let Some(held) = usable.filter(|held| held.lasts(at_least, now)) {
            return Ok(Turn::Serve(held.token().clone()));
        }
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        let runtime = Runtime::current();
        if let Some(flight) = &state.flight {
            let is_elsewhere = runtime.is_some_and(|runtime| runtime.id() != flight.runtime);
            let left = flight.given_up_in(now, policy);
            return Ok(Turn::Wait(Wait { landing: Arc::clone(&flight.landing), look_after: is_elsewhere.then_some(left) }));
        }
        if state.is_closed {
            return Err(policy.error(
                ErrorKind::Closed,
                Remedy::FixProgram,
                "the cache was closed, and no token is left that is usable",
            ));
        }
        if let Some(error) = state.pause_left(now) {
            return Err(error);
        }
        if usable.is_some() && state.is_in_doubt() {
            let message = "the last request may have spent something, so there is none while a token is usable, however shortly";
            return Err(state.last_error.clone().unwrap_or_else(|| policy.error(ErrorKind::Internal, Remedy::Retry, message)));
        }
        let message = "no Tokio runtime runs here, and a request needs one";
        let runtime = runtime.ok_or_else(|| policy.error(ErrorKind::Internal, Remedy::FixProgram, message))?;
        let flight = Flight::begin(&self.shared, state, runtime, *now);
        let landing = flight.landing();
        *begun = Some(flight);
        Ok(Turn::Wait(Wait { landing, look_after: None }))
    }

    /// The error of a caller whose patience ended.
    fn pending(&self) -> Error {
        let policy = &self.shared.policy;
        let mut state = self.shared.lock();
        let now = self.shared.clock.now();
        let error = Error::new(policy.provider, ErrorKind::Pending, Remedy::Retry);
        match &state.flight {
            Some(flight) => {
                let elapsed = now.monotonic_since(&flight.began);
                error.with_source(RefreshUnderWay { elapsed, at_most_left: flight.given_up_in(&now, policy) })
            }
            None => state.pause_left(&now).unwrap_or(error),
        }
    }
}

/// How many new tokens in a row may be too short for a caller who needs one that lasts. The first may be none of a request: a session's comes out of the store, where it aged.
const SHORT_TOKENS: u32 = 2;

/// How far a request for a token is for which a caller did not wait any longer: the cause of an error of the kind [`Pending`](ErrorKind::Pending).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request has been under way for {elapsed:?}, and is given up in {at_most_left:?} at the latest")]
#[non_exhaustive]
pub struct RefreshUnderWay {
    /// Since it began.
    pub elapsed: Duration,
    /// Until it is given up.
    pub at_most_left: Duration,
}

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever holds the lock runs nothing that is not ours but the clock, and leaves the state whole, so a poisoned lock is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows from a look at the state, after its lock is gone: this wakes callers, and a task that is spawned on a dying runtime ends at once, which takes the lock.
    fn go_on(&self, late: Option<(Arc<Landing>, Error)>, events: &[CacheEvent], begun: Option<Flight<P>>)
    where
        P: TokenProvider + 'static,
    {
        if let Some((landing, error)) = late {
            landing.land(Answer::Failed(error));
        }
        self.tell_all(events);
        if let Some(flight) = begun {
            flight.spawn();
        }
    }

    fn tell_all(&self, events: &[CacheEvent]) {
        for event in events {
            self.policy.announce(event);
        }
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

    fn try_token(&self) -> Option<Token> {
        Self::try_token(self)
    }

    async fn token_lasting(&self, at_least: Duration) -> Result<Token, Error> {
        Self::token_lasting(self, at_least).await
    }

    /// A request belongs to no caller, so who goes away cuts nothing off.
    fn is_cancel_safe(&self) -> bool {
        true
    }
}

impl<P> Clone for TokenCache<P> {
    fn clone(&self) -> Self {
        self.shared.handles.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P> Drop for TokenCache<P> {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Whoever waits borrows a handle, so nobody does.
            let state = self.shared.lock();
            let cut_off = state.flight.as_ref().and_then(|flight| flight.cut_off.clone());
            // A request that goes on keeps the cache, and no more the token.
            self.shared.current.store(None);
            drop(state);
            if let Some(cut_off) = cut_off {
                cut_off.notify_one();
            }
        }
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
