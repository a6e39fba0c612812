//! A hardened [reqwest](https://docs.rs/reqwest) client behind [`token_core::Transport`].
//!
//! [`ReqwestTransport`] sends one request to a token endpoint and reads one answer, and it does nothing that nobody asked for:
//! it follows no redirect, uses no proxy of the environment, keeps no cookie, asks for no compression and never sends a request a second time.
//! Time and size are bounded, certificates are always checked, and plain `http` goes to this machine alone.
//!
//! Each of these is set by a call, because a feature of reqwest that another crate of the program switches on changes the defaults for everyone.
//!
//! ```
//! use std::time::Duration;
//!
//! use transport_reqwest::ReqwestTransport;
//!
//! # fn main() -> Result<(), transport_reqwest::TransportBuildError> {
//! let transport = ReqwestTransport::builder()
//!     .total_timeout(Duration::from_secs(10))
//!     .user_agent("my-service/1.0")
//!     .build()?;
//! # let _: ReqwestTransport = transport;
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod tls;
mod transport;

pub use builder::{ReqwestTransportBuilder, TransportBuildError};
pub use transport::ReqwestTransport;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
