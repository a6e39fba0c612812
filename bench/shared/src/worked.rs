//! The time on processors, of which others take nothing away.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::Stopwatch;

/// Real time beside the time that all threads of this program spent on a processor.
#[derive(Clone, Copy, Debug)]
pub struct Worked {
    real: Stopwatch,
    before: Duration,
}

impl Worked {
    /// Starts to measure both.
    pub fn start() -> Self {
        Self { real: Stopwatch::start(), before: on_processors() }
    }

    /// The time on processors, in nanoseconds.
    pub fn nanoseconds(&self) -> f64 {
        on_processors().saturating_sub(self.before).as_nanos() as f64
    }

    /// How many processors the program had, on average: fewer than it has threads to run when others are on them.
    pub fn processors(&self) -> f64 {
        self.nanoseconds() / self.real.elapsed().as_nanos() as f64
    }
}

fn on_processors() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
