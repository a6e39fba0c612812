//! What the AEAD seal promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::HashSet;

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use token_core::{Seal, SealError};
use token_store::{AeadSeal, SealKey, SealKeyError};

const PLAIN: &[u8] = b"token-test-only";

fn key(id: u32, byte: u8) -> SealKey {
    SealKey::new(id, [byte; 32]).unwrap()
}

fn refusal(seal: &AeadSeal, context: &[u8], sealed: &[u8]) -> SealError {
    seal.open(context, sealed).expect_err("it opens")
}

#[test]
fn what_is_sealed_opens_under_its_own_context_alone() {
    let seal = AeadSeal::new(key(1, 1));
    for plain in [&b""[..], b"x", PLAIN, &[0; 70_000]] {
        let sealed = seal.seal(b"context", plain).unwrap();
        assert_eq!(*seal.open(b"context", &sealed).unwrap(), plain);
        assert_eq!(sealed.len(), plain.len() + 35);
        for other in [&b""[..], b"contex", b"contextx", b"Context"] {
            assert_eq!(refusal(&seal, other, &sealed), SealError::Forged);
        }
    }
}

#[test]
fn the_same_is_sealed_differently_each_time() {
    let seal = AeadSeal::new(key(1, 1));
    let sealed: HashSet<_> = (0..1_000).map(|_| seal.seal(b"", PLAIN).unwrap()).collect();
    assert_eq!(sealed.len(), 1_000);
    let nonces: HashSet<_> = sealed.iter().map(|sealed| sealed[7..19].to_vec()).collect();
    assert_eq!(nonces.len(), 1_000);
    assert!(sealed.iter().all(|sealed| !sealed.windows(4).any(|part| part == &PLAIN[..4])));
}

#[test]
fn whatever_was_altered_or_cut_is_refused() {
    // Both ids that a flipped bit makes of 5 and that are there are of other keys.
    let seal = AeadSeal::new(key(5, 1)).with_old_key(key(4, 2)).unwrap().with_old_key(key(7, 1)).unwrap();
    let sealed = seal.seal(b"context", PLAIN).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..3 => SealError::Malformed,
            // To the ids 4 and 7. The latter's key is the same, and the id is bound to what it sealed.
            6 if bit % 8 < 2 => SealError::Forged,
            3..7 => SealError::UnknownKey,
            _ => SealError::Forged,
        };
        assert_eq!(refusal(&seal, b"context", &altered), expected, "bit {bit}");
    }
    for length in 0..sealed.len() {
        let expected = if length < 35 { SealError::Malformed } else { SealError::Forged };
        assert_eq!(refusal(&seal, b"context", &sealed[..length]), expected, "{length} bytes");
    }
    assert_eq!(refusal(&seal, b"context", &[&sealed[..], b"x"].concat()), SealError::Forged);
    assert_eq!(refusal(&seal, b"context", PLAIN), SealError::Malformed);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_bytes_make_it_panic(context: Vec<u8>, sealed: Vec<u8>, behind_the_id in any::<bool>()) {
        let seal = AeadSeal::new(key(0x0101_0101, 1));
        let sealed = if behind_the_id { [b"TS\x01\x01\x01\x01\x01", &sealed[..]].concat() } else { sealed };
        prop_assert_eq!(seal.open(&context, &sealed).is_err(), true);
    }
}

#[test]
fn keys_rotate() {
    let first = AeadSeal::new(key(1, 1));
    let by_first = first.seal(b"context", PLAIN).unwrap();

    // Given to every process before anyone seals with it.
    let prepared = AeadSeal::new(key(1, 1)).with_old_key(key(2, 2)).unwrap();
    let second = AeadSeal::new(key(2, 2)).with_old_key(key(1, 1)).unwrap();
    let by_second = second.seal(b"context", PLAIN).unwrap();
    assert_eq!(refusal(&first, b"context", &by_second), SealError::UnknownKey);
    for seal in [&prepared, &second] {
        for sealed in [&by_first, &by_second] {
            assert_eq!(*seal.open(b"context", sealed).unwrap(), PLAIN);
        }
    }

    let without_first = AeadSeal::new(key(2, 2));
    assert_eq!(*without_first.open(b"context", &by_second).unwrap(), PLAIN);
    assert_eq!(refusal(&without_first, b"context", &by_first), SealError::UnknownKey);

    let another_under_the_id = AeadSeal::new(key(1, 3));
    assert_eq!(refusal(&another_under_the_id, b"context", &by_first), SealError::Forged);
}

