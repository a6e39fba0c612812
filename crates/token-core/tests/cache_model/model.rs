//! The reference model: what a cache must do, written down from its documentation and sharing no code with it.
//!
//! Where the cache leaves something to chance, the model knows the interval, accepts all that is inside, and goes on with what it saw.

use std::collections::BTreeMap;
use std::time::Duration;

use token_core::{CacheState, ErrorKind, Expiry, Freshness, Moment};

use crate::steps::{Edge, Fault, How, Place, World};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const TEN_MINUTES: Duration = Duration::from_secs(600);
/// A request that takes longer ends itself.
const LONGEST_REQUEST: Duration = Duration::from_secs(120);
/// One that has not done so by then, as nobody drives its runtime, is given up by others.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(121);
/// For what is computed in floating point by the cache and in whole numbers here.
const ROUNDING: Duration = Duration::from_micros(1);

/// The number in the text of an access token.
pub(crate) type TokenId = usize;

/// A stretch of time in which chance may put something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    from: Duration,
    to: Duration,
}

impl Range {
    fn exactly(at: Duration) -> Self {
        Self { from: at, to: at }
    }

    pub(crate) fn has(&self, duration: Duration) -> bool {
        self.from <= duration && duration <= self.to
    }
}

/// What a request comes to.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Token(TokenId, Expiry),
    Failure(Fault),
}

/// What a call may come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    /// [`TokenCache::close`](token_core::TokenCache::close) returned.
    Done,
    /// An error of this kind, with this time left.
    Fails(ErrorKind, Option<Range>),
    /// A call that never waits found nothing.
    Nothing,
    Served(TokenId),
    Waits,
}

struct Held {
    id: TokenId,
    asked: Moment,
    expiry: Expiry,
    /// When it is due and until when it is usable, counted from `asked`.
    due: Range,
    usable: Duration,
}

struct Flight {
    number: u64,
    began: Moment,
    place: Place,
    outcome: Option<Outcome>,
}

struct Pause {
    began: Duration,
    length: Range,
    kind: ErrorKind,
}

/// What those who wait for a request hear.
#[derive(Clone, Debug)]
enum Landed {
    /// To look at what is held, and to ask anew if it is not usable.
    AskAgain,
    Fails(ErrorKind, Option<Range>),
}

/// What there was to see of the cache, by which the model decides where it leaves a choice.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    /// How often the provider was really asked.
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) holding: Option<Duration>,
}

struct Waiter {
    caller: usize,
    how: How,
    place: Place,
    flight: u64,
    /// By the monotonic clock.
    patience_ends: Option<Duration>,
    landed: Option<Landed>,
}

/// A cache, as its documentation says that it behaves.
pub(crate) struct Model {
    world: World,
    is_cancel_safe: bool,
    pub(crate) now: Moment,
    /// How far the coarse reading of the clocks lags behind.
    lag: Duration,
    held: Option<Held>,
    flights: Vec<Flight>,
    current: Option<u64>,
    pub(crate) requests: u64,
    seen: Seen,
    pause: Option<Pause>,
    failures: u32,
    dead_in_a_row: u32,
    useless: u32,
    in_doubt: bool,
    is_closed: bool,
    /// Tokens that were dropped, with the last request that had begun by then.
    refused: BTreeMap<TokenId, u64>,
    counts: [u64; 3],
    generation: u64,
    last_error: Option<ErrorKind>,
    waiters: Vec<Waiter>,
    /// When the requests began, for the budget as a whole.
    begins: Vec<Duration>,
    /// When those began that brought nothing but dead tokens, in a row.
    dead: Vec<Duration>,
    credentials_refused: Option<Duration>,
}

impl Model {
    pub(crate) fn new(world: World, is_cancel_safe: bool, lag: Duration, now: Moment) -> Self {
        Self {
            world,
            is_cancel_safe,
            now,
            lag,
            held: None,
            flights: Vec::new(),
            current: None,
            requests: 0,
            seen: Seen::default(),
            pause: None,
            failures: 0,
            dead_in_a_row: 0,
            useless: 0,
            in_doubt: false,
            is_closed: false,
            refused: BTreeMap::new(),
            counts: [0; 3],
            generation: 0,
            last_error: None,
            waiters: Vec::new(),
            begins: Vec::new(),
            dead: Vec::new(),
            credentials_refused: None,
        }
    }

    /// Takes note of what there is to see by now.
    pub(crate) fn saw(&mut self, seen: Seen) {
        self.seen = seen;
    }

