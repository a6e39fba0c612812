//! What `TokenCache` promises, each promise on a clock moved by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test may panic")]

mod bench;
mod budget;
mod dead;
mod decorators;
mod ending;
mod expiry;
mod failures;
mod lasting;
mod observing;
mod patience;
mod providers;
mod refusals;
mod runtimes;
mod serving;
#[cfg(feature = "tracing")]
mod spans;
