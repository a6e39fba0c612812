//! What may happen to a cache, and how often.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;
use token_core::{Delivery, Error, ErrorKind, Remedy, Resend};

/// What a service and an API are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// The service hands out tokens that are over or nearly over.
    DeadTokens,
    /// The API refuses every token as soon as it sees it.
    EveryTokenRefused,
    /// Everything happens.
    Mixed,
    /// Everything happens, most of it on a runtime that is not always driven.
    Stalling,
}

/// Which runtime a call is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Elsewhere,
    Here,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Authorization,
    Close,
    Token,
    TryAuthorization,
    TryToken,
    /// With this patience, in milliseconds.
    Within(u64),
}

/// A moment at which the cache changes its mind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edge {
    DueAtEarliest,
    DueAtLatest,
    PauseEnd,
    /// A request ends itself.
    RequestEnd,
    /// A request that has not ended itself is given up by others.
    RequestGivenUp,
    UsableEnd,
    /// A second before the end.
    UsableSecond,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    Millis(u64),
    /// To this moment, or to a millisecond before.
    To(Edge, bool),
}

/// What the service answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Fails(Fault),
    /// A new token that lives for so many milliseconds.
    Fresh(u64),
    FreshOfUnknownLifetime,
    /// One of the last tokens that were handed out, counted from the newest, as if it were new.
    Old(usize),
    Panics,
    /// The token that was refused last, as if it were new.
    Refused,
    /// The token that was handed out last, with what is left of its lifetime.
    SameAgain,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Advance(Span),
    /// To one of the requests that run.
    Answer(usize, Answer),
    /// So many calls, each from a task of its own.
    Ask(How, Place, usize),
    /// One of the callers who wait.
    Cancel(usize),
    /// All handles are dropped while everything goes on, and a new cache begins.
    Drop,
    /// The other runtime ends.
    EndElsewhere,
    /// The token that is held, so many times.
    InvalidateCurrent(usize),
    /// One of the tokens that were handed out so far.
    InvalidateOld(usize),
    SetWallBack(u64),
    SleepMachine(Span),
    /// Nobody drives the other runtime any more, or somebody does again.
    Stall(bool),
}

/// An error of the provider, with what the documentation says about its kind.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    remedy: Remedy,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) hold: Option<Duration>,
    sent: Option<(Resend, Delivery)>,
    pub(crate) is_in_doubt: bool,
    pub(crate) asks_for_patience: bool,
}

impl Fault {
    const fn new(kind: ErrorKind, remedy: Remedy) -> Self {
        let asks_for_patience = matches!(remedy, Remedy::Wait);
        Self { kind, remedy, retry_after: None, hold: None, sent: None, is_in_doubt: false, asks_for_patience }
    }

    /// A request that ended without an answer of the provider.
    pub(crate) const fn of_the_cache(is_cancel_safe: bool) -> Self {
        // What it asked for may be spent, unless nothing can be lost.
        Self { is_in_doubt: !is_cancel_safe, ..Self::new(ErrorKind::Internal, Remedy::Retry) }
    }

    const fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(Duration::from_secs(seconds)), ..self }
    }

    const fn hold(self, seconds: u64) -> Self {
        Self { hold: Some(Duration::from_secs(seconds)), ..self }
    }

    const fn sent(self, resend: Resend, delivery: Delivery, is_in_doubt: bool) -> Self {
        Self { sent: Some((resend, delivery)), is_in_doubt, ..self }
    }

    pub(crate) fn error(&self) -> Error {
        let mut error = Error::new("test", self.kind, self.remedy).with_retry_after(self.retry_after);
        if let Some(hold) = self.hold {
            error = error.with_hold(hold);
        }
        match self.sent {
            Some((resend, delivery)) => error.with_delivery(resend, delivery),
            None => error,
        }
    }

    fn all() -> Vec<Self> {
        use ErrorKind::{Blocked, ClientRefused, Internal, InvalidResponse, LoginRequired, RateLimited, Server, Transport};
        vec![
            Self::new(Server, Remedy::Retry).sent(Resend::AfterRefusal, Delivery::Answered, false),
            Self::new(Server, Remedy::Retry).retry_after(90),
            Self::new(Server, Remedy::Wait).retry_after(7_200),
            Self::new(Server, Remedy::Wait),
            Self::new(Transport, Remedy::Retry).sent(Resend::AfterRefusal, Delivery::Unknown, false),
            Self::new(Transport, Remedy::Retry).sent(Resend::OnlyIfNotSent, Delivery::NotSent, false),
            Self::new(Transport, Remedy::Retry).sent(Resend::OnlyIfNotSent, Delivery::Unknown, true),
            Self::new(InvalidResponse, Remedy::ContactService).sent(Resend::OnlyIfNotSent, Delivery::Answered, true),
            Self::new(RateLimited, Remedy::Wait),
            Self::new(RateLimited, Remedy::Wait).retry_after(300),
            Self::new(ClientRefused, Remedy::FixConfiguration),
            Self::new(ClientRefused, Remedy::FixConfiguration).hold(300),
            Self::new(Blocked, Remedy::FixConfiguration),
            Self::new(LoginRequired, Remedy::LogInAgain).sent(Resend::OnlyIfNotSent, Delivery::Answered, false),
            Self::new(Server, Remedy::Retry).hold(40),
            Self::new(Internal, Remedy::FixProgram),
            Self::new(Internal, Remedy::FixProgram).hold(20),
            Self::new(Internal, Remedy::Retry).sent(Resend::OnlyIfNotSent, Delivery::Unknown, true),
        ]
    }
}

