//! How long a cache keeps a token and how long it pauses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::observer::{CacheEvent, Observer};
#[cfg(feature = "sessions")]
use crate::clock::Moment;
use crate::error::{Error, ErrorKind, Remedy};
use crate::expiry::Expiry;
use crate::retry::doubled;
#[cfg(feature = "sessions")]
use crate::token::Token;

/// How long a [`TokenCache`](crate::TokenCache) keeps a token, and how long it pauses after a failure.
/// Begin with `CachePolicy::default()` and set what should differ.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CachePolicy {
    /// The provider's name in errors of the cache itself. Default `token-cache`.
    pub provider: &'static str,
    /// The share of the lifetime after which a token is due for a refresh, from 0.1 to 1. Default 0.8.
    pub refresh_after: f64,
    /// How much of the lifetime that point is moved forward at random, so that caches that started together do not refresh together. Default 0.1.
    pub refresh_jitter: f64,
    /// How long before its end a token counts as over, as a share of its lifetime. Default 0.1.
    pub skew: f64,
    /// The most that the skew comes to. Default 30 s.
    pub longest_skew: Duration,
    /// How long a token is kept whose expiry is unknown. Default 5 min.
    pub unknown_lifetime: Duration,
    /// The longest that any token is kept. Default 30 days.
    pub longest_lifetime: Duration,
    /// The first pause after a failure; it doubles with each further one. Default 250 ms.
    pub first_pause: Duration,
    /// The longest such pause. Default 1 min.
    pub longest_pause: Duration,
    /// The pause after refused credentials and "too many requests", unless the service or the provider names a longer one. Default 60 s.
    pub refused_pause: Duration,
    /// The longest of all pauses, also of one that the service asks for. Default 1 h.
    pub longest_hold: Duration,
    /// How long one request may take before it is given up and the next caller asks anew, at least 1 s. Default 2 min; a transport gives up long before.
    pub longest_request: Duration,
    /// Hears what happens in the cache. Default none.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            provider: "token-cache",
            refresh_after: 0.8,
            refresh_jitter: 0.1,
            skew: 0.1,
            longest_skew: Duration::from_secs(30),
            unknown_lifetime: Duration::from_secs(5 * 60),
            longest_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(60),
            refused_pause: Duration::from_secs(60),
            longest_hold: Duration::from_secs(60 * 60),
            longest_request: Duration::from_secs(120),
            observer: None,
        }
    }
}

impl CachePolicy {
    pub(super) fn lifetime(&self, expiry: Expiry) -> Duration {
        match expiry {
            Expiry::After(lifetime) => lifetime.min(self.longest_lifetime),
            Expiry::Unknown => self.unknown_lifetime.min(self.longest_lifetime),
        }
        .min(Expiry::LONGEST)
    }

    /// For how long of its `lifetime` a token is usable.
    pub(super) fn usable_for(&self, lifetime: Duration) -> Duration {
        lifetime.saturating_sub(share(lifetime, self.skew).min(self.longest_skew))
    }

    /// For how long `token` is usable from `now` on.
    #[cfg(feature = "sessions")]
    pub(crate) fn usable_left(&self, token: &Token, now: &Moment) -> Duration {
        self.usable_for(self.lifetime(token.expiry())).saturating_sub(now.elapsed_since(&token.requested_at()))
    }

    /// After how much of its `lifetime` a token is due. `random` is a number from 0 to 1.
    pub(super) fn due_after(&self, lifetime: Duration, random: f64) -> Duration {
        let point = self.refresh_after - self.refresh_jitter * random;
        // A setting that is no number, or next to nothing, would make every token due at once.
        share(lifetime, if point.is_finite() { point.max(0.1) } else { 0.8 })
    }

    /// Tells the observer. Nothing of the cache may be locked: what an observer does is not ours to know.
    #[inline]
    pub(super) fn tell(&self, event: &CacheEvent) {
        if let Some(observer) = &self.observer {
            // A panic in it is no fault of the caller, and must not come out of a `drop`.
            let _ = catch_unwind(AssertUnwindSafe(|| observer.event(self.provider, event)));
        }
    }

    /// Tells the observer, and writes what is worth it to `tracing`.
    pub(crate) fn announce(&self, event: &CacheEvent) {
        #[cfg(feature = "tracing")]
        super::trace::event(self.provider, event);
        self.tell(event);
    }

    /// How long one request may take.
    pub(super) fn longest_request(&self) -> Duration {
        self.longest_request.max(Duration::from_secs(1))
    }

