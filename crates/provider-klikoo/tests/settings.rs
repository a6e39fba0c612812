//! Bad settings: each is refused by its name, and none is shown.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support {
    pub(crate) mod canned;
    pub(crate) mod keys;
}

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use provider_klikoo::{Config, Klikoo, KlikooBuilder, RsaSigner, TimestampPrecision};
use token_core::settings::{SettingFault, SettingsError};
use token_core::{Error, ErrorKind};

use support::canned::Canned;
use support::keys::{RSA, RSA_DER, pem};

const CLIENT_ID: &str = "3f9c8962-4c4b-4bb6-b3c1-8fc883519c02";

/// All that is needed but the key.
fn without_key() -> KlikooBuilder {
    Klikoo::builder()
        .base_url("https://service.example/klikoo-b2b")
        .client_id(CLIENT_ID)
        .client_secret("secret-test-only")
        .transport(Arc::new(Canned::default()))
}

fn good() -> KlikooBuilder {
    without_key().private_key(RSA.as_str())
}

/// What an error must never show: anything named so, and the beginning of the modulus as the PEM has it.
fn assert_silent(error: &SettingsError) {
    let shown = format!("{error} {error:?} {:?}", Error::from(error.clone()));
    let key = BASE64_STANDARD.encode(RSA_DER.get(39..57).unwrap());
    assert!(RSA.replace('\n', "").contains(&key));
    for secret in ["canary", &key] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn assert_refused(what: &str, builder: KlikooBuilder, setting: &str, found: &str) {
    assert!(!format!("{builder:?}").contains("canary"), "{what}");
    let error = builder.build().map(|_| ()).unwrap_err();
    assert_silent(&error);
    let faults: Vec<_> = error.faults().iter().map(|fault| (fault.setting(), fault.found())).collect();
    assert!(matches!(faults.as_slice(), [(name, words)] if *name == setting && words.contains(found)), "{what}: {error}");
    assert!(error.faults().iter().all(|fault| !fault.fix().is_empty()));
}

#[test]
fn bad_addresses_and_credentials_are_refused_by_name() {
    let cases = [
        ("base_url", "", "is missing"),
        ("base_url", "service.example/canary", "does not begin with"),
        ("base_url", "ftp://service.example/canary", "does not begin with"),
        ("base_url", "http://service.example/canary", ""),
        ("base_url", "https://user:canary@service.example", "user name or password"),
        ("base_url", "https://service.example?canary=1", "query"),
        ("base_url", "https://service.example/#canary", "fragment"),
        ("base_url", "https://service.example/canary//b", ""),
        ("base_url", "https://service.example/canary b", "character"),
        ("base_url", "https://service.example/canary/v1/open-api/access-token", "ends in"),
        ("base_url", "https://service.example/canary/v1/open-api/access-token/", "ends in"),
        ("client_id", "", "is empty"),
        ("client_id", " ", "is empty"),
        ("client_id", "3f9c8962-4c4b-4bb6-b3c1-8fc883519c02\n", "white space"),
        ("client_id", "3f9c89624c4b4bb6b3c18fc883519c02", "is not a UUID"),
        ("client_id", "{3f9c8962-4c4b-4bb6-b3c1-8fc883519c02}", "is not a UUID"),
        ("client_id", "3f9c8962-4c4b-4bb6-b3c1-8fc883519c0\u{e9}", "printable ASCII"),
        ("client_secret", "", "is empty"),
        ("client_secret", "\t", "is empty"),
        ("client_secret", "canary\n", "white space"),
        ("client_secret", " canary", "white space"),
        ("client_secret", "can\u{e1}ry canary", "printable ASCII"),
        ("client_secret", "canary\u{0}canary", "printable ASCII"),
    ];
    for (setting, value, found) in cases {
        let builder = match setting {
            "base_url" => good().base_url(value),
            "client_id" => good().client_id(value),
            _ => good().client_secret(value),
        };
        assert_refused(value, builder, setting, found);
    }
    assert_refused("too long", good().client_secret("canary".repeat(1_000)), "client_secret", "bytes long");
}

#[test]
fn bad_keys_are_refused_with_what_they_are() {
    let random = SystemRandom::new();
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let base64 = BASE64_STANDARD.encode(RSA_DER.as_slice());
    let body = "Y2FuYXJ5";
    let half = RSA_DER.get(..RSA_DER.len() / 2).unwrap();
    let block = |label: &str| pem(label, b"canary");
    let flipped: Vec<u8> = RSA_DER.iter().enumerate().map(|(index, byte)| byte ^ u8::from(index == 400)).collect();
    let cases = [
        ("nothing", String::new(), "is empty"),
        ("white space", " \n".to_owned(), "is empty"),
        ("a word", "canary!".to_owned(), "holds no PEM"),
        ("a path", "/run/secrets/canary.pem".to_owned(), "holds no PEM"),
        ("Base64 of a word", BASE64_STANDARD.encode("canary"), "Base64 of something that is not PEM"),
        ("Base64 of Base64", BASE64_STANDARD.encode(BASE64_STANDARD.encode(RSA.as_str())), "Base64 of something that is not PEM"),
        ("the inside of a PEM", base64.clone(), "without BEGIN and END"),
        ("Base64 of a public key's PEM", BASE64_STANDARD.encode(block("PUBLIC KEY")), "is a public key"),
        ("a public key", block("PUBLIC KEY"), "is a public key"),
        ("a public key in PKCS#1", block("RSA PUBLIC KEY"), "is a public key"),
        ("a certificate", block("CERTIFICATE"), "is a certificate"),
        ("a request for one", block("CERTIFICATE REQUEST"), "is a certificate or a request"),
        ("an encrypted key", block("ENCRYPTED PRIVATE KEY"), "is encrypted"),
        (
            "a key encrypted in the old way",
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{body}\n-----END RSA PRIVATE KEY-----"
            ),
            "is encrypted",
        ),
        ("an EC key", block("EC PRIVATE KEY"), "is an EC key"),
        ("an EC key in PKCS#8", pem("PRIVATE KEY", ec.as_ref()), "is an EC key"),
        ("an Ed25519 key in PKCS#8", pem("PRIVATE KEY", edwards.as_ref()), "is an Edwards-curve key"),
        ("an OpenSSH key", block("OPENSSH PRIVATE KEY"), "OpenSSH"),
        ("a DSA key", block("DSA PRIVATE KEY"), "is not an RSA key"),
        ("another PEM", block("DH PARAMETERS"), "not a private key"),
        ("two keys", format!("{}{}", *RSA, *RSA), "more than one private key"),
        ("a key twice in two forms", format!("{}{}", *RSA, block("RSA PRIVATE KEY")), "more than one private key"),
        ("no END line", format!("-----BEGIN PRIVATE KEY-----\n{base64}\n"), "without its END line"),
        ("another END line", RSA.replace("END PRIVATE", "END RSA PRIVATE"), "without its END line"),
        ("a BEGIN line alone", "-----BEGIN PRIVATE KEY-----".to_owned(), "without its END line"),
        ("half a BEGIN line", "-----BEGIN PRIV".to_owned(), "without its END line"),
        ("a key of nothing", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----".to_owned(), "cut off or damaged"),
        ("half a key", pem("PRIVATE KEY", half), "cut off or damaged"),
        ("half a key in PKCS#1", pem("RSA PRIVATE KEY", half.get(26..).unwrap()), "cut off or damaged"),
        ("a damaged key", pem("PRIVATE KEY", &flipped), "cut off or damaged"),
        ("PKCS#8 called PKCS#1", pem("RSA PRIVATE KEY", &RSA_DER), "cut off or damaged"),
        ("a word in place of a key", block("PRIVATE KEY"), "cut off or damaged"),
        ("a line of dots", RSA.replacen('\n', "\n....\n", 1), "not Base64"),
    ];
    for (what, key, found) in &cases {
        assert_refused(what, without_key().private_key(key.as_str()), "private_key", found);
        let error = RsaSigner::from_pem(key).map(|_| ()).unwrap_err();
        assert!(error.found().contains(found) && error.to_string().contains(error.fix()), "{what}: {error}");
    }
}

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("klikoo-{name}-{}-canary", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn bad_key_files_are_refused_with_what_they_are() {
    let folder = Folder::new("files");
    let good_file = folder.write("good.pem", RSA.as_bytes());
    without_key().private_key_file(&good_file).build().unwrap();
    let padded = folder.write("padded.pem", format!("{}{}", *RSA, "#".repeat(64 * 1024 - RSA.len())));
    without_key().private_key_file(padded).build().unwrap();

    let cases = [
        (PathBuf::new(), "is empty"),
        (PathBuf::from(RSA.as_str()), "holds a key where a path belongs"),
        (folder.0.join("not-there.pem"), "does not exist"),
        (good_file.join("below-a-file"), "does not exist"),
        (folder.0.clone(), "is a directory"),
        (folder.write("large.pem", format!("{}{}", *RSA, "#".repeat(64 * 1024 - RSA.len() + 1))), "more than 64 KiB"),
        (folder.write("key.der", RSA_DER.as_slice()), "is not text"),
        (folder.write("empty.pem", ""), "is empty"),
        (folder.write("public.pem", pem("PUBLIC KEY", b"canary")), "is a public key"),
        (folder.write("word.pem", "canary!"), "holds no PEM"),
    ];
    for (path, found) in cases {
        let found = found.replace("is a directory", "names a directory");
        assert_refused(&found, without_key().private_key_file(path), "private_key_file", &found);
    }
    #[cfg(unix)]
    assert_refused("a device", without_key().private_key_file("/dev/null"), "private_key_file", "not a plain file");
}

#[test]
fn the_key_is_given_once() {
    let signer = || Arc::new(RsaSigner::from_pem(&RSA).unwrap());
    let file = "/canary/key.pem";
    assert_refused("none", without_key(), "private_key", "is missing");
    assert_refused("text and file", good().private_key_file(file), "private_key", "beside `private_key_file`");
    assert_refused("text and signer", good().signer(signer()), "private_key", "beside `signer`");
    assert_refused(
        "file and signer",
        without_key().private_key_file(file).signer(signer()),
        "private_key_file",
        "beside `signer`",
    );
    assert_refused("all three", good().private_key_file(file).signer(signer()), "private_key", "beside `private_key_file`");
    without_key().signer(signer()).build().unwrap();
}

#[test]
fn all_faults_are_told_at_once() {
    let error = Klikoo::builder().transport(Arc::new(Canned::default())).build().map(|_| ()).unwrap_err();
    let names: Vec<_> = error.faults().iter().map(SettingFault::setting).collect();
    assert_eq!(names, ["base_url", "client_id", "client_secret", "private_key"]);
    assert_eq!(Error::from(error).kind(), ErrorKind::Configuration);
}

#[cfg(not(feature = "reqwest"))]
#[test]
fn without_a_transport_one_is_asked_for() {
    let error = Klikoo::builder().build().map(|_| ()).unwrap_err();
    assert_eq!(error.faults().last().map(SettingFault::setting), Some("transport"));
}

/// What the environment holds in a test.
static COMPLETE: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    HashMap::from([
        ("KLIKOO_BASE_URL", "https://service.example/klikoo-b2b".to_owned()),
        ("KLIKOO_CLIENT_ID", CLIENT_ID.to_owned()),
        ("KLIKOO_CLIENT_SECRET", "canary-secret".to_owned()),
        ("KLIKOO_PRIVATE_KEY", RSA.replace('\n', "\\n")),
    ])
});

