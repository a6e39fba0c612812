//! Prakerja, SehatMu and Klikoo on loopback, for tests and for trying things out.
//!
//! The three services check what the real ones check, and answer in their shapes and with their codes, as far as their public pages tell.
//! Where a page leaves room, the strict reading is the default and a setting gives the mild one: see [`PrakerjaSettings`], [`SehatMuSettings`], [`KlikooSettings`].
//! Ids, secrets and keys are made at random at each start; nothing leaves the machine.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use token_sandbox::Sandbox;
//!
//! let sandbox = Sandbox::builder().sehatmu(|settings| settings.token_lifetime = Duration::from_secs(15)).start().await?;
//!
//! let base_url = sandbox.sehatmu_base_url();
//! let client_id = sandbox.sehatmu_credentials().client_id();
//! // Point a client at `base_url`, let it ask for a token as `client_id`, and see how often it asked.
//! # let _ = (base_url, client_id);
//! assert_eq!(sandbox.requests().sehatmu_token, 0);
//!
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where each service is
//!
//! Each has a listener of its own, as each real one has a host of its own, so that a token sent to the wrong one is noticed.
//! Klikoo's base URL has the path prefix of the real one.
//! A fourth listener is the control endpoint: JSON under a path that is a secret.
//!
//! | request | body | does |
//! |---|---|---|
//! | `GET {control}/requests` | | counts of requests and of outcomes |
//! | `DELETE {control}/requests` | | sets the counts to zero |
//! | `GET {control}/clock` | | the services' time |
//! | `POST {control}/clock` | `{"advance_seconds": 60}` | moves the services' clock, also back |
//! | `GET {control}/settings` | | all settings; durations in seconds |
//! | `PATCH {control}/settings` | `{"klikoo": {"token_lifetime": 15}}` | changes those that are named |
//! | `GET {control}/faults` | | the fault plan |
//! | `POST {control}/faults` | `{"route": "klikoo_token", "fault": "doubled_keys", "when": {"next": 2}}` | adds a fault; without `when`, until it is cleared |
//! | `DELETE {control}/faults` | `{"route": "klikoo_token"}` | ends the faults of a route, or without a body all |
//! | `POST {control}/revoke` | `{"service": "prakerja"}` | ends every code and token of a service |
//! | `POST {control}/consent` | `{"url": "…", "decision": "allow"}` | answers a consent page without a browser; `deny`, and a `user` by id |
//!
//! # What is a guess
//!
//! The services publish no source. How Prakerja orders its checks, how far clocks may differ, and with which status SehatMu refuses are readings of their pages, not facts seen on a live server. What the call of Prakerja's integration API answers and the path of SehatMu's FHIR read are invented.
//! A client that works here has done what the pages ask; it is no promise that the real service agrees.

mod builder;
mod connection;
mod control;
mod count;
mod credentials;
mod damage;
mod error;
mod fault;
mod front;
mod jwt;
mod klikoo;
mod listener;
mod plan;
mod prakerja;
mod random;
mod sandbox;
mod sehatmu;
mod settings;
mod state;
mod store;
mod stream;
mod time;
#[cfg(feature = "tls")]
mod tls;

pub use builder::SandboxBuilder;
pub use count::{RequestCounts, Route, Service};
pub use credentials::{KlikooCredentials, PrakerjaCredentials, PrakerjaUser, SehatMuCredentials};
pub use error::{SandboxError, SandboxErrorKind};
pub use fault::{CertificateFault, Ending, Fault, Page, Place, RetryAfter, When};
pub use plan::Faults;
pub use sandbox::Sandbox;
pub use settings::{KlikooSettings, PrakerjaSettings, RefusalStatus, SehatMuFailure, SehatMuSettings, SehatMuSuccess};

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
