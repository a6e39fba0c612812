//! What the benchmarks share.
//!
//! Everything of `caches` and `sessions` that can be told right or wrong without a peer or a service is here as well, so that its tests run without compiling one.

mod figures;
mod machine;
mod options;
mod program;
mod report;
mod request;
mod sessions;
mod worked;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

pub use figures::{median, most_requests, quantile, spread};
pub use machine::machine;
pub use options::{Command as CachesCommand, HELP, Mode, Options};
pub use program::{say, tell};
pub use report::{Cell, Column, Report, Target, Verdict};
pub use request::Head;
pub use sessions::{Command as SessionsCommand, HELP as SESSIONS_HELP, Mode as SessionsMode, Options as SessionsOptions};
pub use worked::Worked;

/// How long a program may take before it is stopped.
const DEADLINE: Duration = Duration::from_secs(60);

/// The share of its time so far after which a running program is looked at again: often enough for a time, too seldom to slow it down.
const GLANCE: u32 = 200;

/// The root of the workspace that is measured.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}

/// How long the runs of one subject took.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds a run.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort();
    }

    /// How many runs there were.
    pub fn runs(&self) -> usize {
        self.0.len()
    }

    /// The run in the middle, in milliseconds; of an even number the slower one. Zero without a run.
    pub fn median(&self) -> f64 {
        milliseconds(self.0.get(self.0.len() / 2))
    }

    /// The shortest run, in milliseconds. Zero without a run.
    pub fn best(&self) -> f64 {
        milliseconds(self.0.first())
    }
}

fn milliseconds(time: Option<&Duration>) -> f64 {
    time.map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// Real time, from its start on.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was started.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The same in milliseconds.
    pub fn milliseconds(&self) -> f64 {
        self.elapsed().as_secs_f64() * 1e3
    }
}

/// Does something and says how long it took.
///
/// # Errors
///
/// Whatever `work` fails with.
pub fn timed<T>(work: impl FnOnce() -> Result<T, String>) -> Result<(T, Duration), String> {
    let watch = Stopwatch::start();
    let done = work()?;
    Ok((done, watch.elapsed()))
}

/// Runs a program to its end and gives its exit status and its time; no status if it had to be stopped after a minute.
///
/// # Errors
///
/// It cannot be started, or not be waited for.
pub fn program(command: &mut Command) -> Result<(Option<ExitStatus>, Duration), String> {
    let shown = format!("{command:?}");
    timed(|| command.spawn().and_then(|mut child| end_of(&mut child)).map_err(|error| format!("cannot run {shown}: {error}")))
}

fn end_of(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let began = Stopwatch::start();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > DEADLINE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::park_timeout((began.elapsed() / GLANCE).max(Duration::from_micros(20)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_folder_with_the_libraries() {
        assert!(root().join("crates/token-core/Cargo.toml").exists());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let mut times = Times::default();
        assert_eq!((times.median(), times.best()), (0.0, 0.0));
        for millisecond in [9, 1, 5] {
            times.add(Duration::from_millis(millisecond));
        }
        assert_eq!((times.median(), times.best(), times.runs()), (5.0, 1.0, 3));
    }
}
