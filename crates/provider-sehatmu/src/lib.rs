//! Access tokens of SehatMu, Muhammadiyah's health platform.
//!
//! The service wants client credentials in a form (RFC 6749 section 4.4) and hands out a token that lives 24 hours.
//! It allows one request a minute after a failed one, so a refusal is remembered for 60 seconds and not repeated.
//!
//! ```no_run
//! use provider_sehatmu::SehatMu;
//!
//! # async fn example() -> Result<(), token_core::Error> {
//! let tokens = SehatMu::builder()
//!     .base_url(provider_sehatmu::SANDBOX_BASE_URL)
//!     .client_id("3f0c6f3e.sehatmu.client")
//!     .client_secret("secret-test-only")
//!     .build()?;
//! let token = tokens.token().await?;
//! println!("Authorization: {:?}, until {:?}", token.authorization(), token.expires_at());
//! # Ok(())
//! # }
//! ```
//!
//! # Environment
//!
//! [`SehatMu::from_env`] reads:
//!
//! | variable | meaning |
//! |---|---|
//! | `SEHATMU_BASE_URL` | the base URL, without `/oauth/token` |
//! | `SEHATMU_CLIENT_ID` | the client id |
//! | `SEHATMU_CLIENT_SECRET` | the client secret |
//!
//! # Features
//!
//! - `reqwest` (default): the transport of `transport-reqwest`. Without it, give one with [`SehatMuBuilder::transport`].
//! - `serde`: [`Config`] is `Deserialize`, so that the settings can stand in a file.

mod config;
mod error;
mod provider;
mod request;
mod response;
mod scheme;

pub use config::{Config, SANDBOX_BASE_URL};
pub use error::SehatMuErrorCode;
pub use provider::{SehatMu, SehatMuBuilder};
pub use scheme::SehatMuScheme;

/// The service itself: endpoints, fields, limits, and every error code.
#[cfg(docsrs)]
#[doc = include_str!("../SERVICE.md")]
pub mod service {}

/// The name in errors.
pub(crate) const PROVIDER: &str = "sehatmu";

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
