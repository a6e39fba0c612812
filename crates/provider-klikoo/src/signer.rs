//! Who holds the private key.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;

use crate::key::{self, KeyError};

/// Signs with the private key, wherever that is.
///
/// [`RsaSigner`] holds the key itself. Implement this for one that stays in an HSM or a KMS:
///
/// ```
/// use provider_klikoo::{Signer, SignerError};
///
/// struct Vault;
///
/// #[async_trait::async_trait]
/// impl Signer for Vault {
///     async fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignerError> {
///         // Ask the vault for RSASSA-PKCS1-v1_5 with SHA-256 over `text`.
///         # let _ = text;
///         Err(SignerError::transient("the vault is sealed"))
///     }
/// }
/// ```
#[async_trait]
pub trait Signer: Send + Sync {
    /// Gives the RSASSA-PKCS1-v1_5 signature of `text` with SHA-256 (RFC 8017 section 8.2), as bytes and not in Base64.
    ///
    /// `text` holds no secret. It is called once for each request, and the time in `text` goes stale: an implementation that asks over a network sets a time limit of seconds.
    ///
    /// # Errors
    ///
    /// The key could not be used. Whether it is tried again is for the error to say.
    async fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerError {
    detail: String,
    is_transient: bool,
}

impl SignerError {
    /// An error that stays until something is put right. `detail` is a short lower-case phrase without a secret.
    #[must_use]
    pub fn permanent(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), is_transient: false }
    }

    /// An error that may pass, so that it is worth another try. `detail` is a short lower-case phrase without a secret.
    #[must_use]
    pub fn transient(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), is_transient: true }
    }

    /// Whether it may pass.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }
}

impl fmt::Display for SignerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl std::error::Error for SignerError {}

/// Signs with a key in memory, in constant time by aws-lc. It is what the builder makes of a private key.
pub struct RsaSigner {
    key: KeyPair,
}

impl RsaSigner {
    /// Reads a key from PEM (PKCS#8 or PKCS#1), or from the Base64 of PEM.
    ///
    /// # Errors
    ///
    /// It is not an unencrypted RSA private key of 2048 to 8192 bits.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        key::from_text(pem).map(|key| Self { key })
    }

    /// As [`from_pem`](Self::from_pem), of a file. It is read once, here.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), and the file cannot be read, is not a plain file, or is larger than 64 KiB.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        key::from_file(path.as_ref()).map(|key| Self { key })
    }
}

#[async_trait]
impl Signer for RsaSigner {
    async fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignerError> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| SignerError::permanent("the crypto library refused to sign"))?;
        Ok(signature)
    }
}

/// Shows the size and nothing else of the key.
impl fmt::Debug for RsaSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RsaSigner").field("bits", &(self.key.public_modulus_len() * 8)).finish_non_exhaustive()
    }
}
