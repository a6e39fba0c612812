//! One reading of the clock for header, signature and lifetime, whoever signs; every way to write a key.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod support {
    pub(crate) mod canned;
    pub(crate) mod keys;
}

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use provider_klikoo::{Klikoo, KlikooBuilder, RsaSigner, Signer, SignerError, TimestampPrecision};
use token_core::{Clock, ErrorKind, Moment, Remedy, SystemClock, TokenProvider as _};
use token_testkit::ManualClock;

use support::canned::Canned;
use support::keys::{self, RSA, RSA_DER};

const CLIENT_ID: &str = "3F9c8962-4c4b-4bb6-b3c1-8fc883519c02";

fn builder(transport: &Arc<Canned>) -> KlikooBuilder {
    Klikoo::builder()
        .base_url("https://service.example/klikoo-b2b")
        .client_id(CLIENT_ID)
        .client_secret("secret-test-only")
        .transport(transport.clone())
}

/// A header of the last request.
fn header(transport: &Canned, name: &str) -> String {
    transport.requests().last().unwrap().headers()[name].to_str().unwrap().to_owned()
}

/// Goes on by an hour at each reading, so that a second reading cannot hide.
#[derive(Debug, Default)]
struct Hurried(Mutex<u32>);

#[async_trait]
impl Clock for Hurried {
    fn now(&self) -> Moment {
        let mut hours = self.0.lock().unwrap();
        *hours += 1;
        let since = Duration::from_secs(1_795_392_000) + Duration::from_secs(3_600) * *hours;
        Moment::new(SystemTime::UNIX_EPOCH + since, since)
    }

    async fn sleep(&self, _duration: Duration) {}
}

/// Keeps what it was asked to sign.
#[derive(Default)]
struct Recording(Mutex<Vec<String>>);

#[async_trait]
impl Signer for Recording {
    async fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.lock().unwrap().push(String::from_utf8(text.to_vec()).unwrap());
        Ok(vec![7; 256])
    }
}

#[tokio::test]
async fn one_reading_of_the_clock_is_sent_signed_and_counted_from() {
    for (precision, first, second) in [
        (TimestampPrecision::Seconds, "2026-11-23T08:00:00+07:00", "2026-11-23T09:00:00+07:00"),
        (TimestampPrecision::Milliseconds, "2026-11-23T08:00:00.000+07:00", "2026-11-23T09:00:00.000+07:00"),
    ] {
        let (transport, signer) = (Arc::new(Canned::default()), Arc::new(Recording::default()));
        let klikoo = builder(&transport)
            .signer(signer.clone())
            .clock(Arc::new(Hurried::default()))
            .timestamp_precision(precision)
            .build_uncached()
            .unwrap();
        for timestamp in [first, second] {
            let token = klikoo.token().await.unwrap();
            assert_eq!(header(&transport, "open-api-timestamp"), timestamp);
            assert_eq!(signer.0.lock().unwrap().last(), Some(&format!("{CLIENT_ID}|{timestamp}")));
            let seconds = |text: &str| SystemTime::try_from(text.parse::<jiff::Timestamp>().unwrap()).unwrap();
            assert_eq!(token.requested_at().wall(), seconds(timestamp));
            assert_eq!(token.expires_at(), Some(seconds(timestamp) + Duration::from_secs(900)));
        }
        assert_eq!(header(&transport, "open-api-signature"), BASE64_STANDARD.encode([7; 256]));
    }
}

