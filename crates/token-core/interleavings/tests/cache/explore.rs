//! Runs a scenario under many schedules.

use std::fmt;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, MaxSteps, Runner};

/// How often a scenario runs by chance, each way. Unless it is set, as when all tests of the workspace run, a first look is enough.
const RUNS: &str = "INTERLEAVINGS";

const FEW_RUNS: usize = 100;

/// What ends a search that would take too long.
const TOO_MANY: usize = 1_000_000;

/// Runs `scenario` under every schedule in which a thread that could go on is stopped at most `stops` times, one less for a first look, and under others by chance.
pub(crate) fn explore(stops: usize, scenario: fn()) {
    let runs = std::env::var(RUNS).ok().map(|runs| runs.parse().expect("a number of runs"));
    let stops = if runs.is_some() { stops } else { stops.saturating_sub(1) };
    let runs = runs.unwrap_or(FEW_RUNS);
    let all = run(Bounded::new(stops), scenario);
    assert!(all > 1 && all < TOO_MANY, "{all} schedules are no search that came to its end");
    let random = run(RandomScheduler::new(runs), scenario);
    let by_priority = run(PctScheduler::new(3, runs), scenario);
    assert_eq!((random, by_priority), (runs, runs));
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    println!("{name}: all {all} schedules with up to {stops} stops, {random} at random, {by_priority} by priorities");
}

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) -> usize {
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    config.max_steps = MaxSteps::FailAfter(20_000);
    // It warns of orderings that are weaker than it plays through. The lock-free part is arc-swap's, whose orderings are its own.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario)
}

/// Goes through all schedules in which a thread that could go on is stopped a few times only: what goes wrong most often needs no more than two,
/// and their number grows with a power of the length, where that of all schedules grows exponentially.
struct Bounded {
    stops: usize,
    /// The choices of the schedule, and which of them is made this time.
    path: Vec<(Vec<TaskId>, usize)>,
    /// How far along the path this run is, and how many stops it had.
    step: usize,
    stopped: usize,
    runs: usize,
}

impl Bounded {
    fn new(stops: usize) -> Self {
        Self { stops, path: Vec::new(), step: 0, stopped: 0, runs: 0 }
    }
}

impl Scheduler for Bounded {
    fn new_execution(&mut self) -> Option<Schedule> {
        // The last choice that has an alternative left is made anew; what came after it is forgotten.
        while self.path.pop_if(|(choices, made)| *made + 1 == choices.len()).is_some() {}
        match self.path.last_mut() {
            Some((_, made)) => *made += 1,
            None if self.runs > 0 => return None,
            None => {}
        }
        (self.step, self.stopped, self.runs) = (0, 0, self.runs + 1);
        (self.runs <= TOO_MANY).then(|| Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let current = current.filter(|current| !is_yielding && runnable.iter().any(|task| task.id() == *current));
        if self.step == self.path.len() {
            let others = runnable.iter().map(|task| task.id()).filter(|task| Some(*task) != current);
            let choices = match current {
                Some(current) if self.stopped == self.stops => vec![current],
                Some(current) => std::iter::once(current).chain(others).collect(),
                None => others.collect(),
            };
            self.path.push((choices, 0));
        }
        let (choices, made) = &self.path[self.step];
        let next = choices[*made];
        self.step += 1;
        self.stopped += usize::from(current.is_some_and(|current| current != next));
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bounded").field("runs", &self.runs).finish_non_exhaustive()
    }
}
