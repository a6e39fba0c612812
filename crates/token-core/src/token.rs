//! The token itself.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Moment;
use crate::expiry::Expiry;
use crate::text::untrusted;
use crate::transport::secret_header;

/// The longest access or refresh token that is taken, in bytes. Servers refuse headers not much longer.
const LONGEST_TOKEN: usize = 16_384;

/// An access token and what came with it. A clone is one more pointer to the same token.
///
/// `Debug` shows when it ends and never a secret; it is neither comparable nor serialisable, as both would read the secret in passing.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    access_token: SecretString,
    authorization: HeaderValue,
    fingerprint: u64,
    requested_at: Moment,
    clock_offset: Option<i64>,
    expiry: Expiry,
    expiry_as_received: Option<String>,
    scopes: Vec<String>,
    refresh_token: Option<SecretString>,
}

impl Token {
    /// Begins a bearer token that was asked for at `requested_at`: read the clock before the request leaves, not after its answer.
    #[must_use]
    pub fn bearer(access_token: impl Into<SecretString>, expiry: Expiry, requested_at: Moment) -> TokenBuilder {
        TokenBuilder {
            access_token: access_token.into(),
            expiry,
            requested_at,
            clock_offset: None,
            expiry_as_received: None,
            scopes: Vec::new(),
            refresh_token: None,
        }
    }

    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &SecretString {
        &self.0.access_token
    }

    /// The value of an `Authorization` header, `Bearer ...` (RFC 6750 section 2.1), built once and marked sensitive.
    #[inline]
    #[must_use]
    pub fn authorization(&self) -> &HeaderValue {
        &self.0.authorization
    }

    /// How long it lives, counted from [`requested_at`](Self::requested_at).
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.0.expiry
    }

    /// The service's own text for the expiry, where the provider keeps it because its meaning is not certain.
    #[must_use]
    pub fn expiry_as_received(&self) -> Option<&str> {
        self.0.expiry_as_received.as_deref()
    }

    /// The moment before it was asked for.
    #[must_use]
    pub fn requested_at(&self) -> Moment {
        self.0.requested_at
    }

    /// How far the service's clock was from this machine's, in seconds; positive when the service was ahead, `None` if it did not say.
    #[must_use]
    pub fn clock_offset(&self) -> Option<i64> {
        self.0.clock_offset
    }

    /// When it ends by this machine's wall clock; `None` if the service did not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        match self.0.expiry {
            Expiry::After(lifetime) => self.0.requested_at.wall().checked_add(lifetime),
            Expiry::Unknown => None,
        }
    }

    /// The lifetime that is left at `now`, by the clock that went further; `None` if the service did not say.
    #[must_use]
    pub fn lifetime_left(&self, now: &Moment) -> Option<Duration> {
        match self.0.expiry {
            Expiry::After(lifetime) => Some(lifetime.saturating_sub(now.elapsed_since(&self.0.requested_at))),
            Expiry::Unknown => None,
        }
    }

    /// The scopes that the service named; empty if it named none.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The refresh token, if there is one.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.0.refresh_token.as_ref()
    }

    /// Whether both are the very same answer of the service.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether both hold the same access token, perhaps from two answers.
    ///
    /// Compares keyed hashes, so that its duration tells nothing of the secrets. Two different tokens are taken for one once in 2^64.
    pub(crate) fn has_same_access_token(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }

    /// A keyed hash of the access token, for as long as the process runs.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Token")
            .field("expiry", &self.0.expiry)
            .field("requested_at", &self.0.requested_at.wall())
            .field("scopes", &self.0.scopes)
            .field("has_refresh_token", &self.0.refresh_token.is_some())
            .finish_non_exhaustive()
    }
}

/// Puts a [`Token`] together.
#[derive(Debug)]
pub struct TokenBuilder {
    access_token: SecretString,
    expiry: Expiry,
    requested_at: Moment,
    clock_offset: Option<i64>,
    expiry_as_received: Option<String>,
    scopes: Vec<String>,
    refresh_token: Option<SecretString>,
}

impl TokenBuilder {
    /// Sets the scopes from a list parted by spaces (RFC 6749 section 3.3). At most 64 are kept.
    #[must_use]
    pub fn scope(mut self, list: &str) -> Self {
        self.scopes = list.split_ascii_whitespace().take(64).map(|scope| untrusted(scope, 128)).collect();
        self
    }

    /// Sets the refresh token. An empty one counts as none.
    #[must_use]
    pub fn refresh_token(mut self, refresh_token: Option<SecretString>) -> Self {
        self.refresh_token = refresh_token.filter(|token| !token.expose_secret().is_empty());
        self
    }

    /// Keeps how far the service's clock is from this machine's, in seconds: [`Reply::clock_offset`](crate::Reply::clock_offset).
    #[must_use]
    pub fn clock_offset(mut self, seconds: Option<i64>) -> Self {
        self.clock_offset = seconds;
        self
    }

    /// Keeps the service's own text for the expiry.
    #[must_use]
    pub fn expiry_as_received(mut self, text: &str) -> Self {
        self.expiry_as_received = Some(untrusted(text, 64));
        self
    }

