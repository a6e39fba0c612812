//! One request for a token, as a task that belongs to no caller.

use std::any::Any;
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
use crate::text::untrusted;
use crate::token::Token;

pub(super) type Answer = Result<Token, Error>;

pub(super) const LOST: &str = "the runtime that ran the request for a token ended";

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
            let provider = Arc::clone(&self.shared);
            let answer = match caught(async move { provider.provider.token().await }).await {
                Ok(answer) => answer,
                Err(panic) => Err(self
                    .shared
                    .policy
                    .error(ErrorKind::Internal, Remedy::Retry, "")
                    .with_message(format!("the provider panicked: {panic}"))),
            };
            self.land(answer);
        }));
    }

    fn land(&mut self, answer: Answer) {
        self.landed = true;
        let now = self.shared.clock.now();
        let answer = {
            let mut state = self.shared.lock();
            let awaited = state.end_flight(self.number);
            match answer {
                // A good token is welcome even when nobody waits for it any more, unless there is one that another request brought since.
                Ok(token) if awaited || self.shared.current.load().as_ref().is_none_or(|held| !held.is_usable(&now)) => {
                    let before = self.shared.current.load_full();
                    let (held, answer) = state.arrived(token, before.as_deref(), &self.shared.policy, now);
                    if let Some(held) = held {
                        self.shared.current.store(Some(Arc::new(held)));
                    }
                    answer
                }
                Ok(token) => Ok(token),
                Err(error) => {
                    if awaited {
                        state.failed(&error, &self.shared.policy, now);
                    }
                    Err(error)
                }
            }
        };
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

/// Runs `future` and turns a panic in it into its message.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
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

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    untrusted(text.unwrap_or("it left no message"), 200)
}
