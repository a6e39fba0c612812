//! Waiting, and runtimes to wait in.

use std::time::Duration;

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