#[test]
fn an_id_is_of_one_key() {
    assert_eq!(AeadSeal::new(key(1, 1)).with_old_key(key(1, 2)).unwrap_err(), SealKeyError::DuplicateId(1));
    let two = AeadSeal::new(key(1, 1)).with_old_key(key(2, 2)).unwrap();
    assert_eq!(two.with_old_key(key(2, 3)).unwrap_err(), SealKeyError::DuplicateId(2));
}

#[test]
fn a_generated_key_is_another_each_time() {
    let [one, two] = [1, 1].map(|id| AeadSeal::new(SealKey::generate(id).unwrap()));
    let sealed = one.seal(b"", PLAIN).unwrap();
    assert_eq!(*one.open(b"", &sealed).unwrap(), PLAIN);
    assert_eq!(refusal(&two, b"", &sealed), SealError::Forged);
}

#[test]
fn a_key_is_read_in_each_spelling() {
    // 32 bytes whose Base64 has the letters that the alphabets differ in.
    let bytes: [u8; 32] = std::array::from_fn(|index| 0xfb_u8.wrapping_add(u8::try_from(index).unwrap()));
    let sealed = AeadSeal::new(SealKey::new(1, bytes).unwrap()).seal(b"", PLAIN).unwrap();
    let hexadecimal = "fbfcfdfeff000102030405060708090a0b0c0d0e0f101112131415161718191a";
    let base64 = "+/z9/v8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=";
    let spellings = [
        hexadecimal.to_owned(),
        hexadecimal.to_uppercase(),
        base64.to_owned(),
        base64.trim_end_matches('=').to_owned(),
        base64.replace('+', "-").replace('/', "_"),
        base64.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned(),
        format!(" {base64}\r\n"),
    ];
    for text in spellings {
        let seal = AeadSeal::new(SealKey::from_text(1, &text).expect(&text));
        assert_eq!(*seal.open(b"", &sealed).expect(&text), PLAIN);
    }
}

#[test]
fn what_is_no_key_is_refused_without_showing_it() {
    let cases = [
        (String::new(), SealKeyError::Text),
        (" \n".to_owned(), SealKeyError::Text),
        ("secret-test-only!".to_owned(), SealKeyError::Text),
        ("c2VjcmV0LXRlc3Qtb25seQ==".to_owned(), SealKeyError::Length(16)),
        ("0".repeat(63), SealKeyError::Text),
        ("0".repeat(66), SealKeyError::Length(33)),
        (format!("g{}", "0".repeat(63)), SealKeyError::Length(48)),
        (format!("é{}", "0".repeat(62)), SealKeyError::Text),
        ("A".repeat(100_000), SealKeyError::Length(50_000)),
        ("z".repeat(100_000), SealKeyError::Length(75_000)),
    ];
    for (text, expected) in cases {
        let error = SealKey::from_text(1, &text).unwrap_err();
        assert_eq!(error, expected, "{text:.80}");
        let shown = format!("{error} {error:?}");
        assert!(text.trim().is_empty() || !shown.contains(text.trim()), "{shown}");
    }
}

#[test]
fn debug_shows_ids_alone() {
    let seal = AeadSeal::new(key(77, 0xab)).with_old_key(key(78, 0xcd)).unwrap();
    let shown = format!("{seal:?}");
    assert!(shown.contains("77") && shown.contains("78"), "{shown}");
    for secret in ["171", "205", "ab", "cd", "AB", "CD"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
