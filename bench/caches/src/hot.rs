//! A cached call: how long it takes, and what it allocates.
//!
//! All subjects stand warm in one process and are measured in short slices, one after the other, round after round. What slows the machine for a while slows all of them, and each ratio is one of two slices of the same round.

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure;
use bench_shared::{Cell, Column, Options, Report, Stopwatch, Worked, median, spread};
use tokio::runtime::Runtime;

use crate::ours::{Authorization, Cached, Clocked, Dyn, OURS, Observed, TryAuthorization, TryToken};
use crate::server::{Server, Service, Site};
use crate::subject::{Lost, Subject, cold};
use crate::{floors, peers, time};

const ROUNDS: usize = 61;
/// Long enough that the first calls, which find nothing in the processor's caches, do not matter.
const SLICE: Duration = Duration::from_millis(8);
/// Calls by one task wait for nothing, so they are told by the time on the processor, of which others take nothing away. Many tasks may wait for each other, so real time counts.
/// There a slice that had less than this share of the processors that it wanted is measured again, so often at most, and the one with the largest share counts.
const SHARE: f64 = 0.9;
const TRIES: usize = 3;
const TASKS: u64 = 64;
/// Calls of one task between two yields, so that all tasks are under way.
const BURST: u64 = 64;
const COUNTED_CALLS: u64 = 10_000;

/// The most that a cached call may take, in units of the floor of the same round: a token or a header by one task, and a token by 64.
const TOKEN_LIMIT: f64 = 2.5;
const HEADER_LIMIT: f64 = 4.0;
const MANY_LIMIT: f64 = 1.3;

pub(crate) fn run(server: &Server, options: &Options) -> Result<Report, String> {
    let service = Service { latency_ms: 1, ..Service::default() };
    let site = server.site(service)?;
    let stage = Stage { one: time::one_thread()?, two: time::two_workers()?, site };
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    let mut lost = Lost::default();
    macro_rules! warm {
        ($($subject:ty),* $(,)?) => {
            $(if lanes.is_empty() || options.wants(<$subject>::NAME) {
                lanes.extend(lost.or_lost(<$subject>::NAME, Lane::warm::<$subject>(&stage))?);
            })*
        };
    }
    warm!(
        floors::Floor,
        floors::Guard,
        floors::Clocked,
        Clocked,
        floors::Boxed,
        floors::Header,
        floors::Locked,
        floors::Copied,
        Cached,
        TryToken,
        Authorization,
        TryAuthorization,
        Dyn,
        Observed,
        peers::Aliri,
        peers::ObjectStore,
        peers::GoogleToken,
        peers::GoogleTag,
        peers::GoogleHeaders,
        peers::Yup,
        peers::Huskarl,
        peers::HuskarlHeaders,
        peers::Azure,
        peers::GcpAuth,
        peers::Aws,
        peers::Reqsign,
    );
    let rounds = options.runs.unwrap_or(ROUNDS);
    for round in 0..rounds {
        // Each round begins with another one, so that nobody always follows the same.
        let first = round % lanes.len();
        let (before, from) = lanes.split_at_mut(first);
        for lane in from.iter_mut().chain(before) {
            lane.slice()?;
        }
    }
    let mut report = report(&lanes, rounds);
    lost.tell(&mut report);
    Ok(report)
}

/// Where the subjects are.
struct Stage {
    one: Runtime,
    two: Runtime,
    site: Site,
}

/// A subject, and its figures so far.
struct Lane<'a> {
    name: &'static str,
    /// Nanoseconds of so many calls: on the processor by one task, and in all by [`TASKS`] that share them.
    one: Box<dyn Fn(u64) -> Result<f64, String> + 'a>,
    many: Box<dyn Fn(u64) -> Result<f64, String> + 'a>,
    calls: [u64; 2],
    times: [Vec<f64>; 2],
    /// Slices without their share.
    disturbed: usize,
    allocations: f64,
    bytes: f64,
}

impl<'a> Lane<'a> {
    fn warm<S: Subject>(stage: &'a Stage) -> Result<Self, String> {
        let base = &stage.site.base;
        let on_one = stage.one.block_on(warmed::<S>(base))?;
        let on_two = stage.two.block_on(warmed::<S>(base))?;
        let (allocations, bytes) = allocations(&stage.one, &on_one)?;
        let mut lane = Self {
            name: S::NAME,
            one: Box::new(move |calls| stage.one.block_on(one(&on_one, calls))),
            many: Box::new(move |calls| stage.two.block_on(many(&on_two, calls))),
            calls: [0; 2],
            times: [Vec::new(), Vec::new()],
            disturbed: 0,
            allocations,
            bytes,
        };
        lane.calls = [calls(&lane.one)?, calls(&lane.many)?];
        Ok(lane)
    }

    fn slice(&mut self) -> Result<(), String> {
        let [one, many] = self.calls;
        self.times[0].push((self.one)(one)? / one as f64);
        let mut best = (0.0, f64::NAN);
        for _ in 0..TRIES {
            let worked = Worked::start();
            let time = (self.many)(many)? / many as f64;
            let share = worked.processors() / 2.0;
            if share > best.0 {
                best = (share, time);
            }
            if share >= SHARE {
                break;
            }
        }
        self.disturbed += usize::from(best.0 < SHARE);
        self.times[1].push(best.1);
        Ok(())
    }