/// How a case stands, as far as it decides what should happen next. What is true is known to the model alone, which sees the answers.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    pub(crate) world: World,
    pub(crate) is_cancel_safe: bool,
    /// How far the coarse reading of the clocks lags behind, in milliseconds.
    pub(crate) lag: u64,
    /// Somebody asked since the last answer.
    is_asked: bool,
    steps: usize,
}

/// Lifetimes in milliseconds: over, nearly over, short, usual, and longer than any token is kept.
const LIFETIMES: [u64; 10] = [0, 500, 1_200, 2_000, 5_000, 15_000, 100_000, 3_600_000, 86_400_000, 7_776_000_000];
const LONG: [u64; 2] = [3_600_000, 86_400_000];
const DAY: u64 = 86_400_000;

pub(crate) struct Steps;

impl ReferenceStateMachine for Steps {
    type State = Outline;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Outline> {
        let world = prop_oneof![6 => Just(World::Mixed), 2 => Just(World::Stalling), 1 => Just(World::EveryTokenRefused), 1 => Just(World::DeadTokens)];
        (world, any::<bool>(), prop::sample::select(&[0, 4, 300, 900][..]))
            .prop_map(|(world, is_cancel_safe, lag)| Outline { world, is_cancel_safe, lag, is_asked: false, steps: 0 })
            .boxed()
    }

    fn transitions(state: &Outline) -> BoxedStrategy<Step> {
        // Some cases have a request that outlives its time, and a caller who comes back late.
        let late_request = [
            Step::Ask(How::Token, Place::Elsewhere, 1),
            Step::Stall(true),
            Step::Ask(How::Token, Place::Here, 1),
            Step::Advance(Span::To(Edge::RequestGivenUp, false)),
            Step::Answer(1, Answer::Fresh(DAY)),
        ];
        let late_caller = [
            Step::Ask(How::Token, Place::Here, 1),
            Step::Ask(How::Token, Place::Elsewhere, 1),
            Step::Stall(true),
            Step::Answer(0, Answer::Fresh(5_000)),
            Step::Advance(Span::To(Edge::UsableEnd, false)),
        ];
        let overture = if state.steps % 80 < 40 { late_caller } else { late_request };
        if state.world == World::Stalling
            && let Some(step) = overture.get(state.steps % 40)
        {
            return Just(step.clone()).boxed();
        }
        thread_local! {
            static STEPS: [BoxedStrategy<Step>; 8] = [
                mixed(false, false), mixed(true, false), mixed(false, true), mixed(true, true), all_refused(), all_dead(),
                stalling(false), stalling(true),
            ];
        }
        let which = match state.world {
            World::DeadTokens => 5,
            World::EveryTokenRefused => 4,
            World::Mixed => usize::from(state.is_asked) + 2 * usize::from(state.steps > 100),
            World::Stalling => 6 + usize::from(state.is_asked),
        };
        STEPS.with(|steps| steps[which].clone())
    }

    fn apply(mut state: Outline, step: &Step) -> Outline {
        state.steps += 1;
        match step {
            Step::Answer(..) | Step::Drop => state.is_asked = false,
            Step::Ask(how, ..) => state.is_asked |= *how != How::Close,
            _ => {}
        }
        state
    }
}

fn mixed(is_asked: bool, is_late: bool) -> BoxedStrategy<Step> {
    let back = prop_oneof![1..60_000_u64, 1..7_200_000_u64, DAY..10 * DAY];
    let place = || prop_oneof![4 => Just(Place::Here), 1 => Just(Place::Elsewhere)];
    let weighted: Vec<(u32, BoxedStrategy<Step>)> = vec![
        (
            if is_asked { 20 } else { 45 },
            (how(), place(), 1..4_usize).prop_map(|(how, place, n)| Step::Ask(how, place, n)).boxed(),
        ),
        (if is_asked { 45 } else { 5 }, (0..4_usize, answer()).prop_map(|(which, answer)| Step::Answer(which, answer)).boxed()),
        (25, span().prop_map(Step::Advance).boxed()),
        (3, span().prop_map(Step::SleepMachine).boxed()),
        (3, back.prop_map(Step::SetWallBack).boxed()),
        (8, (1..4_usize).prop_map(Step::InvalidateCurrent).boxed()),
        (3, any::<usize>().prop_map(Step::InvalidateOld).boxed()),
        (4, any::<usize>().prop_map(Step::Cancel).boxed()),
        (2, any::<bool>().prop_map(Step::Stall).boxed()),
        (2, Just(Step::EndElsewhere).boxed()),
        (1, Just(Step::Drop).boxed()),
        (u32::from(is_late), place().prop_map(|place| Step::Ask(How::Close, place, 1)).boxed()),
    ];
    Union::new_weighted(weighted.into_iter().filter(|(weight, _)| *weight > 0).collect()).boxed()
}

