//! Access tokens of Klikoo's B2B Open API.
//!
//! The service wants client credentials in JSON and, in two headers, a time and an RSA signature over `client_id|time` (Klikoo, Access Token page).
//! The token lives 15 minutes; there is no refresh token.
//!
//! ```no_run
//! use provider_klikoo::Klikoo;
//!
//! # async fn example() -> Result<(), token_core::Error> {
//! let tokens = Klikoo::builder()
//!     .base_url("https://service.example/klikoo-b2b")
//!     .client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02")
//!     .client_secret("secret-test-only")
//!     .private_key_file("/run/secrets/klikoo.pem")
//!     .build()?;
//! let token = tokens.token().await?;
//! println!("Authorization: {:?}, until {:?}", token.authorization(), token.expires_at());
//! # Ok(())
//! # }
//! ```
//!
//! # Environment
//!
//! [`Klikoo::from_env`] reads:
//!
//! | variable | meaning |
//! |---|---|
//! | `KLIKOO_BASE_URL` | the base URL that Klikoo gave, with its path if it has one, without `/v1/open-api/access-token` |
//! | `KLIKOO_CLIENT_ID` | the client id, a UUID |
//! | `KLIKOO_CLIENT_SECRET` | the client secret |
//! | `KLIKOO_PRIVATE_KEY` | the private key: PEM, with real line ends or with `\n` for them, or the Base64 of the PEM |
//! | `KLIKOO_PRIVATE_KEY_FILE` | in its place: a file with the same |
//! | `KLIKOO_TIMESTAMP_PRECISION` | `seconds` (default) or `milliseconds` |
//!
//! # The key
//!
//! An RSA key of 2048 bits or more, whose public half is registered with Klikoo; PKCS#8 (`BEGIN PRIVATE KEY`) and PKCS#1 (`BEGIN RSA PRIVATE KEY`) are both read.
//! To keep it in an HSM or a KMS, implement [`Signer`] and give it with [`KlikooBuilder::signer`].
//!
//! # Requests with a token
//!
//! They carry another signature, over the method, the path, the token, the body and the time (Klikoo, Digital Signature page).
//! [`KlikooBuilder::build_authorizer`] gives an authoriser that adds it, with the tokens of [`KlikooBuilder::build`] inside.
//!
//! # The clock
//!
//! The service refuses a time that is off ([`KlikooErrorCode::TimestampMismatch`]), so the machine's clock has to be right.
//! The error says by how much it is not, if the service tells its own time.
//!
//! # Features
//!
//! - `reqwest` (default): the transport of `transport-reqwest`. Without it, give one with [`KlikooBuilder::transport`].
//! - `serde`: [`Config`] is `Deserialize`, so that the settings can stand in a file.

mod canonical;
mod code;
mod config;
mod error;
mod key;
mod provider;
mod request;
mod response;
mod scheme;
mod signature;
mod signer;

pub use canonical::{CanonicalJsonError, canonical_json};
pub use code::{ResponseCode, ResponseCodeError};
pub use config::Config;
pub use error::{KlikooErrorCode, Service};
pub use key::KeyError;
pub use provider::{Klikoo, KlikooBuilder};
pub use scheme::KlikooScheme;
pub use signature::TimestampPrecision;
pub use signer::{RsaSigner, Signer, SignerError};

/// The service itself: endpoints, fields, limits, and every error code.
#[cfg(docsrs)]
#[doc = include_str!("../SERVICE.md")]
pub mod service {}

/// The name in errors.
pub(crate) const PROVIDER: &str = "klikoo";

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
