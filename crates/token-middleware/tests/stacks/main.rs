//! What all stacks promise: where a token may go, when a request is sent again, and that nothing of it is lost on the way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may panic"
)]

mod bodies;
mod refusals;
mod services;
mod support;
mod traps;
mod waiting;
