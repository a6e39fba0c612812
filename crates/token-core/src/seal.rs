//! Sealing what is kept outside the program's memory: the contract. A library that has a crypto library fulfils it.

use std::fmt;

use zeroize::Zeroizing;

/// Authenticated encryption under keys of the program, for what leaves its memory: a cookie, a file, a row.
///
/// `token-store` has one of AES-256-GCM with key ids; another may ask a KMS, as long as it answers at once.
pub trait Seal: fmt::Debug + Send + Sync {
    /// Seals `plain`. The result is opaque, differs each time, and opens under the same `context` alone.
    ///
    /// # Errors
    ///
    /// [`SealError::Unavailable`].
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Opens what [`seal`](Self::seal) gave.
    ///
    /// # Errors
    ///
    /// Whatever was altered, cut, sealed under another context or key, or never sealed at all, is refused.
    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError>;
}

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Altered, or sealed under another context.
    #[error("it was altered, or sealed for another use")]
    Forged,
    /// Too short, or of another format.
    #[error("it is cut, or was never sealed")]
    Malformed,
    /// The crypto library, its source of random numbers or a KMS failed.
    #[error("nothing can be sealed or opened now: the crypto library or the key service failed")]
    Unavailable,
    /// Sealed under a key that is not, or no more, among those given.
    #[error("it was sealed under a key that is not among the keys given")]
    UnknownKey,
}

/// A context of several parts, each with its length in front, so that no two lists give the same bytes.
#[must_use]
pub fn seal_context(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        context.extend_from_slice(&(part.len() as u64).to_be_bytes());
        context.extend_from_slice(part);
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_of_parts_give_one_context() {
        let lists: [&[&[u8]]; 7] = [&[], &[b""], &[b"", b""], &[b"ab"], &[b"a", b"b"], &[b"", b"ab"], &[b"ab", b""]];
        let contexts: std::collections::HashSet<_> = lists.iter().map(|parts| seal_context(parts)).collect();
        assert_eq!(contexts.len(), lists.len());
    }
}
