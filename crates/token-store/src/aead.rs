//! A seal of AES-256-GCM, under keys with ids.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::{Zeroize as _, Zeroizing};

use token_core::{Seal, SealError, seal_context};

/// How everything sealed begins. The last byte is the format's number.
const MAGIC: [u8; 3] = *b"TS\x01";

/// Apart from everything else that may be sealed under the same key.
const LABEL: &[u8] = b"token-store aead 1";

/// In front of the ciphertext: magic, the key's id, nonce.
const HEADER: usize = MAGIC.len() + size_of::<u32>() + NONCE_LEN;

const TAG: usize = 16;

/// AES-256-GCM with a random nonce. One key seals; it and any number of old ones open.
///
/// What is sealed is 35 bytes longer than what went in: a mark of the format, the key's id, the nonce, the ciphertext and its tag.
/// The mark, the id and the context are bound to it.
///
/// # Rotation
///
/// Give every process the new key as an old one first, so that all of them can open what it seals. Then make it the current one, and the former an old one.
/// Take that out when nothing is left under it: a session is sealed anew with each refresh, and what was sealed under a key that is gone is [`SealError::UnknownKey`].
///
/// A nonce has 96 random bits, so one key is good for 2^32 messages ([NIST SP 800-38D](https://csrc.nist.gov/pubs/sp/800/38/d/final), section 8.3).
/// A hundred messages a second reach that in sixteen months: rotate once a year, or sooner if you seal more.
///
/// ```
/// use token_core::Seal;
/// use token_store::{AeadSeal, SealKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let old = AeadSeal::new(SealKey::new(1, [1; 32])?);
/// let sealed = old.seal(b"a context", b"token-test-only")?;
///
/// let new = AeadSeal::new(SealKey::generate(2)?).with_old_key(SealKey::new(1, [1; 32])?)?;
/// assert_eq!(*new.open(b"a context", &sealed)?, b"token-test-only");
/// # Ok(())
/// # }
/// ```
pub struct AeadSeal {
    current: SealKey,
    old: Vec<SealKey>,
}

impl AeadSeal {
    /// Seals and opens with `current`.
    #[must_use]
    pub fn new(current: SealKey) -> Self {
        Self { current, old: Vec::new() }
    }

    /// Opens with `key` too.
    ///
    /// # Errors
    ///
    /// [`SealKeyError::DuplicateId`]: another key has that id.
    pub fn with_old_key(mut self, key: SealKey) -> Result<Self, SealKeyError> {
        if self.key(key.id).is_some() {
            return Err(SealKeyError::DuplicateId(key.id));
        }
        self.old.push(key);
        Ok(self)
    }

    fn key(&self, id: u32) -> Option<&SealKey> {
        std::iter::once(&self.current).chain(&self.old).find(|key| key.id == id)
    }
}

impl Seal for AeadSeal {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let SealKey { id, key } = &self.current;
        // Room for all of it, because a buffer that grows leaves its old bytes behind.
        let mut sealed = Vec::with_capacity(HEADER + plain.len() + TAG);
        sealed.extend_from_slice(&MAGIC);
        sealed.extend_from_slice(&id.to_be_bytes());
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(plain);
        let result = sealed
            .get_mut(HEADER..)
            .and_then(|plain| key.seal_in_place_separate_tag(Aad::from(associated(*id, context)), plain).ok())
            .and_then(|(nonce, tag)| {
                sealed.get_mut(HEADER - NONCE_LEN..HEADER)?.copy_from_slice(nonce.as_ref());
                Some(tag)
            });
        let Some(tag) = result else {
            sealed.zeroize();
            return Err(SealError::Unavailable);
        };
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, nonce, ciphertext) = parts(sealed).ok_or(SealError::Malformed)?;
        let SealKey { key, .. } = self.key(id).ok_or(SealError::UnknownKey)?;
        let mut plain = Zeroizing::new(ciphertext.to_vec());
        let length = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(associated(id, context)), &mut plain)
            .map_err(|_| SealError::Forged)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

impl fmt::Debug for AeadSeal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AeadSeal").field("current", &self.current).field("old", &self.old).finish()
    }
}

