//! "Masuk dengan Prakerja": the application and the sandbox on loopback, by a clock moved by hand.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod browser;
mod http_only;
mod program;
mod visitor;
mod world;
