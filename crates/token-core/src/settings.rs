//! Settings: checked all at once, refused by name, and never shown.

use std::ffi::OsString;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use zeroize::Zeroize as _;

use crate::error::{Error, ErrorKind, Remedy};
use crate::url::BaseUrl;

/// Settings that are missing or wrong: all of them, each with what was found and what to do. Never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    provider: &'static str,
    faults: Vec<SettingFault>,
}

/// One setting that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    setting: String,
    found: String,
    fix: String,
}

impl SettingsError {
    /// The faults, at least one.
    #[must_use]
    pub fn faults(&self) -> &[SettingFault] {
        &self.faults
    }
}

impl SettingFault {
    /// The setting's name, as in the builder or the environment.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// What is wrong with it.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What to do.
    #[must_use]
    pub fn fix(&self) -> &str {
        &self.fix
    }
}

impl fmt::Display for SettingFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}: {}", self.setting, self.found, self.fix)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} settings: ", self.provider)?;
        self.write_faults(formatter)
    }
}

impl SettingsError {
    fn write_faults(&self, formatter: &mut impl fmt::Write) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

impl From<SettingsError> for Error {
    /// The faults become the message; they are not its cause as well, or a chain would print them twice.
    fn from(error: SettingsError) -> Self {
        let mut message = String::new();
        // Writing to a string cannot fail.
        let _ = error.write_faults(&mut message);
        Self::new(error.provider, ErrorKind::Configuration, Remedy::FixConfiguration).with_message(message)
    }
}

/// Gathers what is wrong with the settings of one provider, so that a person hears of all of it at once.
#[derive(Debug)]
pub struct SettingsCheck {
    provider: &'static str,
    faults: Vec<SettingFault>,
}

impl SettingsCheck {
    /// Begins the check of `provider`'s settings.
    #[must_use]
    pub fn new(provider: &'static str) -> Self {
        Self { provider, faults: Vec::new() }
    }

    /// Notes a fault. Neither text may hold the value of a secret.
    pub fn fault(&mut self, setting: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) {
        self.faults.push(SettingFault { setting: setting.into(), found: found.into(), fix: fix.into() });
    }

    /// The value, unless it is absent, empty or has white space around it, as a value pasted with its line end has.
    pub fn text<'v>(&mut self, setting: &str, value: Option<&'v str>, fix: &str) -> Option<&'v str> {
        match value {
            None => self.fault(setting, "is missing", fix),
            Some(value) if value.trim().is_empty() => self.fault(setting, "is empty", fix),
            Some(value) if value.trim() != value => {
                self.fault(setting, "begins or ends with white space", "remove it: it often comes with a pasted line end");
            }
            Some(value) => return Some(value),
        }
        None
    }

    /// As [`text`](Self::text), for what goes into a header or is a credential: ASCII without control characters, at most 4,096 bytes.
    pub fn ascii<'v>(&mut self, setting: &str, value: Option<&'v str>, fix: &str) -> Option<&'v str> {
        let value = self.text(setting, value, fix)?;
        if value.len() > 4_096 {
            self.fault(setting, format!("is {} bytes long", value.len()), "give the value alone; at most 4,096 bytes are taken");
            return None;
        }
        if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            self.fault(setting, "has a character that is not printable ASCII", "copy it again from where the service shows it");
            return None;
        }
        Some(value)
    }

    /// As [`ascii`](Self::ascii), for a secret.
    pub fn secret<'v>(&mut self, setting: &str, value: Option<&'v SecretString>, fix: &str) -> Option<&'v str> {
        self.ascii(setting, value.map(ExposeSecret::expose_secret), fix)
    }

    /// The base URL, unless it is absent or not one.
    pub fn base_url(&mut self, setting: &str, value: Option<&str>, fix: &str) -> Option<BaseUrl> {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        let Some(value) = value else {
            self.fault(setting, "is missing", fix);
            return None;
        };
        match BaseUrl::parse(value) {
            Ok(url) => Some(url),
            Err(fault) => {
                self.fault(setting, fault.to_string(), fix);
                None
            }
        }
    }

    /// Gives what `build` makes of the settings, or all faults.
    ///
    /// # Errors
    ///
    /// A fault was noted, or `value` is `None`, as it is when a checked value is missing.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, SettingsError> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => {
                if self.faults.is_empty() {
                    self.fault("settings", "are incomplete", "give every setting that the builder asks for");
                }
                Err(SettingsError { provider: self.provider, faults: self.faults })
            }
        }
    }
}

