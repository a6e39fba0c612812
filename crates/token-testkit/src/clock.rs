//! A clock moved by hand.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::Notify;

use token_core::{Clock, Moment};

/// A clock that stands still until a test moves it.
///
/// A sleeper wakes when [`advance`](Self::advance) has carried the clock past its hour; with [`sleeping_moves_time`](Self::sleeping_moves_time) a pause moves the clock by itself and returns at once.
///
/// ```
/// use std::time::Duration;
/// use token_core::Clock;
/// use token_testkit::ManualClock;
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(90));
/// assert_eq!(clock.now().elapsed_since(&before), Duration::from_secs(90));
/// ```
pub struct ManualClock {
    state: Mutex<State>,
    moved: Notify,
    sleeping_moves_time: bool,
}

struct State {
    wall: SystemTime,
    monotonic: Duration,
    slept: Vec<Duration>,
}

/// 2026-11-23T00:00:00Z: any fixed time after this library was written would do.
const START: Duration = Duration::from_secs(1_795_392_000);

/// The longest sleep that is a pause; see [`ManualClock::sleeping_moves_time`].
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl ManualClock {
    /// A clock that stands at 2026-11-23T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                wall: SystemTime::UNIX_EPOCH + START,
                monotonic: Duration::from_secs(1_000),
                slept: Vec::new(),
            }),
            moved: Notify::new(),
            sleeping_moves_time: false,
        }
    }

    /// A clock on which a [`Clock::sleep`] of up to a minute moves time by itself and returns at once.
    /// A longer one is a deadline rather than a pause, and waits as it does on other clocks.
    #[must_use]
    pub fn sleeping_moves_time() -> Self {
        Self { sleeping_moves_time: true, ..Self::new() }
    }

    /// Moves both clocks forward and wakes the sleepers whose hour has come.
    pub fn advance(&self, by: Duration) {
        self.change(|state| {
            state.wall += by;
            state.monotonic += by;
        });
    }

    /// Moves the wall clock alone, as a machine that slept: the monotonic clock stood still meanwhile.
    pub fn sleep_machine(&self, by: Duration) {
        self.change(|state| state.wall += by);
    }

    /// Sets the wall clock alone, as a person or a time server would.
    pub fn set_wall(&self, to: SystemTime) {
        self.change(|state| state.wall = to);
    }

    /// Every pause of up to a minute that someone made or began, in order.
    #[must_use]
    pub fn slept(&self) -> Vec<Duration> {
        self.lock().slept.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.moved.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every holder leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ManualClock").field("now", &self.now()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Moment {
        let state = self.lock();
        Moment::new(state.wall, state.monotonic)
    }

    async fn sleep(&self, duration: Duration) {
        let wake_at = {
            let mut state = self.lock();
            if duration <= LONGEST_PAUSE {
                state.slept.push(duration);
            }
            state.monotonic.saturating_add(duration)
        };
        if self.sleeping_moves_time && duration <= LONGEST_PAUSE {
            self.advance(duration);
            return;
        }
        loop {
            // Registered before the clock is read, so that a move in between is not missed.
            let moved = self.moved.notified();
            if self.lock().monotonic >= wake_at {
                return;
            }
            moved.await;
        }
    }
}
