//! The sandbox's own clock: the injected one, and an offset that the control endpoint moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use token_core::Clock;

/// 9000-01-01. The writers of `Date` headers and of RFC 3339 end with the year 9999; this leaves room for a lifetime.
const LATEST: i64 = 221_845_392_000_000;

/// Nobody needs a longer lifetime, and sums of it stay in range.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A time on the sandbox's clock, in milliseconds since 1970.
///
/// Wall time only: the services put absolute times on the wire, so the hour on the wall is what they go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(i64);

impl Time {
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    pub(crate) fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub(crate) fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub(crate) fn after(self, lifetime: Duration) -> Self {
        Self(self.0.saturating_add(millis(lifetime)))
    }

    /// Negative seconds are the past.
    pub(crate) fn moved(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// RFC 3339 in UTC with milliseconds and `Z`.
    pub(crate) fn rfc3339(self) -> String {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{timestamp:.3}")
    }

    pub(crate) fn http_date(self) -> String {
        let since = Duration::from_millis(u64::try_from(self.0.clamp(0, LATEST)).unwrap_or_default());
        httpdate::fmt_http_date(UNIX_EPOCH + since)
    }
}

/// Whole milliseconds, of at most a hundred years.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.min(LONGEST).as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds, of at most a hundred years.
pub(crate) fn seconds(duration: Duration) -> i64 {
    millis(duration) / 1_000
}

/// The clock by which the sandbox answers.
#[derive(Debug)]
pub(crate) struct SandboxClock {
    inner: Arc<dyn Clock>,
    offset: AtomicI64,
}

impl SandboxClock {
    pub(crate) fn new(inner: Arc<dyn Clock>) -> Self {
        Self { inner, offset: AtomicI64::new(0) }
    }

    /// The time. Read it once for one request.
    pub(crate) fn now(&self) -> Time {
        let wall = match self.inner.now().wall().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(LATEST),
            Err(_) => 0,
        };
        Time(wall.saturating_add(self.offset.load(Ordering::SeqCst)).clamp(0, LATEST))
    }

    /// Returns when `duration` has gone by on the injected clock.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration).await;
    }

    /// Moves this clock, and not the injected one. Negative seconds move it back.
    pub(crate) fn advance(&self, seconds: i64) {
        let by = seconds.saturating_mul(1_000);
        // `fetch_update` with a closure that never says `None` cannot fail.
        let _ = self.offset.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |offset| Some(offset.saturating_add(by)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use token_testkit::ManualClock;

    #[test]
    fn the_offset_comes_on_top_of_the_injected_clock() {
        let manual = Arc::new(ManualClock::new());
        let clock = SandboxClock::new(manual.clone());
        let start = clock.now();
        clock.advance(90);
        manual.advance(Duration::from_secs(10));
        assert_eq!(clock.now().seconds() - start.seconds(), 100);
        clock.advance(-95);
        assert_eq!(clock.now().seconds() - start.seconds(), 5);
    }

    #[test]
    fn a_clock_moved_out_of_range_stays_writable() {
        for by in [i64::MIN, i64::MAX] {
            let clock = SandboxClock::new(Arc::new(ManualClock::new()));
            clock.advance(by);
            let now = clock.now().after(Duration::MAX);
            assert!(now.rfc3339().ends_with('Z'));
            assert!(now.http_date().ends_with("GMT"));
        }
    }

    #[test]
    fn times_are_written_as_the_services_write_them() {
        let time = Time(1_795_392_000_401);
        assert_eq!(time.rfc3339(), "2026-11-23T00:00:00.401Z");
        assert_eq!(time.http_date(), "Mon, 23 Nov 2026 00:00:00 GMT");
    }
}
