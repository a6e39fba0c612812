//! A token with what there is to know about its time. Pure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::policy::CachePolicy;
use crate::clock::{Clock, Moment};
use crate::expiry::Expiry;
use crate::token::Token;

/// A token and the answers about it, as deadlines on both clocks.
pub(super) struct Held {
    token: Token,
    generation: u64,
    /// Until here not even a coarse reading of the clocks can be wrong about it.
    surely_fresh_until: Deadline,
    /// The clock's tick at which it was found surely fresh last, so that most calls read one clock and not both. 0: none.
    surely_fresh_at_tick: AtomicU64,
    due_at: Deadline,
    usable_until: Deadline,
}

#[derive(Clone, Copy)]
struct Deadline {
    wall: SystemTime,
    monotonic: Duration,
}

impl Deadline {
    /// It has come, whatever the clocks say.
    const PAST: Self = Self { wall: SystemTime::UNIX_EPOCH, monotonic: Duration::ZERO };

    fn new(from: Moment, after: Duration) -> Self {
        Self {
            // Lifetimes are capped, so the sum overflows only from a clock that is centuries off; such a token counts as over.
            wall: from.wall().checked_add(after).unwrap_or(SystemTime::UNIX_EPOCH),
            monotonic: from.monotonic().saturating_add(after),
        }
    }

    /// By the clock that gets there first.
    #[inline]
    fn has_come(&self, now: &Moment) -> bool {
        now.wall() >= self.wall || now.monotonic() >= self.monotonic
    }

    /// The time until it comes, by the clock that gets there first.
    fn left(&self, now: &Moment) -> Duration {
        let wall = self.wall.duration_since(now.wall()).unwrap_or_default();
        wall.min(self.monotonic.saturating_sub(now.monotonic()))
    }
}

/// How far before the end of its use a token is no more judged by a coarse reading, which lags by the length of a tick:
/// at most 10 ms, and longer while a virtual machine is not given its processor. The skew comes on top of it.
const COARSE_MARGIN: Duration = Duration::from_secs(1);

impl Held {
    /// `random` is a number from 0 to 1.
    pub(super) fn new(token: Token, generation: u64, policy: &CachePolicy, random: f64) -> Self {
        let lifetime = policy.lifetime(token.expiry());
        let due_after = policy.due_after(lifetime, random);
        let usable_for = policy.usable_for(lifetime);
        let deadline = |after| Deadline::new(token.requested_at(), after);
        let surely_fresh_for = usable_for.checked_sub(COARSE_MARGIN).map(|sure| sure.min(due_after));
        Self {
            // A reading that lags may be earlier than the request, so a token too short for the margin is at no time surely fresh.
            surely_fresh_until: surely_fresh_for.map_or(Deadline::PAST, deadline),
            surely_fresh_at_tick: AtomicU64::new(0),
            due_at: deadline(due_after),
            usable_until: deadline(usable_for),
            generation,
            token,
        }
    }

    /// Whether `token` is usable now.
    pub(super) fn is_good(token: &Token, policy: &CachePolicy, now: &Moment) -> bool {
        Self::new(token.clone(), 0, policy, 0.0).is_usable(now)
    }

    #[inline]
    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// How many tokens there were up to this one.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Neither due nor over, by a reading that may lag. `false` says nothing.
    #[inline]
    pub(super) fn is_surely_fresh(&self, clock: &dyn Clock) -> bool {
        // Nothing else hangs on this number, so its own order is all that is needed.
        match clock.tick() {
            Some(tick) if tick.get() == self.surely_fresh_at_tick.load(Ordering::Relaxed) => true,
            tick => {
                let is_surely_fresh = !self.surely_fresh_until.has_come(&clock.coarse());
                if let Some(tick) = tick.filter(|_| is_surely_fresh) {
                    self.surely_fresh_at_tick.store(tick.get(), Ordering::Relaxed);
                }
                is_surely_fresh
            }
        }
    }

    pub(super) fn is_due(&self, now: &Moment) -> bool {
        self.due_at.has_come(now)
    }

    pub(super) fn is_usable(&self, now: &Moment) -> bool {
        !self.usable_until.has_come(now)
    }

    pub(super) fn usable_for(&self, now: &Moment) -> Duration {
        self.usable_until.left(now)
    }

    /// For a service that hands out the same token until it is over: to ask again while it is usable would gain nothing.
    pub(super) fn not_due_while_usable(mut self) -> Self {
        // By no reading of the monotonic clock, which tells it from a token that the settings keep to its end.
        self.due_at = Deadline { monotonic: Duration::MAX, ..self.usable_until };
        self
    }

    /// For how long a token like this one is usable when it is new.
    pub(super) fn whole_use(&self, policy: &CachePolicy) -> Duration {
        policy.usable_for(policy.lifetime(self.token.expiry()))
    }

    /// Whether the service gave the same token again, and so gives no other before its end.
    pub(super) fn is_given_until_its_end(&self) -> bool {
        self.due_at.monotonic == Duration::MAX
    }

    /// Whether it is usable for `at_least` from `now` on. Nobody knows when a token without an expiry ends, so that one is.
    pub(super) fn lasts(&self, at_least: Duration, now: &Moment) -> bool {
        self.is_usable(now) && (self.token.expiry() == Expiry::Unknown || self.usable_for(now) >= at_least)
    }

    /// Whether the token was in use until it was about to be replaced, or long enough to have been good: a refusal then says nothing of the next one.
    pub(super) fn served_well(&self, policy: &CachePolicy, now: &Moment) -> bool {
        let lifetime = policy.lifetime(self.token.expiry());
        now.monotonic_since(&self.token.requested_at()) >= lifetime.mul_f64(TRUSTED_SHARE).min(TRUSTED_AFTER)
    }
}

/// By default no token is due before. Not by the settings, which could make every token one that served well. See [`Held::served_well`].
const TRUSTED_SHARE: f64 = 0.7;

/// See [`Held::served_well`].
const TRUSTED_AFTER: Duration = Duration::from_secs(10 * 60);
