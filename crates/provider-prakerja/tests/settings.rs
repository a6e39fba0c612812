//! Settings that are wrong are named, with what to do, and never shown.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::ffi::OsString;
use std::sync::Arc;

use provider_prakerja::{AuthorizationStyle, Config, Prakerja, PrakerjaBuilder};
use token_core::settings::{SettingFault, SettingsError};
use token_core::{Error, ErrorKind, Remedy};
use token_testkit::ManualClock;

use crate::support::{Service, builder};

fn good() -> PrakerjaBuilder {
    builder(&Service::new([]), &Arc::new(ManualClock::new()))
}

fn settings(error: &SettingsError) -> Vec<&str> {
    error.faults().iter().map(SettingFault::setting).collect()
}

#[test]
fn a_bad_setting_is_named_and_its_value_is_not_shown() {
    type Change = fn(PrakerjaBuilder) -> PrakerjaBuilder;
    let cases: &[(&str, &str, Change)] = &[
        ("client_id", "is empty", |b| b.client_id("")),
        ("client_id", "is empty", |b| b.client_id(" \t")),
        ("client_id", "white space", |b| b.client_id("canary\n")),
        ("client_id", "not printable ASCII", |b| b.client_id("canary\u{e9}")),
        ("client_id", "not printable ASCII", |b| b.client_id("canary\r\nX-Header: y")),
        ("client_id", "5000 bytes", |b| b.client_id("x".repeat(5_000))),
        ("client_name", "is empty", |b| b.client_name("")),
        ("client_name", "white space", |b| b.client_name(" canary")),
        ("client_name", "control character", |b| b.client_name("canary\0name")),
        ("client_name", "257 bytes", |b| b.client_name("x".repeat(257))),
        ("redirect_uri", "is empty", |b| b.redirect_uri("")),
        ("redirect_uri", "https://", |b| b.redirect_uri("canary.example/callback")),
        ("redirect_uri", "https://", |b| b.redirect_uri("/canary")),
        ("redirect_uri", "https://", |b| b.redirect_uri("javascript://canary")),
        ("redirect_uri", "fragment", |b| b.redirect_uri("https://lp.example/#canary")),
        ("redirect_uri", "user name", |b| b.redirect_uri("https://lp:canary@lp.example/")),
        ("redirect_uri", "not a URL", |b| b.redirect_uri("https://lp.example:canary/")),
        ("redirect_uri", "no host", |b| b.redirect_uri("https://:443/canary")),
        ("redirect_uri", "character", |b| b.redirect_uri("https://lp.example/can ary")),
        ("redirect_uri", "character", |b| b.redirect_uri("https://lp.example/canary\u{e9}")),
        ("redirect_uri", "white space", |b| b.redirect_uri("https://lp.example/canary\r\n")),
        ("redirect_uri", "`code`", |b| b.redirect_uri("https://lp.example/callback?code=canary")),
        ("redirect_uri", "`state`", |b| b.redirect_uri("https://lp.example/callback?a=1&st%61te=canary")),
        ("redirect_uri", "percent-encoded", |b| b.redirect_uri("https://lp.example/callback?canary=%zz")),
        ("redirect_uri", "2070 bytes", |b| b.redirect_uri(format!("https://lp.example/{}", "x".repeat(2_051)))),
        ("login_uri", "is empty", |b| b.login_uri("")),
        ("login_uri", "https://", |b| b.login_uri("ftp://canary.example")),
        ("login_uri", "fragment", |b| b.login_uri("https://lp.example/login#canary")),
        ("login_uri", "`error`", |b| b.login_uri("https://lp.example/login?error=canary")),
        ("base_url", "is missing", |b| b.base_url("")),
        ("base_url", "plain `http`", |b| b.base_url("http://canary.example")),
        ("base_url", "user name", |b| b.base_url("https://user:canary@api.example")),
        ("base_url", "query", |b| b.base_url("https://api.example?canary")),
        ("base_url", "path segment", |b| b.base_url("https://api.example/../canary")),
        ("consent_url", "is missing", |b| b.consent_url(" ")),
        ("consent_url", "plain `http`", |b| b.consent_url("http://canary.example/consent-sso")),
        ("consent_url", "query", |b| b.consent_url("https://oauth.example/consent-sso?canary=1")),
        ("consent_url", "fragment", |b| b.consent_url("https://oauth.example/consent-sso#canary")),
        ("refresh_path", "path segment", |b| b.refresh_path("")),
        ("refresh_path", "path segment", |b| b.refresh_path("canary/refresh")),
        ("refresh_path", "path segment", |b| b.refresh_path("//canary.example/refresh")),
        ("refresh_path", "path segment", |b| b.refresh_path("/../canary")),
        ("refresh_path", "query", |b| b.refresh_path("/refresh?canary=1")),
        ("refresh_path", "fragment", |b| b.refresh_path("/refresh#canary")),
        ("refresh_path", "character", |b| b.refresh_path("/can ary")),
        ("scope", "is empty", |b| b.scope("")),
        ("scope", "white space", |b| b.scope("canary ")),
        ("scope", "not printable ASCII", |b| b.scope("canary\temail")),
        ("sign_key", "is empty", |b| b.sign_key("")),
        ("sign_key", "white space", |b| b.sign_key("canary\n")),
        ("sign_key", "not printable ASCII", |b| b.sign_key("canary\u{e9}")),
        ("client_code", "is empty", |b| b.client_code("")),
        ("client_code", "not printable ASCII", |b| b.client_code("canary\0")),
    ];
    assert!(cases.len() >= 30);
    for (setting, found, change) in cases {
        let builder = change(good());
        let error = builder.build().unwrap_err();
        assert_eq!(settings(&error), [*setting]);
        let fault = error.faults().first().unwrap();
        assert!(fault.found().contains(found), "{setting}: {}", fault.found());
        assert!(!fault.fix().is_empty());
        let error = Error::from(error);
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && shown.contains(&format!("`{setting}`")), "{shown}");
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let error = good().client_id("").redirect_uri("x").base_url("y").refresh_path("z").scope("").build().unwrap_err();
    assert_eq!(settings(&error), ["client_id", "redirect_uri", "base_url", "refresh_path", "scope"]);
    let error = Prakerja::builder().transport(Service::new([])).build().unwrap_err();
    assert_eq!(settings(&error), ["client_id", "client_name", "redirect_uri", "login_uri"]);
}

