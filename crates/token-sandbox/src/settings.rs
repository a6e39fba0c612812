//! How each service behaves where its documentation leaves room, and for how long things live.
//!
//! The defaults are the strict reading; the mild one forgives what it refuses.
//! A client that gets along with the strict one gets along with the mild one too, unless it writes a bare `+` into Prakerja's login URL and means a plus sign: see [`PrakerjaSettings::plus_is_space`].
//! Everything here can be changed while the sandbox runs, from code and through the control endpoint.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// How the sandbox's Prakerja behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PrakerjaSettings {
    /// How long an access token lives. The service does not say; one hour.
    #[serde(with = "as_seconds")]
    pub token_lifetime: Duration,
    /// How long a refresh token lives. The service does not say; 30 days.
    #[serde(with = "as_seconds")]
    pub refresh_token_lifetime: Duration,
    /// How long an authorisation code lives. The service does not say; 60 seconds.
    #[serde(with = "as_seconds")]
    pub code_lifetime: Duration,
    /// How long a signed request to the generate-URL endpoint is taken. The service does not say; five minutes.
    #[serde(with = "as_seconds")]
    pub signature_lifetime: Duration,
    /// How far the timestamp of a signed request may lie ahead of the sandbox's clock. The error's name implies zero.
    #[serde(with = "as_seconds")]
    pub tolerance_ahead: Duration,
    /// Each refresh gives a new refresh token, and an old one that comes back ends the whole family, access tokens too.
    pub rotate_refresh_tokens: bool,
    /// The code exchange answers with a refresh token.
    pub refresh_token_on_exchange: bool,
    /// A refresh answers with a refresh token. When it does not, the old one goes on living.
    pub refresh_token_on_refresh: bool,
    /// The path of the code exchange takes refresh tokens too, as the `curl` line of the refresh page has it. Off: `ERROAUTH4042`.
    pub refresh_on_token_path: bool,
    /// The callback carries `state`. The service implies it and does not show it.
    pub state_on_callback: bool,
    /// A refused consent carries `error` and `state` to the login page. What it carries is not documented.
    pub state_on_denial: bool,
    /// A `+` in the consent page's query means a space. Off: it is a plus sign, as JavaScript's `decodeURIComponent` reads it.
    pub plus_is_space: bool,
    /// The consent page answers at once, as if the first user had allowed it.
    pub consent_without_click: bool,
    /// The profile refuses every token, however fresh.
    pub refuse_tokens: bool,
    /// The addresses to which a code may be sent, compared as text. Empty: any `http` or `https` address on loopback.
    pub redirect_uris: Vec<String>,
    /// The addresses to which a refused user may be sent, compared as text. Empty: any `http` or `https` address on loopback.
    pub login_uris: Vec<String>,
}

impl PrakerjaSettings {
    /// The strict reading of the documentation.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            token_lifetime: Duration::from_secs(60 * 60),
            refresh_token_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            code_lifetime: Duration::from_secs(60),
            signature_lifetime: Duration::from_secs(5 * 60),
            tolerance_ahead: Duration::ZERO,
            rotate_refresh_tokens: true,
            refresh_token_on_exchange: true,
            refresh_token_on_refresh: true,
            refresh_on_token_path: false,
            state_on_callback: true,
            state_on_denial: false,
            plus_is_space: false,
            consent_without_click: false,
            refuse_tokens: false,
            redirect_uris: Vec::new(),
            login_uris: Vec::new(),
        }
    }

    /// The mild reading: refresh tokens stay, a refusal says why, a clock may be a little ahead.
    #[must_use]
    pub fn mild() -> Self {
        Self {
            tolerance_ahead: Duration::from_secs(60),
            rotate_refresh_tokens: false,
            refresh_on_token_path: true,
            state_on_denial: true,
            plus_is_space: true,
            ..Self::strict()
        }
    }
}

impl Default for PrakerjaSettings {
    fn default() -> Self {
        Self::strict()
    }
}

