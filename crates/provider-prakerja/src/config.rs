//! Settings and their checks.

use std::ffi::OsString;
use std::fmt;

use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};

use token_core::settings::{Environment, SettingsCheck, SettingsError};
use token_core::{BaseUrl, Origin, UrlFault, parse_absolute, secret_header};

use crate::PROVIDER;
use crate::callback::{Parameters, SINGLE};

/// The API's base URL in every call of the login that the pages show with curl.
pub const DEFAULT_BASE_URL: &str = "https://api-proxy.prakerja.go.id";

/// The API's base URL in the generated samples of the Create Token page, and of the calls outside the login: the integration APIs.
pub const INTEGRATION_BASE_URL: &str = "https://api.prakerja.go.id";

/// The page where a user logs in and consents (Prakerja, Construct Oauth URL page).
pub const DEFAULT_CONSENT_URL: &str = "https://oauth.prakerja.go.id/consent-sso";

/// The path of the refresh in the path table of the Refresh Token page. The sample on the same page has that of the code exchange.
pub const DEFAULT_REFRESH_PATH: &str = "/api/v1/oauth/token/refresh";

/// Every scope that the Construct Oauth URL page names.
pub const DEFAULT_SCOPE: &str = "name email prakerjaid notelp";

const TOKEN_PATH: &str = "/api/v1/oauth/token";
const PROFILE_PATH: &str = "/api/v1/resource/user_profile";

/// The longest address for the browser to come back to. Browsers and proxies cut URLs not much longer than the whole login URL then is.
const LONGEST_URI: usize = 2_048;

/// The settings, as they stand in a configuration file. The first four are needed.
///
/// With the feature `serde` they are `Deserialize`, and a name that is none of theirs is refused.
#[derive(Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// The client id, for which the pages also say client code.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub client_id: Option<String>,
    /// The client name that came with the client id.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub client_name: Option<String>,
    /// Where the browser goes after a login. The page shows plain `http`, so it is taken here; over it, anyone on the way can read the code.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub redirect_uri: Option<String>,
    /// Where the browser goes when a login fails.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub login_uri: Option<String>,
    /// The API's base URL; [`DEFAULT_BASE_URL`] if `None`. Another one than that is the integration APIs' too, which else are at [`INTEGRATION_BASE_URL`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub base_url: Option<String>,
    /// The page where a user logs in; [`DEFAULT_CONSENT_URL`] if `None`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub consent_url: Option<String>,
    /// The path of the refresh, below the base URL; [`DEFAULT_REFRESH_PATH`] if `None`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub refresh_path: Option<String>,
    /// The scopes to ask for, parted by spaces; [`DEFAULT_SCOPE`] if `None`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub scope: Option<String>,
    /// How the token stands in the profile call, and in all others that carry one.
    pub authorization_style: AuthorizationStyle,
    /// The key of signed calls: generate-URL and the integration APIs. Nothing else needs it.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_secret"))]
    pub sign_key: Option<SecretString>,
    /// The client code of signed calls; the client id if `None`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "token_core::settings::deserialize_text"))]
    pub client_code: Option<String>,
}

/// How the access token stands in the `Authorization` header of the profile call, and of all others that carry one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationStyle {
    /// Alone, as in the sample of the Get Profile page.
    #[default]
    Bare,
    /// After `Bearer `, as its token type says.
    Bearer,
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for AuthorizationStyle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        token_core::settings::deserialize_word(deserializer, &[("bare", Self::Bare), ("bearer", Self::Bearer)])
    }
}

