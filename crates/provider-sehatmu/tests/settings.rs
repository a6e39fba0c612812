//! Settings that are missing or wrong.

#![allow(clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::ffi::OsString;

use provider_sehatmu::{Config, SehatMu};
use token_core::settings::SettingFault;
use token_core::{Error, ErrorKind, Remedy};

/// A good configuration with one setting replaced, or left out.
fn config(setting: &str, value: Option<&str>) -> Config {
    let mut config = Config::default();
    config.base_url = Some("https://service.example".to_owned());
    config.client_id = Some("id.sehatmu.client".to_owned());
    config.client_secret = Some("secret-test-only".into());
    let value = value.map(str::to_owned);
    match setting {
        "base_url" => config.base_url = value,
        "client_id" => config.client_id = value,
        "client_secret" => config.client_secret = value.map(Into::into),
        _ => panic!("there is no setting `{setting}`"),
    }
    config
}

#[cfg(feature = "reqwest")]
#[test]
fn a_good_configuration_builds() {
    assert!(SehatMu::from_config(config("client_id", Some("id"))).build().is_ok());
}

#[test]
fn each_bad_setting_is_refused_by_name_and_without_its_value() {
    let long = "canary".repeat(1_000);
    let cases = [
        ("base_url", None),
        ("base_url", Some("")),
        ("base_url", Some("  ")),
        ("base_url", Some("canary.example")),
        ("base_url", Some("ftp://canary.example")),
        ("base_url", Some("http://canary.example")),
        ("base_url", Some("https://")),
        ("base_url", Some("https://user:canary@service.example")),
        ("base_url", Some("https://service.example?canary=1")),
        ("base_url", Some("https://service.example#canary")),
        ("base_url", Some("https://service.example/a/../canary")),
        ("base_url", Some("https://service.example:canary")),
        ("base_url", Some("https://service.example/can ary")),
        ("base_url", Some("https://service.example/canary/oauth/token")),
        ("client_id", None),
        ("client_id", Some("")),
        ("client_id", Some(" canary")),
        ("client_id", Some("canary\n")),
        ("client_id", Some("canary\0")),
        ("client_id", Some("cán")),
        ("client_id", Some(long.as_str())),
        ("client_secret", None),
        ("client_secret", Some("")),
        ("client_secret", Some("\t")),
        ("client_secret", Some("canary\r\n")),
        ("client_secret", Some("can\tary")),
        ("client_secret", Some("\u{202e}canary")),
        ("client_secret", Some(long.as_str())),
    ];
    for (field, value) in cases {
        let error = SehatMu::from_config(config(field, value)).build().map(|_| ()).unwrap_err();
        let named: Vec<_> = error.faults().iter().map(SettingFault::setting).filter(|name| *name != "transport").collect();
        assert_eq!(named, [field], "{value:?}");
        assert!(error.faults().iter().all(|fault| !fault.found().is_empty() && !fault.fix().is_empty()));
        let error = Error::from(error);
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && shown.contains(field), "{shown}");
    }
}

#[test]
fn all_missing_variables_are_named_at_once() {
    let error = SehatMu::from_lookup(|_| None).map(|_| ()).unwrap_err();
    let named: Vec<_> = error.faults().iter().map(SettingFault::setting).collect();
    assert_eq!(named, ["SEHATMU_BASE_URL", "SEHATMU_CLIENT_ID", "SEHATMU_CLIENT_SECRET"]);
    assert!(SehatMu::from_lookup(|_| Some(OsString::from("https://service.example"))).is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let config = config("client_secret", Some("canary-secret"));
    let builder = SehatMu::from_config(config.clone());
    let shown = format!("{config:?} {builder:?} {:?}", builder.clone().build_uncached().ok());
    assert!(!shown.contains("canary"), "{shown}");
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_file_is_read_strictly_and_its_secret_is_one() {
    let text = r#"{"base_url": "https://service.example", "client_id": "id", "client_secret": "canary"}"#;
    let config: Config = serde_json::from_str(text).unwrap();
    assert_eq!((config.base_url.as_deref(), config.client_id.as_deref()), (Some("https://service.example"), Some("id")));
    let builder = SehatMu::from_config(config.clone());
    let shown = format!("{config:?} {builder:?} {:?}", builder.clone().build_uncached().ok());
    assert!(config.client_secret.is_some() && !shown.contains("canary"), "{shown}");
    // What is left out is told with all else that is wrong.
    assert!(serde_json::from_str::<Config>("{}").is_ok());
    for wrong in [r#"{"clientid": "x"}"#, r#"{"client_id": 7}"#, r#"{"client_secret": 8123}"#] {
        let error = serde_json::from_str::<Config>(wrong).unwrap_err().to_string();
        assert!(!error.contains("8123"), "{error}");
    }
}
