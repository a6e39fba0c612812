//! Where a request goes, as the stack that sends it has parsed its URL.

use std::fmt;
use std::net::Ipv6Addr;

use http::header::{self, HeaderName};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Uri};

use super::fault::AuthorizeFault;
use crate::url::{BaseUrl, port_of};

/// Scheme, host and port of a URL (RFC 6454 section 4). `Display` shows it as `https://service.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    is_https: bool,
    /// In lower case; an IPv6 address in its shortest form.
    host: String,
    port: u16,
    /// Host and port as a URL has them most often, so that most requests are told by one look.
    authority: String,
}

impl Origin {
    /// The origin of a base URL; its path is no part of it.
    #[must_use]
    pub fn of(base: &BaseUrl) -> Self {
        // A base URL has a scheme, a host and a port that can be read: `BaseUrl::parse` saw to it.
        let uri = base.uri();
        let is_https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let host = ipv6(host).map_or_else(|| host.to_ascii_lowercase(), |address| format!("[{address}]"));
        let port = uri.port_u16().unwrap_or(default_port(is_https));
        let authority = if port == default_port(is_https) { host.clone() } else { format!("{host}:{port}") };
        Self { is_https, host, port, authority }
    }

    fn is_of(&self, target: &Target<'_>) -> bool {
        self.is_https == target.is_https
            && match target.place {
                Place::Authority(authority) if authority.as_str() == self.authority => true,
                place => place.host_and_port(self.is_https).is_some_and(|(host, port)| port == self.port && self.is_host(host)),
            }
    }

    fn is_host(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host) || ipv6(host).is_some_and(|address| ipv6(&self.host) == Some(address))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_origin(formatter, self.is_https, &self.host, self.port)
    }
}

/// Where a request goes.
///
/// It is made of the URL as the HTTP client that sends it has parsed it, never of a text: two parsers read one text in two ways.
/// `Debug` shows the origin alone, as a path may hold a secret.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    is_https: bool,
    place: Place<'a>,
    path: &'a str,
    query: Option<&'a str>,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    /// Without user info.
    Authority(&'a Authority),
    Parts {
        host: &'a str,
        port: u16,
    },
}

impl<'a> Place<'a> {
    /// `None` if the port is no number.
    fn host_and_port(self, is_https: bool) -> Option<(&'a str, u16)> {
        match self {
            Self::Authority(authority) => {
                let port = port_of(authority).ok()?;
                Some((authority.host(), port.unwrap_or(default_port(is_https))))
            }
            Self::Parts { host, port } => Some((host, port)),
        }
    }
}

impl<'a> Target<'a> {
    /// Joins the parts of a parsed URL: the scheme, the host (IPv6 in brackets), the port (`None`: that of the scheme), and path and query as they are sent, percent-encoding and all.
    ///
    /// # Errors
    ///
    /// The scheme is none of `http` and `https`, or there is no host.
    #[inline]
    pub fn new(
        scheme: &str,
        host: &'a str,
        port: Option<u16>,
        path: &'a str,
        query: Option<&'a str>,
    ) -> Result<Self, AuthorizeFault> {
        let is_https = is_https(scheme)?;
        if host.is_empty() {
            return Err(AuthorizeFault::NoOrigin);
        }
        Ok(Self { is_https, place: Place::Parts { host, port: port.unwrap_or(default_port(is_https)) }, path, query })
    }

    /// Reads the URL of an [`http::Request`].
    ///
    /// # Errors
    ///
    /// It has a user name or password, or it is not absolute: then nobody can tell where the request goes.
    #[inline(always)]
    pub fn of_uri(uri: &'a Uri) -> Result<Self, AuthorizeFault> {
        let authority = uri.authority().ok_or(AuthorizeFault::NoOrigin)?;
        if authority.as_str().contains('@') {
            return Err(AuthorizeFault::UserInfo);
        }
        let is_https = match uri.scheme() {
            // Most often it is one of the two as they are known.
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            scheme => is_https(scheme.map(Scheme::as_str).unwrap_or_default())?,
        };
        Ok(Self { is_https, place: Place::Authority(authority), path: uri.path(), query: uri.query() })
    }

    /// The path as it is sent, without the query. Never empty: a URL without a path is sent with `/`.
    #[inline]
    #[must_use]
    pub fn path(&self) -> &'a str {
        if self.path.is_empty() { "/" } else { self.path }
    }

    /// The query as it is sent, without its question mark. For a service that signs it; none of the three does by its pages.
    #[inline]
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The path below that of `base`, as it is sent; `/` if nothing is left of it.
    ///
    /// # Errors
    ///
    /// The path is not below that of `base`, or has a `.` or `..` segment, which whoever stands between here and the service may resolve or not.
    pub fn path_below(&self, base: &str) -> Result<&'a str, AuthorizeFault> {
        let path = self.path();
        if path.split('/').any(is_dots) {
            return Err(AuthorizeFault::DotSegment);
        }
        let base = base.trim_end_matches('/');
        match path.strip_prefix(base) {
            Some("") => Ok("/"),
            Some(rest) if rest.starts_with('/') => Ok(rest),
            _ => Err(AuthorizeFault::OutsideBase),
        }
    }

    /// The fault of a request that goes to none of the origins that are allowed.
    pub(super) fn elsewhere(&self) -> AuthorizeFault {
        match self.place.host_and_port(self.is_https) {
            Some(_) => AuthorizeFault::OtherOrigin { origin: Shown(self).to_string() },
            None => AuthorizeFault::NoOrigin,
        }
    }

    pub(super) fn is_any_of(&self, origins: &[Origin]) -> bool {
        origins.iter().any(|origin| origin.is_of(self))
    }

    /// Whether the `Host` header, if there is one, says the same as the URL: a server goes by the header, whatever the connection was made to.
    pub(super) fn agrees_with_host_header(&self, headers: &HeaderMap) -> bool {
        if !has(headers, &header::HOST) {
            return true;
        }
        let mut values = headers.get_all(header::HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let authority = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
        let Some(authority) = authority.filter(|authority| !authority.as_str().contains('@')) else { return false };
        let said = Place::Authority(&authority).host_and_port(self.is_https);
        let meant = self.place.host_and_port(self.is_https);
        said.zip(meant).is_some_and(|(said, meant)| said.1 == meant.1 && said.0.eq_ignore_ascii_case(meant.0))
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Target({})", Shown(self))
    }
}

