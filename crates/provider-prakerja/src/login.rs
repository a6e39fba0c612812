//! The login: its URL, what is kept until the browser comes back, and the code that it brings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use token_core::{Clock, Error, ErrorKind, Moment, Remedy, Seal};

use crate::PROVIDER;
use crate::callback::{self, CallbackError, Refusal};
use crate::config::Settings;
use crate::return_path::ReturnPath;
use crate::sealed::{Purpose, Sealed};
use crate::used::UsedLogins;

/// All but what JavaScript's `encodeURIComponent` leaves as it is; the Construct Oauth URL page wants every value written so.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// How long a user may take.
pub(crate) const LONGEST_LOGIN: Duration = Duration::from_secs(10 * 60);

/// The length of a `state`: 32 bytes in Base64.
pub(crate) const STATE_LENGTH: usize = 43;

/// A login that has begun: where the browser goes, and what to keep until it comes back.
///
/// `Debug` shows neither the URL, which holds the `state`, nor what is kept.
#[must_use = "send the browser to `url` and keep `pending` for its callback"]
pub struct Login {
    /// Where to send the browser. It holds the `state`, so keep it out of logs.
    pub url: String,
    /// For the callback of this browser, and of no other.
    pub pending: PendingLogin,
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// A login whose browser has not come back yet. It is good for ten minutes and one callback.
///
/// It lives in this process's memory: keep it in a map, by the session of the browser that began the login, and take it out at the callback.
/// Or have it sealed, by [`seal`](Self::seal), and keep it outside. For a cookie, [`WebLogin`](crate::WebLogin) does all of it.
/// If another browser's callback could reach it, the `state` in it would protect nobody.
///
/// It cannot be copied, and one that is dropped ends its login.
#[must_use = "without it there is no way to the code"]
pub struct PendingLogin {
    state: Zeroizing<String>,
    began: Moment,
    clock: Arc<dyn Clock>,
    client: Client,
    return_to: ReturnPath,
    /// Of one that was opened: its sealed form can be opened again.
    used: Option<Arc<UsedLogins>>,
}

impl PendingLogin {
    /// Begins a login now, with a `state` of 256 random bits.
    pub(crate) fn begin(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| {
            Error::new(PROVIDER, ErrorKind::Internal, Remedy::Retry).with_message("the crypto library gave no random numbers")
        })?;
        let state = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        let (began, client) = (clock.now(), Client::of(settings));
        Ok(Self { state, began, clock, client, return_to: ReturnPath::default(), used: None })
    }

    /// The login that [`seal_for`](Self::seal_for) wrote, if it is under way at `now`.
    pub(crate) fn open(sealed: Sealed, client: Client, clock: Arc<dyn Clock>, used: Arc<UsedLogins>, now: &Moment) -> Self {
        let Sealed { state, began, return_to } = sealed;
        // From here on both clocks tell its age.
        let age = now.wall().duration_since(began).unwrap_or_default();
        let began = Moment::new(began, now.monotonic().saturating_sub(age));
        Self { state, began, clock, client, return_to, used: Some(used) }
    }

    /// Keeps where in this application the browser goes afterwards, for [`return_to`](Self::return_to).
    pub fn with_return_to(mut self, return_to: ReturnPath) -> Self {
        self.return_to = return_to;
        self
    }

    /// Where in this application the browser goes afterwards: `/` unless set.
    #[must_use]
    pub fn return_to(&self) -> &ReturnPath {
        &self.return_to
    }

    /// The login as a text for outside this process, of the letters of URL-safe Base64. [`Prakerja::open_login`](crate::Prakerja::open_login) opens it for the same `purpose`, in any process that has the key and the same client.
    ///
    /// Let `purpose` say whose it is, as the id of the session that it is kept with, so that one browser's login cannot be passed for another's.
    /// The text is bound to client id, base URL and redirect URI too.
    ///
    /// # Errors
    ///
    /// The seal failed; a [`SealError`](token_core::SealError) is the source.
    pub fn seal(self, seal: &dyn Seal, purpose: &str) -> Result<String, Error> {
        self.seal_for(seal, Purpose::Own(purpose))
    }

