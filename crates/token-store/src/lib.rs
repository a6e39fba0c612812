//! Users' sessions at rest: a seal, and files that are sealed with it.
//!
//! - [`AeadSeal`] is [`token_core::Seal`] by AES-256-GCM, under keys with ids that rotate. It seals a cookie as well as a file.
//! - `FileStore` is [`token_core::SessionStore`] in one directory, for one process or for many of one machine. It is there on Unix alone.
//!
//! ```
//! # #[cfg(unix)]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use token_core::{Expected, Realm, SessionKey, SessionStore};
//! use token_store::{AeadSeal, FileStore, SealKey};
//!
//! # let folder = tempfile::tempdir()?;
//! # let directory = folder.path().join("sessions");
//! # let text = "c2VjcmV0LXRlc3Qtb25seS1zZWNyZXQtdGVzdC1vbmw=";
//! // `text` is 32 bytes of `openssl rand -base64 32`, from where your program keeps its secrets.
//! let seal = AeadSeal::new(SealKey::from_text(1, text)?);
//! let store = FileStore::open(directory, Arc::new(seal))?;
//!
//! let key = SessionKey::new(Arc::new(Realm::new("prakerja")), "user-test-only");
//! let version = store.put(&key, b"token-test-only", Expected::Anything).await?;
//! let stored = store.get(&key).await?.ok_or("nothing is there")?;
//! assert_eq!((stored.value.as_slice(), stored.version), (&b"token-test-only"[..], version));
//! # Ok(())
//! # }
//! # #[cfg(not(unix))]
//! # fn main() {}
//! ```

mod aead;
#[cfg(unix)]
mod file;

pub use aead::{AeadSeal, SealKey, SealKeyError};
#[cfg(unix)]
pub use file::FileStore;

/// Compiles the example in the README.
#[cfg(all(doctest, unix))]
#[doc = include_str!("../README.md")]
struct Readme;
