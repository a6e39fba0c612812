//! Where those who wait for a request hear of its answer.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::sync::{Mutex, MutexGuard, OnceLock};
use crate::error::Error;

/// What a request for a token came to, for those who wait for it.
#[derive(Clone)]
pub(super) enum Answer {
    Failed(Error),
    /// It brought a token, which is in its place unless an API has refused it meanwhile.
    Landed,
}

/// An answer that is there once and for all, and those who wait for it.
///
/// By hand, since tokio's semaphore has every one of ten thousand callers that it wakes take its lock once more.
pub(super) struct Landing {
    answer: OnceLock<Answer>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    wakers: Vec<Option<Waker>>,
    /// Places of callers that went away.
    free: Vec<usize>,
}

impl Landing {
    pub(super) fn new() -> Self {
        Self { answer: OnceLock::new(), waiting: Mutex::new(Waiting::default()) }
    }

    /// The answer, when it is there; it always comes, as the end of a [`Flight`](super::flight::Flight) is one.
    pub(super) fn answer(self: &Arc<Self>) -> Landed {
        Landed { landing: Arc::clone(self), place: None }
    }

    /// Only the first answer counts. This wakes callers, and what a waker does is not ours to know: nothing may be locked.
    pub(super) fn land(&self, answer: Answer) {
        let _ = self.answer.set(answer);
        // Whoever looks for the answer under the lock from here on finds it.
        let waiting = std::mem::take(&mut *self.waiting());
        for waker in waiting.wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in it is half done when a waker's clone panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Small, as ten thousand callers may have one each.
pub(super) struct Landed {
    landing: Arc<Landing>,
    /// That of the waker, once there is one.
    place: Option<usize>,
}

impl Future for Landed {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let Self { landing, place: own } = &mut *self;
        if let Some(answer) = landing.answer.get() {
            return Poll::Ready(answer.clone());
        }
        // A waker is another's code, so it is neither made nor dropped under the lock.
        let waker = Some(context.waker().clone());
        let replaced = {
            let mut waiting = landing.waiting();
            if let Some(answer) = landing.answer.get() {
                return Poll::Ready(answer.clone());
            }
            let place = own.or_else(|| waiting.free.pop());
            match place.and_then(|place| waiting.wakers.get_mut(place)) {
                Some(before) => {
                    *own = place;
                    std::mem::replace(before, waker)
                }
                None => {
                    *own = Some(waiting.wakers.len());
                    waiting.wakers.push(waker);
                    None
                }
            }
        };
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Landed {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        if self.landing.answer.get().is_some() {
            return;
        }
        let waker = {
            let mut waiting = self.landing.waiting();
            let waker = waiting.wakers.get_mut(place).and_then(Option::take);
            if waker.is_some() {
                waiting.free.push(place);
            }
            waker
        };
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn poll(landed: Pin<&mut Landed>) -> bool {
        landed.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn who_goes_away_leaves_room_for_the_next() {
        let landing = Arc::new(Landing::new());
        let mut stays = pin!(landing.answer());
        for _ in 0..100 {
            let (mut one, mut other) = (Box::pin(landing.answer()), Box::pin(landing.answer()));
            assert!(!poll(one.as_mut()) && !poll(other.as_mut()) && !poll(stays.as_mut()) && !poll(one.as_mut()));
        }
        assert_eq!(landing.waiting().wakers.len(), 3);
        landing.land(Answer::Landed);
        assert!(poll(stays.as_mut()) && poll(pin!(landing.answer())));
        assert!(landing.waiting().wakers.is_empty());
    }
}