#[test]
fn good_settings_are_taken_as_they_are() {
    type Change = fn(PrakerjaBuilder) -> PrakerjaBuilder;
    let cases: [Change; 8] = [
        |b| b,
        |b| b.redirect_uri("http://lp.example/callback").login_uri("http://lp.example/login"),
        |b| b.redirect_uri("https://lp.example").login_uri("https://lp.example?x=y"),
        |b| b.redirect_uri("https://lp.example:8443/callback?tenant=7&codes=1&State=x&%20="),
        |b| b.base_url("https://api.prakerja.go.id/").consent_url("http://127.0.0.1:8080/consent-sso"),
        |b| b.base_url("https://gate.example/prakerja").refresh_path("/api/v1/oauth/token"),
        |b| b.client_name("é".repeat(128)).scope("name"),
        |b| b.sign_key("key-test-only").client_code("code").authorization_style(AuthorizationStyle::Bearer),
    ];
    for change in cases {
        change(good()).build().unwrap();
    }
}

#[test]
fn the_environment_names_all_that_is_missing() {
    let error = Prakerja::from_lookup(|_| None).unwrap_err();
    assert_eq!(settings(&error), ["PRAKERJA_CLIENT_ID", "PRAKERJA_CLIENT_NAME", "PRAKERJA_REDIRECT_URI", "PRAKERJA_LOGIN_URI"]);
    let error = Prakerja::from_lookup(|name| (name == "PRAKERJA_CLIENT_NAME").then(|| OsString::from("x"))).unwrap_err();
    assert_eq!(settings(&error), ["PRAKERJA_CLIENT_ID", "PRAKERJA_REDIRECT_URI", "PRAKERJA_LOGIN_URI"]);
}