    /// The pause after the `failures`-th failure in a row. `random` is a number from 0 to 1.
    pub(super) fn pause(&self, error: &Error, failures: u32, random: f64) -> Duration {
        // What asks for patience, or may come from a firewall, gets a low rate from the start.
        let is_slow = error.remedy() == Remedy::Wait || error.kind() == ErrorKind::Blocked;
        let first = if is_slow { self.first_pause.max(SLOW_PAUSE) } else { self.first_pause };
        let doubled = doubled(first, failures.saturating_sub(1)).min(self.longest_pause);
        let own = match error.kind() {
            _ if error.hold() == Some(Duration::ZERO) => Duration::ZERO,
            ErrorKind::ClientRefused | ErrorKind::RateLimited => self.refused_pause.max(error.hold().unwrap_or_default()),
            // A provider that panicked or a runtime that ended: the next caller starts anew, once.
            ErrorKind::Internal if failures <= 1 => error.hold().unwrap_or_default(),
            // Half of it is certain, half is chance.
            _ => doubled.mul_f64(0.5 + 0.5 * random).max(error.hold().unwrap_or_default()),
        };
        own.max(error.retry_after().unwrap_or_default()).min(self.longest_hold)
    }

    /// The pause after the `refusals`-th token in a row that was no use: none after the first, which may have been revoked in good faith.
    pub(super) fn refusal_pause(&self, refusals: u32) -> Option<Duration> {
        let doublings = refusals.checked_sub(2)?;
        Some(doubled(Duration::from_secs(15), doublings).min(self.longest_hold))
    }

    /// The pause after the `tokens`-th token in a row that is over, or nearly, though the service may have a new one any moment.
    pub(super) fn dead_token_pause(&self, tokens: u32) -> Duration {
        doubled(Duration::from_secs(1), tokens.saturating_sub(1)).min(self.longest_hold)
    }

    pub(super) fn error(&self, kind: ErrorKind, remedy: Remedy, message: &'static str) -> Error {
        Error::new(self.provider, kind, remedy).with_message(message)
    }
}

/// The first pause after a failure that wants patience.
const SLOW_PAUSE: Duration = Duration::from_secs(10);

/// A share of `lifetime`, whatever number a setting holds.
fn share(lifetime: Duration, share: f64) -> Duration {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    lifetime.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_scale_with_the_lifetime() {
        let policy = CachePolicy::default();
        for (lifetime, usable, earliest, latest) in [
            (15_000, 13_500, 10_500, 12_000),
            (900_000, 870_000, 630_000, 720_000),
            (86_400_000, 86_370_000, 60_480_000, 69_120_000),
            (0, 0, 0, 0),
        ] {
            let lifetime = Duration::from_millis(lifetime);
            let millis = |duration: Duration| duration.as_millis();
            assert_eq!(millis(policy.usable_for(lifetime)), usable);
            assert_eq!(millis(policy.due_after(lifetime, 1.0)), earliest);
            assert_eq!(millis(policy.due_after(lifetime, 0.0)), latest);
        }
        for wild in [f64::NAN, f64::INFINITY, -3.0, 7.0] {
            let policy = CachePolicy { skew: wild, refresh_after: wild, refresh_jitter: wild, ..CachePolicy::default() };
            let lifetime = Duration::from_secs(100);
            assert!(policy.usable_for(lifetime) <= lifetime && policy.due_after(lifetime, 0.5) <= lifetime);
        }
        assert_eq!(policy.lifetime(Expiry::Unknown), Duration::from_secs(300));
        assert_eq!(policy.lifetime(Expiry::After(Expiry::LONGEST)), Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn pauses_grow_hold_and_end() {
        let policy = CachePolicy::default();
        let pause = |kind, failures, retry_after: Option<u64>, hold: Option<u64>| {
            let mut error = Error::new("test", kind, Remedy::Retry).with_retry_after(retry_after.map(Duration::from_secs));
            if let Some(hold) = hold {
                error = error.with_hold(Duration::from_secs(hold));
            }
            policy.pause(&error, failures, 1.0).as_millis()
        };
        let cases = [
            (ErrorKind::Server, 1, None, None, 250),
            (ErrorKind::Server, 3, None, None, 1_000),
            (ErrorKind::Server, 40, None, None, 60_000),
            (ErrorKind::Server, 1, Some(90), None, 90_000),
            (ErrorKind::Server, 1, Some(u64::MAX), None, 3_600_000),
            (ErrorKind::Blocked, 1, None, None, 10_000),
            (ErrorKind::Blocked, 4, None, None, 60_000),
            (ErrorKind::ClientRefused, 1, None, None, 60_000),
            (ErrorKind::ClientRefused, 1, None, Some(300), 300_000),
            (ErrorKind::RateLimited, 1, Some(5), None, 60_000),
            (ErrorKind::RateLimited, 9, Some(120), None, 120_000),
            (ErrorKind::Internal, 1, None, None, 0),
            (ErrorKind::Internal, 2, None, None, 500),
            (ErrorKind::LoginRequired, 9, None, Some(0), 0),
            (ErrorKind::LoginRequired, 1, Some(5), Some(0), 5_000),
        ];
        for (kind, failures, retry_after, hold, millis) in cases {
            assert_eq!(pause(kind, failures, retry_after, hold), millis, "{kind:?} {failures} {retry_after:?} {hold:?}");
        }
        let spaced: Vec<_> = (1..=5).map(|refusals| policy.refusal_pause(refusals).map(|pause| pause.as_secs())).collect();
        assert_eq!(spaced, [None, Some(15), Some(30), Some(60), Some(120)]);
    }
}
