//! What a cache knows besides its token. Pure: no I/O, no clock of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::flight::{FlightHandle, TOO_LATE, lost};
use super::held::Held;
use super::landing::Landing;
use super::observer::CacheEvent;
use super::policy::CachePolicy;
use super::snapshot::CacheCounts;
use crate::clock::Moment;
use crate::error::{Error, ErrorKind, Remedy};
use crate::random;
use crate::token::Token;

#[derive(Default)]
pub(super) struct State {
    pub(super) flight: Option<FlightHandle>,
    pub(super) is_closed: bool,
    /// Why no token is given any more, nor taken.
    pub(super) over: Option<Error>,
    pub(super) counts: CacheCounts,
    pub(super) last_error: Option<Error>,
    generation: u64,
    /// Apart, as there hardly ever is one, and it is large.
    pause: Option<Box<Pause>>,
    /// Errors in a row; a token that is worn does not end the row.
    failures: u32,
    /// Tokens in a row that were over when they came, or nearly.
    dead: u32,
    /// The last request may have spent something, and a second one could do harm: none is made behind a token that is usable.
    in_doubt: bool,
    /// Tokens in a row that were over on arrival or refused before they had served well.
    useless: u32,
    /// A caller needed a token for so long, and new ones were not usable so long, though not by much.
    too_long: Option<Duration>,
    /// The tokens that were refused last: a request that began before that may bring one of them again.
    refused: VecDeque<Refused>,
    /// The last request that had begun when a token was given that no request brought.
    outdated: u64,
    /// To be told after the lock is gone.
    events: Vec<CacheEvent>,
}

struct Refused {
    fingerprint: u64,
    /// The last request that had begun.
    last_request: u64,
}

struct Pause {
    error: Error,
    began: Moment,
    length: Duration,
}

impl Pause {
    fn left(&self, now: &Moment) -> Duration {
        self.length.saturating_sub(now.monotonic_since(&self.began))
    }
}

/// A token that is usable for less than this when it comes is worn: it is given out, and the next one is not asked for at once.
const WORN: Duration = Duration::from_secs(1);

/// How many refused tokens are remembered. More than one can be refused while a request runs only if that request was given up on and others brought tokens.
const REMEMBERED_REFUSALS: usize = 8;

impl State {
    /// What happened since this was asked last.
    pub(super) fn take_events(&mut self) -> Vec<CacheEvent> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Gives up a request that should have ended by itself: its runtime lives, but nobody drives it. Tell those who wait, after the lock is gone.
    pub(super) fn give_up_late_flight(&mut self, now: &Moment, policy: &CachePolicy) -> Option<(Arc<Landing>, Error)> {
        let late = self.flight.take_if(|flight| flight.given_up_in(now, policy).is_zero())?;
        let error = self.failed(lost(policy, TOO_LATE, late.cut_off.is_some()), policy, *now);
        self.flight_ended(late.number, Err(error.kind()), now.monotonic_since(&late.began));
        Some((late.landing, error))
    }

    /// Notes a request and gives its number.
    pub(super) fn begin_flight(&mut self, flight: impl FnOnce(u64) -> FlightHandle) -> u64 {
        self.counts.requests += 1;
        let number = self.counts.requests;
        self.flight = Some(flight(number));
        self.events.push(CacheEvent::RefreshBegan { number });
        number
    }

    /// `false` if the request was given up before it ended.
    pub(super) fn end_flight(&mut self, number: u64) -> bool {
        self.flight.take_if(|flight| flight.number == number).is_some()
    }

    /// Whether a token was given after this request began.
    pub(super) fn is_outdated(&self, number: u64) -> bool {
        number <= self.outdated
    }

    /// Counts a request that ended: with the token of this generation, or an error.
    pub(super) fn flight_ended(&mut self, number: u64, result: Result<u64, ErrorKind>, took: Duration) {
        self.counts.failures += u64::from(result.is_err());
        self.events.push(CacheEvent::RefreshEnded { number, result, took });
    }