impl Config {
    /// Reads the settings by `lookup`, which gives the value of an environment variable.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let mut environment = Environment::new(PROVIDER, lookup);
        let config = Self {
            client_id: environment.required("PRAKERJA_CLIENT_ID"),
            client_name: environment.required("PRAKERJA_CLIENT_NAME"),
            redirect_uri: environment.required("PRAKERJA_REDIRECT_URI"),
            login_uri: environment.required("PRAKERJA_LOGIN_URI"),
            base_url: environment.optional("PRAKERJA_BASE_URL"),
            consent_url: environment.optional("PRAKERJA_CONSENT_URL"),
            refresh_path: environment.optional("PRAKERJA_REFRESH_PATH"),
            scope: environment.optional("PRAKERJA_SCOPE"),
            authorization_style: authorization_style(&mut environment),
            sign_key: environment.optional_secret("PRAKERJA_SIGN_KEY"),
            client_code: environment.optional("PRAKERJA_CLIENT_CODE"),
        };
        environment.finish(config)
    }

    /// Checks every setting and notes what is wrong.
    pub(crate) fn check(&self, check: &mut SettingsCheck) -> Option<Settings> {
        let client_id = check.ascii("client_id", self.client_id.as_deref(), "give the client id that Prakerja issued");
        let client_name = client_name(check, self.client_name.as_deref());
        let redirect_uri = return_uri(
            check,
            "redirect_uri",
            self.redirect_uri.as_deref(),
            "write the address that Prakerja registered, as `https://lp.example/callback`",
        );
        let login_uri = return_uri(
            check,
            "login_uri",
            self.login_uri.as_deref(),
            "write the address that Prakerja registered, as `https://lp.example/login`",
        );
        let base_url = check.base_url(
            "base_url",
            Some(self.base_url.as_deref().unwrap_or(DEFAULT_BASE_URL)),
            "leave it out, or write it as `https://api-proxy.prakerja.go.id`",
        );
        let consent_url = check.base_url(
            "consent_url",
            Some(self.consent_url.as_deref().unwrap_or(DEFAULT_CONSENT_URL)),
            "leave it out, or write it as `https://oauth.prakerja.go.id/consent-sso`",
        );
        let refresh_url = refresh_url(check, base_url.as_ref(), self.refresh_path.as_deref().unwrap_or(DEFAULT_REFRESH_PATH));
        let scope = check.ascii(
            "scope",
            Some(self.scope.as_deref().unwrap_or(DEFAULT_SCOPE)),
            "leave it out, or name scopes parted by spaces, as `name email`",
        );
        let sign_key = match &self.sign_key {
            None => Some(None),
            Some(key) => check
                .secret("sign_key", Some(key), "leave it out, or give the sign key that Prakerja issued")
                .map(|key| Some(SecretString::from(key))),
        };
        let client_code = match self.client_code.as_deref() {
            None => client_id,
            code => check.ascii("client_code", code, "leave it out, or give the client code that Prakerja issued"),
        };
        let base_url = base_url?;
        Some(Settings {
            // What passed its check is printable ASCII, which any header holds.
            client_id_header: secret_header(&[client_id?]).ok()?,
            client_id: client_id?.to_owned(),
            client_name: client_name?.to_owned(),
            redirect_uri: redirect_uri?.to_owned(),
            login_uri: login_uri?.to_owned(),
            consent_url: consent_url?.to_string(),
            scope: scope?.to_owned(),
            token_url: base_url.join(TOKEN_PATH).ok()?,
            refresh_url: refresh_url?,
            profile_url: base_url.join(PROFILE_PATH).ok()?,
            integration_url: integration_url(&base_url)?,
            base_url,
            authorization_style: self.authorization_style,
            sign_key: sign_key?,
            client_code: secret_header(&[client_code?]).ok()?,
        })
    }
}

/// One of the two words, in any case. What stands there instead is not shown: it may be a token.
fn authorization_style<F: Fn(&str) -> Option<OsString>>(environment: &mut Environment<F>) -> AuthorizationStyle {
    const VARIABLE: &str = "PRAKERJA_AUTHORIZATION_STYLE";
    match environment.optional(VARIABLE) {
        None => AuthorizationStyle::default(),
        Some(word) if word.trim().eq_ignore_ascii_case("bare") => AuthorizationStyle::Bare,
        Some(word) if word.trim().eq_ignore_ascii_case("bearer") => AuthorizationStyle::Bearer,
        Some(_) => {
            environment.fault(VARIABLE, "is neither `bare` nor `bearer`", "leave it out, or set it to one of the two");
            AuthorizationStyle::default()
        }
    }
}

/// A name for people, so any text will do; it goes into the login URL alone.
fn client_name<'v>(check: &mut SettingsCheck, value: Option<&'v str>) -> Option<&'v str> {
    const SETTING: &str = "client_name";
    let value = check.text(SETTING, value, "give the client name that Prakerja issued")?;
    if value.chars().any(char::is_control) {
        check.fault(SETTING, "has a control character", "copy it again from where Prakerja shows it");
        return None;
    }
    if value.len() > 256 {
        check.fault(SETTING, format!("is {} bytes long", value.len()), "give the name alone; at most 256 bytes are taken");
        return None;
    }
    Some(value)
}