    pub(crate) fn seal_for(self, seal: &dyn Seal, purpose: Purpose<'_>) -> Result<String, Error> {
        let sealed = Sealed { state: self.state, began: self.began.wall(), return_to: self.return_to };
        sealed.seal(seal, purpose, &self.client).map_err(|error| {
            Error::new(PROVIDER, ErrorKind::Internal, Remedy::Retry)
                .with_message("the login could not be sealed")
                .with_source(error)
        })
    }

    /// When it began.
    pub(crate) fn began(&self) -> Moment {
        self.began
    }

    /// For the login URL.
    pub(crate) fn expose_state(&self) -> &str {
        &self.state
    }

    /// Reads the callback: `raw_query` is what stands after `?` in the URL to which the browser came back, as it came and not decoded.
    ///
    /// It takes the callback at the redirect URI as well as the one at the login URI. What the service adds to the latter is not documented:
    /// a user who comes to it without parameters has not logged in, and what is pending can be dropped.
    ///
    /// # Errors
    ///
    /// The callback is late, forged, malformed, or says that the login was denied: see [`CallbackError`]. No request is made.
    pub fn callback(self, raw_query: &str) -> Result<AuthorizationCode, CallbackError> {
        let now = self.clock.now();
        self.take(raw_query, &now).map_err(|refusal| refusal.error)
    }

    pub(crate) fn take(self, raw_query: &str, now: &Moment) -> Result<AuthorizationCode, Refusal> {
        let unknown = |error| Refusal { error, has_state: false };
        let callback = callback::read(raw_query, &self.state).map_err(unknown)?;
        let has_state = callback.has_state;
        let refuse = |error| Err(Refusal { error, has_state });
        // Whatever else is in it: with the right state it uses the login up. Without, anyone may have sent it.
        if has_state && !self.is_first_use(now) {
            return refuse(CallbackError::Replayed);
        }
        let code = match callback.code {
            Ok(code) => code,
            Err(error) => return refuse(error),
        };
        // A wall clock that was set back says nothing of the age: the monotonic clock tells it then.
        if now.elapsed_since(&self.began) > LONGEST_LOGIN {
            return refuse(CallbackError::Expired);
        }
        Ok(AuthorizationCode { code, client: self.client })
    }

    /// One that was never sealed is consumed by its first use.
    fn is_first_use(&self, now: &Moment) -> bool {
        let ends = self.began.wall() + LONGEST_LOGIN;
        self.used.as_ref().is_none_or(|used| used.is_first(&self.state, ends, now.wall()))
    }
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PendingLogin").field("began", &self.began.wall()).finish_non_exhaustive()
    }
}

/// The code of a callback whose `state` was right. [`Prakerja::exchange`](crate::Prakerja::exchange) consumes it.
///
/// It has no constructor and no copy: a code comes from [`PendingLogin::callback`] and is used once.
/// It is for the client that began the login, or one with the same client id, base URL and redirect URI; any other refuses it unsent.
#[must_use = "a code is good for a short time: exchange it"]
pub struct AuthorizationCode {
    code: Zeroizing<String>,
    client: Client,
}

impl AuthorizationCode {
    /// Whether the client with these settings may exchange it.
    pub(crate) fn is_of(&self, settings: &Settings) -> bool {
        self.client == Client::of(settings)
    }

    /// For the request's body, and for taking it out of what the service says.
    pub(crate) fn expose(&self) -> &str {
        &self.code
    }
}

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AuthorizationCode").finish_non_exhaustive()
    }
}

/// What a code is bound to: who asked for it, where it is exchanged, where it came back to.
///
/// By value, so that a program may build its client anew between the two halves of a login.
#[derive(PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) base_url: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
}

impl Client {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            base_url: settings.base_url_text(),
            client_id: settings.client_id.clone(),
            redirect_uri: settings.redirect_uri.clone(),
        }
    }
}

/// The login URL, with the parameters in the order of "Complete URL structure" (Construct Oauth URL page).
///
/// No page documents PKCE. If one ever does, `code_challenge` and `code_challenge_method` go here, and the verifier into what is sealed.
pub(crate) fn url(settings: &Settings, state: &str) -> String {
    let query = query(&[
        ("client_id", &settings.client_id),
        ("client_name", &settings.client_name),
        ("login_uri", &settings.login_uri),
        ("redirect_uri", &settings.redirect_uri),
        ("scope", &settings.scope),
        ("state", state),
    ]);
    [&settings.consent_url, "?", &query].concat()
}