    /// How many tasks there must be in `place`.
    pub(crate) fn tasks(&self, place: Place) -> usize {
        let waiters = self.waiters.iter().filter(|waiter| waiter.place == place).count();
        waiters + self.flights.iter().filter(|flight| flight.place == place).count()
    }

    /// How many requests run, given up on or not.
    pub(crate) fn running(&self) -> usize {
        self.flights.len()
    }

    /// The requests that run and have no answer yet.
    pub(crate) fn unanswered(&self) -> Vec<u64> {
        self.flights.iter().filter(|flight| flight.outcome.is_none()).map(|flight| flight.number).collect()
    }

    pub(crate) fn held(&self) -> Option<TokenId> {
        self.held.as_ref().map(|held| held.id)
    }

    /// How far the clock must move for `edge` to be there, in whole milliseconds, rounded up.
    pub(crate) fn until(&self, edge: Edge) -> Option<Duration> {
        let held = self.held.as_ref();
        let elapsed = held.map(|held| self.now.elapsed_since(&held.asked)).unwrap_or_default();
        let at = match edge {
            Edge::DueAtEarliest => held?.due.from,
            Edge::DueAtLatest => held?.due.to + self.lag,
            Edge::PauseEnd => return self.pause_left().map(|left| whole_millis(left.to)),
            Edge::RequestEnd => return self.request_ends_in(LONGEST_REQUEST),
            Edge::RequestGivenUp => return self.request_ends_in(GIVEN_UP_AFTER),
            Edge::UsableEnd => held?.usable,
            Edge::UsableSecond => held?.usable.saturating_sub(SECOND),
        };
        Some(whole_millis(at.saturating_sub(elapsed)))
    }

    fn request_ends_in(&self, limit: Duration) -> Option<Duration> {
        let flight = self.flights.iter().find(|flight| Some(flight.number) == self.current)?;
        Some((flight.began.monotonic() + limit).saturating_sub(self.now.monotonic()))
    }

    fn is_usable(&self) -> bool {
        self.held.as_ref().is_some_and(|held| self.now.elapsed_since(&held.asked) < held.usable)
    }

    fn pause_left(&self) -> Option<Range> {
        let pause = self.pause.as_ref()?;
        let gone = self.now.monotonic() - pause.began;
        let left = Range { from: pause.length.from.saturating_sub(gone), to: pause.length.to.saturating_sub(gone) };
        (!left.to.is_zero()).then_some(left)
    }

    /// A call made in `place`, and what comes of it at once.
    pub(crate) fn call(&mut self, caller: usize, how: How, place: Place) -> Vec<Expected> {
        if how == How::Close {
            self.is_closed = true;
            let Some(flight) = self.current else { return vec![Expected::Done] };
            let ends = self.request_ends_in(GIVEN_UP_AFTER).map(|left| self.now.monotonic() + left);
            self.waiters.push(Waiter { caller, how, place, flight, patience_ends: ends, landed: None });
            return vec![Expected::Waits];
        }
        let expected = self.ask(place, true);
        let never_waits = matches!(how, How::TryToken | How::TryAuthorization);
        match expected {
            Expected::Waits if how == How::Within(0) => vec![pending()],
            Expected::Waits if !never_waits => {
                let flight = self.current.expect("a request to wait for");
                let patience_ends = match how {
                    How::Within(millis) => Some(self.now.monotonic() + Duration::from_millis(millis)),
                    _ => None,
                };
                self.waiters.push(Waiter { caller, how, place, flight, patience_ends, landed: None });
                vec![Expected::Waits]
            }
            Expected::Waits | Expected::Fails(..) if never_waits => vec![Expected::Nothing],
            other => vec![other],
        }
    }

    /// What a caller finds. `is_certain` is false where the caller may as well have gone away before it asked.
    fn ask(&mut self, place: Place, is_certain: bool) -> Expected {
        if let Some(served) = self.serve(place, is_certain) {
            return served;
        }
        if is_certain || self.seen.failures > self.counts[1] {
            self.give_up_late_flight();
        }
        if self.current.is_some() {
            return Expected::Waits;
        }
        if self.is_closed {
            return Expected::Fails(ErrorKind::Closed, None);
        }
        if let Some(left) = self.pause_left() {
            let kind = self.pause.as_ref().map(|pause| pause.kind).expect("a pause");
            return Expected::Fails(kind, Some(left));
        }
        if is_certain || self.seen.requests > self.requests {
            self.begin(place);
        }
        Expected::Waits
    }

