//! What an `Authorizer` promises, on a clock moved by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test may panic")]

mod answers;
mod cost;
mod lasting;
mod origins;
mod patience;
mod requests;
mod signing;
mod world;
