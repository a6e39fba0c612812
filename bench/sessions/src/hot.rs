//! A hit: a user's token that is there and usable, among those of many users.
//!
//! All subjects hold the same tokens and stand side by side in one process. They are measured in short slices, one after the other, round after round, each time with users in another random order, so that a hit finds as little in the processor's caches as in a program with so many users.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Barrier, Mutex, PoisonError, RwLock};
use std::time::Duration;

use allocation_counter::measure;
use bench_shared::{Cell, Column, Report, SessionsOptions as Options, Stopwatch, Worked, median, spread};
use token_core::{Clock as _, SystemClock, Token};

use crate::memory::{Elsewhere, one_thread, set};
use crate::users::{Name, log_in, shown};

const ROUNDS: usize = 31;
const SLICE: Duration = Duration::from_millis(20);
/// Of two threads real time counts, as they may wait for each other. A slice that had less than this share of two processors is measured again, so often at most, and the one with the largest share counts.
const SHARE: f64 = 0.9;
const TRIES: usize = 3;
const COUNTED: u64 = 10_000;

/// The most that a hit by the user's name may take, in units of the map behind a `Mutex`.
const LIMIT: f64 = 2.0;

const NAME: &str = "floor: the user's name alone";
const LOCKED: &str = "floor: Mutex<HashMap<String, Token>>";
const SHARED: &str = "floor: RwLock<HashMap<String, Token>>";
const BY_NAME: &str = "Sessions get() and try_token()";
const OWNED: &str = "Session try_token(), of a session at hand";

pub(crate) fn run(options: &Options, users: usize) -> Result<Report, String> {
    let runtime = one_thread()?;
    let sessions = set(Arc::new(Elsewhere), Some(users));
    runtime.block_on(log_in(&sessions, users))?;
    let names = || (0..users).map(Name::of);
    let owned: Vec<_> = names().map(|name| sessions.get(name.as_str()).map_err(shown)).collect::<Result<_, _>>()?;
    let tokens: HashMap<String, Token> = names()
        .zip(&owned)
        .map(|(name, session)| Some((name.as_str().to_owned(), session.try_token()?)))
        .collect::<Option<_>>()
        .ok_or("a user who has just logged in has no token")?;
    // A clone of the map holds clones of its tokens.
    let (locked, shared) = (Mutex::new(tokens.clone()), RwLock::new(tokens));

    let mut lanes = vec![
        Lane::new(NAME, users, |user| !black_box(Name::of(user)).as_str().is_empty()),
        Lane::new(LOCKED, users, |user| {
            let name = Name::of(user);
            let token = locked.lock().unwrap_or_else(PoisonError::into_inner).get(name.as_str()).cloned();
            token.is_some_and(|token| is_usable(&token))
        }),
        Lane::new(SHARED, users, |user| {
            let name = Name::of(user);
            let token = shared.read().unwrap_or_else(PoisonError::into_inner).get(name.as_str()).cloned();
            token.is_some_and(|token| is_usable(&token))
        }),
        Lane::new(BY_NAME, users, |user| {
            let token = sessions.get(Name::of(user).as_str()).ok().and_then(|session| session.try_token());
            black_box(token).is_some()
        }),
        Lane::new(OWNED, users, |user| black_box(owned.get(user).and_then(|session| session.try_token())).is_some()),
    ];
    lanes.retain(|lane| lane.name.starts_with("floor") || options.wants(lane.name));
    for lane in &mut lanes {
        lane.calibrate()?;
    }
    let rounds = options.runs.unwrap_or(ROUNDS);
    for round in 0..rounds {
        // Each round begins with another one, so that nobody always follows the same.
        let first = round % lanes.len();
        let (before, from) = lanes.split_at_mut(first);
        for lane in from.iter_mut().chain(before) {
            lane.slice(round as u64)?;
        }
    }
    Ok(report(&lanes, rounds, users))
}

/// The expiry test that is owed to whoever asks, by the clock that our own caches read.
#[inline]
fn is_usable(token: &Token) -> bool {
    let left = token.lifetime_left(&SystemClock.coarse());
    black_box(token);
    left.is_some_and(|left| !left.is_zero())
}

/// Users in a random order.
struct Order {
    state: u64,
    users: u64,
}

impl Order {
    fn new(seed: u64, users: usize) -> Self {
        // Seeds that are neighbours begin far from each other.
        Self { state: seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15), users: users as u64 }
    }

    /// Marsaglia's xorshift, and the upper half of it as a share of all users.
    #[inline]
    fn next(&mut self) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (((self.state >> 32) * self.users) >> 32) as usize
    }
}

/// So many hits, by the order of this seed: how many found a token.
type Hits<'a> = Box<dyn Fn(u64, u64) -> u64 + Sync + 'a>;

/// A subject, and its figures so far.
struct Lane<'a> {
    name: &'static str,
    hits: Hits<'a>,
    calls: [u64; 2],
    times: [Vec<f64>; 2],
    /// Slices of two threads without their share.
    disturbed: usize,
    allocations: f64,
}