/// Reads a secret of a configuration file: `#[serde(deserialize_with = "token_core::settings::deserialize_secret")]`, on a struct with `#[serde(default)]`.
///
/// serde's own errors quote what they found, so a secret of digits that lacks its quotation marks would stand in them. These do not.
///
/// # Errors
///
/// It is something other than a text.
pub fn deserialize_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    deserializer.deserialize_any(TextVisitor("a secret"))
}

/// As [`deserialize_secret`], for a setting that is none: what stands beside a wrong name may be a secret all the same.
///
/// # Errors
///
/// It is something other than a text.
pub fn deserialize_text<'de, T: From<String>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = deserializer.deserialize_any(TextVisitor("a setting"))?;
    Ok(text.map(|text| text.expose_secret().to_owned().into()))
}

/// Gives back no room to spare, which would leave the text where it was.
fn secret(mut text: String) -> SecretString {
    let secret = SecretString::from(text.as_str());
    text.zeroize();
    secret
}

/// Reads a setting that has one of a few words. The error names them, and not what it found.
///
/// # Errors
///
/// It is none of the words.
pub fn deserialize_word<'de, T: Copy, D: Deserializer<'de>>(deserializer: D, words: &[(&str, T)]) -> Result<T, D::Error> {
    let text = deserializer.deserialize_any(TextVisitor("a setting"))?;
    let text = text.as_ref().map(ExposeSecret::expose_secret);
    words.iter().find(|(word, _)| text == Some(*word)).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        serde::de::Error::custom(format!("it must be one of {}", words.join(", ")))
    })
}