    /// Checks the tokens and builds the header.
    ///
    /// # Errors
    ///
    /// A token is empty, over 16,384 bytes, or has a character that is not visible ASCII.
    pub fn build(self) -> Result<Token, TokenFault> {
        let access_token = self.access_token.expose_secret();
        check(access_token)?;
        if let Some(refresh_token) = &self.refresh_token {
            check(refresh_token.expose_secret())?;
        }
        let authorization = secret_header(&["Bearer ", access_token]).map_err(|_| TokenFault::Character)?;
        Ok(Token(Arc::new(Inner {
            fingerprint: fingerprint(access_token),
            authorization,
            access_token: self.access_token,
            requested_at: self.requested_at,
            clock_offset: self.clock_offset,
            expiry: self.expiry,
            expiry_as_received: self.expiry_as_received,
            scopes: self.scopes,
            refresh_token: self.refresh_token,
        })))
    }
}

/// Why a service's answer is not a token that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// A character that an `Authorization` header cannot hold.
    #[error("the token has a character that is not visible ASCII")]
    Character,
    /// Nothing in it.
    #[error("the token is empty")]
    Empty,
    /// Over 16,384 bytes.
    #[error("the token is longer than 16,384 bytes")]
    TooLong,
    /// A type other than bearer: RFC 6749 section 7.1 forbids its use.
    #[error("the token type `{0}` is not bearer")]
    Type(String),
}

/// Checks that `received` is one of the names under which a service means bearer, in any case.
///
/// # Errors
///
/// It is another type, which the error names.
pub fn check_token_type(received: &str, accepted: &[&str]) -> Result<(), TokenFault> {
    if accepted.iter().any(|name| name.eq_ignore_ascii_case(received)) {
        return Ok(());
    }
    // A service that mixes its fields up may have put the token here.
    let named = if received.len() <= 20 { untrusted(received, 20) } else { format!("({} bytes)", received.len()) };
    Err(TokenFault::Type(named))
}

fn check(token: &str) -> Result<(), TokenFault> {
    match token.len() {
        0 => Err(TokenFault::Empty),
        1..=LONGEST_TOKEN if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
        1..=LONGEST_TOKEN => Err(TokenFault::Character),
        _ => Err(TokenFault::TooLong),
    }
}

/// A keyed hash of a token, for as long as the process runs.
pub(crate) fn fingerprint(secret: &str) -> u64 {
    /// Its keys are random and never leave the process.
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment::new(SystemTime::UNIX_EPOCH, Duration::ZERO)
    }

    fn build(text: &str) -> Result<Token, TokenFault> {
        Token::bearer(text, Expiry::Unknown, moment()).build()
    }

    #[test]
    fn only_what_a_header_can_hold_is_a_token() {
        let longest = "x".repeat(LONGEST_TOKEN);
        let too_long = "x".repeat(LONGEST_TOKEN + 1);
        assert!(build("t").is_ok());
        assert!(build(&longest).is_ok());
        for (text, fault) in [
            ("", TokenFault::Empty),
            (too_long.as_str(), TokenFault::TooLong),
            ("a b", TokenFault::Character),
            ("a\tb", TokenFault::Character),
            ("a\r\nX-Header: b", TokenFault::Character),
            ("t\u{f6}ken", TokenFault::Character),
            ("a\0", TokenFault::Character),
        ] {
            assert_eq!(build(text).map(|_| ()).unwrap_err(), fault);
            let refresh = Token::bearer("token-test-only", Expiry::Unknown, moment()).refresh_token(Some(text.into())).build();
            assert_eq!(refresh.is_ok(), text.is_empty(), "an empty refresh token is none");
        }
    }

    #[test]
    fn the_header_is_bearer_and_sensitive() {
        let token = build("token-test-only").unwrap();
        assert_eq!(token.authorization(), "Bearer token-test-only");
        assert!(token.authorization().is_sensitive());
    }

    #[test]
    fn debug_shows_no_secret() {
        let builder = Token::bearer("canary-access", Expiry::After(Duration::from_secs(60)), moment())
            .refresh_token(Some("canary-refresh".into()))
            .scope("name email");
        let shown = format!("{builder:?}");
        let token = builder.build().unwrap();
        let shown = format!("{shown} {token:?} {token:#?} {:?}", token.authorization());
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("60s"), "{shown}");
    }

    #[test]
    fn a_type_other_than_bearer_is_named() {
        assert_eq!(check_token_type("bearer", &["Bearer"]), Ok(()));
        assert_eq!(check_token_type("BEARERTOKEN", &["Bearer", "BearerToken"]), Ok(()));
        assert_eq!(check_token_type("BearerToken", &["Bearer"]), Err(TokenFault::Type("BearerToken".to_owned())));
        assert_eq!(check_token_type(&"x".repeat(40), &["Bearer"]), Err(TokenFault::Type("(40 bytes)".to_owned())));
        assert_eq!(check_token_type("", &["Bearer"]), Err(TokenFault::Type(String::new())));
    }

    #[test]
    fn sameness_is_of_the_answer_and_of_the_secret() {
        let (first, second, other) = (build("token-one").unwrap(), build("token-one").unwrap(), build("token-two").unwrap());
        assert!(first.is_same(&first.clone()) && !first.is_same(&second));
        assert!(first.has_same_access_token(&second) && !first.has_same_access_token(&other));
    }
}