/// The key's id, the nonce, and the ciphertext with its tag. `None`: too short, or of another format.
fn parts(sealed: &[u8]) -> Option<(u32, [u8; NONCE_LEN], &[u8])> {
    let (id, rest) = sealed.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let (nonce, ciphertext) = rest.split_first_chunk()?;
    (ciphertext.len() >= TAG).then_some((u32::from_be_bytes(*id), *nonce, ciphertext))
}

fn associated(id: u32, context: &[u8]) -> Vec<u8> {
    seal_context(&[LABEL, &id.to_be_bytes(), context])
}

/// A key of an [`AeadSeal`], with the id that what it seals is marked with. `Debug` shows the id alone.
///
/// The key's bytes are in the crypto library's memory, which wipes them when it gives that back, as are those read on the way. What the caller holds is the caller's to wipe.
pub struct SealKey {
    id: u32,
    key: RandomizedNonceKey,
}

impl SealKey {
    /// An id is given once: two keys with one id are two keys of which only one opens. It is no secret.
    ///
    /// # Errors
    ///
    /// [`SealKeyError::Unavailable`].
    pub fn new(id: u32, bytes: [u8; 32]) -> Result<Self, SealKeyError> {
        Self::from_bytes(id, &Zeroizing::new(bytes))
    }

    /// Reads 32 bytes, written in 64 hexadecimal digits or in Base64 of either alphabet, as `openssl rand -base64 32` gives them. White space around them is no part of it.
    ///
    /// # Errors
    ///
    /// [`SealKeyError::Text`] and [`SealKeyError::Length`], which show nothing of the text.
    pub fn from_text(id: u32, text: &str) -> Result<Self, SealKeyError> {
        let text = text.trim();
        // The Base64 of 32 random bytes has other letters too.
        let is_hexadecimal = !text.is_empty() && text.bytes().all(|character| character.is_ascii_hexdigit());
        let bytes = if is_hexadecimal { from_hexadecimal(text)? } else { from_base64(text)? };
        Self::from_bytes(id, &bytes)
    }

    /// A key that lasts as long as the value and is nowhere else: for tests, and for what need not be opened after a restart.
    ///
    /// # Errors
    ///
    /// [`SealKeyError::Unavailable`].
    pub fn generate(id: u32) -> Result<Self, SealKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut()).map_err(|_| SealKeyError::Unavailable)?;
        Self::from_bytes(id, &bytes)
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    fn from_bytes(id: u32, bytes: &Zeroizing<[u8; 32]>) -> Result<Self, SealKeyError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.as_ref()).map_err(|_| SealKeyError::Unavailable)?;
        Ok(Self { id, key })
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SealKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why something is no key. It holds nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealKeyError {
    /// Two keys have this id.
    #[error("two keys have the id {0}: give each key an id of its own")]
    DuplicateId(u32),
    /// The text is of so many bytes, not of 32.
    #[error("the key is of {0} bytes and not of 32: make one with `openssl rand -base64 32`")]
    Length(usize),
    /// The text is neither hexadecimal nor Base64.
    #[error("the key is neither 64 hexadecimal digits nor the Base64 of 32 bytes: make one with `openssl rand -base64 32`")]
    Text,
    /// The crypto library, or its source of random numbers, failed.
    #[error("the crypto library gives no key: its source of random numbers failed")]
    Unavailable,
}

fn from_hexadecimal(text: &str) -> Result<Zeroizing<[u8; 32]>, SealKeyError> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(SealKeyError::Text);
    };
    let mut bytes = Zeroizing::new([0; 32]);
    if pairs.len() != bytes.len() {
        return Err(SealKeyError::Length(pairs.len()));
    }
    let digit = |character: u8| char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or(SealKeyError::Text)?;
    }
    Ok(bytes)
}

fn from_base64(text: &str) -> Result<Zeroizing<[u8; 32]>, SealKeyError> {
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // The decoder writes into a buffer that never grows.
    let mut buffer = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = GeneralPurpose::new(&alphabet, padding).decode_slice(text, &mut buffer).map_err(|_| SealKeyError::Text)?;
    buffer.truncate(length);
    let mut bytes = Zeroizing::new([0; 32]);
    if buffer.len() != bytes.len() {
        return Err(if length == 0 { SealKeyError::Text } else { SealKeyError::Length(length) });
    }
    bytes.copy_from_slice(&buffer);
    Ok(bytes)
}
