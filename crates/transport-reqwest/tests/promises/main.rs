//! Each promise of the transport against a loopback server, with reqwest's features switched on as another crate might.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod delivery;
mod environment;
mod limits;
mod requests;
mod secrets;
mod server;
mod tls;
mod urls;
