//! The login of a web application: two short handlers, and nothing kept between them.

mod cookie;
mod error;

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use zeroize::Zeroizing;

use token_core::{Error, ErrorKind, Moment, Remedy, Seal, Token};

use self::cookie::{Found, LoginCookie};
pub use self::error::WebLoginError;
use crate::PROVIDER;
use crate::callback::Refusal;
use crate::login::AuthorizationCode;
use crate::provider::Prakerja;
use crate::return_path::ReturnPath;
use crate::sealed::Purpose;

/// The longest cookie that browsers are sure to take, its attributes included.
const LONGEST_COOKIE: usize = 4_096;

/// Logs browsers in. What is pending stays in the browser, in a sealed cookie, and the server keeps nothing of it.
///
/// ```
/// # use std::sync::Arc;
/// use http::{HeaderMap, HeaderValue, header::COOKIE};
/// use provider_prakerja::{LoggedIn, Prakerja, ReturnPath, WebLoginError, WebLoginStart};
/// use token_core::{Error, Language, Seal};
///
/// // `seal` is one of AES-GCM under a key of the program, as `token-store` has it. Every server of the program has the same.
/// # fn example(prakerja: &Prakerja, seal: Arc<dyn Seal>) {
/// let logins = prakerja.web_login(seal);
/// # }
///
/// // GET /masuk?ke=/kelas/7
/// fn begin(logins: &provider_prakerja::WebLogin, wanted: &str) -> Result<(HeaderValue, String), Error> {
///     let WebLoginStart { url, set_cookie, .. } = logins.begin(ReturnPath::or_root(wanted))?;
///     Ok((set_cookie, url)) // 303 See Other, `Set-Cookie` and `Location`
/// }
///
/// // GET at the redirect URI, and at the login URI too
/// async fn callback(logins: &provider_prakerja::WebLogin, headers: &HeaderMap, raw_query: Option<&str>) {
///     match logins.finish(headers.get_all(COOKIE), raw_query).await {
///         // 303 See Other to `return_to`, with `clear_cookie()` and a session of your own.
///         Ok(LoggedIn { token, return_to, .. }) => {}
///         // A page that says so. With `clear_cookie()` if `error.ends_login()`.
///         Err(error) => println!("{}", error.meaning(Language::Indonesian)),
///     }
/// }
/// ```
///
/// # What the cookie is
///
/// `__Host-prakerja-login`, `Secure`, `HttpOnly`, `SameSite=Lax`, for ten minutes; without `__Host-` and `Secure` where the redirect URI is plain `http` to this machine.
/// In the seal are the `state`, where the browser wants to go, and when the login began and ends, by the wall clock.
/// It opens for the same client alone: same client id, base URL and redirect URI.
///
/// A browser has one at a time: the login that was begun last. The callback of an earlier one, in another tab, gives [`WebLoginError::OtherLogin`].
///
/// # Once
///
/// A login is used up by the first callback that has its `state`, whatever becomes of it; every other gives [`WebLoginError::Replayed`] without a request.
/// For that, this process remembers a hash of each state that was used until its login ends, and at most 65,536 of them.
/// Another process, or this one after a restart, does not know of it: there the code's own single use at the service stands behind it.
///
/// A clone is another handle to the same.
#[derive(Clone)]
pub struct WebLogin {
    prakerja: Prakerja,
    seal: Arc<dyn Seal>,
    cookie: LoginCookie,
}

impl WebLogin {
    pub(crate) fn new(prakerja: Prakerja, seal: Arc<dyn Seal>) -> Self {
        let cookie = LoginCookie::of(&prakerja.settings().redirect_uri);
        Self { prakerja, seal, cookie }
    }

