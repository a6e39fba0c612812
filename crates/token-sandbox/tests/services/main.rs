//! The sandbox over real HTTP on loopback, by a clock moved by hand.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod consent;
mod control;
mod faults;
mod integration;
mod klikoo;
mod prakerja;
mod program;
mod sehatmu;
mod server;

use std::sync::Arc;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::Value;

use token_sandbox::{Sandbox, SandboxBuilder};
use token_testkit::ManualClock;

/// A client that goes where it is told and nowhere else.
fn client() -> Client {
    // No roots: there is no TLS here, and to read the machine's takes longer than a test.
    Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([]).build().unwrap()
}

/// A sandbox on a clock that stands still.
fn builder() -> (SandboxBuilder, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (Sandbox::builder().clock(clock.clone()), clock)
}

/// Status and JSON of an answer.
async fn json(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// The values of a query parameter of a URL.
fn parameters(url: &str, name: &str) -> Vec<String> {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}
