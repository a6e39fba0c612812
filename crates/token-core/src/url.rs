//! Base URLs: what may stand in one, and how a path is joined to it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// A service's base URL: `https`, or `http` to this machine; a host, perhaps a port and a path; no user info, query or fragment.
///
/// ```
/// use token_core::BaseUrl;
///
/// let base = BaseUrl::parse("https://service.example/klikoo-b2b").unwrap();
/// let url = base.join("/v1/open-api/access-token").unwrap();
/// assert_eq!(url.to_string(), "https://service.example/klikoo-b2b/v1/open-api/access-token");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(Uri);

impl BaseUrl {
    /// Reads a base URL. A slash at its end makes no difference.
    ///
    /// # Errors
    ///
    /// See [`UrlFault`]; the text itself is in none of them, as it may hold a password.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        if text.contains('?') {
            return Err(UrlFault::Query);
        }
        let uri = parse_absolute(text)?;
        if uri.scheme() == Some(&Scheme::HTTP) && !is_loopback(&uri) {
            return Err(UrlFault::PlainHttp);
        }
        let path = uri.path().trim_end_matches('/');
        if path.split('/').skip(1).any(is_odd_segment) {
            return Err(UrlFault::PathSegment);
        }
        let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        replace_path(&uri, &path).map(Self)
    }

    /// The URL of `path` below this base. `path` begins with a slash and may end in a query; the base's own path stays in front.
    ///
    /// # Errors
    ///
    /// `path` does not begin with a slash, has an empty, `.` or `..` segment, or a character that no URL holds.
    pub fn join(&self, path: &str) -> Result<Uri, UrlFault> {
        check_characters(path)?;
        let only_path = path.split_once('?').map_or(path, |(only_path, _)| only_path);
        let segments = only_path.strip_prefix('/').ok_or(UrlFault::PathSegment)?;
        if segments.split('/').any(is_odd_segment) {
            return Err(UrlFault::PathSegment);
        }
        replace_path(&self.0, &format!("{}{path}", self.path()))
    }

    /// The base's own path without a slash at its end: `/klikoo-b2b`, or nothing.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Scheme, host and port, as `https://service.example:8443`.
    #[must_use]
    pub fn origin(&self) -> String {
        origin_of(&self.0)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin(), self.path())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BaseUrl({self})")
    }
}

/// Why a text is not the URL that was wanted. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlFault {
    /// A space, a backslash, a control or a non-ASCII character.
    #[error("has a character that a URL cannot hold")]
    Character,
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// Something after `#`.
    #[error("has a fragment (`#...`)")]
    Fragment,
    /// No host, or a number that is no IPv4 address as it is usually written.
    #[error("has no host that can be told")]
    Host,
    /// It does not parse.
    #[error("is not a URL")]
    Malformed,
    /// An empty, `.` or `..` path segment.
    #[error("has an empty, `.` or `..` path segment")]
    PathSegment,
    /// `http` to a host that is not this machine.
    #[error("is plain `http` to another machine, for which `https` is needed")]
    PlainHttp,
    /// Something after `?`.
    #[error("has a query (`?...`)")]
    Query,
    /// No scheme, or one other than `http` and `https`.
    #[error("does not begin with `https://`")]
    Scheme,
    /// A user name or password before the host.
    #[error("has a user name or password before the host")]
    UserInfo,
}

/// Reads an absolute `http` or `https` URL, which may have a query: a redirect URI, for example.
///
/// # Errors
///
/// See [`UrlFault`].
pub fn parse_absolute(text: &str) -> Result<Uri, UrlFault> {
    if text.trim().is_empty() {
        return Err(UrlFault::Empty);
    }
    check_characters(text)?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return Err(UrlFault::Scheme);
    }
    let uri: Uri = text.parse().map_err(|_| UrlFault::Malformed)?;
    let authority = uri.authority().ok_or(UrlFault::Host)?;
    if authority.as_str().contains('@') {
        return Err(UrlFault::UserInfo);
    }
    if authority.host().is_empty() || is_odd_number(authority.host()) {
        return Err(UrlFault::Host);
    }
    port_of(authority)?;
    Ok(uri)
}

/// The port of an authority without user info. One that is empty, over 65535 or signed (`+443`) parses as an authority but is no port.
pub(crate) fn port_of(authority: &Authority) -> Result<Option<u16>, UrlFault> {
    match authority.port() {
        None if authority.as_str() != authority.host() => Err(UrlFault::Malformed),
        Some(port) if !port.as_str().bytes().all(|byte| byte.is_ascii_digit()) => Err(UrlFault::Malformed),
        port => Ok(port.map(|port| port.as_u16())),
    }
}