/// How the sandbox's SehatMu behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SehatMuSettings {
    /// How long a token lives; 24 hours, as captured.
    #[serde(with = "as_seconds")]
    pub token_lifetime: Duration,
    /// For how long after a failed attempt every token call of that client id is refused. Zero: it is not.
    #[serde(with = "as_seconds")]
    pub limiter_window: Duration,
    /// How many new tokens the client may have within a minute; `None`: any number. More get the limiter's answer.
    /// The page says "too often" and no number; five.
    pub new_tokens_per_minute: Option<u32>,
    /// The form of an answer with a token.
    pub success_form: SehatMuSuccess,
    /// The form of the answer to a wrong client id or secret.
    pub failure_form: SehatMuFailure,
    /// The status of that answer when it is an `OperationOutcome`. The page says "4xx".
    pub failure_status: RefusalStatus,
    /// The status of the limiter's answer. The page says "4xx".
    pub limiter_status: RefusalStatus,
    /// The limiter's answer has a `Retry-After` header. Not documented.
    pub retry_after: bool,
    /// `/oauth/me` refuses every token, however fresh.
    pub refuse_tokens: bool,
}

impl SehatMuSettings {
    /// The strict reading of the documentation.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            limiter_window: Duration::from_secs(60),
            new_tokens_per_minute: Some(5),
            success_form: SehatMuSuccess::CamelCase,
            failure_form: SehatMuFailure::OperationOutcome,
            failure_status: RefusalStatus::Unauthorized,
            limiter_status: RefusalStatus::TooManyRequests,
            retry_after: false,
            refuse_tokens: false,
        }
    }

    /// The mild reading: no limiter.
    #[must_use]
    pub fn mild() -> Self {
        Self { limiter_window: Duration::ZERO, new_tokens_per_minute: None, ..Self::strict() }
    }
}

impl Default for SehatMuSettings {
    fn default() -> Self {
        Self::strict()
    }
}

/// The three forms in which SehatMu may answer with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SehatMuSuccess {
    /// The object of the page: `accessToken`, `accessTokenExpiresAt` and others.
    CamelCase,
    /// `access_token`, `token_type`, `expires_in` as a number.
    Rfc6749,
    /// What the page's prose was copied from: strings, `BearerToken`, `issued_at` in milliseconds.
    SatuSehat,
}

/// The two forms in which SehatMu may refuse a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SehatMuFailure {
    /// `error` and `error_description`, as the server library has it: 400, or 401 when HTTP Basic was used.
    OAuth2,
    /// The `OperationOutcome` of the page.
    OperationOutcome,
}

/// A status with which a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalStatus {
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 429
    TooManyRequests,
}

impl RefusalStatus {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// How the sandbox's Klikoo behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KlikooSettings {
    /// How long a token lives; 15 minutes, as documented.
    #[serde(with = "as_seconds")]
    pub token_lifetime: Duration,
    /// How far a timestamp may lie behind the sandbox's clock. Not documented; five minutes.
    #[serde(with = "as_seconds")]
    pub tolerance_behind: Duration,
    /// How far a timestamp may lie ahead of the sandbox's clock, compared in whole seconds. Not documented; zero.
    #[serde(with = "as_seconds")]
    pub tolerance_ahead: Duration,
    /// Response codes have seven digits (3+2+2), as on some pages, and not nine.
    /// The pages show short codes of successes only; those of failures are a guess by the same rule.
    pub short_codes: bool,
    /// A new token ends the client's old one. Not documented.
    pub one_token_per_client: bool,
    /// Calls with a token need a digital signature too (HMAC-SHA512 with the client secret), over the bytes that came.
    /// Documented, and on in both readings; off is for trying a token alone.
    pub check_digital_signature: bool,
    /// Protected routes refuse every token, however fresh.
    pub refuse_tokens: bool,
}

impl KlikooSettings {
    /// The strict reading of the documentation.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            token_lifetime: Duration::from_secs(15 * 60),
            tolerance_behind: Duration::from_secs(5 * 60),
            tolerance_ahead: Duration::ZERO,
            short_codes: false,
            one_token_per_client: true,
            check_digital_signature: true,
            refuse_tokens: false,
        }
    }

    /// The mild reading: a clock may be five minutes ahead, and old tokens live on beside a new one.
    #[must_use]
    pub fn mild() -> Self {
        Self { tolerance_ahead: Duration::from_secs(5 * 60), one_token_per_client: false, ..Self::strict() }
    }
}

impl Default for KlikooSettings {
    fn default() -> Self {
        Self::strict()
    }
}

/// Durations as a number of seconds in JSON, of at most a hundred years: no service reckons with more, and a longer one would not be read back.
pub(crate) mod as_seconds {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::LONGEST;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.min(&LONGEST).as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| D::Error::custom("a number of seconds, zero or more, is wanted"))
    }
}