    /// The token that is held, if it is usable; a refresh begins behind it if it is due.
    fn serve(&mut self, place: Place, is_certain: bool) -> Option<Expected> {
        let held = self.held.as_ref().filter(|_| self.is_usable())?;
        let elapsed = self.now.elapsed_since(&held.asked);
        let (id, may, must) = (held.id, elapsed >= held.due.from, elapsed >= held.due.to + self.lag);
        let is_surely_due = must && is_certain;
        if may && (is_surely_due || self.seen.failures > self.counts[1]) {
            self.give_up_late_flight();
        }
        let nothing_against = !self.is_closed && !self.in_doubt && self.current.is_none() && self.pause_left().is_none();
        if nothing_against && may && (is_surely_due || self.seen.requests > self.requests) {
            self.begin(place);
        }
        Some(Expected::Served(id))
    }

    fn begin(&mut self, place: Place) {
        let now = self.now.monotonic();
        self.requests += 1;
        self.current = Some(self.requests);
        self.flights.push(Flight { number: self.requests, began: self.now, place, outcome: None });
        self.begins.push(now);
        if let Some(refused) = self.credentials_refused {
            assert!(now - refused >= MINUTE, "two requests within a minute, and the credentials were refused");
        }
        if self.world == World::EveryTokenRefused {
            assert!(at_most_ten(&self.begins), "an API that refuses every token: {:?}", self.begins);
        }
    }

