//! Settings, in each way in which a program gives them, good and bad.

use std::ffi::OsString;

use provider_klikoo::Klikoo;
use provider_prakerja::Prakerja;
use provider_sehatmu::SehatMu;

use crate::support::{CLIENT_SECRET, Canned, Freed, SIGN_KEY, joined, keep, turn, watch};

const SECRETS: [(&str, &str); 2] = [("the client secret", CLIENT_SECRET), ("the sign key", SIGN_KEY)];

fn expect_none(what: &str, freed: &Freed) {
    freed.expect_none(what, SECRETS);
}

fn environment(name: &str) -> Option<OsString> {
    let value = match name {
        "SEHATMU_CLIENT_SECRET" | "KLIKOO_CLIENT_SECRET" => CLIENT_SECRET,
        "PRAKERJA_SIGN_KEY" => SIGN_KEY,
        "SEHATMU_CLIENT_ID" | "PRAKERJA_CLIENT_ID" | "PRAKERJA_CLIENT_NAME" => "id-test-only",
        "KLIKOO_CLIENT_ID" => "3f9c8962-4c4b-4bb6-b3c1-8fc883519c02",
        "SEHATMU_BASE_URL" | "KLIKOO_BASE_URL" => "https://service.example",
        "PRAKERJA_REDIRECT_URI" | "PRAKERJA_LOGIN_URI" => "https://lp.example/callback",
        "KLIKOO_PRIVATE_KEY" => "key-test-only",
        _ => return None,
    };
    Some(value.into())
}

/// As [`environment`], with one variable too few.
fn cut(without: &'static str) -> impl Fn(&str) -> Option<OsString> {
    move |name| environment(name).filter(|_| name != without)
}

#[test]
fn settings_of_the_environment_are_wiped() {
    let _turn = turn();
    let ((), freed) = watch(|| {
        let canned = || Canned::new(&[(500, "")]) as _;
        drop(SehatMu::from_lookup(environment).unwrap().clone().transport(canned()).build().unwrap());
        drop(Prakerja::from_lookup(environment).unwrap().clone().transport(canned()).build().unwrap());
        // Its key is none.
        assert!(Klikoo::from_lookup(environment).unwrap().transport(canned()).build().is_err());
        assert!(SehatMu::from_lookup(cut("SEHATMU_BASE_URL")).is_err());
        assert!(Prakerja::from_lookup(cut("PRAKERJA_LOGIN_URI")).is_err());
        assert!(Klikoo::from_lookup(cut("KLIKOO_BASE_URL")).is_err());
    });
    expect_none("the environment", &freed);
}

#[test]
fn settings_of_a_builder_are_wiped() {
    let _turn = turn();
    let ((), freed) = watch(|| {
        for bad in ["\n", " ", "\u{e9}"] {
            let secret = joined(&[CLIENT_SECRET, bad]);
            assert!(SehatMu::builder().client_secret(secret.as_str()).build().is_err());
            assert!(Klikoo::builder().client_secret(secret.as_str()).build().is_err());
            assert!(Prakerja::builder().sign_key(joined(&[SIGN_KEY, bad]).as_str()).build().is_err());
        }
        drop(SehatMu::builder().client_secret(CLIENT_SECRET).client_secret("another"));
        drop(format!("{:?}", SehatMu::builder().client_secret(CLIENT_SECRET)));
    });
    expect_none("a builder", &freed);
}

/// Without an escape in it, of which serde_json makes a copy that it does not wipe.
#[test]
fn settings_of_a_file_are_wiped() {
    let _turn = turn();
    let sehatmu =
        keep(&format!(r#"{{"base_url":"https://service.example","client_id":"id","client_secret":"{CLIENT_SECRET}"}}"#));
    let prakerja = keep(&format!(r#"{{"client_id":"id","sign_key":"{SIGN_KEY}"}}"#));
    let unknown = keep(&format!(r#"{{"client_secret":"{CLIENT_SECRET}","strange":1}}"#));
    let ((), freed) = watch(|| {
        let config = serde_json::from_str(sehatmu).unwrap();
        drop(SehatMu::from_config(config).transport(Canned::new(&[(500, "")])).build().unwrap());
        assert!(Prakerja::from_config(serde_json::from_str(prakerja).unwrap()).build().is_err());
        assert!(serde_json::from_str::<provider_sehatmu::Config>(unknown).is_err());
        assert!(serde_json::from_str::<provider_klikoo::Config>(unknown).is_err());
    });
    expect_none("a file", &freed);
}

/// A text that the reader owns has room to spare, and giving that back would move it.
#[test]
fn a_text_with_room_to_spare_is_wiped() {
    let _turn = turn();
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StringDeserializer};
    let ((), freed) = watch(|| {
        let mut text = String::with_capacity(500);
        text.push_str(CLIENT_SECRET);
        let reader: StringDeserializer<Error> = text.into_deserializer();
        drop(token_core::settings::deserialize_secret(reader).unwrap());
        drop(SehatMu::from_lookup(|name| {
            let mut value = OsString::with_capacity(500);
            value.push(if name == "SEHATMU_CLIENT_SECRET" { CLIENT_SECRET } else { "https://service.example" });
            Some(value)
        }));
    });
    expect_none("a text with room to spare", &freed);
}