    /// The remembered error with the time left, while the pause lasts.
    ///
    /// By the monotonic clock alone: a wall clock that is set forward must not cut a pause short.
    pub(super) fn pause_left(&mut self, now: &Moment) -> Option<Error> {
        let pause = self.pause.take_if(|pause| pause.left(now).is_zero());
        // What is over is dropped, and what is left is told.
        drop(pause);
        let pause = self.pause.as_ref()?;
        Some(pause.error.clone().with_retry_after(Some(pause.left(now))))
    }

    /// Whether a request would be made too early if this state were forgotten: in a pause, or while a usable token spares a request that could do harm.
    #[cfg(feature = "caches")]
    pub(super) fn holds_back(&self, now: &Moment, is_usable: impl FnOnce() -> bool) -> bool {
        self.pause.as_ref().is_some_and(|pause| !pause.left(now).is_zero()) || (self.in_doubt && is_usable())
    }

    /// Whether a refresh may begin behind a usable token: none is under way, no pause runs, and nothing can be lost by it.
    pub(super) fn may_refresh(&mut self, now: &Moment) -> bool {
        !self.is_closed && !self.in_doubt && self.flight.is_none() && self.pause_left(now).is_none()
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Whether it is known that a new token would not be usable for `at_least`.
    pub(super) fn is_too_long(&self, at_least: Duration) -> bool {
        self.too_long.is_some_and(|too_long| at_least >= too_long)
    }

    /// Notes that new tokens are not usable for `at_least`, until one is.
    pub(super) fn found_too_long(&mut self, at_least: Duration) {
        self.too_long = Some(self.too_long.map_or(at_least, |before| before.min(at_least)));
    }

    /// Keeps a token that no request brought.
    pub(super) fn given(&mut self, token: Token, policy: &CachePolicy) -> Held {
        self.generation += 1;
        Held::new(token, self.generation, policy, random::unit())
    }

    /// Forgets what went wrong so far, and whatever the requests that have begun will bring: it says nothing of what comes now.
    #[cfg(feature = "sessions")]
    pub(super) fn begin_anew(&mut self) {
        self.outdated = self.counts.requests;
        self.pause = None;
        (self.failures, self.dead, self.useless) = (0, 0, 0);
        self.in_doubt = false;
    }

    /// Takes the new token of a request and gives what is to be kept: nothing, if an API refused this very token meanwhile. `before` is the one that is held, usable or not.
    pub(super) fn arrived(
        &mut self,
        token: Token,
        number: u64,
        before: Option<&Held>,
        policy: &CachePolicy,
        now: Moment,
    ) -> Result<Option<Held>, Error> {
        self.in_doubt = false;
        if let Some(seconds) = token.clock_offset() {
            self.events.push(CacheEvent::ClockOffset { seconds });
        }
        let is_same_again = before.is_some_and(|before| before.token().has_same_access_token(&token));
        let held = Held::new(token, self.generation + 1, policy, random::unit());
        let usable_for = held.usable_for(&now);
        if usable_for.is_zero() {
            return Err(if is_same_again { self.worn(policy, now) } else { self.over_on_arrival(policy, now) });
        }
        self.too_long.take_if(|too_long| usable_for >= *too_long);
        let mut refused = self.refused.iter().filter(|refused| number <= refused.last_request);
        if refused.any(|refused| refused.fingerprint == held.token().fingerprint()) {
            // Asked for before the refusal, it is what was refused. A pause that the refusal began goes on.
            return Ok(None);
        }
        if usable_for < WORN {
            let error = self.worn(policy, now);
            if before.is_some_and(|before| before.usable_for(&now) > usable_for) {
                // The one that is held is better.
                return Err(error);
            }
        } else {
            self.failures = 0;
            self.dead = 0;
        }
        if before.is_some_and(|before| before.served_well(policy, &now)) {
            self.useless = 0;
        }
        self.generation += 1;
        self.counts.tokens += 1;
        Ok(Some(if is_same_again { held.not_due_while_usable() } else { held }))
    }

    fn over_on_arrival(&mut self, policy: &CachePolicy, now: Moment) -> Error {
        let message =
            "the token was over when it came: this machine's clock or the service's is wrong, or its tokens live too short";
        self.useless = self.useless.saturating_add(1).max(2);
        self.dead = self.dead.saturating_add(1);
        // Where tokens that are over come by turns with those that nearly are, each kind makes the pauses of the other longer.
        let pause = policy.dead_token_pause(self.dead).max(policy.refusal_pause(self.useless).unwrap_or_default());
        let error = policy.error(ErrorKind::ClockSkew, Remedy::CorrectClock, message);
        self.hold(error, pause.max(policy.refused_pause), policy, now)
    }

    /// Some services hand out one token until its end. The next one is due any moment, and no clock is wrong.
    fn worn(&mut self, policy: &CachePolicy, now: Moment) -> Error {
        let message = "the service hands out a token that is over, or nearly, and no new one yet";
        self.dead = self.dead.saturating_add(1);
        let pause = policy.dead_token_pause(self.dead);
        self.hold(policy.error(ErrorKind::Server, Remedy::Retry, message), pause, policy, now)
    }

    /// Remembers a failure for the length of its pause, and gives it with that time.
    pub(super) fn failed(&mut self, error: Error, policy: &CachePolicy, now: Moment) -> Error {
        self.failures = self.failures.saturating_add(1);
        // Only a token ends the doubt.
        self.in_doubt |= error.is_in_doubt();
        let length = policy.pause(&error, self.failures, random::unit());
        self.hold(error, length, policy, now)
    }

    /// As [`failed`](Self::failed), of a request that was given up on: what the service said of the credentials or the rate counts, however late it came.
    pub(super) fn failed_late(&mut self, error: Error, policy: &CachePolicy, now: Moment) -> Error {
        if matches!(error.kind(), ErrorKind::ClientRefused | ErrorKind::RateLimited) {
            return self.failed(error, policy, now);
        }
        self.in_doubt |= error.is_in_doubt();
        error
    }

    /// Notes that the token that was held is refused by the API.
    pub(super) fn refused(&mut self, refused: &Held, policy: &CachePolicy, now: Moment) {
        self.counts.refusals += 1;
        self.events.push(CacheEvent::Invalidated { generation: refused.generation() });
        if self.refused.len() == REMEMBERED_REFUSALS {
            self.refused.pop_front();
        }
        self.refused.push_back(Refused { fingerprint: refused.token().fingerprint(), last_request: self.counts.requests });
        // A token that did good service and was then revoked says nothing of the next one.
        self.useless = if refused.served_well(policy, &now) { 1 } else { self.useless.saturating_add(1) };
        if let Some(length) = policy.refusal_pause(self.useless) {
            let error = policy.error(
                ErrorKind::TokenRefused,
                Remedy::ContactService,
                "the API refuses tokens fresh from the service, so new ones are asked for ever more rarely",
            );
            self.hold(error, length, policy, now);
        }
    }

    /// Remembers `error`, and keeps callers from the service for `length`, and gives it with the time that they are kept. A pause that would end before the one that runs changes nothing.
    fn hold(&mut self, error: Error, length: Duration, policy: &CachePolicy, began: Moment) -> Error {
        self.last_error = Some(error.clone());
        let length = length.min(policy.longest_hold);
        let left = self.pause.as_ref().map_or(Duration::ZERO, |pause| pause.left(&began));
        if left <= length && !length.is_zero() {
            self.events.push(CacheEvent::Hold { length, error: error.clone() });
            self.pause = Some(Box::new(Pause { error: error.clone(), began, length }));
        }
        let pause = length.max(left);
        if pause.is_zero() { error } else { error.with_retry_after(Some(pause)) }
    }
}