impl<'a> Lane<'a> {
    fn new(name: &'static str, users: usize, hit: impl Fn(usize) -> bool + Sync + 'a) -> Self {
        let hits = move |seed, calls| {
            let mut order = Order::new(seed, users);
            (0..calls).map(|_| u64::from(hit(order.next()))).sum()
        };
        Self { name, hits: Box::new(hits), calls: [0; 2], times: [Vec::new(), Vec::new()], disturbed: 0, allocations: f64::NAN }
    }

    /// Finds how many calls fill a slice, and counts what they allocate.
    fn calibrate(&mut self) -> Result<(), String> {
        let mut found = 0;
        let counted = measure(|| found = (self.hits)(0, COUNTED));
        self.all(found, COUNTED)?;
        self.allocations = counted.count_total as f64 / COUNTED as f64;
        let fitting = |took: f64| (SLICE.as_nanos() as f64 / took) as u64 + 1;
        self.calls = [fitting(self.one(1, COUNTED)?), fitting(self.two(2, COUNTED)?)];
        Ok(())
    }

    fn slice(&mut self, round: u64) -> Result<(), String> {
        let [one, two] = self.calls;
        let seed = 100 * (round + 1);
        let time = self.one(seed, one)?;
        self.times[0].push(time);
        let mut best = (0.0, f64::NAN);
        for again in 0..TRIES as u64 {
            let worked = Worked::start();
            let time = self.two(seed + 10 * (again + 1), two)?;
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

    /// Nanoseconds of a hit by one thread: on the processor, as it waits for nothing.
    fn one(&self, seed: u64, calls: u64) -> Result<f64, String> {
        let worked = Worked::start();
        let found = (self.hits)(seed, calls);
        let took = worked.nanoseconds() / calls as f64;
        self.all(found, calls)?;
        Ok(took)
    }

    /// Nanoseconds of a hit as either of two threads sees it, which have so many each: from the begin of both to the end of both.
    fn two(&self, seed: u64, calls: u64) -> Result<f64, String> {
        let barrier = Barrier::new(2);
        let half = |seed| {
            barrier.wait();
            let watch = Stopwatch::start();
            ((self.hits)(seed, calls), watch)
        };
        let (found, took) = std::thread::scope(|scope| {
            let other = scope.spawn(|| half(seed + 1));
            let own = half(seed);
            let other = other.join().map_err(|_| format!("{}: it panicked", self.name))?;
            Ok::<_, String>((own.0 + other.0, own.1.elapsed().max(other.1.elapsed())))
        })?;
        self.all(found, 2 * calls)?;
        Ok(took.as_nanos() as f64 / calls as f64)
    }

    fn all(&self, found: u64, calls: u64) -> Result<(), String> {
        if found == calls { Ok(()) } else { Err(format!("{}: {found} of {calls} calls found a token", self.name)) }
    }

    /// The ratio to another one in each round.
    fn ratio(&self, floor: &Self, which: usize) -> f64 {
        let pairs = self.times.get(which).zip(floor.times.get(which));
        median(&pairs.map_or_else(Vec::new, |(own, floor)| own.iter().zip(floor).map(|(own, floor)| own / floor).collect()))
    }
}

fn report(lanes: &[Lane<'_>], rounds: usize, users: usize) -> Report {
    let columns = vec![
        Column::new("1 thread, ns", "one_ns", 1),
        Column::new("spread", "one_spread", 2),
        Column::new("× Mutex", "one_ratio", 2),
        Column::new("2 threads, ns", "two_ns", 1),
        Column::new("spread", "two_spread", 2),
        Column::new("× Mutex", "two_ratio", 2),
        Column::new("allocations", "allocations", 2),
    ];
    let title = format!(
        "A hit among {users} users, in random order; of two threads, as either of them sees it. Medians of {rounds} rounds; the spread is that of the middle half, as a share of the median."
    );
    let mut report = Report::new("hot", title, columns);
    let Some(floor) = lanes.iter().find(|lane| lane.name == LOCKED) else { return report };
    for lane in lanes {
        let [one, two] = &lane.times;
        let cells = [median(one), spread(one), lane.ratio(floor, 0), median(two), spread(two), lane.ratio(floor, 1)];
        report.row(lane.name, cells.into_iter().chain([lane.allocations]).map(Cell::from).collect());
    }
    let disturbed: usize = lanes.iter().map(|lane| lane.disturbed).sum();
    let share = 100.0 * disturbed as f64 / (rounds * lanes.len()) as f64;
    report.note(format!(
        "{share:.0} % of the slices of two threads had less than nine tenths of two processors. On a quiet machine it is hardly any, but for those who wait for a lock."
    ));
    report.note("Each subject but the last makes the user's name first. The floors look a token up, copy the pointer to it and test its expiry by the same coarse clock as ours.");
    if let Some(lane) = lanes.iter().find(|lane| lane.name == BY_NAME) {
        report.target(format!("{BY_NAME}, 1 thread"), LIMIT, "× Mutex", lane.ratio(floor, 0));
        report.target(format!("{BY_NAME}, 2 threads"), LIMIT, "× Mutex", lane.ratio(floor, 1));
        report.target(format!("{BY_NAME}, allocations"), 0.0, "in a call", lane.allocations);
    }
    report
}