    /// Begins a login: gives the URL to which the browser goes, and the cookie that ties the login to it.
    ///
    /// `return_to` is where in this application the browser goes afterwards. For one that comes from a request, [`ReturnPath::or_root`] is the mild way.
    ///
    /// # Errors
    ///
    /// - `return_to` is no [`ReturnPath`]; a [`ReturnPathFault`](crate::ReturnPathFault) is the source.
    /// - The redirect URI is plain `http` to another machine, which no cookie should cross.
    /// - The seal, or the crypto library's source of random numbers, failed.
    pub fn begin(&self, return_to: impl AsRef<str>) -> Result<WebLoginStart, Error> {
        let return_to = ReturnPath::parse(return_to.as_ref()).map_err(|fault| {
            Error::new(PROVIDER, ErrorKind::Configuration, Remedy::FixRequest).with_message(fault.to_string()).with_source(fault)
        })?;
        if self.cookie == LoginCookie::Impossible {
            return Err(Error::new(PROVIDER, ErrorKind::Configuration, Remedy::FixConfiguration)
                .with_message("`redirect_uri` is plain `http` to another machine: the cookie of a login needs `https`"));
        }
        let login = self.prakerja.begin_login()?;
        let value = Zeroizing::new(login.pending.with_return_to(return_to).seal_for(&*self.seal, Purpose::Cookie)?);
        let set_cookie = self.cookie.set(&value).filter(|cookie| cookie.len() <= LONGEST_COOKIE);
        let set_cookie = set_cookie.ok_or_else(|| {
            Error::new(PROVIDER, ErrorKind::Internal, Remedy::FixProgram)
                .with_message("what the seal makes of a login is too long for a cookie")
        })?;
        Ok(WebLoginStart { url: login.url, set_cookie })
    }

    /// Ends a login: reads the callback of the browser that began it, and exchanges its code for a token, by one request that is never sent again.
    ///
    /// `cookies` are the request's `Cookie` headers, of which there may be several. `raw_query` is what stands after `?` in its URL, as it came and not decoded.
    /// Take callbacks at the redirect URI and at the login URI: the service sends the browser to the latter when a login fails.
    ///
    /// Answer with a redirect, so that the code leaves the address bar, and with `Referrer-Policy: no-referrer`.
    ///
    /// # Errors
    ///
    /// See [`WebLoginError`]. Whatever is wrong with the cookie or the callback is found before a request is made.
    pub async fn finish<'c>(
        &self,
        cookies: impl IntoIterator<Item = &'c HeaderValue>,
        raw_query: Option<&str>,
    ) -> Result<LoggedIn, WebLoginError> {
        // The one reading for the age of the login and the lifetime of the token.
        let now = self.prakerja.clock().now();
        let (code, return_to) = self.callback(cookies, raw_query.unwrap_or_default(), &now)?;
        let token = self.prakerja.exchange_at(code, now).await.map_err(WebLoginError::of_exchange)?;
        Ok(LoggedIn { token, return_to })
    }

    fn callback<'c>(
        &self,
        cookies: impl IntoIterator<Item = &'c HeaderValue>,
        raw_query: &str,
        now: &Moment,
    ) -> Result<(AuthorizationCode, ReturnPath), WebLoginError> {
        let sealed = match self.cookie.find(cookies) {
            Found::None => return Err(WebLoginError::NotPending),
            Found::One(sealed) => sealed,
            Found::Several => return Err(WebLoginError::Ambiguous),
        };
        let pending = self.prakerja.open_login_at(&*self.seal, Purpose::Cookie, sealed, now)?;
        let return_to = pending.return_to().clone();
        let code = pending.take(raw_query, now).map_err(|refusal: Refusal| WebLoginError::of_callback(refusal))?;
        Ok((code, return_to))
    }

    /// The `Set-Cookie` that ends the login in the browser.
    ///
    /// Send it after a success, and after an error for which [`WebLoginError::ends_login`] is true.
    /// After the others it would do no harm to security, but a link with a forged callback could end a login that its user is about to make.
    #[must_use]
    pub fn clear_cookie(&self) -> HeaderValue {
        self.cookie.clear()
    }
}

impl fmt::Debug for WebLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WebLogin").field("prakerja", &self.prakerja).field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

/// What [`WebLogin::begin`] gives: answer with `303 See Other` and these two.
///
/// `Debug` shows neither.
#[must_use = "send the browser to `url` with `set_cookie`"]
#[non_exhaustive]
pub struct WebLoginStart {
    /// For `Location`. It holds the `state`, so keep it out of logs.
    pub url: String,
    /// For `Set-Cookie`. Marked sensitive.
    pub set_cookie: HeaderValue,
}

impl fmt::Debug for WebLoginStart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WebLoginStart").finish_non_exhaustive()
    }
}

/// What [`WebLogin::finish`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoggedIn {
    /// The user's token, with the refresh token. No browser needs to see it.
    pub token: Token,
    /// Where in this application the browser wants to go.
    pub return_to: ReturnPath,
}
