//! How a cache stands at one moment, for a health page or a log.

use std::time::Duration;

use crate::error::Error;

/// How a [`TokenCache`](crate::TokenCache) stands at one moment. It holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheState {
    /// Whether a token is there to be given out.
    pub freshness: Freshness,
    /// For how long a request has been under way; `None` if there is none.
    pub refreshing: Option<Duration>,
    /// How long the service is not asked; `None` if it may be asked now.
    pub holding: Option<Duration>,
    /// Whether the answer of the last request is lost, which may have spent something, as a refresh token:
    /// no refresh is made while a token is usable, and one when none is.
    pub is_in_doubt: bool,
    /// Whether [`close`](crate::TokenCache::close) was called.
    pub is_closed: bool,
    /// How many tokens were kept so far; the one that is held is the last of them.
    pub generation: u64,
    /// How old the token is that is held, usable or not; `None` if there is none.
    pub age: Option<Duration>,
    /// The rest of its lifetime, skew not deducted; `None` if there is no token or the service did not say.
    pub lifetime_left: Option<Duration>,
    /// The last error of a request, even if tokens came since; `None` if there was none.
    pub last_error: Option<Error>,
    /// What happened so far.
    pub counts: CacheCounts,
}

/// Whether a cache has a token to give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// Usable, and due for a refresh.
    Due,
    /// No token, or one that is over.
    Empty,
    /// Usable and not due.
    Fresh,
}

/// What happened in a [`TokenCache`](crate::TokenCache) so far. Hits are not counted, which would slow them; an [`Observer`](crate::Observer) can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounts {
    /// Requests that began.
    pub requests: u64,
    /// Requests that brought a token that was kept.
    pub tokens: u64,
    /// Requests that ended with an error.
    pub failures: u64,
    /// Tokens that were dropped because an API refused them.
    pub refusals: u64,
}