/// Whether the host is this machine by its very spelling: 127.0.0.0/8, `[::1]` or `localhost`.
///
/// An address in a rarer spelling (`0x7f.1`, `2130706433`) is not taken for one; that errs on the safe side.
#[must_use]
pub fn is_loopback(url: &Uri) -> bool {
    let Some(host) = url.host() else { return false };
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// Scheme, host and port of an absolute URL.
pub(crate) fn origin_of(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let host = url.host().unwrap_or_default();
    match url.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Empty, or one that a URL parser takes for `.` or `..`, which `%2e` is too.
fn is_odd_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "" | "." | "..")
}

/// A host whose last part is a number is an IPv4 address to a URL parser, however short or odd: `1.2.3` is `1.2.0.3`.
fn is_odd_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_number = (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) || last.starts_with("0x");
    is_number && host.parse::<Ipv4Addr>().is_err()
}

fn check_characters(text: &str) -> Result<(), UrlFault> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}']) {
        return Err(UrlFault::Character);
    }
    // `http::Uri` drops a fragment in silence.
    if text.contains('#') {
        return Err(UrlFault::Fragment);
    }
    Ok(())
}

fn replace_path(url: &Uri, path_and_query: &str) -> Result<Uri, UrlFault> {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).map_err(|_| UrlFault::Character)?);
    Uri::from_parts(parts).map_err(|_| UrlFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_read_or_refused_with_the_reason() {
        let good = [
            ("https://service.example", "https://service.example"),
            ("https://service.example/", "https://service.example"),
            ("HTTPS://service.example:8443/klikoo-b2b/", "https://service.example:8443/klikoo-b2b"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.9.9.9/x", "http://127.9.9.9/x"),
            ("http://[::1]:8080/a/b", "http://[::1]:8080/a/b"),
            ("http://localhost:1", "http://localhost:1"),
        ];
        for (text, shown) in good {
            assert_eq!(BaseUrl::parse(text).map(|url| url.to_string()).as_deref(), Ok(shown), "{text}");
        }
        let bad = [
            ("", UrlFault::Empty),
            ("  ", UrlFault::Empty),
            ("service.example", UrlFault::Scheme),
            ("service.example:443", UrlFault::Scheme),
            ("//service.example", UrlFault::Scheme),
            ("ftp://service.example", UrlFault::Scheme),
            ("javascript://service.example", UrlFault::Scheme),
            ("https:/service.example", UrlFault::Scheme),
            ("https://", UrlFault::Malformed),
            ("https://:443", UrlFault::Host),
            ("https://service.example:", UrlFault::Malformed),
            ("https://service.example:99999", UrlFault::Malformed),
            ("https://service.example:+443", UrlFault::Malformed),
            ("https://service.example:port", UrlFault::Malformed),
            ("https://user@service.example", UrlFault::UserInfo),
            ("https://user:password@service.example", UrlFault::UserInfo),
            ("https://service.example?x=1", UrlFault::Query),
            ("https://service.example/#x", UrlFault::Fragment),
            ("https://service.example/a b", UrlFault::Character),
            ("https://service.example\\@evil.example", UrlFault::Character),
            ("https://s\u{e9}rvice.example", UrlFault::Character),
            ("https://service.example/\n", UrlFault::Character),
            ("https://service.example/a//b", UrlFault::PathSegment),
            ("https://service.example/../b", UrlFault::PathSegment),
            ("https://service.example/./b", UrlFault::PathSegment),
            ("https://service.example/a/%2e%2E/b", UrlFault::PathSegment),
            ("https://service.example/.%2e", UrlFault::PathSegment),
            ("https://1.2.3", UrlFault::Host),
            ("https://1.2.3.4.5", UrlFault::Host),
            ("https://service.0x7f", UrlFault::Host),
            ("https://2130706433", UrlFault::Host),
            ("http://service.example", UrlFault::PlainHttp),
            ("http://localhost.evil.example", UrlFault::PlainHttp),
            ("http://127.0.0.1.evil.example", UrlFault::PlainHttp),
            ("http://0.0.0.0", UrlFault::PlainHttp),
            ("http://[::ffff:10.0.0.1]", UrlFault::PlainHttp),
            ("http://0x7f.1", UrlFault::Host),
        ];
        for (text, fault) in bad {
            assert_eq!(BaseUrl::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_kept_and_segments_are_joined() {
        let cases = [
            ("https://service.example", "/oauth/token", "https://service.example/oauth/token"),
            ("https://service.example/api/", "/oauth/token?a=b%2Fc", "https://service.example/api/oauth/token?a=b%2Fc"),
        ];
        for (base, path, joined) in cases {
            let url = BaseUrl::parse(base).unwrap().join(path).unwrap();
            assert_eq!(url.to_string(), joined);
        }
        let base = BaseUrl::parse("https://service.example/api").unwrap();
        for path in ["", "oauth", "//evil.example", "/a/../b", "/a/%2e%2e/b", "/a/", "/./a"] {
            assert_eq!(base.join(path), Err(UrlFault::PathSegment), "{path}");
        }
        assert_eq!(base.join("/a b"), Err(UrlFault::Character));
        assert_eq!(base.join("/a#b"), Err(UrlFault::Fragment));
    }
}
