//! One request for a token, as a task that belongs to no caller.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Shared;
use super::state::State;
use crate::clock::Moment;
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::token::Token;

/// What a request for a token came to, for those who wait for it.
#[derive(Clone)]
pub(super) enum Answer {
    /// The token that it brought was refused by an API meanwhile.
    AskAgain,
    Failed(Error),
    Given(Token),
}

pub(super) const LOST: &str = "the runtime that ran the request for a token ended";
pub(super) const TOO_LATE: &str = "the request for a token has not ended in time";

/// What the state of a cache knows of the request under way.
pub(super) struct FlightHandle {
    pub(super) number: u64,
    pub(super) began: Moment,
    pub(super) answer: watch::Sender<Option<Answer>>,
}

/// The request itself. However it ends, by an answer, a panic or the end of its runtime, those who wait are told.
pub(super) struct Flight<P: TokenProvider + 'static> {
    shared: Arc<Shared<P>>,
    answer: watch::Sender<Option<Answer>>,
    number: u64,
    landed: bool,
}

impl<P: TokenProvider + 'static> Flight<P> {
    /// Notes the request in `state`. It must be spawned, after the lock on the state is gone.
    pub(super) fn begin(shared: &Arc<Shared<P>>, state: &mut State, now: Moment) -> Self {
        let answer = watch::Sender::new(None);
        let number = state.begin_flight(answer.clone(), now);
        Self { shared: Arc::clone(shared), answer, number, landed: false }
    }

    pub(super) fn answer(&self) -> watch::Receiver<Option<Answer>> {
        self.answer.subscribe()
    }

    pub(super) fn spawn(mut self, runtime: &Handle) {
        // The handle is let go: the task ends with its answer, and nothing waits for the task.
        drop(runtime.spawn(async move {
            let shared = Arc::clone(&self.shared);
            let request = caught(async { shared.provider.token().await });
            // A runtime without timers panics here; the request then has no limit but the transport's.
            let limit = caught(shared.clock.sleep(shared.policy.longest_request));
            let error = |message| shared.policy.error(ErrorKind::Internal, Remedy::Retry, message);
            let outcome = match within(request, limit).await {
                Some(Ok(outcome)) => outcome,
                Some(Err(panic)) => Err(error("").with_message(panic)),
                None => Err(error(TOO_LATE)),
            };
            self.land(outcome);
        }));
    }

    fn land(&mut self, outcome: Result<Token, Error>) {
        self.landed = true;
        let now = self.shared.clock.now();
        let answer = {
            let mut state = self.shared.lock();
            let ended = state.end_flight(self.number);
            let current = self.shared.current.load_full();
            let usable = current.as_deref().filter(|held| held.is_usable(&now));
            match outcome {
                // A good token is welcome even when nobody waits for it any more, unless there is one that another request brought since.
                Ok(token) if ended.was_awaited || usable.is_none() => {
                    let arrived = state.arrived(token, ended.rejected, current.as_deref(), &self.shared.policy, now);
                    if let Some(held) = arrived.keep {
                        self.shared.current.store(Some(Arc::new(held)));
                    }
                    arrived.answer
                }
                Ok(token) => Answer::Given(token),
                Err(error) => {
                    if ended.was_awaited {
                        state.failed(&error, &self.shared.policy, now);
                    }
                    // Another request, given up on, may have brought a token after all.
                    usable.map_or(Answer::Failed(error), |held| Answer::Given(held.token().clone()))
                }
            }
        };
        // After the lock is gone: this wakes callers, and what a waker does is not ours to know.
        self.answer.send_replace(Some(answer));
    }
}

impl<P: TokenProvider + 'static> Drop for Flight<P> {
    fn drop(&mut self) {
        if !self.landed {
            let error = self.shared.policy.error(ErrorKind::Internal, Remedy::Retry, LOST);
            self.land(Err(error));
        }
    }
}

/// The output of `future`, or `None` if `limit` ends before. A limit that panics is none.
async fn within<T>(future: impl Future<Output = T>, limit: impl Future<Output = Result<(), Cow<'static, str>>>) -> Option<T> {
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
async fn caught<F: Future>(future: F) -> Result<F::Output, Cow<'static, str>> {
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