    /// The request under way is answered, which its task will see when it runs next.
    pub(crate) fn answer(&mut self, number: u64, outcome: Outcome) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.number == number) {
            flight.outcome.get_or_insert(outcome);
        }
    }

    /// Who has an answer to look at in `place` while a request there is about to end: which of them runs first is known to the runtime alone.
    pub(crate) fn racing(&self, place: Place) -> Vec<usize> {
        let is_ending = self.flights.iter().any(|flight| flight.place == place && self.is_over(flight));
        let racing = self.waiters.iter().filter(|waiter| is_ending && waiter.place == place && waiter.landed.is_some());
        racing.map(|waiter| waiter.caller).collect()
    }

    fn is_over(&self, flight: &Flight) -> bool {
        flight.outcome.is_some() || self.has_taken(flight, LONGEST_REQUEST)
    }

    fn is_late(&self, flight: &Flight) -> bool {
        self.has_taken(flight, GIVEN_UP_AFTER)
    }

    fn has_taken(&self, flight: &Flight, limit: Duration) -> bool {
        self.now.monotonic() - flight.began.monotonic() >= limit
    }

    /// A request that ended without an answer of the provider.
    fn lost(&self) -> Fault {
        Fault::of_the_cache(self.is_cancel_safe)
    }

    /// Lets everything in `place` run that can. Gives what each caller who waited may have got.
    pub(crate) fn run(&mut self, place: Place) -> Vec<(usize, Vec<Expected>)> {
        let now = self.now.monotonic();
        let held_before = self.held().filter(|_| self.is_usable());
        self.look_after_a_late_flight(place);
        while let Some(at) = self.flights.iter().position(|flight| flight.place == place && self.is_over(flight)) {
            let flight = self.flights.remove(at);
            let outcome = flight.outcome.clone().unwrap_or_else(|| Outcome::Failure(self.lost()));
            self.land(&flight, outcome);
        }
        let mut expected = Vec::new();
        for at in 0..self.waiters.len() {
            let waiter = &mut self.waiters[at];
            if waiter.place != place {
                continue;
            }
            let (caller, how, is_answered) = (waiter.caller, waiter.how, waiter.landed.is_some());
            let is_out_of_patience = waiter.patience_ends.is_some_and(|end| now >= end);
            let mut outcomes = match waiter.landed.take() {
                // It looks once more before it goes.
                None if is_out_of_patience && how != How::Close => {
                    vec![self.serve(place, true).unwrap_or(Expected::Waits)]
                }
                None => vec![Expected::Waits],
                Some(_) if how == How::Close => vec![Expected::Done],
                Some(landed) => vec![self.heard(&landed, place, !is_out_of_patience)],
            };
            if is_out_of_patience {
                outcomes.retain(|outcome| *outcome != Expected::Waits);
                if how == How::Close {
                    outcomes.push(Expected::Done);
                } else if outcomes.is_empty() || is_answered {
                    // It may have run out of patience just before the answer landed.
                    outcomes.push(held_before.map_or_else(pending, Expected::Served));
                }
            } else if outcomes == [Expected::Waits] {
                // If it asked again, it waits for another request now.
                let current = self.current;
                let waiter = &mut self.waiters[at];
                waiter.flight = current.unwrap_or(waiter.flight);
                continue;
            }
            expected.push((caller, outcomes));
        }
        self.waiters.retain(|waiter| expected.iter().all(|(caller, _)| *caller != waiter.caller));
        expected
    }

    fn heard(&mut self, landed: &Landed, place: Place, is_certain: bool) -> Expected {
        match *landed {
            Landed::AskAgain => self.ask(place, is_certain),
            Landed::Fails(kind, after) => self.serve(place, is_certain).unwrap_or(Expected::Fails(kind, after)),
        }
    }

    /// It counts as failed from now on, and whatever it comes to later is not counted again.
    fn give_up_late_flight(&mut self) {
        let current = self.flights.iter().find(|flight| Some(flight.number) == self.current);
        if let Some(number) = current.filter(|flight| self.is_late(flight)).map(|flight| flight.number) {
            self.current = None;
            self.counts[1] += 1;
            let landed = self.fail(&self.lost());
            self.tell(number, &landed);
        }
    }

    /// Whoever waits for a request on another runtime looks after it when its time is over, and the first one who does asks anew.
    fn look_after_a_late_flight(&mut self, place: Place) {
        let Some(flight) = self.flights.iter().find(|flight| Some(flight.number) == self.current) else { return };
        if flight.place == place || !self.is_late(flight) {
            return;
        }
        let number = flight.number;
        let is_usable = self.is_usable();
        let looks = |waiter: &&mut Waiter| {
            waiter.place == place && waiter.flight == number && waiter.how != How::Close && waiter.landed.is_none()
        };
        let mut looking = self.waiters.iter_mut().filter(looks);
        let Some(first) = looking.next() else { return };
        first.landed = Some(Landed::AskAgain);
        if is_usable {
            looking.for_each(|waiter| waiter.landed = Some(Landed::AskAgain));
        } else {
            self.give_up_late_flight();
        }
    }

    fn tell(&mut self, number: u64, landed: &Landed) {
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.flight == number) {
            waiter.landed.get_or_insert_with(|| landed.clone());
        }
    }

    fn land(&mut self, flight: &Flight, outcome: Outcome) {
        let was_awaited = self.current.take_if(|current| *current == flight.number).is_some();
        let landed = match outcome {
            Outcome::Token(id, expiry) if was_awaited || (!self.is_usable() && !self.left_of(flight, expiry).is_zero()) => {
                self.arrive(flight, id, expiry)
            }
            // Given up on, and replaced or over since.
            Outcome::Token(..) => Landed::AskAgain,
            Outcome::Failure(fault) => {
                self.counts[1] += u64::from(was_awaited);
                if was_awaited || matches!(fault.kind, ErrorKind::ClientRefused | ErrorKind::RateLimited) {
                    self.fail(&fault)
                } else {
                    self.in_doubt |= fault.is_in_doubt;
                    Landed::AskAgain
                }
            }
        };
        self.tell(flight.number, &landed);
    }

    /// How long a token is usable that this request brings now.
    fn left_of(&self, flight: &Flight, expiry: Expiry) -> Duration {
        usable_for(expiry).saturating_sub(self.now.elapsed_since(&flight.began))
    }

    fn arrive(&mut self, flight: &Flight, id: TokenId, expiry: Expiry) -> Landed {
        self.in_doubt = false;
        let (lifetime, usable, left) = (kept_for(expiry), usable_for(expiry), self.left_of(flight, expiry));
        let is_same_again = self.held.as_ref().is_some_and(|held| held.id == id);
        if left.is_zero() {
            self.counts[1] += 1;
            self.died(flight);
            if is_same_again {
                return self.worn();
            }
            self.dead_in_a_row += 1;
            self.useless = (self.useless + 1).max(2);
            let length = refusal_pause(self.useless).max(MINUTE).max(dead_pause(self.dead_in_a_row));
            return self.begin_pause(ErrorKind::ClockSkew, Range::exactly(length));
        }
        if self.refused.get(&id).is_some_and(|last_request| flight.number <= *last_request) {
            return Landed::AskAgain;
        }
        if left < SECOND {
            self.died(flight);
            let worn = self.worn();
            let left_of_held = |held: &Held| held.usable.saturating_sub(self.now.elapsed_since(&held.asked));
            if self.held.as_ref().is_some_and(|held| left_of_held(held) > left) {
                self.counts[1] += 1;
                return worn;
            }
        } else {
            self.failures = 0;
            self.dead_in_a_row = 0;
            self.dead.clear();
        }
        if self.held.as_ref().is_some_and(|held| self.served_well(held)) {
            self.useless = 0;
        }
        let due = Range { from: (lifetime * 7 / 10).saturating_sub(ROUNDING), to: lifetime * 8 / 10 + ROUNDING };
        let due = if is_same_again { Range::exactly(usable) } else { due };
        self.held = Some(Held { id, asked: flight.began, expiry, due, usable });
        self.generation += 1;
        self.counts[0] += 1;
        Landed::AskAgain
    }

    fn died(&mut self, flight: &Flight) {
        self.dead.push(flight.began.monotonic());
        if self.world == World::DeadTokens {
            assert!(at_most_ten(&self.dead), "a service of dead tokens: {:?}", self.dead);
        }
    }

    /// A token that is over or nearly, and no clock is to blame.
    fn worn(&mut self) -> Landed {
        self.dead_in_a_row += 1;
        self.begin_pause(ErrorKind::Server, Range::exactly(dead_pause(self.dead_in_a_row)))
    }

    fn fail(&mut self, fault: &Fault) -> Landed {
        self.failures += 1;
        // Only a token ends the doubt.
        self.in_doubt |= fault.is_in_doubt;
        if fault.kind == ErrorKind::ClientRefused {
            self.credentials_refused = Some(self.now.monotonic());
        }
        let hold = fault.hold.unwrap_or_default();
        let own = match fault.kind {
            ErrorKind::ClientRefused | ErrorKind::RateLimited => Range::exactly(hold.max(MINUTE)),
            ErrorKind::Internal if self.failures == 1 => Range::exactly(hold),
            kind => {
                let first = if fault.asks_for_patience || kind == ErrorKind::Blocked { 10_000 } else { 250 };
                let whole = doubled(Duration::from_millis(first), self.failures).min(MINUTE);
                Range { from: (whole / 2).saturating_sub(ROUNDING).max(hold), to: whole.max(hold) }
            }
        };
        let asked_for = fault.retry_after.unwrap_or_default();
        let length = Range { from: own.from.max(asked_for).min(HOUR), to: own.to.max(asked_for).min(HOUR) };
        self.begin_pause(fault.kind, length)
    }

    /// A pause that would end before the one that runs changes nothing. Where chance decides which of them ends first, it was seen.
    /// Whoever waited is told how long the one that ends last takes.
    fn begin_pause(&mut self, kind: ErrorKind, mut length: Range) -> Landed {
        self.last_error = Some(kind);
        let running = self.pause_left();
        let left = running.map_or(Duration::ZERO, |left| left.to);
        if length.to.is_zero() || left > length.from && (left >= length.to || self.seen.holding == Some(left)) {
            return Landed::Fails(kind, running);
        }
        if let Some(holding) = self.seen.holding.filter(|holding| length.has(*holding)) {
            length = Range::exactly(holding);
        }
        self.pause = Some(Pause { began: self.now.monotonic(), length, kind });
        Landed::Fails(kind, Some(length))
    }

    fn served_well(&self, held: &Held) -> bool {
        let in_use = self.now.monotonic() - held.asked.monotonic();
        in_use >= (kept_for(held.expiry) * 7 / 10).min(TEN_MINUTES)
    }

    pub(crate) fn invalidate(&mut self, id: TokenId) {
        let Some(held) = self.held.take_if(|held| held.id == id) else { return };
        self.refused.insert(id, self.requests);
        self.counts[2] += 1;
        self.useless = if self.served_well(&held) { 1 } else { self.useless + 1 };
        if self.useless >= 2 {
            self.begin_pause(ErrorKind::TokenRefused, Range::exactly(refusal_pause(self.useless)));
        }
    }

    pub(crate) fn cancel(&mut self, caller: usize) {
        self.waiters.retain(|waiter| waiter.caller != caller);
    }

    /// A runtime ends, and with it its callers and its requests.
    pub(crate) fn end_of(&mut self, place: Place) {
        self.waiters.retain(|waiter| waiter.place != place);
        while let Some(at) = self.flights.iter().position(|flight| flight.place == place) {
            let flight = self.flights.remove(at);
            self.land(&flight, Outcome::Failure(self.lost()));
        }
    }

    /// The last handle is gone: how many requests run on.
    pub(crate) fn dropped(&self) -> usize {
        self.flights.len() - usize::from(self.is_cancel_safe && self.current.is_some())
    }

    /// Compares with what the cache says of itself, and learns from it what chance decided.
    pub(crate) fn check(&mut self, state: &CacheState) {
        assert_eq!(state.is_closed, self.is_closed, "closed");
        assert_eq!(state.is_in_doubt, self.in_doubt, "in doubt");
        assert_eq!(state.generation, self.generation, "generation");
        let counts = [state.counts.tokens, state.counts.failures, state.counts.refusals];
        assert_eq!(state.counts.requests, self.requests, "requests");
        assert_eq!(counts, self.counts, "tokens, failures and refusals");
        assert_eq!(state.last_error.as_ref().map(token_core::Error::kind), self.last_error, "last error");
        let current = self.flights.iter().find(|flight| Some(flight.number) == self.current);
        let under_way = current.map(|flight| self.now.monotonic() - flight.began.monotonic());
        assert_eq!(state.refreshing, under_way, "for how long a request has been under way");
        let age = self.held.as_ref().map(|held| self.now.elapsed_since(&held.asked));
        assert_eq!(state.age, age, "age");
        let left = self.held.as_ref().zip(age).and_then(|(held, age)| match held.expiry {
            Expiry::After(lifetime) => Some(lifetime.saturating_sub(age)),
            Expiry::Unknown => None,
        });
        assert_eq!(state.lifetime_left, left, "lifetime left");
        self.check_freshness(state.freshness);
        self.check_pause(state.holding);
    }

    fn check_freshness(&mut self, freshness: Freshness) {
        let (is_usable, now) = (self.is_usable(), self.now);
        assert_eq!(freshness == Freshness::Empty, !is_usable, "usable");
        let Some(held) = self.held.as_mut().filter(|_| is_usable) else { return };
        let elapsed = now.elapsed_since(&held.asked);
        if freshness == Freshness::Due {
            assert!(elapsed >= held.due.from, "due after {elapsed:?}, and not before {:?}", held.due);
            held.due.to = held.due.to.min(elapsed);
        } else {
            assert!(elapsed < held.due.to, "not due after {elapsed:?}, but latest at {:?}", held.due);
            held.due.from = held.due.from.max(elapsed);
        }
    }

    fn check_pause(&mut self, holding: Option<Duration>) {
        let now = self.now.monotonic();
        let Some(left) = self.pause_left() else {
            assert_eq!(holding, None, "no pause");
            self.pause = None;
            return;
        };
        let holding = holding.unwrap_or_default();
        assert!(left.has(holding), "a pause with {holding:?} left, expected {left:?}");
        if let Some(pause) = &mut self.pause {
            pause.length = Range::exactly(now - pause.began + holding);
        }
    }
}

