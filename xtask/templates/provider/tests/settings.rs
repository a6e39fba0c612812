//! Settings that are missing or wrong.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::ffi::OsString;

use provider_new_service::{Config, NewService};
use token_core::settings::SettingFault;
use token_core::{Error, ErrorKind, Remedy};

/// A good configuration with one field replaced, as JSON; `null` leaves it out.
fn config(field: &str, value: &str) -> Config {
    let mut fields = serde_json::json!({
        "base_url": "https://service.example",
        "client_id": "client-id",
        "client_secret": "secret-test-only",
    });
    fields[field] = serde_json::from_str(value).unwrap();
    serde_json::from_value(fields).unwrap()
}

#[cfg(feature = "reqwest")]
#[test]
fn a_good_configuration_builds() {
    for scope in ["null", r#""read""#, r#""read write""#] {
        assert!(NewService::from_config(config("scope", scope)).build().is_ok(), "{scope}");
    }
}

#[test]
fn each_bad_setting_is_refused_by_name_and_without_its_value() {
    let long = format!("\"{}\"", "canary".repeat(1_000));
    let cases = [
        ("base_url", "null"),
        ("base_url", r#""""#),
        ("base_url", r#""canary.example""#),
        ("base_url", r#""http://canary.example""#),
        ("base_url", r#""https://user:canary@service.example""#),
        ("base_url", r#""https://service.example?canary=1""#),
        ("base_url", r#""https://service.example/a/../canary""#),
        ("base_url", r#""https://service.example/canary/oauth/token""#),
        ("client_id", "null"),
        ("client_id", r#""""#),
        ("client_id", r#"" canary""#),
        ("client_id", r#""canary\u0000""#),
        ("client_id", r#""cán""#),
        ("client_id", long.as_str()),
        ("client_secret", "null"),
        ("client_secret", r#""""#),
        ("client_secret", r#""canary\r\n""#),
        ("client_secret", r#""\u202ecanary""#),
        ("client_secret", long.as_str()),
        ("scope", r#""""#),
        ("scope", r#""canary ""#),
        ("scope", r#""cán""#),
        ("scope", long.as_str()),
    ];
    for (field, value) in cases {
        let error = NewService::from_config(config(field, value)).build().map(|_| ()).unwrap_err();
        let named: Vec<_> = error.faults().iter().map(SettingFault::setting).filter(|name| *name != "transport").collect();
        assert_eq!(named, [field], "{value}");
        assert!(error.faults().iter().all(|fault| !fault.found().is_empty() && !fault.fix().is_empty()));
        let error = Error::from(error);
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && shown.contains(field), "{shown}");
    }
}

#[test]
fn all_missing_variables_are_named_at_once() {
    let error = NewService::from_lookup(|_| None).map(|_| ()).unwrap_err();
    let named: Vec<_> = error.faults().iter().map(SettingFault::setting).collect();
    assert_eq!(named, ["NEW_SERVICE_BASE_URL", "NEW_SERVICE_CLIENT_ID", "NEW_SERVICE_CLIENT_SECRET"]);
    assert!(NewService::from_lookup(|_| Some(OsString::from("https://service.example"))).is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let config = config("client_secret", "\"canary-secret\"");
    let builder = NewService::from_config(config.clone());
    let shown = format!("{config:?} {builder:?} {:?}", builder.clone().build_uncached().ok());
    assert!(!shown.contains("canary"), "{shown}");
}
