//! Settings and their checks.

use std::ffi::OsString;
use std::fmt;

use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use token_core::Origin;
use token_core::settings::{Environment, SettingsCheck, SettingsError};

use crate::PROVIDER;

/// The base URL of the service's own sandbox, by its OpenAPI file. For production, use the one that comes with your credentials.
pub const SANDBOX_BASE_URL: &str = "https://istanbul.muhammadiyah.or.id";

const TOKEN_PATH: &str = "/oauth/token?grant_type=client_credentials";

/// The settings, as they stand in a configuration file. All are needed.
///
/// With the feature `serde` they are `Deserialize`, and a name that is none of theirs is refused.
#[derive(Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// The base URL, without `/oauth/token`: [`SANDBOX_BASE_URL`], or the one that came with the credentials.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub base_url: Option<String>,
    /// The client id.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub client_id: Option<String>,
    /// The client secret.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_secret"))]
    pub client_secret: Option<SecretString>,
}

impl Config {
    /// Reads the settings by `lookup`, which gives the value of an environment variable.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let mut environment = Environment::new(PROVIDER, lookup);
        let config = Self {
            base_url: environment.required("SEHATMU_BASE_URL"),
            client_id: environment.required("SEHATMU_CLIENT_ID"),
            client_secret: environment.required_secret("SEHATMU_CLIENT_SECRET"),
        };
        environment.finish(config)
    }

    /// Checks every setting and notes what is wrong.
    pub(crate) fn check(&self, check: &mut SettingsCheck) -> Option<Settings> {
        let base_url = check.base_url(
            "base_url",
            self.base_url.as_deref(),
            "write the address that came with the credentials, as `https://istanbul.muhammadiyah.or.id`",
        );
        let client_id = check.ascii("client_id", self.client_id.as_deref(), "give the client id that SehatMu issued");
        let client_secret =
            check.secret("client_secret", self.client_secret.as_ref(), "give the client secret that SehatMu issued");
        if base_url.as_ref().is_some_and(|url| url.path().ends_with("/oauth/token")) {
            check.fault("base_url", "ends in `/oauth/token`", "leave that out: it is added");
        }
        let base_url = base_url?;
        let (origin, token_url) = (Origin::of(&base_url), base_url.join(TOKEN_PATH).ok()?);
        Some(Settings { origin, token_url, client_id: client_id?.to_owned(), client_secret: client_secret?.into() })
    }
}

/// Shows which settings are there. A base URL may hold a password by mistake, so it is not shown either.
impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("has_base_url", &self.base_url.is_some())
            .field("client_id", &self.client_id)
            .field("has_client_secret", &self.client_secret.is_some())
            .finish()
    }
}

/// Settings that passed their checks.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) origin: Origin,
    pub(crate) token_url: Uri,
    pub(crate) client_id: String,
    client_secret: SecretString,
}

impl Settings {
    /// For the request's body, and for taking it out of what the service says.
    pub(crate) fn expose_client_secret(&self) -> &str {
        self.client_secret.expose_secret()
    }
}
