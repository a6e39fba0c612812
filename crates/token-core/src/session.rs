//! Users who stay logged in: one login, a refresh token that rotates, and where it is kept.

mod grant;
#[cfg(feature = "sessions")]
mod memory;
#[cfg(feature = "sessions")]
mod record;
#[cfg(feature = "sessions")]
mod rotation;
#[cfg(feature = "sessions")]
mod sessions;
mod store;

pub use self::grant::{Realm, RefreshGrant, Refreshed};
#[cfg(feature = "sessions")]
pub use self::memory::MemoryStore;
#[cfg(feature = "sessions")]
pub use self::sessions::{Session, SessionState, Sessions, SessionsBuilder};
pub use self::store::{Expected, Lease, SessionKey, SessionStore, StoreError, Stored, Version};