/// Requests that outlive their time while others take their place, and end at last.
fn stalling(is_asked: bool) -> BoxedStrategy<Step> {
    let place = prop_oneof![Just(Place::Here), Just(Place::Elsewhere)];
    prop_oneof![
        2 => mixed(is_asked, false),
        1 => (how(), place, 1..3_usize).prop_map(|(how, place, times)| Step::Ask(how, place, times)),
        1 => Just(Step::Stall(false)),
        1 => (0..2_usize, answer()).prop_map(|(which, answer)| Step::Answer(which, answer)),
        1 => (prop::sample::select(&[Edge::RequestEnd, Edge::RequestGivenUp][..]), any::<bool>())
            .prop_map(|(edge, is_before)| Step::Advance(Span::To(edge, is_before))),
        1 => Just(Step::InvalidateCurrent(1)),
        1 => (1..3_usize).prop_map(|age| Step::Answer(0, Answer::Old(age))),
        1 => Just(Step::Answer(1, Answer::Fresh(DAY))),
    ]
    .boxed()
}

fn all_refused() -> BoxedStrategy<Step> {
    let answer = prop::sample::select(&LONG[..]).prop_map(|lifetime| Step::Answer(0, Answer::Fresh(lifetime)));
    only(answer.boxed())
}

fn all_dead() -> BoxedStrategy<Step> {
    let answer = prop_oneof![2 => Just(Answer::Fresh(0)), 1 => Just(Answer::Fresh(500)), 6 => Just(Answer::SameAgain)];
    only(answer.prop_map(|answer| Step::Answer(0, answer)).boxed())
}

/// Calls as soon as a request is allowed, and these answers.
fn only(answer: BoxedStrategy<Step>) -> BoxedStrategy<Step> {
    let advance = prop_oneof![
        4 => Just(Span::To(Edge::PauseEnd, false)),
        1 => Just(Span::To(Edge::UsableEnd, false)),
        2 => (1..20_000_u64).prop_map(Span::Millis),
    ];
    prop_oneof![
        3 => Just(Step::Ask(How::Token, Place::Here, 1)),
        3 => answer,
        3 => advance.prop_map(Step::Advance),
    ]
    .boxed()
}

fn how() -> BoxedStrategy<How> {
    let patience = prop_oneof![Just(0), 1..2_000_u64, 1..200_000_u64];
    prop_oneof![
        5 => Just(How::Token),
        2 => Just(How::Authorization),
        2 => patience.prop_map(How::Within),
        2 => Just(How::TryToken),
        1 => Just(How::TryAuthorization),
    ]
    .boxed()
}

fn answer() -> BoxedStrategy<Answer> {
    prop_oneof![
        12 => prop::sample::select(&LIFETIMES[..]).prop_map(Answer::Fresh),
        4 => prop::sample::select(&LONG[..]).prop_map(Answer::Fresh),
        1 => Just(Answer::FreshOfUnknownLifetime),
        4 => Just(Answer::SameAgain),
        2 => Just(Answer::Refused),
        1 => (0..5_usize).prop_map(Answer::Old),
        8 => prop::sample::select(Fault::all()).prop_map(Answer::Fails),
        1 => Just(Answer::Panics),
    ]
    .boxed()
}

fn span() -> BoxedStrategy<Span> {
    use Edge::{DueAtEarliest, DueAtLatest, PauseEnd, RequestEnd, RequestGivenUp, UsableEnd, UsableSecond};
    let edge = prop::sample::select(
        &[DueAtEarliest, DueAtLatest, DueAtLatest, PauseEnd, PauseEnd, RequestEnd, RequestGivenUp, UsableEnd, UsableSecond][..],
    );
    prop_oneof![
        8 => (edge, any::<bool>()).prop_map(|(edge, before)| Span::To(edge, before)),
        2 => (1..1_000_u64).prop_map(Span::Millis),
        3 => (1..60_000_u64).prop_map(Span::Millis),
        1 => (1..7_200_000_u64).prop_map(Span::Millis),
        1 => (1..10 * DAY).prop_map(Span::Millis),
    ]
    .boxed()
}
