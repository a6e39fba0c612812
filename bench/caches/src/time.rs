//! Waiting, and runtimes to wait in.

use std::time::Duration;

use bench_shared::Stopwatch;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

/// Waits for real.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

/// A runtime of one thread, the caller's.
pub(crate) fn one_thread() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|error| format!("no runtime: {error}"))
}

/// A runtime with two workers.
pub(crate) fn two_workers() -> Result<Runtime, String> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| format!("no runtime: {error}"))
}

/// Real time beside the time that all threads of this program spent on a processor.
pub(crate) struct Worked {
    real: Stopwatch,
    before: Duration,
}

impl Worked {
    pub(crate) fn start() -> Self {
        Self { real: Stopwatch::start(), before: on_processors() }
    }

    /// The time on processors, in nanoseconds.
    pub(crate) fn nanoseconds(&self) -> f64 {
        on_processors().saturating_sub(self.before).as_nanos() as f64
    }

    /// How many processors the program had, on average: fewer than it has threads to run when others are on them.
    pub(crate) fn processors(&self) -> f64 {
        self.nanoseconds() / self.real.elapsed().as_nanos() as f64
    }
}

fn on_processors() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
