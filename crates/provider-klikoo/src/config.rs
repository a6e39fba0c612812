//! Settings and their checks.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use token_core::BaseUrl;
use token_core::settings::{Environment, SettingsCheck, SettingsError};

use crate::PROVIDER;
use crate::signature::TimestampPrecision;
use crate::signer::{RsaSigner, Signer};

const TOKEN_PATH: &str = "/v1/open-api/access-token";

/// The settings, as they stand in a configuration file. All are needed but `timestamp_precision`, and one of the two for the key.
///
/// With the feature `serde` they are `Deserialize`, and a name that is none of theirs is refused.
#[derive(Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// The base URL that Klikoo gave, with its path if it has one, without `/v1/open-api/access-token`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub base_url: Option<String>,
    /// The client id, a UUID.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub client_id: Option<String>,
    /// The client secret.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_secret"))]
    pub client_secret: Option<SecretString>,
    /// The private key: PEM, or the Base64 of PEM.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_secret"))]
    pub private_key: Option<SecretString>,
    /// In its place: a file with the same.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub private_key_file: Option<PathBuf>,
    /// `seconds` (default) or `milliseconds`.
    pub timestamp_precision: TimestampPrecision,
}

impl Config {
    /// Reads the settings by `lookup`, which gives the value of an environment variable.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let mut environment = Environment::new(PROVIDER, lookup);
        let config = Self {
            base_url: environment.required("KLIKOO_BASE_URL"),
            client_id: environment.required("KLIKOO_CLIENT_ID"),
            client_secret: environment.required_secret("KLIKOO_CLIENT_SECRET"),
            private_key: environment.optional_secret("KLIKOO_PRIVATE_KEY"),
            private_key_file: environment.optional("KLIKOO_PRIVATE_KEY_FILE").map(PathBuf::from),
            timestamp_precision: precision(&mut environment),
        };
        match (&config.private_key, &config.private_key_file) {
            (None, None) => environment.fault("KLIKOO_PRIVATE_KEY", "is not set", "set it, or `KLIKOO_PRIVATE_KEY_FILE`"),
            (Some(_), Some(_)) => {
                environment.fault("KLIKOO_PRIVATE_KEY", "is set beside `KLIKOO_PRIVATE_KEY_FILE`", "set one of them");
            }
            _ => {}
        }
        environment.finish(config)
    }

    /// Checks every setting but the key and notes what is wrong.
    pub(crate) fn check(&self, check: &mut SettingsCheck) -> Option<Settings> {
        let base_url = check.base_url(
            "base_url",
            self.base_url.as_deref(),
            "write the address that Klikoo gave, as `https://service.example/klikoo-b2b`",
        );
        let token_url = base_url.as_ref().and_then(|base_url| base_url.join(TOKEN_PATH).ok());
        let doubled = token_url.as_ref().is_some_and(|url| url.path().contains("/v1/open-api/access-token/v1/"));
        if doubled {
            check.fault("base_url", "ends in `/v1/open-api/access-token`", "leave that out: it is added");
        }
        let client_id = check.ascii("client_id", self.client_id.as_deref(), "give the client id that Klikoo issued");
        let client_id = client_id.filter(|client_id| {
            let is_uuid = is_uuid(client_id);
            if !is_uuid {
                check.fault("client_id", "is not a UUID", "give the client id that Klikoo issued: 8-4-4-4-12 hexadecimal digits");
            }
            is_uuid
        });
        let client_secret =
            check.secret("client_secret", self.client_secret.as_ref(), "give the client secret that Klikoo issued");
        Some(Settings {
            base_url: base_url?,
            token_url: token_url?,
            client_id: client_id?.to_owned(),
            client_secret: client_secret?.into(),
            timestamp_precision: self.timestamp_precision,
        })
    }

    /// The signer that was given, or one for the private key; exactly one of the three.
    pub(crate) fn signer(&self, check: &mut SettingsCheck, given: Option<Arc<dyn Signer>>) -> Option<Arc<dyn Signer>> {
        let (setting, key) = match (given, &self.private_key, &self.private_key_file) {
            (Some(signer), None, None) => return Some(signer),
            (None, Some(key), None) => ("private_key", RsaSigner::from_pem(key.expose_secret())),
            (None, None, Some(file)) => ("private_key_file", RsaSigner::from_pem_file(file)),
            (None, None, None) => {
                check.fault("private_key", "is missing", "give the RSA private key, or `private_key_file`, or `signer`");
                return None;
            }
            (_, Some(_), Some(_)) => {
                check.fault("private_key", "is given beside `private_key_file`", "give one of them");
                return None;
            }
            (Some(_), key, _) => {
                let setting = if key.is_some() { "private_key" } else { "private_key_file" };
                check.fault(setting, "is given beside `signer`", "give one of them");
                return None;
            }
        };
        match key {
            Ok(signer) => Some(Arc::new(signer)),
            Err(error) => {
                check.fault(setting, error.found(), error.fix());
                None
            }
        }
    }
}

fn precision<F: Fn(&str) -> Option<OsString>>(environment: &mut Environment<F>) -> TimestampPrecision {
    const NAME: &str = "KLIKOO_TIMESTAMP_PRECISION";
    match environment.optional(NAME).as_deref().map(str::trim) {
        None | Some("seconds") => TimestampPrecision::Seconds,
        Some("milliseconds") => TimestampPrecision::Milliseconds,
        Some(_) => {
            environment.fault(NAME, "is neither of its two values", "set it to `seconds` or `milliseconds`, or not at all");
            TimestampPrecision::default()
        }
    }
}

/// By its form alone (RFC 9562 section 4): the page says version 4, but whose version would be another is for the service to say.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Shows which settings are there. A base URL may hold a password by mistake, and a path may be a key, so neither is shown.
impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("has_base_url", &self.base_url.is_some())
            .field("client_id", &self.client_id)
            .field("has_client_secret", &self.client_secret.is_some())
            .field("has_private_key", &self.private_key.is_some())
            .field("has_private_key_file", &self.private_key_file.is_some())
            .field("timestamp_precision", &self.timestamp_precision)
            .finish()
    }
}

/// Settings that passed their checks.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) base_url: BaseUrl,
    pub(crate) token_url: Uri,
    pub(crate) client_id: String,
    client_secret: SecretString,
    pub(crate) timestamp_precision: TimestampPrecision,
}

impl Settings {
    /// For the request's body, for the key of the digital signature, and for taking it out of what the service says.
    pub(crate) fn expose_client_secret(&self) -> &str {
        self.client_secret.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_known_by_its_form() {
        for good in [
            "3f9c8962-4c4b-4bb6-b3c1-8fc883519c02",
            "3F9C8962-4C4B-4BB6-B3C1-8FC883519C02",
            "018f3d1e-7c00-7000-8000-000000000000",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(is_uuid(good), "{good}");
        }
        for bad in [
            "",
            "3f9c89624c4b4bb6b3c18fc883519c02",
            "{3f9c8962-4c4b-4bb6-b3c1-8fc883519c02}",
            "3f9c8962-4c4b-4bb6-b3c1-8fc883519c0",
            "3f9c8962-4c4b-4bb6-b3c1-8fc883519c0g",
            "3f9c8962-4c4b-4bb6-b3c1_8fc883519c02",
            "3f9c896-24c4b-4bb6-b3c1-8fc883519c02",
            "urn:uuid:3f9c8962-4c4b-4bb6-b3c1-8fc883519c02",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
    }
}