    /// The ratio to the floor in each round.
    fn ratio(&self, floor: &Self, which: usize) -> f64 {
        let pairs = self.times.get(which).zip(floor.times.get(which));
        median(&pairs.map_or_else(Vec::new, |(own, floor)| own.iter().zip(floor).map(|(own, floor)| own / floor).collect()))
    }
}

async fn warmed<S: Subject>(base: &str) -> Result<S, String> {
    let subject = cold::<S>(base).await?;
    for _ in 0..3 {
        subject.get().await?;
    }
    Ok(subject)
}

async fn one<S: Subject>(subject: &S, calls: u64) -> Result<f64, String> {
    let worked = Worked::start();
    for _ in 0..calls {
        black_box(subject.get().await?);
    }
    Ok(worked.nanoseconds())
}

async fn many<S: Subject>(subject: &S, calls: u64) -> Result<f64, String> {
    let each = calls / TASKS;
    let watch = Stopwatch::start();
    let task = || {
        let subject = subject.clone();
        tokio::spawn(async move {
            for call in 1..=each {
                black_box(subject.get().await?);
                if call % BURST == 0 {
                    tokio::task::yield_now().await;
                }
            }
            Ok::<(), String>(())
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| task()).collect();
    for task in tasks {
        task.await.map_err(|error| error.to_string())??;
    }
    Ok(watch.elapsed().as_nanos() as f64)
}

/// How many calls fill a slice.
fn calls(run: &dyn Fn(u64) -> Result<f64, String>) -> Result<u64, String> {
    let slice = SLICE.as_nanos() as f64;
    let mut calls = TASKS * BURST;
    loop {
        // The shortest of a few, as one that others disturbed would make all slices too short.
        let took = (0..TRIES).map(|_| run(calls)).try_fold(f64::INFINITY, |least, took| Ok::<_, String>(least.min(took?)))?;
        if took > slice / 4.0 {
            // Whole bursts of all tasks.
            return Ok(((calls as f64 * slice / took) as u64).div_ceil(TASKS * BURST) * TASKS * BURST);
        }
        calls *= 2;
    }
}

/// Allocations and their bytes in one call: what many calls add to few, so that what surrounds them is not counted.
fn allocations<S: Subject>(runtime: &Runtime, subject: &S) -> Result<(f64, f64), String> {
    let count = |calls| {
        let mut outcome = Ok(0.0);
        let counted = measure(|| outcome = runtime.block_on(one(subject, calls)));
        outcome.map(|_| counted)
    };
    let (few, many) = (count(100)?, count(100 + COUNTED_CALLS)?);
    let each = |few: u64, many: u64| many.saturating_sub(few) as f64 / COUNTED_CALLS as f64;
    Ok((each(few.count_total, many.count_total), each(few.bytes_total, many.bytes_total)))
}

fn report(lanes: &[Lane<'_>], rounds: usize) -> Report {
    let columns = vec![
        Column::new("1 task, ns", "one_ns", 1),
        Column::new("spread", "one_spread", 2),
        Column::new("× floor", "one_ratio", 2),
        Column::new("64 tasks, ns", "many_ns", 1),
        Column::new("spread", "many_spread", 2),
        Column::new("× floor", "many_ratio", 2),
        Column::new("allocations", "allocations", 2),
        Column::new("bytes", "bytes", 0),
    ];
    let title =
        format!("A cached call. Medians of {rounds} rounds; the spread is that of the middle half, as a share of the median.");
    let mut report = Report::new("hot", title, columns);
    let Some(floor) = lanes.first() else { return report };
    for lane in lanes {
        let [one, many] = &lane.times;
        let cells = [median(one), spread(one), lane.ratio(floor, 0), median(many), spread(many), lane.ratio(floor, 1)];
        report.row(lane.name, cells.into_iter().chain([lane.allocations, lane.bytes]).map(Cell::from).collect());
    }
    let disturbed: usize = lanes.iter().map(|lane| lane.disturbed).sum();
    let share = 100.0 * disturbed as f64 / (rounds * lanes.len()) as f64;
    report.note(format!(
        "{share:.0} % of the slices of 64 tasks had less than nine tenths of two processors. On a quiet machine it is hardly any, but for those who wait for a lock."
    ));
    if let (Some(plain), Some(observed)) = (find(lanes, OURS), find(lanes, Observed::NAME)) {
        let more = median(&observed.times[0]) - median(&plain.times[0]);
        report.note(format!("An observer that counts adds {more:.1} ns to a call by one task."));
    }
    for name in [OURS, TryToken::NAME] {
        let Some(lane) = find(lanes, name) else { continue };
        report.target(format!("{name}, 1 task"), TOKEN_LIMIT, "× floor", lane.ratio(floor, 0));
        report.target(format!("{name}, 64 tasks on 2 workers"), MANY_LIMIT, "× floor", lane.ratio(floor, 1));
        report.target(format!("{name}, allocations"), 0.0, "in a call", lane.allocations);
    }
    for name in [Authorization::NAME, TryAuthorization::NAME] {
        let Some(lane) = find(lanes, name) else { continue };
        report.target(format!("{name}, 1 task"), HEADER_LIMIT, "× floor", lane.ratio(floor, 0));
        report.target(format!("{name}, allocations"), 0.0, "in a call", lane.allocations);
    }
    if let Some(lane) = find(lanes, Dyn::NAME) {
        report.target(format!("{}, allocations", Dyn::NAME), 1.0, "in a call", lane.allocations);
    }
    report
}

fn find<'a, 'b>(lanes: &'a [Lane<'b>], name: &str) -> Option<&'a Lane<'b>> {
    lanes.iter().find(|lane| lane.name == name)
}
