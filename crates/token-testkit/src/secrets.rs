//! Finds a secret in a text, in whatever spelling it got there.

use std::collections::{HashMap, HashSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 3986 calls unreserved stands for itself.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret this long counts as shown when a part of it is.
const LONG: usize = 24;

/// That part: its first or last characters.
const PART: usize = 16;

/// Looks for secrets in texts: as they are, percent-encoded once or twice, in Base64 at any offset, in hexadecimal, as a list of bytes, escaped as in Rust, JSON or HTML, or cut short; on one line or on several.
///
/// ```
/// use token_testkit::SecretFinder;
///
/// let finder = SecretFinder::new(["client-secret-test-only"]);
/// assert!(finder.find("Basic aWQ6Y2xpZW50LXNlY3JldC10ZXN0LW9ubHk=").is_some());
/// assert!(finder.find("client_secret is missing").is_none());
/// ```
#[derive(Clone, Default)]
pub struct SecretFinder {
    /// By their first four bytes, so that one pass over a text looks for all of them.
    needles: HashMap<[u8; 4], Vec<(String, Leak)>>,
    /// Those that have no four.
    short: Vec<(String, Leak)>,
    known: HashSet<String>,
}

/// A secret that was found in a text. It names the secret by its place in the list, not by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leak {
    number: usize,
    spelling: &'static str,
}

impl Leak {
    /// Which secret, counted from 0 in the order in which they were given.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// How it is written: `in Base64`.
    #[must_use]
    pub fn spelling(&self) -> &'static str {
        self.spelling
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "secret {}, {}", self.number, self.spelling)
    }
}

impl SecretFinder {
    /// Makes one for these secrets. An empty secret is never found.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut finder = Self::default();
        for (number, secret) in secrets.into_iter().enumerate() {
            finder.add(number, &secret.into());
        }
        finder
    }

    /// The first secret that is in `text`.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Leak> {
        // What is quoted once more is found without the quotation, and what is in groups or over several lines without what is between.
        let plain = text.contains('\\').then(|| unescaped(text));
        let packed: String = plain.as_deref().unwrap_or(text).split_whitespace().collect();
        let found = self.find_in(text).or_else(|| self.find_in(&packed));
        found.or_else(|| self.find_in(plain.as_deref()?))
    }

    fn find_in(&self, text: &str) -> Option<Leak> {
        let short = self.short.iter().find(|(needle, _)| text.contains(needle.as_str()));
        let mut rest = text.as_bytes();
        let long = std::iter::from_fn(|| {
            let here = rest;
            rest = rest.split_first()?.1;
            Some(here)
        });
        let mut long = long.filter_map(|here| {
            let needles = self.needles.get(here.first_chunk::<4>()?)?;
            needles.iter().find(|(needle, _)| here.starts_with(needle.as_bytes()))
        });
        short.or_else(|| long.next()).map(|(_, leak)| *leak)
    }

    /// How many spellings are looked for, of all secrets together.
    #[must_use]
    pub fn spellings(&self) -> usize {
        self.known.len()
    }

    fn add(&mut self, number: usize, secret: &str) {
        let mut note = |needle: String, spelling| {
            // A shorter needle is in many an innocent text.
            let counts = needle.len() >= 4 || needle == secret && !needle.is_empty();
            if !counts || !self.known.insert(needle.clone()) {
                return;
            }
            let leak = Leak { number, spelling };
            match needle.as_bytes().first_chunk() {
                Some(start) => self.needles.entry(*start).or_default().push((needle, leak)),
                None => self.short.push((needle, leak)),
            }
        };
        note(secret.to_owned(), "as it is");
        for set in [ENCODED, NON_ALPHANUMERIC] {
            let encoded = utf8_percent_encode(secret, set).to_string();
            note(encoded.replace('%', "%25"), "percent-encoded twice");
            note(encoded.replace("%20", "+"), "percent-encoded");
            note(lower_escapes(&encoded), "percent-encoded");
            note(encoded, "percent-encoded");
        }
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            for offset in 0..3 {
                note(base64_inside(&engine, secret, offset), "in Base64");
            }
        }
        let bytes = secret.as_bytes();
        let each = |write: fn(&u8) -> String, between: &str| bytes.iter().map(write).collect::<Vec<_>>().join(between);
        for between in ["", ":", "-"] {
            note(each(|byte| format!("{byte:02x}"), between), "in hexadecimal");
            note(each(|byte| format!("{byte:02X}"), between), "in hexadecimal");
        }
        // As `{:?}` and `{:#?}` write it, once the spaces are out, and with `x` in the braces.
        let lists: [fn(&u8) -> String; 5] = [
            u8::to_string,
            |byte| format!("{byte:x}"),
            |byte| format!("{byte:X}"),
            |byte| format!("{byte:#x}"),
            |byte| format!("{byte:#04x}"),
        ];
        for write in lists {
            note(each(write, ","), "as a list of bytes");
        }
        note(inside(&format!("{secret:?}")), "escaped");
        note(bytes.escape_ascii().to_string(), "escaped");
        note(inside(&format!("{secret:?}")).replace('/', "\\/"), "escaped as JSON");
        note(in_json(secret, |code| format!("\\u{code:04x}")), "escaped as JSON");
        note(in_json(secret, |code| format!("\\u{code:04X}")), "escaped as JSON");
        let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        note(html.replace('\'', "&#39;"), "escaped as HTML");
        let characters: Vec<_> = secret.chars().collect();
        if characters.len() >= LONG {
            note(characters.iter().take(PART).collect(), "cut short");
            note(characters.iter().skip(characters.len() - PART).collect(), "cut short");
        }
    }
}

