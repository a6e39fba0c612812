//! What a cache knows besides its token. Pure: no I/O, no clock of its own.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::flight::{Answer, FlightHandle};
use super::policy::CachePolicy;
use crate::clock::Moment;
use crate::error::{Error, ErrorKind, Remedy};
use crate::random;
use crate::token::Token;

/// A token and the two answers about it, as deadlines on both clocks: may it be used, is it due for a refresh.
pub(super) struct Held {
    token: Token,
    usable_until: Deadline,
    due_at: Deadline,
}

#[derive(Clone, Copy)]
struct Deadline {
    wall: SystemTime,
    monotonic: Duration,
}

impl Deadline {
    fn new(from: Moment, after: Duration) -> Self {
        Self {
            // Lifetimes are capped, so the sum overflows only from a clock that is centuries off; such a token counts as over.
            wall: from.wall().checked_add(after).unwrap_or(SystemTime::UNIX_EPOCH),
            monotonic: from.monotonic().saturating_add(after),
        }
    }

    /// By the clock that gets there first.
    fn has_come(&self, now: &Moment) -> bool {
        now.wall() >= self.wall || now.monotonic() >= self.monotonic
    }
}

impl Held {
    pub(super) fn new(token: Token, policy: &CachePolicy, random: f64) -> Self {
        let lifetime = policy.lifetime(token.expiry());
        let asked = token.requested_at();
        Self {
            usable_until: Deadline::new(asked, policy.usable_for(lifetime)),
            due_at: Deadline::new(asked, policy.due_after(lifetime, random)),
            token,
        }
    }

    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    pub(super) fn is_usable(&self, now: &Moment) -> bool {
        !self.usable_until.has_come(now)
    }

    pub(super) fn is_due(&self, now: &Moment) -> bool {
        self.due_at.has_come(now)
    }

    /// For a service that hands out the same token until it is over: to ask again while it is usable would gain nothing.
    fn not_due_while_usable(mut self) -> Self {
        self.due_at = self.usable_until;
        self
    }
}

#[derive(Default)]
pub(super) struct State {
    flight: Option<FlightHandle>,
    flights: u64,
    pause: Option<Pause>,
    failures: u32,
    /// The last request may have spent something, and a second one could do harm: none is made behind a token that is usable.
    in_doubt: bool,
    /// Tokens in a row that were over on arrival or refused soon after.
    refusals: u32,
    /// Refused while a request was under way, whose answer may be this very token.
    rejected_in_flight: Option<Token>,
}

struct Pause {
    error: Error,
    began: Moment,
    length: Duration,
}

impl State {
    /// The request under way, unless it has taken so long that nobody should wait for it any more.
    pub(super) fn flight(&mut self, now: &Moment, policy: &CachePolicy) -> Option<watch::Receiver<Option<Answer>>> {
        let flight = self.flight.as_ref()?;
        if monotonic_since(&flight.began, now) < policy.longest_request {
            return Some(flight.answer.subscribe());
        }
        let error = policy.error(ErrorKind::Internal, Remedy::Retry, "the request for a token has not ended in time");
        flight.answer.send_replace(Some(Err(error)));
        self.flight = None;
        None
    }

    pub(super) fn begin_flight(&mut self, answer: watch::Sender<Option<Answer>>, began: Moment) -> u64 {
        self.flights += 1;
        self.flight = Some(FlightHandle { number: self.flights, began, answer });
        self.flights
    }

    /// Whether this request is still the one that is waited for; it is no more under way after this.
    pub(super) fn end_flight(&mut self, number: u64) -> bool {
        let current = self.flight.as_ref().is_some_and(|flight| flight.number == number);
        if current {
            self.flight = None;
        }
        current
    }

    /// The remembered error with the time left, while the pause lasts.
    ///
    /// By the monotonic clock alone: a wall clock that is set forward must not cut a pause short.
    pub(super) fn pause_left(&mut self, now: &Moment) -> Option<Error> {
        let pause = self.pause.as_ref()?;
        let left = pause.length.saturating_sub(monotonic_since(&pause.began, now));
        if left.is_zero() {
            self.pause = None;
            return None;
        }
        Some(pause.error.clone().with_retry_after(Some(left)))
    }

