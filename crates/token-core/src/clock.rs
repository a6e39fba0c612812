//! The one place that asks the machine for the time.

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

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
    #[inline]
    #[must_use]
    pub const fn wall(&self) -> SystemTime {
        self.wall
    }

    /// The monotonic clock, counted from a point that is fixed for one [`Clock`] and means nothing outside it.
    #[inline]
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

    /// The time that went by since `earlier` by the monotonic clock alone: for a pause, which a wall clock set forward must not cut short.
    pub(crate) fn monotonic_since(&self, earlier: &Self) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }
}

/// Tells the time and waits.
///
/// Everything in this workspace that depends on time asks a `Clock`, so that a test can move time by hand.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// Reads both clocks. Call it once for one decision.
    fn now(&self) -> Moment;

    /// Reads both clocks as cheaply as it can be done; the reading may lag behind [`now`](Self::now), most often by a few milliseconds.
    ///
    /// Only for a question that leaves room for that: what is not certain by it is asked again of `now`. The default is `now` itself.
    fn coarse(&self) -> Moment {
        self.now()
    }

    /// A number that is another one as soon as [`coarse`](Self::coarse) would read another time, of either clock: while it lasts, an answer by that reading lasts too.
    ///
    /// Read before `coarse`, never after. The default says that there is none.
    fn tick(&self) -> Option<NonZeroU64> {
        None
    }

    /// Returns when `duration` has gone by.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own clocks. Its [`sleep`](Clock::sleep) needs a Tokio runtime whose time driver is on.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// Readings of the kernel. The coarse ones are what it last noted at a tick; to read them costs a quarter of the others.
#[cfg(target_os = "linux")]
mod machine {
    use std::num::NonZeroU64;
    use std::time::{Duration, SystemTime};

    use rustix::time::{ClockId, Timespec, clock_gettime};

    use super::Moment;

    /// Since the machine started.
    pub(super) fn monotonic() -> Duration {
        duration(clock_gettime(ClockId::Monotonic))
    }

    /// The monotonic clock's. The kernel moves both coarse clocks in one step, also when someone sets the wall clock, and after a sleep before a program runs.
    #[inline]
    pub(super) fn tick() -> Option<NonZeroU64> {
        let time = clock_gettime(ClockId::MonotonicCoarse);
        let nanoseconds = time.tv_sec.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec.cast_unsigned());
        NonZeroU64::new(nanoseconds)
    }

    pub(super) fn coarse() -> Option<Moment> {
        let wall = SystemTime::UNIX_EPOCH.checked_add(duration(clock_gettime(ClockId::RealtimeCoarse)))?;
        Some(Moment::new(wall, duration(clock_gettime(ClockId::MonotonicCoarse))))
    }

    /// A wall clock before 1970 reads as 1970.
    #[inline]
    fn duration(time: Timespec) -> Duration {
        Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
    }
}

#[cfg(not(target_os = "linux"))]
mod machine {
    use std::num::NonZeroU64;
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use super::Moment;

    /// `Instant` has no value of its own; readings are counted from this one.
    static ANCHOR: LazyLock<Instant> = LazyLock::new(now);

    #[expect(clippy::disallowed_methods, reason = "this is the one clock that all others are told to ask")]
    fn now() -> Instant {
        Instant::now()
    }

    pub(super) fn monotonic() -> Duration {
        // The anchor first: forced after the reading, it would lie behind it.
        let anchor = *ANCHOR;
        now().saturating_duration_since(anchor)
    }

    pub(super) fn coarse() -> Option<Moment> {
        None
    }

    pub(super) fn tick() -> Option<NonZeroU64> {
        None
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that all others are told to ask")]
    fn now(&self) -> Moment {
        Moment::new(SystemTime::now(), machine::monotonic())
    }

    fn coarse(&self) -> Moment {
        machine::coarse().unwrap_or_else(|| self.now())
    }

    fn tick(&self) -> Option<NonZeroU64> {
        machine::tick()
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

    #[test]
    fn while_the_tick_lasts_the_coarse_reading_does() {
        let mut lasted = 0;
        for _ in 0..10_000 {
            let before = SystemClock.tick();
            let first = SystemClock.coarse();
            let second = SystemClock.coarse();
            if before.is_some() && SystemClock.tick() == before {
                assert_eq!(first, second);
                lasted += 1;
            }
        }
        assert!(lasted > 0 || cfg!(not(target_os = "linux")));
    }

    #[test]
    fn a_coarse_reading_is_of_the_same_clocks_and_never_ahead() {
        for _ in 0..1_000 {
            let coarse = SystemClock.coarse();
            let now = SystemClock.now();
            assert!(coarse.monotonic() <= now.monotonic());
            // Far more than it lags, and far less than a clock with another zero would be off.
            assert!(now.elapsed_since(&coarse) < Duration::from_secs(30), "{coarse:?} {now:?}");
        }
    }
}
