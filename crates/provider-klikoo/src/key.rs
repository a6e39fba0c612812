//! Reads a private key: PEM, or the Base64 of one, from a text or a file. Whatever holds key material is wiped.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use aws_lc_rs::rsa::KeyPair;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Why a private key cannot be used. It holds fixed texts only, so nothing of the key and no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    found: &'static str,
    fix: &'static str,
}

impl KeyError {
    const fn new(found: &'static str, fix: &'static str) -> Self {
        Self { found, fix }
    }

    /// What is wrong with it, as `is encrypted`.
    #[must_use]
    pub fn found(&self) -> &'static str {
        self.found
    }

    /// What to do.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        self.fix
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the private key {}: {}", self.found, self.fix)
    }
}

impl std::error::Error for KeyError {}

const MAKE_ONE: &str =
    "make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048` and register its public half with Klikoo";
const GIVE_PRIVATE: &str = "give the private key whose public half is registered with Klikoo";
const DECRYPT: &str =
    "decrypt it with `openssl pkey -in <file> -out <new file>`, and keep it where only this program can read it";
const WHOLE_FILE: &str = "give the whole PEM file, from `-----BEGIN` to `-----END ...-----`";

const EMPTY: KeyError = KeyError::new("is empty", WHOLE_FILE);
const NO_PEM: KeyError = KeyError::new(
    "holds no PEM and is not the Base64 of one",
    "give the key itself, with its BEGIN and END lines; a path belongs into `private_key_file`",
);
const BARE_DER: KeyError = KeyError::new("is Base64 without BEGIN and END lines", WHOLE_FILE);
const OTHER_BASE64: KeyError = KeyError::new("is the Base64 of something that is not PEM", WHOLE_FILE);
const CUT_OFF: KeyError = KeyError::new("has a BEGIN line without its END line", WHOLE_FILE);
const NOT_BASE64: KeyError = KeyError::new("has characters between BEGIN and END that are not Base64", "copy the file again");
const DAMAGED: KeyError = KeyError::new("is cut off or damaged between BEGIN and END", "copy the file again");
const TWO_KEYS: KeyError = KeyError::new("holds more than one private key", "leave only the one for Klikoo");
const ENCRYPTED: KeyError = KeyError::new("is encrypted", DECRYPT);
const PUBLIC: KeyError = KeyError::new("is a public key", GIVE_PRIVATE);
const CERTIFICATE: KeyError = KeyError::new("is a certificate or a request for one", GIVE_PRIVATE);
const EC: KeyError = KeyError::new("is an EC key, and Klikoo wants RSA", MAKE_ONE);
const EDWARDS: KeyError = KeyError::new("is an Edwards-curve key (Ed25519 or its like), and Klikoo wants RSA", MAKE_ONE);
const PSS: KeyError = KeyError::new("is an RSA key for PSS alone, and Klikoo wants PKCS#1 v1.5", MAKE_ONE);
const OPENSSH: KeyError =
    KeyError::new("is in OpenSSH's format", "turn a copy of it into PEM with `ssh-keygen -p -m PKCS8 -f <file>`, if it is RSA");
const NOT_RSA: KeyError = KeyError::new("is not an RSA key", MAKE_ONE);
const OTHER_PEM: KeyError = KeyError::new("is PEM, but of something that is not a private key", GIVE_PRIVATE);
const TOO_SHORT: KeyError = KeyError::new("is an RSA key of less than 2048 bits", MAKE_ONE);
const TOO_LONG: KeyError = KeyError::new("is an RSA key of more than 8192 bits", MAKE_ONE);

const PATH_EMPTY: KeyError = KeyError::new("is empty", "give the path of a PEM file");
const PATH_IS_KEY: KeyError = KeyError::new("holds a key where a path belongs", "give the key as `private_key`");
const MISSING: KeyError = KeyError::new(
    "names a file that does not exist",
    "give the path of a PEM file; a relative one counts from the working directory",
);
const FORBIDDEN: KeyError = KeyError::new("names a file that this program may not read", "let the user that it runs as read it");
const UNREADABLE: KeyError = KeyError::new("names a file that could not be read", "give the path of a PEM file");
const DIRECTORY: KeyError = KeyError::new("names a directory", "give the path of a PEM file");
const NOT_A_FILE: KeyError = KeyError::new("names something that is not a plain file", "give the path of a PEM file");
const TOO_LARGE: KeyError = KeyError::new("names a file of more than 64 KiB, which is no key", "give the path of a PEM file");
const NOT_TEXT: KeyError = KeyError::new(
    "names a file that is not text",
    "turn DER into PEM with `openssl pkey -inform DER -in <file> -out <new file>`",
);

/// Far more than a key of 8192 bits takes with any comment around it.
const LARGEST_FILE: usize = 64 * 1024;

/// PEM, or the Base64 of PEM. Line ends may also be written as a backslash and an `n`, or be missing.
pub(crate) fn from_text(text: &str) -> Result<KeyPair, KeyError> {
    if text.trim().is_empty() {
        return Err(EMPTY);
    }
    if text.contains(BEGIN) {
        return from_pem(text);
    }
    let decoded = decode(&compact(text)).ok_or(NO_PEM)?;
    match std::str::from_utf8(&decoded) {
        Ok(pem) if pem.contains(BEGIN) => from_pem(pem),
        // How DER begins: a sequence with its length in two bytes.
        _ if decoded.starts_with(&[0x30, 0x82]) => Err(BARE_DER),
        _ => Err(OTHER_BASE64),
    }
}

