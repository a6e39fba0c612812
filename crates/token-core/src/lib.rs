//! Access tokens without the pain: one small trait, expiry that is read once, and a cache that nobody has to think about.
//!
//! Everything is a [`TokenProvider`]. A provider asks its service each time; [`Retry`] tries again after a passing fault; [`TokenCache`] keeps the answer.
//! They compose, and each provider's `build()` composes them for you. An [`Authorizer`] takes any of them and adds their tokens to requests: to the origins that it is made for, and to no other. The [`Error`] says what went wrong ([`Error::kind`]) and what to do about it ([`Error::remedy`]).
//!
//! To write a provider, turn settings into a [`TokenRequest`], send it with [`exchange`], and turn the [`Reply`] into a [`Token`] or an [`Error`].
//!
//! ```
//! use std::sync::Arc;
//! use token_core::{Error, TokenProvider};
//!
//! /// What a program holds: it does not matter whose token it is.
//! struct Reports {
//!     tokens: Arc<dyn TokenProvider>,
//! }
//!
//! impl Reports {
//!     async fn send(&self) -> Result<(), Error> {
//!         let token = self.tokens.token().await?;
//!         let _authorization = token.authorization(); // `Bearer ...`, marked sensitive
//!         Ok(())
//!     }
//! }
//! ```
//!
//! # The cache
//!
//! | question | call |
//! |---|---|
//! | a token, and I can wait | [`TokenCache::token`] |
//! | the header for a request | [`TokenCache::authorization`] |
//! | I can wait, but only so long | [`TokenCache::token_within`] |
//! | I need it for so long | [`TokenCache::token_lasting`] |
//! | I cannot wait | [`TokenCache::try_token`], [`TokenCache::try_authorization`] |
//! | an API refused the token | [`TokenCache::invalidate`] |
//! | how does it stand? | [`TokenCache::state`] |
//! | what happens in it? | an [`Observer`] in its [`CachePolicy`], or the feature `tracing` |
//! | the program ends | [`TokenCache::close`] |
//!
//! What it promises stands at [`TokenCache`]; the README of the crate has it situation by situation.
//!
//! ```
//! use token_core::{Freshness, TokenCache, TokenProvider};
//!
//! fn health<P: TokenProvider + 'static>(tokens: &TokenCache<P>) -> String {
//!     let state = tokens.state();
//!     match (state.freshness, state.last_error) {
//!         (Freshness::Empty, Some(error)) => format!("no token: {error}"),
//!         (Freshness::Empty, None) => "no token yet".to_owned(),
//!         _ => format!("a token for {:?}", state.lifetime_left),
//!     }
//! }
//! ```
//!
//! # Features
//!
//! - `caches`: `TokenCaches`, a bounded set of caches by key, for programs with many credentials.
//! - `sessions`: `Sessions`, the logged-in users of a program, whose refresh tokens outlive it in a store.
//! - `mock`: `MockTokenProvider`, for the tests of programs that hold a `dyn TokenProvider`.
//! - `tracing`: a span `token_refresh` for each request of a cache, and events of what comes of it.

// The package `interleavings` builds these sources for its own tests, not for the ones in here.
#![cfg(not(all(test, token_core_shuttle)))]

mod assembly;
mod authorize;
mod cache;
#[cfg(feature = "caches")]
mod caches;
mod clock;
mod error;
mod expiry;
mod http_date;
pub mod json;
mod language;
mod page;
mod provider;
mod random;
mod reply;
mod retry;
mod seal;
mod session;
pub mod settings;
mod text;
mod token;
mod transport;
mod url;

pub use assembly::Assembly;
pub use authorize::{
    ANSWER_BYTES, ApiAnswer, ApiBody, ApiRequest, AuthScheme, Authorize, AuthorizeFault, AuthorizeRules, Authorizer,
    AuthorizerBuilder, Bearer, BearerScheme, Checked, NoTokens, OneReading, Origin, ResendPolicy, Target, Tried,
    bearer_challenge,
};
#[cfg(token_core_shuttle)]
pub use cache::Runtime;
pub use cache::{CacheCounts, CacheEvent, CachePolicy, CacheState, Freshness, Observer, RefreshUnderWay, TokenCache};
#[cfg(feature = "caches")]
pub use caches::TokenCaches;
pub use clock::{Clock, Moment, SystemClock};
pub use error::{Error, ErrorKind, Remedy};
pub use expiry::{Expiry, ExpiryFormat};
pub use language::Language;
pub use page::{PageOrigin, UnexpectedPage};
#[cfg(feature = "mock")]
pub use provider::MockTokenProvider;
pub use provider::TokenProvider;
pub use reply::{Asked, Reply, exchange};
pub use retry::{Retry, RetryPolicy};
pub use seal::{Seal, SealError, seal_context};
pub use session::{Expected, Lease, Realm, RefreshGrant, Refreshed, SessionKey, SessionStore, StoreError, Stored, Version};
#[cfg(feature = "sessions")]
pub use session::{MemoryStore, Session, SessionState, Sessions, SessionsBuilder};
pub use token::{Token, TokenBuilder, TokenFault, check_token_type};
pub use transport::{
    Delivery, Resend, TokenRequest, TokenResponse, Transport, TransportError, TransportErrorKind, secret_header,
};
pub use url::{BaseUrl, UrlFault, is_loopback, parse_absolute};

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
