//! Where sessions are kept: the contract.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::grant::Realm;
use crate::error::{Error, ErrorKind, Remedy};
use crate::seal::seal_context;

/// Keeps users' sessions, for one process or for many.
///
/// A value is bytes with a refresh token in them: a store that writes them anywhere seals them ([`Seal`](crate::Seal)), bound to the key.
/// Every write says what it takes the place of, so that of two processes the one that knows less does not undo the other's.
/// Calls end: a store that asks a network has a deadline of its own.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync {
    /// What is kept under `key`. `None`: nothing is, so the user is not logged in.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`] and [`StoreError::CannotUnseal`]; neither says that nothing is there.
    async fn get(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError>;

    /// Keeps `value` in place of what `expected` says. Once it has returned, the value outlives the process, if the store promises that at all.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`]: something else is there, and stays. [`StoreError::Unreachable`]: it may be written or not.
    async fn put(&self, key: &SessionKey, value: &[u8], expected: Expected) -> Result<Version, StoreError>;

    /// Removes what `expected` says. That nothing is there is no error for [`Expected::Anything`] and [`Expected::Nothing`].
    ///
    /// # Errors
    ///
    /// As with [`put`](Self::put).
    async fn delete(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError>;

    /// The sole right to refresh the session of `key`, waited for as long as `patience`. It ends when it is dropped, and when its process ends, however it does.
    ///
    /// It spares two processes a race; whether a write counts is decided by its version.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`]: another has it. [`StoreError::Unreachable`].
    async fn lease(&self, key: &SessionKey, patience: Duration) -> Result<Box<dyn Lease>, StoreError>;
}

/// The sole right to refresh one session, until it is dropped.
pub trait Lease: fmt::Debug + Send + Sync {}

/// Whose session it is. `Debug` shows no user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    realm: Arc<Realm>,
    user: Arc<str>,
}

impl SessionKey {
    /// `user` is the program's own name of a user, or of a session of its own.
    #[must_use]
    pub fn new(realm: Arc<Realm>, user: impl Into<Arc<str>>) -> Self {
        Self { realm, user: user.into() }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The user's name, which is personal data.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The whole key as bytes; no two keys give the same. It holds the user's name: hash it before it becomes the name of something.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = vec![b"token-core session", self.realm.provider().as_bytes()];
        for (name, value) in self.realm.parts() {
            parts.extend([name.as_bytes(), value.as_bytes()]);
        }
        parts.push(self.user.as_bytes());
        seal_context(&parts)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SessionKey").field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// What a store gives back.
pub struct Stored {
    /// As it was put, wiped when dropped.
    pub value: Zeroizing<Vec<u8>>,
    /// Of this very value.
    pub version: Version,
}

impl fmt::Debug for Stored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stored").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Tells one write of a key from every other, also from those before a deletion. What is in it is the store's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u128);

/// What a write takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there or not: a login, a logout.
    Anything,
    /// Nothing.
    Nothing,
    /// This very value.
    Version(Version),
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the right to refresh the session.
    #[error("another process is refreshing the session, and has not ended in time")]
    Busy,
    /// A value is there and cannot be read: its name, as a file's, and why. Others are not concerned.
    #[error("what is stored in {what} cannot be read: {why}")]
    CannotUnseal {
        /// The name of it; no user's name.
        what: String,
        /// Why not.
        why: Cow<'static, str>,
    },
    /// The value is not the one that was expected.
    #[error("the stored session was changed meanwhile")]
    Conflict,
    /// The store cannot be reached, or refuses: what it says, without a secret.
    #[error("the session store cannot be reached: {0}")]
    Unreachable(String),
}

impl StoreError {
    /// As an error of `provider`. None of them means that the user has to log in again.
    #[must_use]
    pub fn into_error(self, provider: &'static str) -> Error {
        let remedy = match &self {
            Self::Busy | Self::Conflict | Self::Unreachable(_) => Remedy::Retry,
            Self::CannotUnseal { .. } => Remedy::FixConfiguration,
        };
        Error::new(provider, ErrorKind::Store, remedy).with_message(self.to_string()).with_source(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_apart_by_each_of_their_parts() {
        let realm = |base: &str, client: &str| Arc::new(Realm::new("test").with("base_url", base).with("client_id", client));
        let keys = [
            SessionKey::new(realm("a", "b"), "c"),
            SessionKey::new(realm("a", "bc"), ""),
            SessionKey::new(realm("ab", ""), "c"),
            SessionKey::new(realm("", "ab"), "c"),
            SessionKey::new(Arc::new(Realm::new("other").with("base_url", "a").with("client_id", "b")), "c"),
        ];
        let bytes: std::collections::HashSet<_> = keys.iter().map(SessionKey::to_bytes).collect();
        assert_eq!(bytes.len(), keys.len());
        assert!(!format!("{:?}", SessionKey::new(realm("a", "b"), "user-test-only")).contains("user-test-only"));
    }
}