/// As [`from_text`], of a file.
pub(crate) fn from_file(path: &Path) -> Result<KeyPair, KeyError> {
    let shown = path.to_string_lossy();
    if shown.trim().is_empty() {
        return Err(PATH_EMPTY);
    }
    if shown.contains(BEGIN) {
        return Err(PATH_IS_KEY);
    }
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => MISSING,
        ErrorKind::PermissionDenied => FORBIDDEN,
        _ => UNREADABLE,
    };
    // Looked at before it is opened: to open a pipe could wait for ever.
    let metadata = path.metadata().map_err(refused)?;
    if metadata.is_dir() {
        return Err(DIRECTORY);
    }
    if !metadata.is_file() {
        return Err(NOT_A_FILE);
    }
    // Room for all that is read, because a buffer that grows leaves its old bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_FILE + 2));
    let limit = u64::try_from(LARGEST_FILE + 1).unwrap_or(u64::MAX);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(refused)?;
    if bytes.len() > LARGEST_FILE {
        return Err(TOO_LARGE);
    }
    from_text(std::str::from_utf8(&bytes).map_err(|_| NOT_TEXT)?)
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block of a PEM file.
struct Block<'t> {
    label: &'t str,
    /// What stands between the lines; `None` if the END line is not there.
    body: Option<&'t str>,
}

/// The one private key in `text`. Certificates, public keys and comments beside it do not matter.
fn from_pem(text: &str) -> Result<KeyPair, KeyError> {
    let blocks = blocks(text);
    let mut private = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
    let block = match (private.next(), private.next()) {
        (Some(block), None) => block,
        (Some(_), Some(_)) => return Err(TWO_KEYS),
        (None, _) => return Err(blocks.first().map_or(OTHER_PEM, no_private_key)),
    };
    match block.label {
        "PRIVATE KEY" => from_pkcs8(&der(block)?),
        "RSA PRIVATE KEY" => KeyPair::from_der(&der(block)?).map_err(|rejected| fault(rejected.description_())),
        "ENCRYPTED PRIVATE KEY" => Err(ENCRYPTED),
        "EC PRIVATE KEY" => Err(EC),
        "OPENSSH PRIVATE KEY" => Err(OPENSSH),
        _ => Err(NOT_RSA),
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once(BEGIN) {
        let (label, after) = begun.split_once(DASHES).unwrap_or((begun, ""));
        let ended = after.split_once(END).and_then(|(body, tail)| {
            let tail = tail.strip_prefix(label)?.strip_prefix(DASHES)?;
            Some((body, tail))
        });
        rest = ended.map_or(after, |(_, tail)| tail);
        blocks.push(Block { label, body: ended.map(|(body, _)| body) });
    }
    blocks
}

fn no_private_key(block: &Block<'_>) -> KeyError {
    match block.label {
        label if label.ends_with("PUBLIC KEY") => PUBLIC,
        label if label.contains("CERTIFICATE") => CERTIFICATE,
        _ if block.body.is_none() => CUT_OFF,
        _ => OTHER_PEM,
    }
}

fn der(block: &Block<'_>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let body = block.body.ok_or(CUT_OFF)?;
    // The header of a key that OpenSSL encrypted in its old way.
    if body.contains("Proc-Type:") {
        return Err(ENCRYPTED);
    }
    decode(&compact(body)).ok_or(NOT_BASE64)
}

fn from_pkcs8(der: &[u8]) -> Result<KeyPair, KeyError> {
    KeyPair::from_pkcs8(der).map_err(|rejected| {
        // Version and algorithm come first (RFC 5958 section 2), well within this.
        let start = der.get(..40).unwrap_or(der);
        let names = |algorithm: &[u8]| start.windows(algorithm.len()).any(|window| window == algorithm);
        if names(&ID_EC_PUBLIC_KEY) {
            EC
        } else if names(&ID_EDWARDS) {
            EDWARDS
        } else if names(&ID_RSASSA_PSS) {
            PSS
        } else {
            fault(rejected.description_())
        }
    })
}

/// 1.2.840.10045.2.1 (RFC 5480)
const ID_EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.3.101.110 to 113 but for the last byte (RFC 8410)
const ID_EDWARDS: [u8; 4] = [0x06, 0x03, 0x2b, 0x65];
/// 1.2.840.113549.1.1.10 (RFC 8017)
const ID_RSASSA_PSS: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// What the crypto library's word for it means.
fn fault(rejected: &str) -> KeyError {
    match rejected {
        "TooSmall" => TOO_SHORT,
        "TooLarge" => TOO_LONG,
        "WrongAlgorithm" => NOT_RSA,
        _ => DAMAGED,
    }
}

/// `text` without white space and without line ends that are written as `\n` or `\r\n`.
fn compact(text: &str) -> Zeroizing<String> {
    let mut compact = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.split("\\n") {
        for part in line.strip_suffix("\\r").unwrap_or(line).split_ascii_whitespace() {
            compact.push_str(part);
        }
    }
    compact
}

fn decode(base64: &str) -> Option<Zeroizing<Vec<u8>>> {
    /// Tools differ on whether they write the `=` at the end.
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
    let mut bytes = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(base64.len())));
    LENIENT.decode_vec(base64, &mut bytes).ok()?;
    Some(bytes)
}
