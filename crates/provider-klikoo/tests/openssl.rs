//! OpenSSL makes the keys and checks the signatures: two implementations that know nothing of each other agree.
//!
//! Without the program the tests say that they are skipped; where `CI` is set its absence is a failure.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod support {
    pub(crate) mod canned;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use provider_klikoo::{Klikoo, RsaSigner, TimestampPrecision};
use token_core::TokenProvider as _;
use token_testkit::ManualClock;

use support::canned::Canned;

const CLIENT_ID: &str = "3f9c8962-4c4b-4bb6-b3c1-8fc883519c02";
const RSA_2048: &str = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out";

/// A header of the last request.
fn header(transport: &Canned, name: &str) -> String {
    transport.requests().last().unwrap().headers()[name].to_str().unwrap().to_owned()
}

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    /// `None` if there is no OpenSSL to work with.
    fn new(name: &str) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "openssl is not there");
            eprintln!("skipped: openssl is not there");
            return None;
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("klikoo-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Some(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn succeeds(&self, arguments: &str) -> bool {
        Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output().unwrap().status.success()
    }

    fn run(&self, arguments: &str) {
        assert!(self.succeeds(arguments), "openssl {arguments}");
    }

    /// PKCS#1, which OpenSSL 1 and LibreSSL write without being told.
    fn traditional(&self, options: &str) {
        assert!(self.succeeds(&format!("rsa -traditional {options}")) || self.succeeds(&format!("rsa {options}")));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn openssl_accepts_the_signature_whatever_form_the_key_has() {
    let Some(folder) = Folder::new("verify") else { return };
    folder.run(&format!("{RSA_2048} pkcs8.pem"));
    folder.traditional("-in pkcs8.pem -out pkcs1.pem");
    folder.run("pkey -in pkcs8.pem -pubout -out public.pem");
    let (pkcs8, pkcs1) = (folder.read("pkcs8.pem"), folder.read("pkcs1.pem"));
    assert!(pkcs8.contains("BEGIN PRIVATE KEY") && pkcs1.contains("BEGIN RSA PRIVATE KEY"));
    fs::write(folder.path("base64.txt"), BASE64_STANDARD.encode(&pkcs1)).unwrap();

    let transport = Arc::new(Canned::default());
    let builder = Klikoo::builder()
        .base_url("https://service.example/klikoo-b2b")
        .client_id(CLIENT_ID)
        .client_secret("secret-test-only")
        .transport(transport.clone())
        .clock(Arc::new(ManualClock::new()));
    let builders = [
        builder.clone().private_key(BASE64_STANDARD.encode(&pkcs8)),
        builder.clone().private_key(pkcs8).timestamp_precision(TimestampPrecision::Milliseconds),
        builder.clone().private_key(pkcs1),
        builder.clone().private_key_file(folder.path("pkcs8.pem")),
        builder.clone().private_key_file(folder.path("pkcs1.pem")),
        builder.private_key_file(folder.path("base64.txt")),
    ];
    for builder in builders {
        builder.build_uncached().unwrap().token().await.unwrap();
        let text = format!("{CLIENT_ID}|{}", header(&transport, "open-api-timestamp"));
        let signature = BASE64_STANDARD.decode(header(&transport, "open-api-signature")).unwrap();
        assert_eq!(signature.len(), 256);
        fs::write(folder.path("text"), &text).unwrap();
        fs::write(folder.path("signature"), signature).unwrap();
        let verify = "dgst -sha256 -verify public.pem -signature signature text";
        folder.run(verify);
        fs::write(folder.path("text"), format!("{text} ")).unwrap();
        assert!(!folder.succeeds(verify), "of another text");
    }
}

#[test]
fn keys_that_openssl_makes_for_something_else_are_named() {
    let Some(folder) = Folder::new("other") else { return };
    folder.run(&format!("{RSA_2048} rsa.pem"));
    folder.run("pkcs8 -topk8 -v2 aes-256-cbc -passout pass:canary -in rsa.pem -out encrypted.pem");
    folder.traditional("-aes128 -passout pass:canary -in rsa.pem -out encrypted-pkcs1.pem");
    folder.run("pkey -in rsa.pem -pubout -out public.pem");
    folder.run("req -new -x509 -key rsa.pem -subj /CN=canary -out certificate.pem");
    folder.run("req -new -key rsa.pem -subj /CN=canary -out request.pem");
    folder.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.pem");
    folder.traditional("-in short.pem -out short-pkcs1.pem");
    folder.run("ecparam -name prime256v1 -genkey -out ec.pem");
    folder.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec-pkcs8.pem");
    folder.run("pkey -in rsa.pem -outform DER -out rsa.der");
    let mut cases = vec![
        ("encrypted.pem", "is encrypted"),
        ("encrypted-pkcs1.pem", "is encrypted"),
        ("public.pem", "is a public key"),
        ("certificate.pem", "is a certificate"),
        ("request.pem", "is a certificate or a request"),
        ("short.pem", "less than 2048 bits"),
        ("short-pkcs1.pem", "less than 2048 bits"),
        ("ec.pem", "is an EC key"),
        ("ec-pkcs8.pem", "is an EC key"),
        ("rsa.der", "is not text"),
    ];
    // Not every build of OpenSSL or LibreSSL has these.
    if folder.succeeds("genpkey -algorithm ED25519 -out edwards.pem") {
        cases.push(("edwards.pem", "is an Edwards-curve key"));
    }
    if folder.succeeds("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.pem") {
        cases.push(("pss.pem", "for PSS alone"));
    }
    for (file, found) in cases {
        let error = RsaSigner::from_pem_file(folder.path(file)).map(|_| ()).unwrap_err();
        assert!(error.found().contains(found), "{file}: {error}");
    }
    assert!(RsaSigner::from_pem_file(folder.path("rsa.pem")).is_ok());
}
