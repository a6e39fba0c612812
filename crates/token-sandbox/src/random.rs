//! Invented ids and secrets, from the crypto library's random numbers.

use std::fmt::Write as _;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hmac, rand};

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// `N` random bytes in lower-case hexadecimal, so `2 * N` characters.
pub(crate) fn hex<const N: usize>() -> Result<String, Unspecified> {
    Ok(to_hex(&bytes::<N>()?))
}

/// A UUID of version 4.
pub(crate) fn uuid() -> Result<String, Unspecified> {
    let random = u128::from_be_bytes(bytes()?);
    // RFC 9562, section 5.4: the version in the seventh byte, the variant in the ninth.
    let bits = (random & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xffff,
        (bits >> 48) & 0xffff,
        bits & 0xffff_ffff_ffff
    ))
}

/// A key for signing the sandbox's own tokens.
pub(crate) fn token_key() -> Result<hmac::Key, Unspecified> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes::<32>()?))
}

/// Lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether `text` has the form of a UUID, whatever its version.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_states_version_and_variant() {
        for _ in 0..64 {
            let uuid = uuid().unwrap();
            assert!(is_uuid(&uuid), "{uuid}");
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }

    #[test]
    fn what_is_no_uuid_is_told_apart() {
        for text in [
            "",
            "x",
            "0b2f6f8e-9c3d-4b6e-8a51-3b7f1f0c2d4",
            "0b2f6f8e-9c3d-4b6e-8a51-3b7f1f0c2d4g",
            "0b2f6f8e09c3d-4b6e-8a51-3b7f1f0c2d4e",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }

    #[test]
    fn hexadecimal_is_lower_case_and_of_full_length() {
        assert_eq!(to_hex(&[0, 10, 255]), "000aff");
        assert_eq!(hex::<20>().unwrap().len(), 40);
    }
}
