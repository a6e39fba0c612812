//! Trying again after a passing fault.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Remedy};
use crate::provider::TokenProvider;
use crate::random;
use crate::token::Token;

/// Tries again when a provider fails in a way that may pass.
///
/// The pause before each try is a random part of a bound that doubles (full jitter), and never shorter than the service's `Retry-After`.
/// It gives up when the tries or the time are used up, when the service asks for a longer wait than there is time for,
/// and at once when the request must not be sent again: see [`Error::may_be_sent_again`].
#[derive(Clone, Debug)]
pub struct Retry<P> {
    provider: P,
    policy: RetryPolicy,
    clock: Arc<dyn Clock>,
}

/// How often and how long [`Retry`] tries. Begin with `RetryPolicy::default()` and set what should differ.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Tries in all, the first included; 0 counts as 1. Default 3.
    pub tries: u32,
    /// The bound of the first pause; it doubles with each try. Default 250 ms.
    pub first_pause: Duration,
    /// The largest bound. Default 5 s.
    pub longest_pause: Duration,
    /// The time for all tries and pauses; no try begins after it. Default 20 s.
    pub total_time: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 3,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(5),
            total_time: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// The pause before the next try, or `None` to give up. `random` is a number from 0 to 1.
    fn pause(&self, error: &Error, tried: u32, elapsed: Duration, random: f64) -> Option<Duration> {
        let may_pass = match error.remedy() {
            Remedy::Retry => true,
            Remedy::Wait => error.retry_after().is_some(),
            _ => false,
        };
        if !may_pass || !error.may_be_sent_again() || tried >= self.tries {
            return None;
        }
        let bound = doubled(self.first_pause, tried.saturating_sub(1)).min(self.longest_pause);
        let pause = bound.mul_f64(random).max(error.retry_after().unwrap_or_default());
        (elapsed.saturating_add(pause) <= self.total_time).then_some(pause)
    }
}

/// `first` doubled `times` over, without overflow.
pub(crate) fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}

impl<P: TokenProvider> Retry<P> {
    /// Tries `provider` by the default policy.
    #[must_use]
    pub fn new(provider: P) -> Self {
        Self::with_policy(provider, RetryPolicy::default(), Arc::new(SystemClock))
    }

    /// Tries `provider` by `policy`, waiting by `clock`.
    #[must_use]
    pub fn with_policy(provider: P, policy: RetryPolicy, clock: Arc<dyn Clock>) -> Self {
        Self { provider, policy, clock }
    }

    /// The provider that is asked.
    #[must_use]
    pub fn provider(&self) -> &P {
        &self.provider
    }

    /// Asks until a token comes or nothing is to be hoped for.
    async fn tried<F: Future<Output = Result<Token, Error>> + Send>(&self, ask: impl Fn() -> F + Send) -> Result<Token, Error> {
        let began = self.clock.now();
        let mut tried = 0;
        loop {
            let error = match ask().await {
                Ok(token) => return Ok(token),
                Err(error) => error,
            };
            tried += 1;
            let elapsed = self.clock.now().elapsed_since(&began);
            match self.policy.pause(&error, tried, elapsed, random::unit()) {
                Some(pause) => self.clock.sleep(pause).await,
                None => return Err(error),
            }
        }
    }
}

#[async_trait]
impl<P: TokenProvider> TokenProvider for Retry<P> {
    async fn token(&self) -> Result<Token, Error> {
        self.tried(|| self.provider.token()).await
    }

    fn invalidate(&self, rejected: &Token) {
        self.provider.invalidate(rejected);
    }

    fn try_token(&self) -> Option<Token> {
        self.provider.try_token()
    }

    async fn token_lasting(&self, at_least: Duration) -> Result<Token, Error> {
        self.tried(|| self.provider.token_lasting(at_least)).await
    }

    fn is_cancel_safe(&self) -> bool {
        self.provider.is_cancel_safe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::transport::{Delivery, Resend};

    fn error(remedy: Remedy, retry_after: Option<u64>) -> Error {
        Error::new("test", ErrorKind::Server, remedy)
            .with_delivery(Resend::AfterRefusal, Delivery::Answered)
            .with_retry_after(retry_after.map(Duration::from_secs))
    }

    #[test]
    fn the_bound_doubles_and_the_service_has_the_last_word() {
        let policy = RetryPolicy { tries: 20, ..RetryPolicy::default() };
        let millis = |remedy, retry_after, tried, elapsed, random| {
            let pause = policy.pause(&error(remedy, retry_after), tried, Duration::from_secs(elapsed), random);
            pause.map(|pause| pause.as_millis())
        };
        let cases = [
            ("the first", Remedy::Retry, None, 1, 0, 1.0, Some(250)),
            ("full jitter reaches down to nothing", Remedy::Retry, None, 1, 0, 0.0, Some(0)),
            ("the second", Remedy::Retry, None, 2, 0, 1.0, Some(500)),
            ("the third", Remedy::Retry, None, 3, 0, 0.5, Some(500)),
            ("the largest", Remedy::Retry, None, 19, 0, 1.0, Some(5_000)),
            ("Retry-After is longer", Remedy::Retry, Some(7), 1, 0, 1.0, Some(7_000)),
            ("Retry-After is shorter", Remedy::Retry, Some(0), 1, 0, 1.0, Some(250)),
            ("Retry-After is longer than there is time", Remedy::Retry, Some(21), 1, 0, 1.0, None),
            ("Retry-After is for ever", Remedy::Retry, Some(u64::MAX), 1, 0, 1.0, None),
            ("no time left", Remedy::Retry, None, 1, 20, 1.0, None),
            ("no tries left", Remedy::Retry, None, 20, 0, 1.0, None),
            ("told when to come back", Remedy::Wait, Some(2), 1, 0, 0.0, Some(2_000)),
            ("told to wait, not how long", Remedy::Wait, None, 1, 0, 0.0, None),
            ("will not pass", Remedy::FixConfiguration, Some(1), 1, 0, 0.0, None),
        ];
        for (what, remedy, retry_after, tried, elapsed, random, pause) in cases {
            assert_eq!(millis(remedy, retry_after, tried, elapsed, random), pause, "{what}");
        }
        assert_eq!(doubled(Duration::from_secs(1), 400), Duration::from_secs(u64::from(u32::MAX)));
    }

    #[test]
    fn what_may_do_harm_twice_is_not_tried_again() {
        let policy = RetryPolicy::default();
        for (resend, delivery, again) in [
            (Resend::OnlyIfNotSent, Delivery::Unknown, false),
            (Resend::OnlyIfNotSent, Delivery::Answered, false),
            (Resend::OnlyIfNotSent, Delivery::NotSent, true),
            (Resend::AfterRefusal, Delivery::Unknown, true),
        ] {
            let error = error(Remedy::Retry, None).with_delivery(resend, delivery);
            assert_eq!(policy.pause(&error, 1, Duration::ZERO, 1.0).is_some(), again, "{resend:?} {delivery:?}");
        }
    }
}
