//! One request for a token, as a task that belongs to no caller.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::Shared;
use super::held::Held;
use super::landing::{Answer, Landing};
use super::policy::CachePolicy;
use super::runtime::{Runtime, RuntimeId};
use super::state::State;
use super::sync::Notify;
use crate::clock::Moment;
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::token::Token;
use crate::transport::{Delivery, Resend};

const CUT_OFF: &str = "nobody holds the cache any more, so its request was cut off";
const LOST: &str = "the runtime that ran the request for a token ended";
pub(super) const TOO_LATE: &str = "the request for a token has not ended in time";

/// What the state of a cache knows of the request under way.
pub(super) struct FlightHandle {
    pub(super) number: u64,
    pub(super) began: Moment,
    pub(super) landing: Arc<Landing>,
    /// The runtime that it runs on.
    pub(super) runtime: RuntimeId,
    /// Ends the request midway; `None` if something could be lost by it.
    pub(super) cut_off: Option<Arc<Notify>>,
}

/// How much longer than its own limit a request is left to itself: the limit runs on timers that round up, and from a little later.
const GRACE: Duration = Duration::from_secs(1);

impl FlightHandle {
    /// The time until the next caller gives it up, if it does not end by itself.
    pub(super) fn given_up_in(&self, now: &Moment, policy: &CachePolicy) -> Duration {
        policy.longest_request().saturating_add(GRACE).saturating_sub(now.monotonic_since(&self.began))
    }
}

/// The request itself. However it ends, by an answer, a panic or the end of its runtime, those who wait are told.
pub(super) struct Flight<P: TokenProvider + 'static> {
    shared: Arc<Shared<P>>,
    runtime: Runtime,
    began: Moment,
    landing: Arc<Landing>,
    cut_off: Option<Arc<Notify>>,
    number: u64,
    landed: bool,
}

impl<P: TokenProvider + 'static> Flight<P> {
    /// Notes the request in `state`. It must be spawned, after the lock on the state is gone.
    /// `began` is a reading of the clock under the lock: after an older one, the next caller would take the request for late.
    pub(super) fn begin(shared: &Arc<Shared<P>>, state: &mut State, runtime: Runtime, began: Moment) -> Self {
        let landing = Arc::new(Landing::new());
        let cut_off = shared.is_cancel_safe.then(Arc::<Notify>::default);
        let number = state.begin_flight(|number| FlightHandle {
            number,
            began,
            landing: Arc::clone(&landing),
            runtime: runtime.id(),
            cut_off: cut_off.clone(),
        });
        Self { shared: Arc::clone(shared), runtime, began, landing, cut_off, number, landed: false }
    }

    pub(super) fn landing(&self) -> Arc<Landing> {
        Arc::clone(&self.landing)
    }

    pub(super) fn spawn(self) {
        let runtime = self.runtime.clone();
        #[cfg(feature = "tracing")]
        let span = super::trace::span(self.shared.policy.provider, self.number);
        let run = self.run();
        #[cfg(feature = "tracing")]
        let run = tracing::Instrument::instrument(run, span);
        runtime.spawn(run);
    }

    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let cut_off = self.cut_off.take();
        let cut_off = async {
            match &cut_off {
                Some(cut_off) => cut_off.notified().await,
                None => std::future::pending().await,
            }
            Ok(())
        };
        let request = caught(async { shared.provider.token().await });
        // A runtime without timers panics here; the request then has no limit but the transport's.
        let limit = caught(shared.clock.sleep(shared.policy.longest_request()));
        let error = |message| lost(&shared.policy, message, shared.is_cancel_safe);
        let outcome = match within(within(request, limit), cut_off).await {
            Some(Some(Ok(outcome))) => outcome,
            Some(Some(Err(panic))) => Err(error("").with_message(panic)),
            Some(None) => Err(error(TOO_LATE)),
            None => Err(error(CUT_OFF)),
        };
        self.land(outcome);
    }

    fn land(&mut self, outcome: Result<Token, Error>) {
        let shared = &self.shared;
        let now = shared.clock.now();
        self.landed = true;
        let (answer, events) = {
            let mut state = shared.lock();
            let was_awaited = state.end_flight(self.number);
            let outcome = state.over.clone().map_or(outcome, Err);
            let current = shared.current.load_full();
            let is_usable = current.as_deref().is_some_and(|held| held.is_usable(&now));
            let is_outdated = state.is_outdated(self.number);
            let outcome = match outcome {
                // A login came after it was asked for: what it brought may be of the login before.
                Ok(_) if is_outdated && is_usable => Ok(()),
                Err(error) if is_outdated => Err(error),
                // A good token is welcome even when nobody waits for it any more, unless there is one that another request brought since.
                Ok(token) if was_awaited || !is_usable && Held::is_good(&token, &shared.policy, &now) => {
                    state.arrived(token, self.number, current.as_deref(), &shared.policy, now).map(|keep| {
                        // When nobody has a handle any more, nobody can ask for it.
                        if let Some(held) = keep.filter(|_| shared.handles.load(Ordering::Acquire) > 0) {
                            shared.current.store(Some(Arc::new(held)));
                        }
                    })
                }
                // Given up on, and replaced or over since.
                Ok(_) => Ok(()),
                Err(error) if was_awaited => Err(state.failed(error, &shared.policy, now)),
                Err(error) => Err(state.failed_late(error, &shared.policy, now)),
            };
            if was_awaited {
                let result = outcome.as_ref().map(|()| state.generation()).map_err(Error::kind);
                state.flight_ended(self.number, result, now.monotonic_since(&self.began));
            }
            (outcome.map_or_else(Answer::Failed, |()| Answer::Landed), state.take_events())
        };
        self.landing.land(answer);
        shared.tell_all(&events);
    }
}

impl<P: TokenProvider + 'static> Drop for Flight<P> {
    fn drop(&mut self) {
        if !self.landed {
            let error = lost(&self.shared.policy, LOST, self.shared.is_cancel_safe);
            self.land(Err(error));
        }
    }
}

/// The error of a request without an answer. What it asked for may be spent, unless the provider says that nothing is lost by cutting it off.
pub(super) fn lost(policy: &CachePolicy, message: &'static str, is_cancel_safe: bool) -> Error {
    let error = policy.error(ErrorKind::Internal, Remedy::Retry, message);
    if is_cancel_safe { error } else { error.with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown) }
}

/// The output of `future`, or `None` if `limit` ends before. A limit that panics is none.
pub(crate) async fn within<T>(
    future: impl Future<Output = T>,
    limit: impl Future<Output = Result<(), Cow<'static, str>>>,
) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut limit = std::pin::pin!(limit);
    let mut is_limited = true;
    std::future::poll_fn(move |context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if is_limited && let Poll::Ready(limit) = limit.as_mut().poll(context) {
            is_limited = false;
            if limit.is_ok() {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    })
    .await
}

/// Runs `future` and turns a panic in it into a message for an error.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Cow<'static, str>> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        // The future is not polled again after a panic, so nobody sees what the panic left half done.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(message(panic.as_ref()))),
        }
    })
    .await
}

/// A text that was put together at run time may hold a secret (`unwrap` on an error prints it), so only one that stands in the code is kept.
fn message(panic: &(dyn Any + Send)) -> Cow<'static, str> {
    match panic.downcast_ref::<&'static str>() {
        Some(text) => format!("the provider panicked: {text}").into(),
        None => {
            "the provider panicked; its message went to the panic hook, which prints it unless the program says otherwise".into()
        }
    }
}
