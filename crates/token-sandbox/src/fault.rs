//! What can go wrong with an answer, and how often: the vocabulary of the fault plan.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::as_seconds;

/// One way in which a network or a service fails; [`Faults`](crate::Faults) says for which route and how often.
///
/// Some take the service's place, which then has not acted on the request: [`Latency`](Self::Latency) while it lasts, [`Redirect`](Self::Redirect), [`ResetAtAccept`](Self::ResetAtAccept), [`ServerError`](Self::ServerError), [`TooManyRequests`](Self::TooManyRequests).
/// All others damage its answer, so that it has acted: a code is spent, a refresh token replaced.
/// Those that change the JSON of an answer leave one alone that is no JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The server shows another certificate than it should. Where there is no TLS it never happens.
    Certificate(CertificateFault),
    /// The answer is good, and the connection closes when the next request comes on it.
    CloseBeforeReuse,
    /// The answer stops somewhere.
    Cut {
        /// Where.
        at: Place,
        /// What follows.
        ending: Ending,
    },
    /// A chunked body ends in the middle of a chunk, and the connection closes.
    CutChunks,
    /// The `Date` header is off by so many seconds; positive is the future.
    Date {
        /// The seconds.
        off_by_seconds: i64,
    },
    /// The JSON has a field more, of arrays in arrays.
    DeepNesting {
        /// How many, one in the other; at most a million.
        levels: usize,
    },
    /// Every field of the JSON stands there twice.
    DoubledKeys,
    /// A gzip stream of zeros in the place of the answer. Its checksum is wrong, which a reader finds out at its end.
    GzipBomb {
        /// How many bytes it unpacks to, about; 1/158 of it is sent.
        unpacked_bytes: u64,
        /// Whether `Content-Encoding` says so. Nobody looks at what the client accepts.
        is_labelled: bool,
    },
    /// The JSON has a text more, with bytes that are no UTF-8.
    InvalidUtf8,
    /// A JSON object with a very long token in the place of the answer. It is made while it is sent.
    LargeBody {
        /// How long it is, about.
        bytes: u64,
        /// Whether its length is announced, or it comes in chunks.
        is_announced: bool,
    },
    /// The answer has a header more.
    LargeHeader {
        /// How long that is, about.
        bytes: u64,
    },
    /// The service waits, by the sandbox's clock, before it acts.
    Latency {
        /// How long at least.
        #[serde(with = "as_seconds")]
        delay: Duration,
        /// How much longer at most, by chance.
        #[serde(with = "as_seconds")]
        jitter: Duration,
    },
    /// `Content-Length` is wrong. When it is too long, the connection closes after the body; when it is too short, the rest lies in the way of the next answer.
    Length {
        /// How much too long; negative is too short.
        off_by: i64,
    },
    /// The access token is of this length.
    LongToken {
        /// In bytes; at most 16 MiB.
        bytes: usize,
    },
    /// Numbers in the JSON, and its expiry whatever its form, lie out of the range of any number type.
    NumbersOutOfRange,
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location`: an absolute URL, or a path on the same host.
        location: String,
    },
    /// The connection is reset as soon as it is made.
    ResetAtAccept,
    /// A status of 500 to 599, with a page that is not the service's own.
    ServerError {
        /// The status.
        status: u16,
        /// The form of the page.
        page: Page,
    },
    /// The access token holds a line break and what looks like a header.
    TokenWithLineBreak,
    /// 429, with a page that is not the service's own.
    TooManyRequests {
        /// The `Retry-After` header.
        retry_after: RetryAfter,
    },
    /// The answer comes byte by byte.
    Trickle {
        /// The pause after each byte, by the sandbox's clock.
        #[serde(with = "as_seconds")]
        pause: Duration,
    },
}

impl Fault {
    /// Whether it happens before there is a request.
    pub(crate) fn is_at_accept(&self) -> bool {
        matches!(self, Self::Certificate(_) | Self::ResetAtAccept)
    }

    /// What is wrong with the numbers in it, if anything.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::DeepNesting { levels } if *levels > MOST_LEVELS => Err("at most a million levels can be nested"),
            Self::LongToken { bytes } if *bytes > LONGEST_TOKEN => Err("a token of at most 16 MiB can be made"),
            Self::Redirect { status, .. } if ![301, 302, 303, 307, 308].contains(status) => {
                Err("a redirect has the status 301, 302, 303, 307 or 308")
            }
            Self::Redirect { location, .. } if http::HeaderValue::from_str(location).is_err() => {
                Err("the location holds a character that no header holds")
            }
            Self::ServerError { status, .. } if !(500..=599).contains(status) => Err("a server error has a status of 500 to 599"),
            _ => Ok(()),
        }
    }
}

pub(crate) const MOST_LEVELS: usize = 1_000_000;
pub(crate) const LONGEST_TOKEN: usize = 16 * 1024 * 1024;

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateFault {
    /// It was good until the end of 2020.
    Expired,
    /// It is good, but nobody vouches for it.
    SelfSigned,
    /// It is for another host.
    WrongHost,
}

/// Where an answer stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Place {
    /// In the middle of the body.
    Body,
    /// After so many bytes, those of the head included.
    Bytes(usize),
    /// In the middle of the head.
    Head,
}

/// What follows where an answer stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The connection closes.
    Close,
    /// The connection is reset.
    Reset,
    /// Nothing, while the connection stays open.
    Silence,
}

/// The form of a page that is not the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Page {
    /// HTML with a title.
    Html,
    /// A JSON object with a status and a message.
    Json,
    /// Plain text.
    Text,
}

/// A `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryAfter {
    /// None.
    Absent,
    /// The date so many seconds from now, by the sandbox's clock.
    Date(u32),
    /// So many seconds.
    Seconds(u32),
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum When {
    /// To the next so many requests. A fault at accept counts connections.
    Next(u64),
    /// To some requests, by chance.
    Share {
        /// Their share, from 0 to 1.
        share: f64,
        /// Where chance begins: the same seed picks the same requests.
        seed: u64,
    },
    /// To every request until it is cleared.
    #[default]
    UntilCleared,
}