impl fmt::Debug for SecretFinder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretFinder({} spellings)", self.known.len())
    }
}

/// Takes the escapes of quotation marks, backslashes and white space out, once.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n' | 'r' | 't') => plain.push(' '),
            Some(quoted @ ('\\' | '"' | '\'')) => plain.push(quoted),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

/// Without the quotation marks around it.
fn inside(quoted: &str) -> String {
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted).to_owned()
}

/// Everything but letters and digits as numbers of UTF-16, as the most careful writers of JSON do.
fn in_json(secret: &str, number: fn(u16) -> String) -> String {
    let mut units = [0; 2];
    let mut written = String::new();
    for character in secret.chars() {
        if character.is_ascii_alphanumeric() {
            written.push(character);
        } else {
            written.extend(character.encode_utf16(&mut units).iter().map(|unit| number(*unit)));
        }
    }
    written
}

/// `%2F` as `%2f`.
fn lower_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        text.push('%');
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
}

/// The Base64 characters that stand for `secret` alone when `offset` bytes, modulo 3, come before it.
fn base64_inside(engine: &base64::engine::GeneralPurpose, secret: &str, offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = engine.encode(&bytes);
    let first = (offset * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    encoded.get(first..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let secret = "s3cret/with+odd \"chars\"=";
        let finder = SecretFinder::new(["other-test-only", secret]);
        let basic = |prefix: &str| base64::engine::general_purpose::STANDARD.encode(format!("{prefix}{secret}:after"));
        for text in [
            format!("it was {secret}."),
            "x=s3cret%2Fwith%2Bodd%20%22chars%22%3D&y".to_owned(),
            "x=s3cret%2fwith%2bodd%20%22chars%22%3d&y".to_owned(),
            "x=s3cret%2Fwith%2Bodd+%22chars%22%3D&y".to_owned(),
            format!("{secret:?}"),
            format!("{:?}", secret.as_bytes()),
            format!("{:#?}", Some(secret.as_bytes())),
            format!("{:?}", format!("{:#?}", secret.as_bytes())),
            format!("{:?}", format!("{secret:?}")),
            format!("{:x?}", secret.as_bytes()),
            format!("{:#X?}", secret.as_bytes()).replace("0X", "0x").to_lowercase(),
            secret.as_bytes().escape_ascii().to_string(),
            "s3cret\\/with+odd \\\"chars\\\"=".to_owned(),
            "s3cret\\u002fwith\\u002bodd\\u0020\\u0022chars\\u0022\\u003d".to_owned(),
            "s3cret/with+odd &quot;chars&quot;=".to_owned(),
            "s3cret%252Fwith%252Bodd%2520%2522chars%2522%253D".to_owned(),
            secret.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"),
            secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
            basic(""),
            basic("a"),
            basic("ab"),
            basic("abc"),
            "s3cret/with+odd \"cha...".to_owned(),
            "...et/with+odd \"chars\"=".to_owned(),
        ] {
            let leak = finder.find(&text).unwrap_or_else(|| panic!("not found in {text}"));
            assert_eq!(leak.number(), 1, "{leak}");
        }
        assert_eq!(finder.find("s3cret and odd chars"), None);
        assert!(!format!("{finder:?}").contains("s3cret"));
    }

    #[test]
    fn nothing_is_found_of_nothing() {
        assert_eq!(SecretFinder::new([""]).find("any text"), None);
        assert_eq!(SecretFinder::new(Vec::<String>::new()).find("any text"), None);
    }
}
