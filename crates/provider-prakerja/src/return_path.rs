//! Where in the application a browser goes after its login.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// A path of the application's own origin, perhaps with a query: `/`, `/kelas/7?tab=jadwal`.
///
/// It comes from a request most often, and an address that a stranger chose is a way to lead users to another site.
/// So it is built from what is known to be harmless, rather than searched for what is not:
///
/// - It begins with one slash. No segment is empty, `.` or `..`, encoded or not; a slash at the end is fine.
/// - A segment has letters, digits, `-`, `.`, `_`, `~`, and the rest percent-encoded: `/%40nama`.
/// - A query has these and `!$&'()*+,;=:@/?`.
/// - What is percent-encoded is UTF-8 without control characters; in a segment there is no slash, backslash or second layer of encoding behind it.
/// - It is at most 1,024 bytes long, and has no fragment.
///
/// ```
/// use provider_prakerja::ReturnPath;
///
/// assert_eq!(ReturnPath::parse("/kelas/7?tab=jadwal").unwrap().as_str(), "/kelas/7?tab=jadwal");
/// assert!(ReturnPath::parse("//evil.example").is_err());
/// assert_eq!(ReturnPath::or_root("https://evil.example").as_str(), "/");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReturnPath(String);

/// So that a cookie has room for it.
const LONGEST: usize = 1_024;

impl ReturnPath {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// It is not one as described above; the error says in what.
    pub fn parse(text: &str) -> Result<Self, ReturnPathFault> {
        if text.len() > LONGEST {
            return Err(ReturnPathFault::TooLong);
        }
        let segments = text.strip_prefix('/').ok_or(ReturnPathFault::NoSlash)?;
        let (segments, query) = segments.split_once('?').map_or((segments, None), |(segments, query)| (segments, Some(query)));
        // What follows the last slash may be nothing.
        let in_front = segments.strip_suffix('/').unwrap_or(segments);
        if !segments.is_empty() {
            in_front.split('/').try_for_each(check_segment)?;
        }
        check_query(query.unwrap_or_default())?;
        Ok(Self(text.to_owned()))
    }

    /// Reads a path, and gives `/` for anything that is none.
    #[must_use]
    pub fn or_root(text: &str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    /// The path, as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_segment(segment: &str) -> Result<(), ReturnPathFault> {
    let decoded = decode(segment, is_unreserved)?;
    if matches!(decoded.as_str(), "" | "." | "..") {
        return Err(ReturnPathFault::Segment);
    }
    // Whoever decodes twice finds what the second layer hides.
    if decoded.contains(['/', '\\']) || escapes(&decoded).any(is_escape) {
        return Err(ReturnPathFault::Hidden);
    }
    Ok(())
}

fn check_query(query: &str) -> Result<(), ReturnPathFault> {
    decode(query, |byte| is_unreserved(byte) || b"!$&'()*+,;=:@/?".contains(&byte)).map(|_| ())
}

/// The text without its encoding, if it has no other characters than `is_plain` takes, and no control character behind the encoding.
fn decode(text: &str, is_plain: impl Fn(u8) -> bool) -> Result<String, ReturnPathFault> {
    if !text.bytes().all(|byte| byte == b'%' || is_plain(byte)) {
        return Err(ReturnPathFault::Character);
    }
    if !escapes(text).all(is_escape) {
        return Err(ReturnPathFault::Encoding);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| ReturnPathFault::Encoding)?;
    if decoded.chars().any(char::is_control) {
        return Err(ReturnPathFault::Hidden);
    }
    Ok(decoded.into_owned())
}

/// What follows each `%`.
fn escapes(text: &str) -> impl Iterator<Item = &str> {
    text.split('%').skip(1)
}

fn is_escape(after: &str) -> bool {
    after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The root: `/`.
impl Default for ReturnPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for ReturnPath {
    type Err = ReturnPathFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl AsRef<str> for ReturnPath {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ReturnPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ReturnPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ReturnPath({self})")
    }
}

/// Why a text is no path to return to. It never repeats the text, which a stranger may have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReturnPathFault {
    /// A character that has to be percent-encoded there.
    #[error("the return path has a character that has no place in it unless percent-encoded")]
    Character,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the return path is not percent-encoded as it should be")]
    Encoding,
    /// A slash, a backslash, a control character or a second layer behind the encoding.
    #[error("the return path has a slash, a backslash, a control character or a second encoding behind its encoding")]
    Hidden,
    /// It does not begin with a slash.
    #[error("the return path does not begin with a slash")]
    NoSlash,
    /// An empty, `.` or `..` segment; `//evil.example` has an empty one.
    #[error("the return path has an empty, `.` or `..` segment")]
    Segment,
    /// Over 1,024 bytes.
    #[error("the return path is longer than 1,024 bytes")]
    TooLong,
}