#[tokio::test]
async fn every_way_to_write_a_key_gives_the_same_signature() {
    // In PKCS#8 the PKCS#1 key comes last, after 26 bytes for a key of this size.
    let pkcs1 = keys::pem("RSA PRIVATE KEY", &RSA_DER[26..]);
    let other = keys::pem("CERTIFICATE", b"not looked at");
    let written = [
        RSA.clone(),
        pkcs1.clone(),
        RSA.replace('\n', "\r\n"),
        RSA.replace('\n', "\\n"),
        RSA.replace('\n', "\\r\\n"),
        RSA.replace('\n', " "),
        RSA.replace('\n', ""),
        format!("\"{}\"", RSA.trim()),
        format!("\u{feff}{}", *RSA),
        format!("\n  Bag Attributes: none\n{other}{}\n{}\n", *RSA, keys::pem("PUBLIC KEY", b"not looked at")),
        BASE64_STANDARD.encode(RSA.as_str()),
        BASE64_STANDARD.encode(RSA.as_str()).trim_end_matches('=').to_owned(),
        format!(" {}\n", BASE64_STANDARD.encode(pkcs1.replace('\n', "\r\n")).replace('A', "A\n")),
    ];
    let public_key = KeyPair::from_pkcs8(&RSA_DER).unwrap().public_key().as_ref().to_vec();
    for pem in written {
        let transport = Arc::new(Canned::default());
        let klikoo = builder(&transport).private_key(pem.clone()).clock(Arc::new(ManualClock::new())).build_uncached().unwrap();
        klikoo.token().await.unwrap();
        let signature = BASE64_STANDARD.decode(header(&transport, "open-api-signature")).unwrap();
        let text = format!("{CLIENT_ID}|2026-11-23T07:00:00+07:00");
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public_key).verify(text.as_bytes(), &signature).unwrap();
        let signer = RsaSigner::from_pem(&pem).unwrap();
        assert_eq!(signer.sign(text.as_bytes()).await.unwrap(), signature, "the padding has no chance in it");
        assert_eq!(format!("{signer:?}"), "RsaSigner { bits: 2048, .. }");
    }
}

/// Fails once, as a key service that is busy.
#[derive(Default)]
struct Busy {
    asked: Mutex<u32>,
}

#[async_trait]
impl Signer for Busy {
    async fn sign(&self, _text: &[u8]) -> Result<Vec<u8>, SignerError> {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        if *asked == 1 { Err(SignerError::transient("the key service is busy")) } else { Ok(vec![7; 256]) }
    }
}

#[tokio::test]
async fn a_signer_that_is_busy_is_asked_again_and_one_that_fails_is_not() {
    struct Gone;

    #[async_trait]
    impl Signer for Gone {
        async fn sign(&self, _text: &[u8]) -> Result<Vec<u8>, SignerError> {
            Err(SignerError::permanent("the key is not there"))
        }
    }

    let (transport, busy) = (Arc::new(Canned::default()), Arc::new(Busy::default()));
    let clock = || Arc::new(ManualClock::sleeping_moves_time());
    builder(&transport).signer(busy.clone()).clock(clock()).build().unwrap().token().await.unwrap();
    assert_eq!((*busy.asked.lock().unwrap(), transport.requests().len()), (2, 1));

    let error = builder(&transport).signer(Arc::new(Gone)).clock(clock()).build().unwrap().token().await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Configuration, Remedy::FixConfiguration));
    assert_eq!(error.find_source(), Some(&SignerError::permanent("the key is not there")));
    assert_eq!(transport.requests().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn a_clock_beyond_the_calendar_is_an_error() {
    let clock = ManualClock::new();
    clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000));
    let transport = Arc::new(Canned::default());
    let klikoo = builder(&transport).signer(Arc::new(Recording::default())).clock(Arc::new(clock)).build_uncached().unwrap();
    let error = klikoo.token().await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::ClockSkew, Remedy::CorrectClock));
    assert!(transport.requests().is_empty());
}

#[test]
fn it_is_built_without_a_runtime_and_can_be_shared() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let transport = Arc::new(Canned::default());
    let builder = builder(&transport).private_key(RSA.as_str()).clock(Arc::new(SystemClock));
    shared(&builder);
    shared(&builder.clone().build().unwrap());
    let klikoo = builder.build_uncached().unwrap();
    shared(&klikoo);
    assert!(!format!("{klikoo:?}").contains("secret-test-only"));
}
