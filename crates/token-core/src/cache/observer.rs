//! What a cache tells whoever watches it.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// Something that happened in a [`TokenCache`](crate::TokenCache). It holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CacheEvent {
    /// A token came with a reading of the service's clock, which is ahead of this machine's by so many seconds, or behind if it is negative.
    ClockOffset {
        /// Whole seconds.
        seconds: i64,
    },
    /// A token was given out that is usable and due for a refresh.
    Due,
    /// A fresh token was given out.
    Hit,
    /// The service is not asked for a while.
    Hold {
        /// For how long.
        length: Duration,
        /// What callers get meanwhile who find no usable token.
        error: Error,
    },
    /// An API refused the token that was held, and it was dropped.
    Invalidated {
        /// Which one it was, counted from 1.
        generation: u64,
    },
    /// What a login or a refresh brought could not be written to the session store. It is served from memory meanwhile, and written as soon as the store takes it.
    NotStored {
        /// What the store said, as its [source](std::error::Error::source) a [`StoreError`](crate::StoreError).
        error: Error,
    },
    /// A request for a token began.
    RefreshBegan {
        /// Which one it is, counted from 1.
        number: u64,
    },
    /// A request for a token ended.
    RefreshEnded {
        /// Which one it was, counted from 1.
        number: u64,
        /// The generation of the token that it brought, or the kind of the error. A token that is not kept has the generation before.
        result: Result<u64, ErrorKind>,
        /// How long it took, by the monotonic clock.
        took: Duration,
    },
    /// What could [not be stored](Self::NotStored) is stored now, or there is something newer in its place.
    Stored,
    /// A caller found no usable token, and waits for a request.
    Wait,
}

/// Hears what happens in a cache: set it as [`CachePolicy::observer`](crate::CachePolicy::observer).
///
/// It is called on the thread where the event happens, without a lock, and must return soon. A panic in it is caught and dropped.
/// Where several threads use a cache, events may be told in another order than they happened; their numbers tell.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use token_core::{CacheEvent, Observer};
///
/// #[derive(Debug, Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn event(&self, _provider: &'static str, event: &CacheEvent) {
///         if let CacheEvent::RefreshEnded { result: Err(_), .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync {
    /// Hears of `event` in a cache whose policy names `provider`.
    fn event(&self, provider: &'static str, event: &CacheEvent);
}