/// Parameters as JavaScript's `encodeURIComponent` writes their values.
pub(crate) fn query(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    // Percent-encoding makes at most three bytes of one. Room for all of it, because a text that grows leaves the state behind.
    let room = parameters.iter().map(|(name, value)| 2 + name.len() + 3 * value.len()).sum();
    let mut query = Zeroizing::new(String::with_capacity(room));
    for (name, value) in parameters {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        query.extend(utf8_percent_encode(value, COMPONENT));
    }
    query
}

#[cfg(test)]
mod tests {
    use token_core::SystemClock;

    use super::*;
    use crate::config::test_settings;

    #[test]
    fn the_url_is_the_complete_url_of_the_page() {
        let settings = test_settings(|config| {
            config.client_id = Some("prakerjaoauth".to_owned());
            config.client_name = Some("PrakerjaOauth".to_owned());
            config.login_uri = Some("https://sso-demo.prakerja.go.id/login".to_owned());
            config.redirect_uri = Some("https://sso-demo.prakerja.go.id/createtoken".to_owned());
        });
        assert_eq!(
            url(&settings, "STATE-123456"),
            "https://oauth.prakerja.go.id/consent-sso?\
             client_id=prakerjaoauth&\
             client_name=PrakerjaOauth&\
             login_uri=https%3A%2F%2Fsso-demo.prakerja.go.id%2Flogin&\
             redirect_uri=https%3A%2F%2Fsso-demo.prakerja.go.id%2Fcreatetoken&\
             scope=name%20email%20prakerjaid%20notelp&\
             state=STATE-123456"
        );
    }

    #[test]
    fn values_are_written_as_encode_uri_component_writes_them() {
        // The right column was computed with Node.
        let cases = [
            ("A-Z_a.z!~*'()", "A-Z_a.z!~*'()"),
            ("a&b=c?d#e/f", "a%26b%3Dc%3Fd%23e%2Ff"),
            ("100%", "100%25"),
            ("%20", "%2520"),
            ("a+b", "a%2Bb"),
            ("\"<>\\^`{|}", "%22%3C%3E%5C%5E%60%7B%7C%7D"),
            (";,:@$[]", "%3B%2C%3A%40%24%5B%5D"),
            ("   ", "%20%20%20"),
            ("&", "%26"),
            ("=", "%3D"),
            ("é", "%C3%A9"),
            ("日本", "%E6%97%A5%E6%9C%AC"),
            ("😀", "%F0%9F%98%80"),
            ("\u{202e}", "%E2%80%AE"),
            ("\0\t\n\r\u{7f}", "%00%09%0A%0D%7F"),
            ("http://127.0.0.1:8080/cb?tenant=7&x=a%20b", "http%3A%2F%2F127.0.0.1%3A8080%2Fcb%3Ftenant%3D7%26x%3Da%2520b"),
        ];
        for (value, encoded) in cases {
            assert_eq!(*query(&[("a", value), ("b", value)]), format!("a={encoded}&b={encoded}"), "{value:?}");
        }
    }

    #[test]
    fn every_state_is_new_and_has_256_bits() {
        let settings = test_settings(|_| {});
        let begin = || PendingLogin::begin(&settings, Arc::new(SystemClock)).unwrap();
        let states: std::collections::HashSet<String> = (0..64).map(|_| begin().expose_state().to_owned()).collect();
        assert_eq!(states.len(), 64);
        for state in states {
            assert_eq!((BASE64_URL_SAFE_NO_PAD.decode(&state).unwrap().len(), state.len()), (32, STATE_LENGTH));
            assert_eq!(*query(&[("state", &state)]), format!("state={state}"), "nothing in it needs encoding");
        }
    }

    #[test]
    fn debug_shows_neither_state_nor_code() {
        let settings = test_settings(|_| {});
        let pending = PendingLogin::begin(&settings, Arc::new(SystemClock)).unwrap();
        let state = pending.expose_state().to_owned();
        let login = Login { url: format!("https://service.example?state={state}"), pending };
        let code = AuthorizationCode { code: Zeroizing::new("code-test-only".to_owned()), client: Client::of(&settings) };
        let shown = format!("{login:?} {login:#?} {code:?}");
        assert!(!shown.contains(&state) && !shown.contains("code-test-only"), "{shown}");
    }
}