#[test]
fn the_environment_sets_what_it_names() {
    let lookup = |name: &str| {
        let value = match name {
            "PRAKERJA_CLIENT_ID" => "lp-env",
            "PRAKERJA_CLIENT_NAME" => "Env",
            "PRAKERJA_REDIRECT_URI" => "https://env.example/callback",
            "PRAKERJA_LOGIN_URI" => "https://env.example/login",
            "PRAKERJA_CONSENT_URL" => "https://env.example/consent",
            "PRAKERJA_SCOPE" => "name",
            // Empty counts as not set.
            "PRAKERJA_BASE_URL" | "PRAKERJA_SIGN_KEY" => " ",
            _ => return None,
        };
        Some(OsString::from(value))
    };
    let prakerja = Prakerja::from_lookup(lookup).unwrap().transport(Service::new([])).build().unwrap();
    assert!(format!("{prakerja:?}").contains("authorization_style: Bare"));
    let login = prakerja.begin_login().unwrap();
    let expected = "https://env.example/consent?client_id=lp-env&client_name=Env&login_uri=https%3A%2F%2Fenv.example%2Flogin&\
        redirect_uri=https%3A%2F%2Fenv.example%2Fcallback&scope=name&state=";
    assert!(login.url.starts_with(expected), "{}", login.url);
}

#[test]
fn the_environment_has_one_of_two_words_for_the_profile_call() {
    let built = |word: &str| {
        let lookup = |name: &str| {
            let value = match name {
                "PRAKERJA_REDIRECT_URI" | "PRAKERJA_LOGIN_URI" => "https://env.example/",
                "PRAKERJA_AUTHORIZATION_STYLE" => word,
                "PRAKERJA_CLIENT_ID" | "PRAKERJA_CLIENT_NAME" => "lp-env",
                _ => return None,
            };
            Some(OsString::from(value))
        };
        Prakerja::from_lookup(lookup).map(|builder| format!("{builder:?}"))
    };
    for (word, style) in [
        ("bare", "Bare"),
        ("BARE", "Bare"),
        ("bearer", "Bearer"),
        ("Bearer", "Bearer"),
        (" bearer\n", "Bearer"),
        ("", "Bare"),
        (" ", "Bare"),
    ] {
        let shown = built(word).unwrap();
        assert!(shown.contains(&format!("authorization_style: {style},")), "{word:?}: {shown}");
    }
    for wrong in ["canary", "Bearer canary", "bare bearer", "b\u{e9}arer"] {
        let error = built(wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "prakerja settings: `PRAKERJA_AUTHORIZATION_STYLE` is neither `bare` nor `bearer`: \
             leave it out, or set it to one of the two"
        );
    }
    // Told with all else that is wrong.
    let lookup = |name: &str| (name == "PRAKERJA_AUTHORIZATION_STYLE").then(|| OsString::from("basic"));
    assert_eq!(Prakerja::from_lookup(lookup).unwrap_err().faults().len(), 5);
}

#[test]
fn every_variable_is_read_and_named_on_the_crates_page() {
    let asked = std::sync::Mutex::new(Vec::new());
    let _ = Prakerja::from_lookup(|name| {
        asked.lock().unwrap().push(name.to_owned());
        None
    });
    let page = include_str!("../src/lib.rs");
    let documented: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("//! | `PRAKERJA_")?.split_once('`')).map(|(name, _)| name).collect();
    let mut asked: Vec<String> = asked.into_inner().unwrap().iter().map(|name| name.replacen("PRAKERJA_", "", 1)).collect();
    asked.sort();
    let mut sorted = documented.clone();
    sorted.sort_unstable();
    assert_eq!(asked, sorted);
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_file_is_read_strictly_and_its_secret_is_one() {
    let text = r#"{"client_id": "lp-file", "client_name": "File", "redirect_uri": "https://lp.example/callback",
        "login_uri": "https://lp.example/login", "authorization_style": "bearer", "sign_key": "canary"}"#;
    let config: Config = serde_json::from_str(text).unwrap();
    assert_eq!(config.authorization_style, AuthorizationStyle::Bearer);
    let builder = Prakerja::from_config(config.clone()).transport(Service::new([]));
    let shown = format!("{config:?} {builder:?} {:?}", builder.clone().build().unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    for wrong in [r#"{"clientid": "x"}"#, r#"{"authorization_style": "basic"}"#, r#"{"client_id": 7}"#] {
        assert!(serde_json::from_str::<Config>(wrong).is_err(), "{wrong}");
    }
}

#[cfg(not(feature = "reqwest"))]
#[test]
fn without_a_default_transport_one_is_asked_for() {
    let error = Prakerja::builder().build().unwrap_err();
    assert!(settings(&error).contains(&"transport"));
}