fn from(changes: &[(&'static str, &str)]) -> Result<KlikooBuilder, SettingsError> {
    let mut environment = COMPLETE.clone();
    environment.extend(changes.iter().map(|&(name, value)| (name, value.to_owned())));
    Klikoo::from_lookup(|name| environment.get(name).map(OsString::from))
}

#[test]
fn the_environment_is_read_and_what_is_missing_or_wrong_is_named() {
    let transport = || Arc::new(Canned::default());
    from(&[]).unwrap().transport(transport()).build().unwrap();
    from(&[("KLIKOO_TIMESTAMP_PRECISION", "milliseconds")]).unwrap().transport(transport()).build().unwrap();
    from(&[("KLIKOO_TIMESTAMP_PRECISION", " ")]).unwrap().transport(transport()).build().unwrap();
    let folder = Folder::new("environment");
    let file = folder.write("key.pem", RSA.as_bytes());
    from(&[("KLIKOO_PRIVATE_KEY", ""), ("KLIKOO_PRIVATE_KEY_FILE", file.to_str().unwrap())])
        .unwrap()
        .transport(transport())
        .build()
        .unwrap();

    type Case<'a> = (&'a [(&'static str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (
            &[("KLIKOO_BASE_URL", ""), ("KLIKOO_CLIENT_ID", ""), ("KLIKOO_CLIENT_SECRET", " "), ("KLIKOO_PRIVATE_KEY", "")],
            &["KLIKOO_BASE_URL", "KLIKOO_CLIENT_ID", "KLIKOO_CLIENT_SECRET", "KLIKOO_PRIVATE_KEY"],
        ),
        (&[("KLIKOO_PRIVATE_KEY_FILE", "/canary")], &["KLIKOO_PRIVATE_KEY"]),
        (&[("KLIKOO_TIMESTAMP_PRECISION", "canary")], &["KLIKOO_TIMESTAMP_PRECISION"]),
        (
            &[("KLIKOO_TIMESTAMP_PRECISION", "Seconds"), ("KLIKOO_CLIENT_ID", "")],
            &["KLIKOO_CLIENT_ID", "KLIKOO_TIMESTAMP_PRECISION"],
        ),
    ];
    for (changes, wanted) in cases {
        let error = from(changes).map(|_| ()).unwrap_err();
        let names: Vec<_> = error.faults().iter().map(SettingFault::setting).collect();
        assert_eq!(&names, wanted);
        assert_silent(&error);
    }
    let error = Klikoo::from_lookup(|_| None).map(|_| ()).unwrap_err();
    assert_eq!(error.faults().len(), 4);
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_file_is_read_strictly_and_not_shown() {
    let json = serde_json::json!({
        "base_url": "https://canary:canary@service.example",
        "client_id": CLIENT_ID,
        "client_secret": "canary",
        "private_key": "canary",
        "private_key_file": "/canary",
        "timestamp_precision": "milliseconds",
    });
    let config: Config = serde_json::from_value(json).unwrap();
    assert_eq!(config.timestamp_precision, TimestampPrecision::Milliseconds);
    let shown = format!("{config:?} {:?}", Klikoo::from_config(config.clone()));
    assert!(shown.contains(CLIENT_ID) && !shown.contains("canary"), "{shown}");

    let empty: Config = serde_json::from_str("{}").unwrap();
    assert_eq!(empty.timestamp_precision, TimestampPrecision::Seconds);
    for bad in [r#"{"timestamp_precision":"Seconds"}"#, r#"{"timestamp_precision":"nanoseconds"}"#, r#"{"privat_key":"x"}"#] {
        assert!(serde_json::from_str::<Config>(bad).is_err(), "{bad}");
    }
}
