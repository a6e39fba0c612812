//! Access tokens of New Service.
//!
//! The service wants client credentials in a form (RFC 6749 section 4.4) and says in seconds how long a token lives.
//!
//! ```no_run
//! use provider_new_service::NewService;
//!
//! # async fn example() -> Result<(), token_core::Error> {
//! let tokens = NewService::builder()
//!     .base_url("https://service.example")
//!     .client_id("client-id")
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
//! [`NewService::from_env`] reads:
//!
//! | variable | meaning |
//! |---|---|
//! | `NEW_SERVICE_BASE_URL` | the base URL, to which the path of the token endpoint is added |
//! | `NEW_SERVICE_CLIENT_ID` | the client id |
//! | `NEW_SERVICE_CLIENT_SECRET` | the client secret |
//! | `NEW_SERVICE_SCOPE` | the scopes to ask for, parted by spaces; may be left out |
//!
//! # Features
//!
//! - `reqwest` (default): the transport of `transport-reqwest`. Without it, give one with [`NewServiceBuilder::transport`].
//! - `serde`: [`Config`] is `Deserialize`, so that the settings can stand in a file.

mod config;
mod error;
mod provider;
mod request;
mod response;

pub use config::Config;
pub use error::NewServiceErrorCode;
pub use provider::{NewService, NewServiceBuilder};

/// What is known of the service, with its table of error codes.
#[cfg(docsrs)]
#[doc = include_str!("../SERVICE.md")]
pub mod service {}

/// The name in errors.
pub(crate) const PROVIDER: &str = "new-service";

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