    /// Whether a refresh behind a usable token must wait: for another one, for the end of a pause, or until there is nothing to lose by it.
    pub(super) fn must_not_refresh(&mut self, now: &Moment, policy: &CachePolicy) -> bool {
        self.in_doubt || self.flight(now, policy).is_some() || self.pause_left(now).is_some()
    }

    /// Takes a new token. Gives what to keep, and what to answer those who wait.
    pub(super) fn arrived(
        &mut self,
        token: Token,
        before: Option<&Held>,
        policy: &CachePolicy,
        now: Moment,
    ) -> (Option<Held>, Answer) {
        let rejected = self.rejected_in_flight.take();
        self.in_doubt = false;
        let held = Held::new(token.clone(), policy, random::unit());
        if !held.is_usable(&now) {
            let error = policy.error(
                ErrorKind::ClockSkew,
                Remedy::CorrectClock,
                "the token was over when it came: this machine's clock or the service's is wrong, or its tokens live too short",
            );
            self.refusals = self.refusals.saturating_add(1).max(2);
            let pause = policy.refusal_pause(self.refusals).unwrap_or_default().max(policy.refused_pause);
            self.begin_pause(error.clone(), now, pause);
            return (None, Err(error.with_retry_after(Some(pause))));
        }
        self.failures = 0;
        self.pause = None;
        if rejected.is_some_and(|rejected| rejected.has_same_access_token(&token)) {
            // Asked for before the refusal, it is what was refused: good for those who wait, not worth keeping.
            return (None, Ok(token));
        }
        let again = before.is_some_and(|before| before.token.has_same_access_token(&token));
        let held = if again { held.not_due_while_usable() } else { held };
        (Some(held), Ok(token))
    }

    /// Remembers a failure for the length of its pause.
    pub(super) fn failed(&mut self, error: &Error, policy: &CachePolicy, now: Moment) {
        self.rejected_in_flight = None;
        self.failures = self.failures.saturating_add(1);
        self.in_doubt = error.is_in_doubt();
        let length = policy.pause(error, self.failures, random::unit());
        self.begin_pause(error.clone(), now, length);
    }

    /// Notes that the token that was held is refused by the API.
    pub(super) fn refused(&mut self, rejected: &Token, policy: &CachePolicy, now: Moment) {
        if self.flight.is_some() {
            self.rejected_in_flight = Some(rejected.clone());
        }
        let lifetime = policy.lifetime(rejected.expiry());
        // A token that did good service and was then revoked says nothing of the next one.
        let served_well = monotonic_since(&rejected.requested_at(), &now) >= (lifetime / 2).min(TRUSTED_AFTER);
        self.refusals = if served_well { 1 } else { self.refusals.saturating_add(1) };
        if let Some(length) = policy.refusal_pause(self.refusals) {
            let error = policy.error(
                ErrorKind::TokenRefused,
                Remedy::ContactService,
                "the API refuses tokens fresh from the service, so new ones are asked for ever more rarely",
            );
            self.begin_pause(error, now, length);
        }
    }

    /// A pause that would end before the one that runs changes nothing.
    fn begin_pause(&mut self, error: Error, began: Moment, length: Duration) {
        let left = self.pause.as_ref().map(|pause| pause.length.saturating_sub(monotonic_since(&pause.began, &began)));
        if left.is_none_or(|left| left <= length) {
            self.pause = Some(Pause { error, began, length });
        }
    }
}

/// How long a token must have been held for its refusal to count as a revocation rather than as a token that never was any good.
const TRUSTED_AFTER: Duration = Duration::from_secs(10 * 60);

fn monotonic_since(earlier: &Moment, now: &Moment) -> Duration {
    now.monotonic().saturating_sub(earlier.monotonic())
}