/// An address of the program itself, to which the service adds parameters.
fn return_uri<'v>(check: &mut SettingsCheck, setting: &str, value: Option<&'v str>, fix: &str) -> Option<&'v str> {
    let value = check.text(setting, value, fix)?;
    if value.len() > LONGEST_URI {
        check.fault(setting, format!("is {} bytes long", value.len()), "at most 2,048 bytes are taken");
        return None;
    }
    let uri = match parse_absolute(value) {
        Ok(uri) => uri,
        Err(fault) => {
            check.fault(setting, fault.to_string(), fix);
            return None;
        }
    };
    let Ok(own) = Parameters::read(uri.query().unwrap_or_default()) else {
        check.fault(setting, "has a query that is not percent-encoded as it should be", fix);
        return None;
    };
    // The service adds its own of this name, and a callback with two of one is refused.
    if let Some(name) = SINGLE.into_iter().find(|name| own.has(name)) {
        check.fault(setting, format!("has a parameter `{name}` of its own"), "rename it: the login adds one of that name");
        return None;
    }
    Some(value)
}

/// The integration APIs have a host of their own, unless the settings name one for everything. The default spelled out is no other choice than the default.
fn integration_url(base_url: &BaseUrl) -> Option<BaseUrl> {
    let default = BaseUrl::parse(DEFAULT_BASE_URL).ok()?;
    if base_url.path().is_empty() && Origin::of(base_url) == Origin::of(&default) {
        return BaseUrl::parse(INTEGRATION_BASE_URL).ok();
    }
    Some(base_url.clone())
}

/// Checked below the default base URL when the one that is set is wrong itself.
fn refresh_url(check: &mut SettingsCheck, base_url: Option<&BaseUrl>, path: &str) -> Option<Uri> {
    let default = BaseUrl::parse(DEFAULT_BASE_URL).ok();
    let joined = if path.contains('?') { Err(UrlFault::Query) } else { base_url.or(default.as_ref())?.join(path) };
    match joined {
        Ok(url) => Some(url),
        Err(fault) => {
            check.fault("refresh_path", fault.to_string(), "leave it out, or write it as `/api/v1/oauth/token/refresh`");
            None
        }
    }
}

/// Shows which settings are there. A URL may hold a password by mistake, so none is shown.
impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("client_id", &self.client_id)
            .field("client_name", &self.client_name)
            .field("has_redirect_uri", &self.redirect_uri.is_some())
            .field("has_login_uri", &self.login_uri.is_some())
            .field("has_base_url", &self.base_url.is_some())
            .field("has_consent_url", &self.consent_url.is_some())
            .field("has_refresh_path", &self.refresh_path.is_some())
            .field("scope", &self.scope)
            .field("authorization_style", &self.authorization_style)
            .field("has_sign_key", &self.sign_key.is_some())
            .field("has_client_code", &self.client_code.is_some())
            .finish()
    }
}

/// Settings that passed their checks.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) client_id_header: HeaderValue,
    pub(crate) client_name: String,
    pub(crate) redirect_uri: String,
    pub(crate) login_uri: String,
    pub(crate) consent_url: String,
    pub(crate) scope: String,
    pub(crate) base_url: BaseUrl,
    pub(crate) integration_url: BaseUrl,
    pub(crate) token_url: Uri,
    pub(crate) refresh_url: Uri,
    pub(crate) profile_url: Uri,
    pub(crate) authorization_style: AuthorizationStyle,
    sign_key: Option<SecretString>,
    pub(crate) client_code: HeaderValue,
}

impl Settings {
    /// The base URL with its host in lower case, so that two texts of it are equal when the URLs are.
    pub(crate) fn base_url_text(&self) -> String {
        format!("{}{}", self.base_url.origin().to_ascii_lowercase(), self.base_url.path())
    }

    /// For the signature, and for taking it out of what the service says.
    pub(crate) fn expose_sign_key(&self) -> Option<&str> {
        self.sign_key.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// Settings for the tests of other files; `change` sets what should differ.
#[cfg(test)]
pub(crate) fn test_settings(change: impl FnOnce(&mut Config)) -> Settings {
    let mut config = Config {
        client_id: Some("lp-test-only".to_owned()),
        client_name: Some("Lembaga Contoh & Rekan".to_owned()),
        redirect_uri: Some("https://lp.example/callback".to_owned()),
        login_uri: Some("https://lp.example/login".to_owned()),
        ..Config::default()
    };
    change(&mut config);
    config.check(&mut SettingsCheck::new(PROVIDER)).unwrap()
}
