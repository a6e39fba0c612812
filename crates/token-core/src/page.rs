//! An answer that is not the service's: what it looks like, so that a person knows whom to ask.

use std::fmt;

use http::header::{HeaderName, SERVER};
use zeroize::Zeroizing;

use crate::reply::{Reply, content_type, single_header};
use crate::text::untrusted;

/// What came in place of a documented answer: its content type, its length and whose page it looks like. It keeps no body.
#[derive(Clone, PartialEq, Eq)]
pub struct UnexpectedPage {
    content_type: Option<String>,
    length: usize,
    looks_like: PageOrigin,
    is_html: bool,
    title: Option<String>,
}

/// Whose page it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageOrigin {
    /// Amazon's load balancer or CloudFront.
    Amazon,
    /// Cloudflare.
    Cloudflare,
    /// Nothing came.
    Empty,
    /// F5's application firewall.
    F5,
    /// HTML of an unknown origin.
    Html,
    /// Imperva's firewall.
    Imperva,
    /// JSON, but of another shape than the service documents.
    Json,
    /// nginx.
    Nginx,
    /// Plain text or anything else.
    Other,
}

/// How much of a page is looked at.
const LOOK_AT: usize = 8_192;

impl UnexpectedPage {
    pub(crate) fn of(reply: &Reply<'_>) -> Self {
        let headers = reply.headers();
        let start = reply.body().get(..LOOK_AT).unwrap_or(reply.body());
        let text = lossy(start);
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let server = single_header(headers, &SERVER).unwrap_or_default().to_ascii_lowercase();
        let has = |name: &'static str| headers.contains_key(HeaderName::from_static(name));
        let content_type = content_type(headers).map(|text| untrusted(&reply.scrub(text), 64));
        let says_html = content_type.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("text/html"));
        let is_html = !start.is_empty() && (says_html || lower.trim_start().starts_with('<'));

        let looks_like = if has("cf-ray") || server == "cloudflare" {
            PageOrigin::Cloudflare
        } else if has("x-iinfo") || lower.contains("incapsula") {
            PageOrigin::Imperva
        } else if lower.contains("the requested url was rejected") || server.starts_with("bigip") {
            PageOrigin::F5
        } else if server.starts_with("awselb") || server == "cloudfront" || has("x-amz-cf-id") {
            PageOrigin::Amazon
        } else if start.is_empty() {
            PageOrigin::Empty
        } else if is_html && (lower.contains("<center>nginx") || server.starts_with("nginx")) {
            PageOrigin::Nginx
        } else if is_html {
            PageOrigin::Html
        } else if reply.json().is_ok() {
            PageOrigin::Json
        } else {
            PageOrigin::Other
        };
        let title = is_html.then(|| title(&text, &lower)).flatten().map(|title| untrusted(&reply.scrub(title), 200));
        Self { content_type, length: reply.body().len(), looks_like, is_html, title }
    }

    /// Whose page it looks like.
    #[must_use]
    pub fn looks_like(&self) -> PageOrigin {
        self.looks_like
    }

    /// The page's title: untrusted, without the request's secrets, at most 200 characters. Not part of `Display` or `Debug`.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    pub(crate) fn is_html(&self) -> bool {
        self.is_html
    }
}

/// As `String::from_utf8_lossy`, wiped: the page may hold anything.
fn lossy(bytes: &[u8]) -> Zeroizing<String> {
    // What is no text becomes a character of three bytes.
    let mut text = Zeroizing::new(String::with_capacity(3 * bytes.len()));
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// Lower-casing ASCII moves no byte, so places in one text hold in the other.
fn title<'t>(text: &'t str, lower: &str) -> Option<&'t str> {
    let start = lower.find("<title>")? + "<title>".len();
    let length = lower.get(start..)?.find("</title>")?;
    text.get(start..start + length).map(str::trim)
}

impl fmt::Display for UnexpectedPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.looks_like {
            PageOrigin::Amazon => "a page that looks like Amazon's load balancer or CloudFront",
            PageOrigin::Cloudflare => "a page that looks like Cloudflare's",
            PageOrigin::Empty => "an empty body",
            PageOrigin::F5 => "a page that looks like an F5 firewall's",
            PageOrigin::Html => "an HTML page",
            PageOrigin::Imperva => "a page that looks like an Imperva firewall's",
            PageOrigin::Json => "JSON of another shape",
            PageOrigin::Nginx => "a page that looks like nginx's",
            PageOrigin::Other => "something that is not JSON",
        };
        let content_type = self.content_type.as_deref().unwrap_or("no content type");
        write!(formatter, "got {what} ({content_type}, {} bytes)", self.length)
    }
}

impl fmt::Debug for UnexpectedPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UnexpectedPage({self})")
    }
}

impl std::error::Error for UnexpectedPage {}
