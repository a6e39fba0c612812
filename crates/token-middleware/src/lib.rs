//! Access tokens in the HTTP stack that a program has: one layer, and nobody thinks of tokens again.
//!
//! They are attached, signed where the service wants a signature, refreshed when the API refuses one, and the request is sent again, once.
//! What a service wants is known by its [`Authorizer`](token_core::Authorizer): [`Bearer`](token_core::Bearer) for any, `build_authorizer()` of each provider's builder for its own.
//!
//! | your client | feature | what to add |
//! |---|---|---|
//! | [reqwest-middleware](https://docs.rs/reqwest-middleware) | `reqwest-middleware` | `TokenMiddleware` |
//! | anything of [tower](https://docs.rs/tower) over `http` requests: hyper-util, axum, tonic | `tower` | `TokenLayer` |
//! | neither | none | [`send`] |
//!
//! # What happens to a request
//!
//! 1. It is checked before it waits for anything: it goes to an origin of the authoriser, and has no `Authorization` of its own. Else it is an error, and is not sent.
//! 2. It waits for a token, no longer than the authoriser's `patience`. One at hand is taken at once.
//! 3. What the service wants is added, by one reading of the clock, and the request is sent.
//! 4. If the answer says that the token is refused, that very token is dropped, and the request is sent once more with a new one, signed anew.
//!    If that is refused as well, the caller gets the first answer. If no new token was to be had, too, and [`RenewalFailed`] in its extensions says why.
//!
//! Of a hundred requests whose token is refused at once, each is sent again, and one new token is asked for.
//!
//! # Which requests are sent again
//!
//! | request | outcome |
//! |---|---|
//! | no body, or bytes | sent again, whatever the method: a service that refuses the token has not acted on the request ([`ResendPolicy`](token_core::ResendPolicy) says otherwise) |
//! | a body of known length that is a stream, up to the authoriser's `longest_body` | with tower it is read first, and sent again; reqwest shows no stream's length |
//! | a longer body, or one of unknown length, as all of tonic's are | sent once, and the caller's own next try has a new token; an error where a signature covers the body |
//! | an answer that was cut off, or took longer than the authoriser's `patience`, before a code was seen | given to the caller as it is: the code may have said something else |
//! | an answer that no rule takes for a refusal | given to the caller |
//!
//! # Which URLs
//!
//! | URL | outcome |
//! |---|---|
//! | another scheme, host or port than an allowed one; relative; with user info; `CONNECT`; a `Host` header that says something else | an error |
//! | a fragment | is never sent, and makes no difference |
//! | `.` or `..` segments | bearer: sent as they stand; signed: an error. reqwest resolves them before anyone sees them |
//! | an empty path | is `/` |
//! | percent-encoding, `%2F` too, and empty segments | sent and signed as they stand |
//!
//! # Redirects
//!
//! Each hop of a redirect layer *outside* this one passes the check by itself, so a hop to another host is an error.
//! A redirect layer *inside* would carry headers on, and knows only of some that they are secret.
//! So reqwest's own is switched off (`TokenMiddleware::with_client`), and under `TokenLayer` belongs its `guard`, below such a layer.
//!
//! # A request that takes long
//!
//! Put [`Takes`] into the request's extensions: a token that would be over before is not attached, and a new one is asked for.

mod attempt;
#[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
mod peek;
mod plain;
#[cfg(feature = "reqwest-middleware")]
mod reqwest;
#[cfg(feature = "tower")]
mod tower;

use std::time::Duration;

#[cfg(feature = "tower")]
pub use self::peek::Peeked;
pub use self::plain::{SendError, send};
#[cfg(feature = "reqwest-middleware")]
pub use self::reqwest::TokenMiddleware;
#[cfg(feature = "tower")]
pub use self::tower::{GuardFuture, GuardLayer, GuardService, TokenFuture, TokenLayer, TokenService};

/// In a request's extensions: how long it takes, so that its token is not over before. In place of what the authoriser was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes(pub Duration);

/// In an answer's extensions: why no new token was to be had when the one of its request was refused.
///
/// With [`Remedy::LogInAgain`](token_core::Remedy::LogInAgain) in it, the user's login is over.
#[derive(Clone, Debug)]
pub struct RenewalFailed(pub token_core::Error);

/// The examples of the README, so that they compile.
#[cfg(all(doctest, feature = "reqwest-middleware", feature = "tower"))]
#[doc = include_str!("../README.md")]
struct Readme;