fn pending() -> Expected {
    Expected::Fails(ErrorKind::Pending, None)
}

fn kept_for(expiry: Expiry) -> Duration {
    match expiry {
        Expiry::After(lifetime) => lifetime.min(30 * 24 * HOUR),
        Expiry::Unknown => 300 * SECOND,
    }
}

/// How long a token is usable.
fn usable_for(expiry: Expiry) -> Duration {
    let lifetime = kept_for(expiry);
    lifetime - (lifetime / 10).min(30 * SECOND)
}

/// The n-th of `first`, twice that, four times that, ...
fn doubled(first: Duration, nth: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(nth - 1))
}

/// After the n-th token in a row that was over when it came, or nearly: 1, 2, 4, ... s.
fn dead_pause(nth: u32) -> Duration {
    doubled(SECOND, nth).min(HOUR)
}

/// After the second token in a row that was no use: 15, 30, 60, ... s.
fn refusal_pause(nth: u32) -> Duration {
    doubled(15 * SECOND, nth - 1).min(HOUR)
}

fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_nanos().div_ceil(1_000_000)).expect("a time that can be waited for"))
}

/// Whether no ten minutes have more than ten of these moments, which are in order. It looks at the last ones: call it for each new one.
fn at_most_ten(moments: &[Duration]) -> bool {
    let Some(last) = moments.last() else { return true };
    moments.iter().filter(|moment| *last - **moment < TEN_MINUTES).count() <= 10
}