/// Its origin.
struct Shown<'a>(&'a Target<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.place.host_and_port(self.0.is_https) {
            Some((host, port)) => write_origin(formatter, self.0.is_https, host, port),
            None => formatter.write_str("a port that is none"),
        }
    }
}

fn write_origin(formatter: &mut fmt::Formatter<'_>, is_https: bool, host: &str, port: u16) -> fmt::Result {
    let scheme = if is_https { "https" } else { "http" };
    if port == default_port(is_https) {
        write!(formatter, "{scheme}://{host}")
    } else {
        write!(formatter, "{scheme}://{host}:{port}")
    }
}

/// Whether there is a header of this name. The names are compared one by one: to hash one takes as long as to compare ten.
#[inline]
pub(super) fn has(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.keys().any(|key| key == name)
}

#[inline]
fn is_https(scheme: &str) -> Result<bool, AuthorizeFault> {
    let is_https = scheme.eq_ignore_ascii_case("https");
    if is_https || scheme.eq_ignore_ascii_case("http") { Ok(is_https) } else { Err(AuthorizeFault::NoOrigin) }
}

const fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// `.` or `..`, however it is written.
fn is_dots(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while let Some(less) = rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E")) {
        (rest, dots) = (less, dots + 1);
    }
    rest.is_empty() && matches!(dots, 1 | 2)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(&BaseUrl::parse(text).unwrap())
    }

    fn goes_to(origin: &Origin, url: &str) -> bool {
        let uri: Uri = url.parse().unwrap();
        Target::of_uri(&uri).is_ok_and(|target| target.is_any_of(std::slice::from_ref(origin)))
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let service = origin("https://service.example/with/a/path");
        assert_eq!(service.to_string(), "https://service.example");
        for same in ["https://service.example", "https://service.example:443/x?y", "HTTPS://SERVICE.example/"] {
            assert!(goes_to(&service, same), "{same}");
        }
        for other in [
            "http://service.example/",
            "http://service.example:443/",
            "https://service.example:8443/",
            "https://service.example./",
            "https://service.example.evil.example/",
            "https://evil.example/service.example",
            "https://evilservice.example/",
            "https://a.service.example/",
            "https://service.example:/",
            "https://user@service.example/",
            "https://service.example@evil.example/",
            "/relative",
            "service.example:443",
        ] {
            assert!(!goes_to(&service, other), "{other}");
        }
        let here = origin("http://[::1]:8080");
        assert!(goes_to(&here, "http://[0:0:0:0:0:0:0:1]:8080/") && !goes_to(&here, "http://[::2]:8080/"));
        assert!(goes_to(&origin("http://[0:0::1]:80"), "http://[::1]/"));
    }

    #[test]
    fn the_base_is_taken_off_by_segment() {
        let below =
            |path: &'static str| Target::new("https", "service.example", None, path, None).unwrap().path_below("/klikoo-b2b");
        let outside = Err(AuthorizeFault::OutsideBase);
        let cases = [
            ("/klikoo-b2b/v1/balance", Ok("/v1/balance")),
            ("/klikoo-b2b", Ok("/")),
            ("/klikoo-b2b/", Ok("/")),
            ("/klikoo-b2b//v1", Ok("//v1")),
            ("/klikoo-b2b/a%2Fb", Ok("/a%2Fb")),
            ("/klikoo-b2b/a/", Ok("/a/")),
            ("/klikoo-b2b/...", Ok("/...")),
            ("/klikoo-b2b2/x", outside.clone()),
            ("/Klikoo-B2B/x", outside.clone()),
            ("/klikoo%2Db2b/x", outside.clone()),
            ("/v1/balance", outside.clone()),
            ("", outside),
            ("/klikoo-b2b/../v1", Err(AuthorizeFault::DotSegment)),
            ("/klikoo-b2b/./v1", Err(AuthorizeFault::DotSegment)),
            ("/klikoo-b2b/a/%2e%2E/v1", Err(AuthorizeFault::DotSegment)),
            ("/klikoo-b2b/.%2e", Err(AuthorizeFault::DotSegment)),
        ];
        for (path, expected) in cases {
            assert_eq!(below(path), expected, "{path}");
        }
        let bare = Target::new("https", "service.example", None, "", None).unwrap();
        assert_eq!((bare.path(), bare.path_below("")), ("/", Ok("/")));
    }

    #[test]
    fn a_host_header_must_say_what_the_url_says() {
        let target = Target::new("https", "service.example", None, "/", None).unwrap();
        let agrees = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::HOST, HeaderValue::from_str(value).unwrap());
            }
            target.agrees_with_host_header(&headers)
        };
        for good in [&[][..], &["service.example"], &["SERVICE.example:443"]] {
            assert!(agrees(good), "{good:?}");
        }
        for bad in [
            &["evil.example"][..],
            &["service.example:80"],
            &["service.example", "service.example"],
            &["x@service.example"],
            &[""],
            &["service.example:"],
        ] {
            assert!(!agrees(bad), "{bad:?}");
        }
    }
}
