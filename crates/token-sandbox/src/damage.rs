//! What a fault makes of an answer: another answer, or a script for the bytes on the connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::count::Outcome;
use crate::fault::{Ending, Fault, LONGEST_TOKEN, MOST_LEVELS, Page, Place, RetryAfter};
use crate::state::Shared;

/// What goes over the connection in the place of what the HTTP library writes.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    /// `None`: the connection goes on.
    pub(crate) ending: Option<Ending>,
}

#[derive(Debug)]
pub(crate) enum Step {
    Bytes(Bytes),
    Pause(Duration),
    Repeat { block: Bytes, times: u64 },
}

/// The answer that `fault` gives in the service's place, if it is one of those.
pub(crate) fn in_place(fault: &Fault, shared: &Arc<Shared>) -> Option<Response> {
    let mut response = match fault {
        Fault::Redirect { status, location } => {
            let mut response = status_of(*status).into_response();
            if let Ok(location) = HeaderValue::from_str(location) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Fault::ServerError { status, page } => page_of(status_of(*status), *page),
        Fault::TooManyRequests { retry_after } => {
            let mut response = page_of(StatusCode::TOO_MANY_REQUESTS, Page::Text);
            let value = match retry_after {
                RetryAfter::Absent => None,
                RetryAfter::Date(seconds) => Some(shared.clock.now().after(Duration::from_secs(u64::from(*seconds))).http_date()),
                RetryAfter::Seconds(seconds) => Some(seconds.to_string()),
            };
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(RETRY_AFTER, value);
            }
            response
        }
        _ => return None,
    };
    response.extensions_mut().insert(Outcome("fault"));
    Some(response)
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn page_of(status: StatusCode, page: Page) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let number = status.as_u16();
    let (content_type, body) = match page {
        Page::Html => (
            "text/html",
            format!("<html><head><title>{number} {reason}</title></head><body><h1>{number} {reason}</h1></body></html>"),
        ),
        Page::Json => ("application/json", format!(r#"{{"status":{number},"message":"{reason}"}}"#)),
        Page::Text => ("text/plain", reason.to_owned()),
    };
    (status, [(CONTENT_TYPE, content_type)], body).into_response()
}

/// The JSON of an answer, after `fault`; `None` when the fault is of another kind.
pub(crate) fn changed_body(fault: &Fault, body: &[u8]) -> Option<Vec<u8>> {
    match fault {
        Fault::DeepNesting { levels } => {
            let levels = (*levels).min(MOST_LEVELS);
            Some(with_field(body, &[br#""deep":"#.as_slice(), &b"[".repeat(levels), &b"]".repeat(levels)].concat()))
        }
        Fault::DoubledKeys => Some(match inside(body) {
            Some(fields) => [b"{", fields, b",", fields, b"}"].concat(),
            None => body.to_vec(),
        }),
        Fault::InvalidUtf8 => Some(with_field(body, b"\"note\":\"\xff\xfe\"")),
        Fault::LongToken { bytes } => Some(with_token(body, &"a".repeat((*bytes).min(LONGEST_TOKEN)))),
        Fault::NumbersOutOfRange => Some(out_of_range(body)),
        Fault::TokenWithLineBreak => Some(with_token(body, "token\r\nX-Injected: yes")),
        _ => None,
    }
}

/// What stands between the braces of a JSON object that has fields.
fn inside(body: &[u8]) -> Option<&[u8]> {
    let fields = body.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?;
    (!fields.trim_ascii().is_empty()).then_some(fields)
}

fn with_field(body: &[u8], field: &[u8]) -> Vec<u8> {
    match inside(body) {
        Some(fields) => [b"{", field, b",", fields, b"}"].concat(),
        None => body.to_vec(),
    }
}

fn with_token(body: &[u8], token: &str) -> Vec<u8> {
    changed(body, &|name, value| {
        if matches!(name, "access_token" | "accessToken") && value.is_string() {
            *value = Value::from(token);
        }
    })
}

/// Stands for a number while the JSON is written, as no number type holds the real one.
const STAND_IN: &str = "a number out of range";

fn out_of_range(body: &[u8]) -> Vec<u8> {
    let changed = changed(body, &|name, value| {
        if value.is_number() {
            *value = Value::from(STAND_IN);
        } else if value.is_string() && name.to_ascii_lowercase().contains("expire") {
            *value = Value::from("9".repeat(40));
        }
    });
    match String::from_utf8(changed) {
        Ok(text) => text.replace(&format!("\"{STAND_IN}\""), "9e999").into_bytes(),
        Err(other) => other.into_bytes(),
    }
}

/// Changes the fields of a JSON object, at every depth.
fn changed(body: &[u8], change: &dyn Fn(&str, &mut Value)) -> Vec<u8> {
    fn walk(value: &mut Value, change: &dyn Fn(&str, &mut Value)) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    change(name, value);
                    walk(value, change);
                }
            }
            Value::Array(items) => {
                for item in items {
                    walk(item, change);
                }
            }
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    walk(&mut value, change);
    value.to_string().into_bytes()
}

/// The script of `fault` for an answer; `None` when the HTTP library can write it.
pub(crate) fn script(fault: &Fault, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Option<Script> {
    let mut headers = headers.clone();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let script = match fault {
        Fault::Cut { at, ending } => {
            let head = head(status, &headers);
            let until = match at {
                Place::Body => head.len() + body.len() / 2,
                Place::Bytes(bytes) => *bytes,
                Place::Head => head.len() / 2,
            };
            let mut bytes = [head.as_slice(), body].concat();
            bytes.truncate(until);
            Script { steps: [Step::Bytes(bytes.into())].into(), ending: Some(*ending) }
        }
        Fault::CutChunks => {
            let head = chunked_head(status, &mut headers);
            let (sent, _) = body.split_at_checked(body.len() / 2).unwrap_or_default();
            let size = format!("{:x}\r\n", body.len());
            let bytes = [head.as_slice(), size.as_bytes(), sent].concat();
            Script { steps: [Step::Bytes(bytes.into())].into(), ending: Some(Ending::Close) }
        }
        Fault::GzipBomb { unpacked_bytes, is_labelled } => gzip_bomb(status, headers, *unpacked_bytes, *is_labelled),
        Fault::LargeBody { bytes, is_announced } => large_body(status, headers, *bytes, *is_announced),
        Fault::LargeHeader { bytes } => {
            let mut head = head(status, &headers);
            // The empty line comes after the header that is more.
            head.truncate(head.len().saturating_sub(2));
            head.extend_from_slice(b"x-filler: ");
            let steps = [
                Step::Bytes(head.into()),
                Step::Repeat { block: filler(), times: bytes.div_ceil(FILLER) },
                Step::Bytes(Bytes::from_static(b"\r\n\r\n")),
                Step::Bytes(body.clone()),
            ];
            Script { steps: steps.into(), ending: None }
        }
        Fault::Length { off_by } => {
            let length = u64::try_from(body.len()).unwrap_or(u64::MAX).saturating_add_signed(*off_by);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            let bytes = [head(status, &headers).as_slice(), body].concat();
            Script { steps: [Step::Bytes(bytes.into())].into(), ending: (*off_by > 0).then_some(Ending::Close) }
        }
        Fault::Trickle { pause } => {
            let bytes = Bytes::from([head(status, &headers).as_slice(), body].concat());
            let steps = (0..bytes.len()).flat_map(|at| [Step::Bytes(bytes.slice(at..=at)), Step::Pause(*pause)]).collect();
            Script { steps, ending: None }
        }
        _ => return None,
    };
    Some(script)
}

fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default()).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn chunked_head(status: StatusCode, headers: &mut HeaderMap) -> Vec<u8> {
    headers.remove(CONTENT_LENGTH);
    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    head(status, headers)
}

const FILLER: u64 = 16 * 1024;

/// [`FILLER`] bytes.
fn filler() -> Bytes {
    static BYTES: [u8; 16 * 1024] = [b'a'; 16 * 1024];
    Bytes::from_static(&BYTES)
}

fn large_body(status: StatusCode, mut headers: HeaderMap, bytes: u64, is_announced: bool) -> Script {
    const BEGIN: &str = r#"{"access_token":""#;
    const END: &str = r#""}"#;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let times = bytes.div_ceil(FILLER);
    let steps: [Step; 3] = if is_announced {
        let length = times.saturating_mul(FILLER).saturating_add((BEGIN.len() + END.len()) as u64);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let begin = [head(status, &headers).as_slice(), BEGIN.as_bytes()].concat();
        [Step::Bytes(begin.into()), Step::Repeat { block: filler(), times }, Step::Bytes(Bytes::from_static(END.as_bytes()))]
    } else {
        let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        let begin = [chunked_head(status, &mut headers), chunk(BEGIN.as_bytes())].concat();
        let end = [chunk(END.as_bytes()).as_slice(), b"0\r\n\r\n"].concat();
        [Step::Bytes(begin.into()), Step::Repeat { block: chunk(&filler()).into(), times }, Step::Bytes(end.into())]
    };
    Script { steps: steps.into(), ending: None }
}

/// A gzip stream of one block with the fixed codes of RFC 1951, section 3.2.6: a zero, and then "the last byte, 258 times more" over and over.
///
/// Length 258 is the code 11000101 and distance 1 the code 00000: 13 bits, so eight of them are 13 bytes.
/// Before them stand 3 bits of the block and 8 of the zero (00110000), and after them the 7 zero bits that end a block.
fn gzip_bomb(status: StatusCode, mut headers: HeaderMap, unpacked_bytes: u64, is_labelled: bool) -> Script {
    let times = unpacked_bytes / (8 * 258);
    let pair = "1100010100000";
    // The last block, with fixed codes: 1, and 01 from its lowest bit on.
    let start = packed(&format!("110{}{}", "00110000", pair.get(..5).unwrap_or_default()));
    let rest = pair.get(5..).unwrap_or_default();
    let block = packed(&format!("{rest}{}{}", pair.repeat(7), pair.get(..5).unwrap_or_default()));
    let end = packed(&format!("{rest}0000000"));
    // RFC 1952: magic, deflate, no flags, no time, nothing about the packer or its system.
    let begin = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff".as_slice(), &start].concat();
    // A checksum of zeros, which is not it, and the length, lowest byte first.
    let length = 1 + 258 * (times * 8 + 1);
    let end = [end.as_slice(), &[0; 4], &((length & 0xffff_ffff) as u32).to_le_bytes()].concat();
    headers.insert(CONTENT_LENGTH, HeaderValue::from((begin.len() + end.len()) as u64 + times * block.len() as u64));
    if is_labelled {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let begin = [head(status, &headers), begin].concat();
    let steps = [Step::Bytes(begin.into()), Step::Repeat { block: block.into(), times }, Step::Bytes(end.into())];
    Script { steps: steps.into(), ending: None }
}

/// Bits in the order of the stream, eight a byte from its lowest bit on; the last byte is filled with zeros.
fn packed(bits: &str) -> Vec<u8> {
    let byte = |bits: &[u8]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | (u8::from(*bit == b'1') << at));
    bits.as_bytes().chunks(8).map(byte).collect()
}

/// Puts the body into the answer, and takes away the length that the old one had.
pub(crate) fn with_body(response: Response, body: impl Into<Body>) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, body.into())
}
