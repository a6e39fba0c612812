//! Settings that are missing or wrong.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::ffi::OsString;

use provider_sehatmu::{Config, SehatMu};
use token_core::settings::SettingFault;
use token_core::{Error, ErrorKind, Remedy};

/// A good configuration with one field replaced, as JSON; `null` leaves it out.
fn config(field: &str, value: &str) -> Config {
    let mut fields = serde_json::json!({
        "base_url": "https://service.example",
        "client_id": "id.sehatmu.client",
        "client_secret": "secret-test-only",
    });
    fields[field] = serde_json::from_str(value).unwrap();
    serde_json::from_value(fields).unwrap()
}

#[cfg(feature = "reqwest")]
#[test]
fn a_good_configuration_builds() {
    assert!(SehatMu::from_config(config("client_id", "\"id\"")).build().is_ok());
}

#[test]
fn each_bad_setting_is_refused_by_name_and_without_its_value() {
    let long = format!("\"{}\"", "canary".repeat(1_000));
    let cases = [
        ("base_url", "null"),
        ("base_url", r#""""#),
        ("base_url", r#""  ""#),
        ("base_url", r#""canary.example""#),
        ("base_url", r#""ftp://canary.example""#),
        ("base_url", r#""http://canary.example""#),
        ("base_url", r#""https://""#),
        ("base_url", r#""https://user:canary@service.example""#),
        ("base_url", r#""https://service.example?canary=1""#),
        ("base_url", r##""https://service.example#canary""##),
        ("base_url", r#""https://service.example/a/../canary""#),
        ("base_url", r#""https://service.example:canary""#),
        ("base_url", r#""https://service.example/can ary""#),
        ("base_url", r#""https://service.example/canary/oauth/token""#),
        ("client_id", "null"),
        ("client_id", r#""""#),
        ("client_id", r#"" canary""#),
        ("client_id", r#""canary\n""#),
        ("client_id", r#""canary\u0000""#),
        ("client_id", r#""cán""#),
        ("client_id", long.as_str()),
        ("client_secret", "null"),
        ("client_secret", r#""""#),
        ("client_secret", r#""\t""#),
        ("client_secret", r#""canary\r\n""#),
        ("client_secret", r#""can\tary""#),
        ("client_secret", r#""\u202ecanary""#),
        ("client_secret", long.as_str()),
    ];
    for (field, value) in cases {
        let error = SehatMu::from_config(config(field, value)).build().map(|_| ()).unwrap_err();
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
    let error = SehatMu::from_lookup(|_| None).map(|_| ()).unwrap_err();
    let named: Vec<_> = error.faults().iter().map(SettingFault::setting).collect();
    assert_eq!(named, ["SEHATMU_BASE_URL", "SEHATMU_CLIENT_ID", "SEHATMU_CLIENT_SECRET"]);
    assert!(SehatMu::from_lookup(|_| Some(OsString::from("https://service.example"))).is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let config = config("client_secret", "\"canary-secret\"");
    let builder = SehatMu::from_config(config.clone());
    let shown = format!("{config:?} {builder:?} {:?}", builder.clone().build_uncached().ok());
    assert!(!shown.contains("canary"), "{shown}");
}
