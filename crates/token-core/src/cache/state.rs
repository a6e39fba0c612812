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
    /// Refused while the request under way ran: its answer may be this very token.
    rejected_in_flight: Option<Token>,
}

/// A request that is no more under way.
#[derive(Default)]
pub(super) struct Ended {
    /// Nobody gave it up before.
    pub(super) was_awaited: bool,
    /// The token that an API refused while it ran.
    pub(super) rejected: Option<Token>,
}

/// What to do with a new token.
pub(super) struct Arrived {
    pub(super) keep: Option<Held>,
    pub(super) answer: Answer,
}

struct Pause {
    error: Error,
    began: Moment,
    length: Duration,
}

impl State {
    /// The answer that the request under way will have.
    pub(super) fn flight(&self) -> Option<watch::Receiver<Option<Answer>>> {
        self.flight.as_ref().map(|flight| flight.answer.subscribe())
    }

    /// Gives up a request that should have ended by itself: its runtime lives, but nobody drives it. Tell those who wait, after the lock is gone.
    pub(super) fn give_up_late_flight(&mut self, now: &Moment, policy: &CachePolicy) -> Option<watch::Sender<Option<Answer>>> {
        let late = self.flight.take_if(|flight| monotonic_since(&flight.began, now) >= policy.longest_request);
        late.map(|flight| flight.answer)
    }

    pub(super) fn begin_flight(&mut self, answer: watch::Sender<Option<Answer>>, began: Moment) -> u64 {
        self.flights += 1;
        self.flight = Some(FlightHandle { number: self.flights, began, answer });
        self.rejected_in_flight = None;
        self.flights
    }

    pub(super) fn end_flight(&mut self, number: u64) -> Ended {
        match self.flight.take_if(|flight| flight.number == number) {
            Some(_) => Ended { was_awaited: true, rejected: self.rejected_in_flight.take() },
            None => Ended::default(),
        }
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
    pub(super) fn must_not_refresh(&mut self, now: &Moment) -> bool {
        self.in_doubt || self.flight.is_some() || self.pause_left(now).is_some()
    }

    /// Takes a new token. `before` is the one that is held, usable or not.
    pub(super) fn arrived(
        &mut self,
        token: Token,
        rejected: Option<Token>,
        before: Option<&Held>,
        policy: &CachePolicy,
        now: Moment,
    ) -> Arrived {
        self.in_doubt = false;
        let is_same_again = before.is_some_and(|before| before.token.has_same_access_token(&token));
        let held = Held::new(token.clone(), policy, random::unit());
        if !held.is_usable(&now) {
            return Arrived { keep: None, answer: Answer::Failed(self.over_on_arrival(is_same_again, policy, now)) };
        }
        if rejected.is_some_and(|rejected| rejected.has_same_access_token(&token)) {
            // Asked for before the refusal, it is what was refused. A pause that the refusal began goes on.
            return Arrived { keep: None, answer: Answer::AskAgain };
        }
        self.failures = 0;
        self.pause = None;
        if before.is_some_and(|before| served_well(&before.token, policy, &now)) {
            self.refusals = 0;
        }
        let held = if is_same_again { held.not_due_while_usable() } else { held };
        Arrived { keep: Some(held), answer: Answer::Given(token) }
    }

    fn over_on_arrival(&mut self, is_same_again: bool, policy: &CachePolicy, now: Moment) -> Error {
        let (error, pause) = if is_same_again {
            // Some services hand out one token until its end. The next one is due any moment, and no clock is wrong.
            let message = "the service hands out a token that is over, and no new one yet";
            self.failures = self.failures.saturating_add(1);
            (policy.error(ErrorKind::Server, Remedy::Retry, message), policy.same_token_pause(self.failures))
        } else {
            let message =
                "the token was over when it came: this machine's clock or the service's is wrong, or its tokens live too short";
            self.refusals = self.refusals.saturating_add(1).max(2);
            let pause = policy.refusal_pause(self.refusals).unwrap_or_default().max(policy.refused_pause);
            (policy.error(ErrorKind::ClockSkew, Remedy::CorrectClock, message), pause)
        };
        self.begin_pause(error.clone(), now, pause);
        error.with_retry_after(Some(pause))
    }

    /// Remembers a failure for the length of its pause.
    pub(super) fn failed(&mut self, error: &Error, policy: &CachePolicy, now: Moment) {
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
        // A token that did good service and was then revoked says nothing of the next one.
        self.refusals = if served_well(rejected, policy, &now) { 1 } else { self.refusals.saturating_add(1) };
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

/// Whether a token was in use for so long that it cannot have been one that never was any good.
fn served_well(token: &Token, policy: &CachePolicy, now: &Moment) -> bool {
    let lifetime = policy.lifetime(token.expiry());
    monotonic_since(&token.requested_at(), now) >= (lifetime / 2).min(TRUSTED_AFTER)
}

/// See [`served_well`].
const TRUSTED_AFTER: Duration = Duration::from_secs(10 * 60);

fn monotonic_since(earlier: &Moment, now: &Moment) -> Duration {
    now.monotonic().saturating_sub(earlier.monotonic())
}
