//! The cache itself, over a service and clocks that do what a step says, beside its model.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use proptest_state_machine::StateMachineTest;
use secrecy::ExposeSecret;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use token_core::{CachePolicy, Clock, Error, Expiry, Moment, RefreshUnderWay, Token, TokenCache, TokenProvider};
use token_testkit::ManualClock;

use crate::model::{Expected, Model, Outcome, Seen, TokenId};
use crate::steps::{Answer, Fault, How, Outline, Place, Span, Step, Steps, World};

/// A clock moved by hand whose coarse reading lags, as the kernel's does.
#[derive(Debug)]
struct LaggingClock {
    clock: ManualClock,
    lag: Duration,
    /// The last coarse reading, and how many there were that differ from the one before.
    ticks: Mutex<(Option<Moment>, u64)>,
}

#[async_trait]
impl Clock for LaggingClock {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn coarse(&self) -> Moment {
        let now = self.clock.now();
        Moment::new(now.wall() - self.lag, now.monotonic() - self.lag)
    }

    fn tick(&self) -> Option<NonZeroU64> {
        let coarse = self.coarse();
        let mut ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        if ticks.0 != Some(coarse) {
            *ticks = (Some(coarse), ticks.1 + 1);
        }
        NonZeroU64::new(ticks.1)
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

enum Reply {
    Fails(Error),
    Gives(TokenId, Expiry),
    Panics,
}

/// A provider whose every call waits until the test answers it.
struct Service {
    clock: Arc<LaggingClock>,
    is_cancel_safe: bool,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    open: Vec<Option<oneshot::Sender<Reply>>>,
    running: usize,
    /// Every token that a request brought, with the moment when it was asked for.
    issued: Vec<(TokenId, Moment, Expiry)>,
}

impl Service {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a call until its future is gone, however it ends.
struct Running<'a>(&'a Service);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

#[async_trait]
impl TokenProvider for Service {
    async fn token(&self) -> Result<Token, Error> {
        let requested_at = self.clock.now();
        let (sender, reply) = oneshot::channel();
        {
            let mut calls = self.lock();
            calls.open.push(Some(sender));
            calls.running += 1;
        }
        let _running = Running(self);
        match reply.await.expect("the test keeps the other end") {
            Reply::Fails(error) => Err(error),
            Reply::Gives(id, expiry) => {
                self.lock().issued.push((id, requested_at, expiry));
                Ok(token(id, expiry, requested_at))
            }
            // The panic hook would print each of them.
            Reply::Panics => std::panic::resume_unwind(Box::new("planted by the test")),
        }
    }

    fn invalidate(&self, _rejected: &Token) {}

    fn is_cancel_safe(&self) -> bool {
        self.is_cancel_safe
    }
}

fn token(id: TokenId, expiry: Expiry, requested_at: Moment) -> Token {
    Token::bearer(format!("token-test-{id}"), expiry, requested_at).build().expect("a token")
}

/// What a caller got.
enum Got {
    Closed,
    Failed(Error),
    Header(String),
    Nothing,
    Token(String),
}

/// The cache with everything around it.
pub(crate) struct System {
    world: World,
    clock: Arc<LaggingClock>,
    service: Arc<Service>,
    cache: Option<TokenCache<Arc<Service>>>,
    here: Runtime,
    elsewhere: Option<Runtime>,
    is_stalled: bool,
    /// The callers who wait, by number.
    callers: BTreeMap<usize, (Place, AbortHandle)>,
    callers_so_far: usize,
    mailbox: Arc<Mutex<Vec<(usize, Got)>>>,
    /// When each token was handed out first, and for how long.
    tokens: Vec<(Moment, Expiry)>,
    last_refused: Option<TokenId>,
    model: Model,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

impl System {
    fn new(outline: &Outline) -> Self {
        let lag = Duration::from_millis(outline.lag);
        let clock = Arc::new(LaggingClock { clock: ManualClock::new(), lag, ticks: Mutex::default() });
        let (service, cache) = Self::begin(&clock, outline.is_cancel_safe);
        Self {
            world: outline.world,
            model: Model::new(outline.world, outline.is_cancel_safe, lag, clock.now()),
            service,
            cache: Some(cache),
            clock,
            here: runtime(),
            elsewhere: None,
            is_stalled: false,
            callers: BTreeMap::new(),
            callers_so_far: 0,
            mailbox: Arc::default(),
            tokens: Vec::new(),
            last_refused: None,
        }
    }

    fn begin(clock: &Arc<LaggingClock>, is_cancel_safe: bool) -> (Arc<Service>, TokenCache<Arc<Service>>) {
        let service = Arc::new(Service { clock: Arc::clone(clock), is_cancel_safe, calls: Mutex::default() });
        let cache = TokenCache::with_policy(Arc::clone(&service), CachePolicy::default(), Arc::clone(clock) as _);
        (service, cache)
    }

    fn cache(&self) -> &TokenCache<Arc<Service>> {
        self.cache.as_ref().expect("a cache between two steps")
    }

    fn mailbox(&self) -> Vec<(usize, Got)> {
        std::mem::take(&mut *self.mailbox.lock().expect("no caller panics"))
    }

    /// The places in the order in which they are driven: twice, as one may wake the other.
    fn driven(&self) -> Vec<Place> {
        match self.elsewhere {
            Some(_) if !self.is_stalled => vec![Place::Here, Place::Elsewhere, Place::Here, Place::Elsewhere],
            _ => vec![Place::Here],
        }
    }

    fn runtime(&self, place: Place) -> &Runtime {
        match (place, &self.elsewhere) {
            (Place::Elsewhere, Some(elsewhere)) => elsewhere,
            _ => &self.here,
        }
    }

    /// Lets every task do what it can.
    fn settle(&self) {
        for place in self.driven() {
            self.runtime(place).block_on(async {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            });
        }
    }

    /// Shows the model what there is to see.
    fn look(&mut self) {
        self.model.now = self.clock.now();
        let state = self.cache().state();
        let requests = self.service.lock().open.len() as u64;
        self.model.saw(Seen { requests, failures: state.counts.failures, holding: state.holding });
    }

    /// Lets the cache and its model do what they can, and compares what the callers got.
    fn go_on(&mut self, calls: &[(usize, How, Place)]) {
        self.settle();
        self.look();
        let mut expected = BTreeMap::new();
        for (caller, how, place) in calls {
            let outcomes = self.model.call(*caller, *how, *place);
            if outcomes != [Expected::Waits] {
                expected.insert(*caller, outcomes);
            }
        }
        for place in self.driven() {
            expected.extend(self.model.run(place));
        }
        for (caller, got) in self.mailbox() {
            self.callers.remove(&caller);
            let outcomes =
                expected.remove(&caller).unwrap_or_else(|| panic!("caller {caller} got {}, and should wait", got.show()));
            assert!(outcomes.iter().any(|outcome| got.is(outcome)), "caller {caller} got {}, not {outcomes:?}", got.show());
            self.check_served(&got);
        }
        assert!(expected.is_empty(), "callers without an answer: {expected:?}");
    }

    /// What is served is not over, whatever the model says; and in a world where the API refuses all, it is refused.
    fn check_served(&mut self, got: &Got) {
        let (Got::Token(text) | Got::Header(text)) = got else { return };
        let id: TokenId = text.rsplit('-').next().and_then(|id| id.parse().ok()).expect("a token of the test");
        let now = self.clock.now();
        let is_good = |expiry, age| match expiry {
            Expiry::After(lifetime) => age < lifetime - (lifetime / 10).min(Duration::from_secs(30)),
            Expiry::Unknown => age < Duration::from_secs(270),
        };
        let issued = &self.service.lock().issued;
        let mut of_it = issued.iter().filter(|(issued, ..)| *issued == id);
        assert!(of_it.any(|(_, at, expiry)| is_good(*expiry, now.elapsed_since(at))), "token {id} is over");
        if self.world == World::EveryTokenRefused {
            self.cache().invalidate(&token(id, Expiry::Unknown, now));
            self.model.invalidate(id);
        }
    }

    fn check(&mut self) {
        let state = self.cache().state();
        self.model.check(&state);
        let (asked, running) = {
            let calls = self.service.lock();
            (calls.open.len() as u64, calls.running)
        };
        assert_eq!(asked, self.model.requests, "requests");
        assert_eq!(running, self.model.running(), "requests that run");
        if self.elsewhere.is_none() {
            assert!(running <= 1, "more than one request at a time");
        }
        for place in self.driven() {
            let tasks = self.runtime(place).metrics().num_alive_tasks();
            assert_eq!(tasks, self.model.tasks(place), "tasks, {place:?}");
        }
    }

    fn ask(&mut self, how: How, place: Place, times: usize) {
        let place = if self.is_stalled { Place::Here } else { place };
        if place == Place::Elsewhere {
            self.elsewhere.get_or_insert_with(runtime);
        }
        let mut calls = Vec::new();
        for _ in 0..times {
            self.callers_so_far += 1;
            let caller = self.callers_so_far;
            calls.push((caller, how, place));
            let (cache, mailbox) = (self.cache().clone(), Arc::clone(&self.mailbox));
            let call = async move {
                let got = match how {
                    How::Authorization => cache.authorization().await.map_or_else(Got::Failed, |value| Got::header(&value)),
                    How::Close => {
                        cache.close().await;
                        Got::Closed
                    }
                    How::Token => cache.token().await.map_or_else(Got::Failed, |token| Got::token(&token)),
                    How::TryAuthorization => cache.try_authorization().map_or(Got::Nothing, |value| Got::header(&value)),
                    How::TryToken => cache.try_token().map_or(Got::Nothing, |token| Got::token(&token)),
                    How::Within(patience) => {
                        let patience = Duration::from_millis(patience);
                        cache.token_within(patience).await.map_or_else(Got::Failed, |token| Got::token(&token))
                    }
                };
                mailbox.lock().expect("no caller panics").push((caller, got));
            };
            let task = self.runtime(place).spawn(call).abort_handle();
            self.callers.insert(caller, (place, task));
        }
        self.go_on(&calls);
    }

    fn answer(&mut self, number: u64, answer: Answer) {
        let now = self.clock.now();
        let last = self.tokens.len().checked_sub(1);
        let fresh = |millis| (None, Expiry::After(Duration::from_millis(millis)));
        let (id, expiry) = match answer {
            Answer::Fails(fault) => return self.reply(number, Reply::Fails(fault.error()), Outcome::Failure(fault)),
            Answer::Panics => {
                return self.reply(number, Reply::Panics, Outcome::Failure(Fault::of_the_cache(self.service.is_cancel_safe)));
            }
            Answer::Fresh(millis) => fresh(millis),
            Answer::FreshOfUnknownLifetime => (None, Expiry::Unknown),
            Answer::Old(age) => (last.map(|last| last.saturating_sub(age)), Expiry::After(Duration::from_secs(3_600))),
            Answer::Refused => (self.last_refused, Expiry::After(Duration::from_secs(3_600))),
            Answer::SameAgain => match last.and_then(|last| self.tokens.get(last)) {
                Some((at, Expiry::After(lifetime))) => (last, Expiry::After(lifetime.saturating_sub(now.elapsed_since(at)))),
                Some((_, Expiry::Unknown)) => (last, Expiry::Unknown),
                None => fresh(15_000),
            },
        };
        let id = id.unwrap_or(self.tokens.len());
        if id == self.tokens.len() {
            self.tokens.push((now, expiry));
        }
        self.reply(number, Reply::Gives(id, expiry), Outcome::Token(id, expiry));
    }

    fn reply(&mut self, number: u64, reply: Reply, outcome: Outcome) {
        let at = usize::try_from(number - 1).expect("a small number");
        let sender = self.service.lock().open[at].take().expect("a request that was not answered");
        // Of a request that is gone, nothing comes.
        let _ = sender.send(reply);
        self.model.answer(number, outcome);
        self.go_on(&[]);
    }

    fn span(&self, span: Span) -> Duration {
        match span {
            Span::Millis(millis) => Duration::from_millis(millis),
            Span::To(edge, is_before) => {
                let left = self.model.until(edge).filter(|left| !left.is_zero()).unwrap_or(Duration::from_secs(1));
                left - Duration::from_millis(u64::from(is_before))
            }
        }
    }

    fn cancel(&mut self, caller: usize) {
        if let Some((_, task)) = self.callers.remove(&caller) {
            task.abort();
            self.model.cancel(caller);
        }
    }

    fn drive_elsewhere(&mut self) {
        self.is_stalled = false;
        for caller in self.model.racing(Place::Elsewhere) {
            self.cancel(caller);
        }
    }

    /// Drops the cache with everyone who waits, and begins another one.
    fn drop_all(&mut self) {
        self.drive_elsewhere();
        self.go_on(&[]);
        while let Some((caller, _)) = self.callers.first_key_value() {
            self.cancel(*caller);
        }
        self.settle();
        drop(self.cache.take());
        self.settle();
        let running = self.model.dropped();
        assert_eq!(self.service.lock().running, running, "requests that run on without a cache");
        let open: Vec<_> = self.service.lock().open.iter_mut().filter_map(Option::take).collect();
        for sender in open {
            let _ = sender.send(Reply::Gives(0, Expiry::Unknown));
        }
        self.settle();
        assert_eq!(self.service.lock().running, 0, "a request is left");
        for place in self.driven() {
            assert_eq!(self.runtime(place).metrics().num_alive_tasks(), 0, "a task is left, {place:?}");
        }
        assert_eq!(Arc::strong_count(&self.service), 1, "the cache is not gone");
        assert!(self.mailbox().is_empty(), "a caller who went away got something");
        let (service, cache) = Self::begin(&self.clock, self.service.is_cancel_safe);
        self.service = service;
        self.cache = Some(cache);
        self.model = Model::new(self.world, self.service.is_cancel_safe, self.clock.lag, self.clock.now());
        self.last_refused = None;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Advance(span) => self.clock.clock.advance(self.span(span)),
            Step::Answer(which, answer) => {
                let unanswered = self.model.unanswered();
                if let Some(at) = which.checked_rem(unanswered.len()) {
                    self.answer(unanswered[at], answer);
                    return self.check();
                }
            }
            Step::Ask(how, place, times) => {
                self.ask(how, place, times);
                return self.check();
            }
            Step::Cancel(which) => {
                let at = which.checked_rem(self.callers.len());
                if let Some(caller) = at.and_then(|at| self.callers.keys().nth(at).copied()) {
                    self.cancel(caller);
                }
            }
            Step::Drop => self.drop_all(),
            Step::EndElsewhere => {
                self.is_stalled = false;
                drop(self.elsewhere.take());
                self.callers.retain(|_, (place, _)| *place == Place::Here);
                self.look();
                self.model.end_of(Place::Elsewhere);
            }
            Step::InvalidateCurrent(times) => {
                if let Some(held) = self.model.held() {
                    (0..times).for_each(|_| self.invalidate(held));
                }
            }
            Step::InvalidateOld(which) => {
                if let Some(id) = which.checked_rem(self.tokens.len()) {
                    self.invalidate(id);
                }
            }
            Step::SetWallBack(millis) => {
                let wall = self.clock.now().wall();
                let to = wall.checked_sub(Duration::from_millis(millis)).unwrap_or(SystemTime::UNIX_EPOCH);
                self.clock.clock.set_wall(to);
            }
            Step::SleepMachine(span) => self.clock.clock.sleep_machine(self.span(span)),
            Step::Stall(true) => self.is_stalled = self.elsewhere.is_some(),
            Step::Stall(false) => self.drive_elsewhere(),
        }
        self.go_on(&[]);
        self.check();
    }

    fn invalidate(&mut self, id: TokenId) {
        self.last_refused = Some(id);
        // As a caller would who has the same access token from another answer.
        self.cache().invalidate(&token(id, Expiry::Unknown, self.clock.now()));
        self.model.invalidate(id);
    }

    /// Answers what is asked until nobody waits, and drops all.
    fn end(&mut self) {
        self.drive_elsewhere();
        self.go_on(&[]);
        for _ in 0..10 {
            for number in self.model.unanswered() {
                self.answer(number, Answer::Fresh(3_600_000));
            }
        }
        assert!(self.callers.is_empty(), "callers without an answer");
        self.check();
        self.drop_all();
    }
}

impl Got {
    fn token(token: &Token) -> Self {
        Self::Token(token.access_token().expose_secret().to_owned())
    }

    fn header(value: &http::HeaderValue) -> Self {
        assert!(value.is_sensitive());
        Self::Header(value.to_str().expect("plain text").to_owned())
    }

    fn is(&self, expected: &Expected) -> bool {
        match (self, expected) {
            (Self::Closed, Expected::Done) | (Self::Nothing, Expected::Nothing) => true,
            (Self::Failed(error), Expected::Fails(kind, after)) => {
                let is_pending = error.kind() == token_core::ErrorKind::Pending;
                let says_how_far = error.find_source::<RefreshUnderWay>().is_some();
                let has_time_left = match (error.retry_after(), after) {
                    (Some(left), Some(range)) => range.has(left),
                    (left, range) => left.is_none() && range.is_none(),
                };
                error.kind() == *kind && has_time_left && is_pending == says_how_far
            }
            (Self::Token(text), Expected::Served(id)) => *text == format!("token-test-{id}"),
            (Self::Header(text), Expected::Served(id)) => *text == format!("Bearer token-test-{id}"),
            _ => false,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Closed => "the end of `close`".to_owned(),
            Self::Failed(error) => format!("{error:?}"),
            Self::Header(text) | Self::Token(text) => text.clone(),
            Self::Nothing => "nothing".to_owned(),
        }
    }
}

/// A cache and its model, step by step.
pub(crate) struct CacheBesideModel;

impl StateMachineTest for CacheBesideModel {
    type SystemUnderTest = System;
    type Reference = Steps;

    fn init_test(outline: &Outline) -> System {
        System::new(outline)
    }

    fn apply(mut system: System, _outline: &Outline, step: Step) -> System {
        crate::STEPS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        system.step(step);
        system
    }

    fn teardown(mut system: System, _outline: Outline) {
        system.end();
    }
}
