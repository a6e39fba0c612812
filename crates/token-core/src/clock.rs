//! The one place that asks the machine for the time.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;

/// One reading of both clocks of a machine.
///
/// The wall clock can be moved by a person or a time server; the monotonic clock stops on many systems while the machine sleeps.
/// A lifetime is therefore measured by both, and the one that says more time has gone by wins: see [`Moment::elapsed_since`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    wall: SystemTime,
    monotonic: Duration,
}

impl Moment {
    /// Joins a reading of the wall clock and one of a monotonic clock, the latter counted from any fixed point.
    #[must_use]
    pub const fn new(wall: SystemTime, monotonic: Duration) -> Self {
        Self { wall, monotonic }
    }

    /// The wall clock.
    #[must_use]
    pub const fn wall(&self) -> SystemTime {
        self.wall
    }

    /// The monotonic clock, counted from a point that is fixed for one [`Clock`] and means nothing outside it.
    #[must_use]
    pub const fn monotonic(&self) -> Duration {
        self.monotonic
    }

    /// The time that went by since `earlier`: the longer of what the two clocks say.
    ///
    /// A clock that was moved back counts as no time, so it never prolongs a token; one that was moved forward shortens it.
    #[must_use]
    pub fn elapsed_since(&self, earlier: &Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        let monotonic = self.monotonic.saturating_sub(earlier.monotonic);
        wall.max(monotonic)
    }
}

/// Tells the time and waits.
///
/// Everything in this workspace that depends on time asks a `Clock`, so that a test can move time by hand.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// Reads both clocks. Call it once for one decision.
    fn now(&self) -> Moment;

    /// Returns when `duration` has gone by.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own clocks. Its [`sleep`](Clock::sleep) needs a Tokio runtime whose time driver is on.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// `Instant` has no value of its own; readings are counted from this one.
static ANCHOR: LazyLock<Instant> = LazyLock::new(monotonic_now);

#[expect(clippy::disallowed_methods, reason = "this is the one clock that all others are told to ask")]
fn monotonic_now() -> Instant {
    Instant::now()
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that all others are told to ask")]
    fn now(&self) -> Moment {
        // The anchor first: forced after the reading, it would lie behind it.
        let anchor = *ANCHOR;
        Moment::new(SystemTime::now(), monotonic_now().saturating_duration_since(anchor))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one clock that all others are told to ask")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_went_further_counts() {
        let start = Moment::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000), Duration::from_secs(50));
        let cases = [
            ("both went on", 1_010, 60, 10),
            ("the machine slept: the monotonic clock stood still", 4_600, 50, 3_600),
            ("the wall clock was moved back", 0, 57, 7),
            ("the wall clock was moved forward", 8_200, 51, 7_200),
            ("both went back", 0, 0, 0),
        ];
        for (what, wall, monotonic, elapsed) in cases {
            let now = Moment::new(SystemTime::UNIX_EPOCH + Duration::from_secs(wall), Duration::from_secs(monotonic));
            assert_eq!(now.elapsed_since(&start), Duration::from_secs(elapsed), "{what}");
        }
    }

    #[test]
    fn the_system_clock_goes_forward() {
        let first = SystemClock.now();
        let second = SystemClock.now();
        assert!(second.monotonic() >= first.monotonic());
    }
}
