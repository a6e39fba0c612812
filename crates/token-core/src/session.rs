//! Users who stay logged in: one login, a refresh token that rotates, and where it is kept.

mod grant;
mod store;

pub use self::grant::{Realm, RefreshGrant, Refreshed};
pub use self::store::{Expected, Lease, SessionKey, SessionStore, StoreError, Stored, Version};
