//! Login with Prakerja, for training providers ("LP").
//!
//! A user logs in at Prakerja in the browser and comes back with a code; the code is exchanged for a token, which is refreshed without the user.
//! Each step gives what the next one takes and consumes what it used, so that they cannot be done in the wrong order, nor twice.
//!
//! ```no_run
//! use provider_prakerja::Prakerja;
//!
//! # async fn example(raw_query: &str) -> Result<(), token_core::Error> {
//! let prakerja = Prakerja::builder()
//!     .client_id("lp-test-only")
//!     .client_name("Lembaga Contoh")
//!     .redirect_uri("https://lp.example/callback")
//!     .login_uri("https://lp.example/login")
//!     .build()?;
//!
//! // Send the browser to `login.url`, and keep `login.pending` by that browser's session. A web application has it easier: see `WebLogin`.
//! let login = prakerja.begin_login()?;
//!
//! // The browser comes back to the redirect URI; `raw_query` is what stands after `?` there.
//! let code = login.pending.callback(raw_query)?;
//! let token = prakerja.exchange(code).await?;
//! let profile = prakerja.profile(&token).await?;
//! println!("welcome, {}", profile.name().unwrap_or("guest"));
//!
//! // One handle for each user who is logged in. Keep it: it has the refresh token.
//! let tokens = prakerja.user(token).build();
//! let token = tokens.token().await?;
//! println!("Authorization: {:?}", token.authorization());
//! # Ok(())
//! # }
//! ```
//!
//! When a call fails with [`Remedy::LogInAgain`](token_core::Remedy::LogInAgain), begin a new login.
//!
//! # A web application
//!
//! [`Prakerja::web_login`] gives [`WebLogin`]: one call for the handler that begins a login and one for the handler that ends it.
//! What is pending stays in the browser, in a sealed cookie, so any server of the program can answer the callback, and a restart ends no login.
//! Where the browser goes afterwards is a [`ReturnPath`], which never leaves the application; what goes wrong is a [`WebLoginError`], with words for the user.
//!
//! Without cookies, [`PendingLogin::seal`] and [`Prakerja::open_login`] keep a login wherever the program likes.
//!
//! # What protects the login
//!
//! The code exchange carries no secret, and the service documents no PKCE (RFC 7636): the code and the public client id are all it takes (Prakerja, Create Token page).
//! So `state` is the only protection. It is 256 random bits, good for ten minutes and one callback, and compared in constant time.
//!
//! A [`PendingLogin`] in memory belongs where only the browser that began the login can reach it: in a map, by a session cookie that is `HttpOnly`, `Secure` and `SameSite=Lax`.
//!
//! `state` ties a callback to a browser. It does not tie a code to a login, as PKCE would: whoever gets hold of a user's code before it is used can put it into a callback of their own (RFC 9700 section 2.1.1).
//! So let no code leak: answer the callback with a redirect and `Referrer-Policy: no-referrer`, and keep its query out of logs.
//!
//! # Environment
//!
//! [`Prakerja::from_env`] reads:
//!
//! | variable | meaning |
//! |---|---|
//! | `PRAKERJA_CLIENT_ID` | the client id |
//! | `PRAKERJA_CLIENT_NAME` | the client name that Prakerja issued with it |
//! | `PRAKERJA_REDIRECT_URI` | where the browser goes after a login |
//! | `PRAKERJA_LOGIN_URI` | where the browser goes when a login fails |
//! | `PRAKERJA_BASE_URL` | optional: the API's base URL; default [`DEFAULT_BASE_URL`] |
//! | `PRAKERJA_CONSENT_URL` | optional: the page where users log in; default [`DEFAULT_CONSENT_URL`] |
//! | `PRAKERJA_REFRESH_PATH` | optional: the path of the refresh; default [`DEFAULT_REFRESH_PATH`] |
//! | `PRAKERJA_SCOPE` | optional: the scopes, parted by spaces; default [`DEFAULT_SCOPE`] |
//! | `PRAKERJA_AUTHORIZATION_STYLE` | optional: how the token stands in calls that carry one, as the profile call; `bare` or `bearer` in any case; default `bare` |
//! | `PRAKERJA_SIGN_KEY` | optional: the key of signed calls: [`Prakerja::integration_authorizer`] and [`Prakerja::generate_login_url_unverified`] |
//! | `PRAKERJA_CLIENT_CODE` | optional, for the same calls: the client code, where it is not the client id |
//!
//! # Features
//!
//! - `reqwest` (default): the transport of `transport-reqwest`. Without it, give one with [`PrakerjaBuilder::transport`].
//! - `serde`: [`Config`] is `Deserialize`, so that the settings can stand in a file.
//!
//! # What cannot be done
//!
//! A code is made by a callback alone:
//!
//! ```compile_fail,E0451
//! # fn example(other: provider_prakerja::AuthorizationCode) {
//! let code = provider_prakerja::AuthorizationCode { code: "code-test-only".to_owned().into(), ..other };
//! # }
//! ```
//!
//! It is exchanged once:
//!
//! ```compile_fail,E0382
//! # async fn example(prakerja: provider_prakerja::Prakerja, code: provider_prakerja::AuthorizationCode) {
//! let first = prakerja.exchange(code).await;
//! let second = prakerja.exchange(code).await;
//! # }
//! ```
//!
//! Nor can it be copied for a second time:
//!
//! ```compile_fail,E0599
//! # fn example(code: provider_prakerja::AuthorizationCode) {
//! let copy = code.clone();
//! # }
//! ```
//!
//! A login takes one callback, good or bad:
//!
//! ```compile_fail,E0382
//! # fn example(pending: provider_prakerja::PendingLogin) {
//! let first = pending.callback("code=code-test-only");
//! let second = pending.callback("code=code-test-only");
//! # }
//! ```

mod callback;
mod config;
mod error;
mod grant;
mod login;
mod profile;
mod provider;
mod request;
mod response;
mod return_path;
mod scheme;
mod sealed;
mod signature;
mod used;
mod user;
mod web;

pub use callback::{CallbackError, Denial};
pub use config::{
    AuthorizationStyle, Config, DEFAULT_BASE_URL, DEFAULT_CONSENT_URL, DEFAULT_REFRESH_PATH, DEFAULT_SCOPE, INTEGRATION_BASE_URL,
};
pub use error::PrakerjaErrorCode;
pub use login::{AuthorizationCode, Login, PendingLogin};
pub use profile::Profile;
pub use provider::{Prakerja, PrakerjaBuilder};
pub use return_path::{ReturnPath, ReturnPathFault};
pub use scheme::{PrakerjaScheme, PrakerjaSignedScheme};
pub use user::{PrakerjaUser, PrakerjaUserBuilder};
pub use web::{LoggedIn, WebLogin, WebLoginError, WebLoginStart};

/// The service itself: endpoints, fields, limits, and every error code.
#[cfg(docsrs)]
#[doc = include_str!("../SERVICE.md")]
pub mod service {}

/// The name in errors.
pub(crate) const PROVIDER: &str = "prakerja";

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