/// With what it reads, as the error calls it.
struct TextVisitor(&'static str);

impl TextVisitor {
    fn refuse<T, E: serde::de::Error>(&self) -> Result<T, E> {
        Err(E::custom(format!("{} must be a text: put it in quotation marks", self.0)))
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<SecretString>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Self::Value, E> {
        Ok(Some(secret(value)))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.refuse()
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.refuse()
    }
}

/// Reads settings from the environment, or from anything that looks like it, and notes all that are missing.
#[derive(Debug)]
pub struct Environment<F> {
    lookup: F,
    check: SettingsCheck,
}

impl<F: Fn(&str) -> Option<OsString>> Environment<F> {
    /// Reads the settings of `provider` by `lookup`, which gives the value of a name.
    pub fn new(provider: &'static str, lookup: F) -> Self {
        Self { lookup, check: SettingsCheck::new(provider) }
    }

    /// A variable that must be there.
    pub fn required(&mut self, name: &str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.fault(name, "is not set", "set this environment variable");
        }
        value
    }

    /// A variable that may be there. An empty one counts as not set.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        match (self.lookup)(name)?.into_string() {
            Ok(value) => Some(value).filter(|value| !value.trim().is_empty()),
            Err(value) => {
                value.into_encoded_bytes().zeroize();
                self.check.fault(name, "is not UTF-8", "set it again");
                None
            }
        }
    }

    /// A secret that must be there.
    pub fn required_secret(&mut self, name: &str) -> Option<SecretString> {
        self.required(name).map(secret)
    }

    /// A secret that may be there.
    pub fn optional_secret(&mut self, name: &str) -> Option<SecretString> {
        self.optional(name).map(secret)
    }

    /// Notes a fault in what a variable holds. The first one of a variable counts: that it is not set is no news of one that cannot be read.
    pub fn fault(&mut self, name: &str, found: impl Into<String>, fix: impl Into<String>) {
        if !self.check.faults.iter().any(|fault| fault.setting == name) {
            self.check.fault(name, found, fix);
        }
    }

    /// Gives `value`, or all faults.
    ///
    /// # Errors
    ///
    /// A variable that must be there is not, or a fault was noted.
    pub fn finish<T>(self, value: T) -> Result<T, SettingsError> {
        self.check.finish(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once_without_a_value() {
        let mut check = SettingsCheck::new("test");
        check.secret("client_secret", Some(&"canary\n".into()), "paste the secret");
        check.text("client_id", None, "give the client id");
        check.base_url("base_url", Some("user:canary@service.example"), "write `https://...`");
        check.ascii("name", Some("can\u{e1}ry"), "use ASCII");
        let error = check.finish(Some(())).unwrap_err();
        let names: Vec<_> = error.faults().iter().map(SettingFault::setting).collect();
        assert_eq!(names, ["client_secret", "client_id", "base_url", "name"]);
        let error = Error::from(error);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("`client_id` is missing: give the client id"), "{shown}");
    }

    #[test]
    fn a_secret_of_a_file_is_a_text_and_no_error_quotes_it() {
        #[derive(serde::Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        struct File {
            #[serde(deserialize_with = "deserialize_secret")]
            secret: Option<SecretString>,
        }
        let read = |text: &str| {
            serde_json::from_str::<File>(text).map(|file| file.secret.map(|secret| secret.expose_secret().to_owned()))
        };
        assert_eq!(read(r#"{"secret":"token-test-only"}"#).unwrap().as_deref(), Some("token-test-only"));
        assert_eq!(read("{}").unwrap(), None);
        assert_eq!(read(r#"{"secret":null}"#).unwrap(), None);
        for wrong in ["8123", "-8123", "8123.5", "true", r#"["8123"]"#, r#"{"8123":"8123"}"#] {
            let error = read(&format!(r#"{{"secret":{wrong}}}"#)).unwrap_err().to_string();
            assert!(error.contains("quotation marks") && !error.contains("8123"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_file_shows_nothing_of_what_is_no_text_or_none_of_the_words() {
        for wrong in ["81230", "-8123.5", "[\"8123\"]", "{\"8123\":1}", "true"] {
            let mut reader = serde_json::Deserializer::from_str(wrong);
            let error = deserialize_text::<String, _>(&mut reader).unwrap_err().to_string();
            assert!(error.contains("quotation marks") && !error.contains("8123"), "{wrong}: {error}");
        }
        let words = [("fast", 1), ("slow", 2)];
        let read = |text: &str| deserialize_word(&mut serde_json::Deserializer::from_str(text), &words);
        assert_eq!((read("\"fast\"").unwrap(), read("\"slow\"").unwrap()), (1, 2));
        for wrong in ["\"8123\"", "\"Fast\"", "\"\"", "null", "8123"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(!error.contains("8123"), "{wrong}: {error}");
        }
        let mut reader = serde_json::Deserializer::from_str("null");
        assert_eq!(deserialize_text::<String, _>(&mut reader).unwrap(), None);
    }

    #[test]
    fn a_fault_is_never_lost() {
        assert!(SettingsCheck::new("test").finish(None::<()>).is_err());
        assert!(SettingsCheck::new("test").finish(Some(())).is_ok());
    }

    #[test]
    fn the_environment_tells_one_fault_of_a_variable() {
        let mut environment = Environment::new("test", |_: &str| None);
        environment.fault("A", "is not UTF-8", "set it again");
        environment.fault("A", "is not set", "set it");
        assert_eq!(environment.required("A"), None);
        assert_eq!(environment.finish(()).unwrap_err().to_string(), "test settings: `A` is not UTF-8: set it again");
    }

    #[test]
    fn the_environment_names_every_missing_variable() {
        let lookup = |name: &str| (name == "A").then(|| OsString::from(" "));
        let mut environment = Environment::new("test", lookup);
        assert_eq!((environment.required("A"), environment.required("B"), environment.optional("C")), (None, None, None));
        let error = environment.finish(()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "test settings: `A` is not set: set this environment variable; `B` is not set: set this environment variable"
        );
    }
}
