//! Keys: Klikoo's private key in each of its spellings, and the keys of a seal.

use std::fs;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use provider_klikoo::{RsaSigner, Signer as _};
use token_store::SealKey;

use crate::support::{keep, runtime, turn, watch};

/// A key in its spellings, none of which is ever freed.
struct Key {
    pkcs8: &'static str,
    pkcs1: &'static str,
    wrapped: &'static str,
    /// Of the texts' lines and of what they stand for, what is as good as the key.
    secrets: Vec<(&'static str, &'static [u8])>,
}

impl Key {
    fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pkcs8_der: &'static [u8] = Box::leak(Box::from(der.as_ref()));
        // The key of PKCS#1 is the last field of that of PKCS#8 (RFC 5958 section 2): 26 bytes stand before it in a key of this size.
        let pkcs1_der = &pkcs8_der[26..];
        let pkcs8 = keep(&pem("PRIVATE KEY", pkcs8_der));
        let pkcs1 = keep(&pem("RSA PRIVATE KEY", pkcs1_der));
        let wrapped = keep(&BASE64_STANDARD.encode(pkcs8));
        let line = |text: &'static str| text.lines().nth(12).unwrap().as_bytes();
        let secrets = vec![
            ("DER", &pkcs8_der[600..700]),
            ("a line of PKCS#8", line(pkcs8)),
            ("a line of PKCS#1", line(pkcs1)),
            ("Base64 of the PEM", &wrapped.as_bytes()[1_000..1_100]),
        ];
        Self { pkcs8, pkcs1, wrapped, secrets }
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[test]
fn private_keys_are_wiped_in_every_spelling() {
    let _turn = turn();
    let key = Key::generate();
    let escaped = keep(&key.pkcs8.replace('\n', "\\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    fs::write(&file, key.pkcs8).unwrap();
    for (what, text) in [("PKCS#8", key.pkcs8), ("PKCS#1", key.pkcs1), ("Base64 of PEM", key.wrapped), ("escaped", escaped)] {
        let ((), freed) = watch(|| {
            let signer = RsaSigner::from_pem(text).unwrap();
            assert_eq!(runtime().block_on(signer.sign(b"text")).unwrap().len(), 256);
            drop(format!("{signer:?}"));
        });
        freed.expect_none(what, key.secrets.clone());
    }
    let ((), freed) = watch(|| drop(RsaSigner::from_pem_file(&file).unwrap()));
    freed.expect_none("a file", key.secrets);
}

#[test]
fn private_keys_that_are_refused_are_wiped() {
    let _turn = turn();
    let key = Key::generate();
    let cut = keep(&key.pkcs8[..1_000]);
    let damaged = keep(&key.pkcs8.replacen('M', "*", 1));
    let torn = keep(&pem("PRIVATE KEY", &BASE64_STANDARD.decode(&key.wrapped[..2_000]).unwrap()));
    let short = keep(&key.pkcs8.replacen("\nMII", "\nMIA", 1));
    let labelled = keep(&key.pkcs8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    let twice = keep(&key.pkcs8.repeat(2));
    let bare = keep(&key.pkcs8.lines().filter(|line| !line.starts_with('-')).collect::<String>());
    let garbled = keep(&format!("{bare}*"));
    for text in [cut, damaged, torn, short, labelled, twice, bare, garbled] {
        let (refused, freed) = watch(|| RsaSigner::from_pem(text).err().map(|error| error.to_string()));
        freed.expect_none(&refused.expect("it is refused"), key.secrets.clone());
    }
}

#[test]
fn keys_of_a_seal_are_wiped() {
    let _turn = turn();
    const HEXADECIMAL: &str = "5f1c9a3e7b2d8460c7e5a19f3b6d2840719ce5a3f8b04d2697c1e5a8d3f60b4c";
    const BASE64: &str = "mQx2kLs9RtYb4Hn6Jd8vX3wZ5cVf7GuTe2Mx9RaBt5k=";
    let raw: Vec<&'static [u8]> = [HEXADECIMAL, BASE64]
        .into_iter()
        .map(|text| {
            let bytes = match text.len() {
                64 => (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect(),
                _ => BASE64_STANDARD.decode(text).unwrap(),
            };
            &*Box::leak(bytes.into_boxed_slice())
        })
        .collect();
    let array: [u8; 32] = raw[0].try_into().unwrap();
    let ((), freed) = watch(|| {
        drop((SealKey::from_text(1, HEXADECIMAL).unwrap(), SealKey::from_text(2, BASE64).unwrap()));
        drop(SealKey::new(3, array).unwrap());
        for bad in [&HEXADECIMAL[2..], &BASE64[4..], "5f1c9a3e7b2d8460c7e5a19f3b6d2840719ce5a3f8b04d2697c1e5a8d3f60bzz"] {
            assert!(SealKey::from_text(1, bad).is_err());
        }
        // The library keeps the key in the crypto library's memory, which is not Rust's. This is Rust's.
        drop(vec![0_u8; 64]);
    });
    let texts = [("in hexadecimal", HEXADECIMAL.as_bytes()), ("in Base64", BASE64.as_bytes())];
    freed.expect_none("a key of a seal", texts.into_iter().chain([("the first", raw[0]), ("the second", raw[1])]));
}
