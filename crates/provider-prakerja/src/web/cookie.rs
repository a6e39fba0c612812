//! The one cookie of a login: written, and found among the others of a request.

use http::{HeaderValue, Uri};

use token_core::{is_loopback, parse_absolute, secret_header};

/// The cookie, as the redirect URI allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginCookie {
    /// `__Host-` and `Secure`: set by this host alone, over `https` alone.
    Secure,
    /// Neither, for this machine without TLS.
    Loopback,
    /// None: over plain `http` from another machine, anyone on the way could read it.
    Impossible,
}

/// How many there are of a name in a request.
pub(super) enum Found<'c> {
    None,
    One(&'c [u8]),
    /// Which of them this program wrote cannot be told.
    Several,
}

impl LoginCookie {
    pub(super) fn of(redirect_uri: &str) -> Self {
        let is_plain = |uri: &Uri| uri.scheme_str() == Some("http");
        match parse_absolute(redirect_uri) {
            Ok(uri) if is_plain(&uri) && is_loopback(&uri) => Self::Loopback,
            Ok(uri) if is_plain(&uri) => Self::Impossible,
            _ => Self::Secure,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Secure => "__Host-prakerja-login",
            Self::Loopback | Self::Impossible => "prakerja-login",
        }
    }

    /// A `Set-Cookie`, if a header can hold the value. `SameSite=Lax`, as the browser comes back from another site, and by a link.
    pub(super) fn set(self, value: &str) -> Option<HeaderValue> {
        self.header(value, "600")
    }

    /// A `Set-Cookie` that takes it away.
    pub(super) fn clear(self) -> HeaderValue {
        let mut cleared = self.header("", "0").unwrap_or(HeaderValue::from_static(""));
        cleared.set_sensitive(false);
        cleared
    }

    fn header(self, value: &str, max_age: &str) -> Option<HeaderValue> {
        let secure = if self == Self::Secure { "Secure; " } else { "" };
        secret_header(&[self.name(), "=", value, "; ", secure, "HttpOnly; SameSite=Lax; Path=/; Max-Age=", max_age]).ok()
    }

    /// Finds it in the `Cookie` headers of a request. Nothing is copied, however much stands in them.
    pub(super) fn find<'c>(self, headers: impl IntoIterator<Item = &'c HeaderValue>) -> Found<'c> {
        let pairs = headers.into_iter().flat_map(|header| header.as_bytes().split(|&byte| byte == b';'));
        let mut values = pairs.filter_map(|pair| {
            let (name, value) = pair.split_at_checked(pair.iter().position(|&byte| byte == b'=')?)?;
            (trim(name) == self.name().as_bytes()).then(|| trim(value.get(1..).unwrap_or_default()))
        });
        match (values.next(), values.next()) {
            (None, _) => Found::None,
            (Some(value), None) => Found::One(value),
            (Some(_), Some(_)) => Found::Several,
        }
    }
}

/// Takes off what RFC 6265 calls white space, and no other: what looks like it in other alphabets is part of a name.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_as_strict_as_the_redirect_uri_allows() {
        let cases = [
            ("https://lp.example/callback", LoginCookie::Secure),
            ("https://127.0.0.1:8443/callback", LoginCookie::Secure),
            ("http://127.0.0.1:8080/callback", LoginCookie::Loopback),
            ("http://localhost/callback", LoginCookie::Loopback),
            ("HTTP://[::1]:8080/callback", LoginCookie::Loopback),
            ("http://lp.example/callback", LoginCookie::Impossible),
            ("http://localhost.evil.example/callback", LoginCookie::Impossible),
        ];
        for (uri, cookie) in cases {
            assert_eq!(LoginCookie::of(uri), cookie, "{uri}");
        }
    }

    #[test]
    fn only_the_exact_name_is_found() {
        let find = |headers: &[&'static str]| {
            let headers: Vec<_> = headers.iter().map(|text| HeaderValue::from_static(text)).collect();
            match LoginCookie::Secure.find(&headers) {
                Found::None => "none".to_owned(),
                Found::One(value) => String::from_utf8(value.to_vec()).unwrap(),
                Found::Several => "several".to_owned(),
            }
        };
        let cases: [(&[&str], &str); 14] = [
            (&[], "none"),
            (&[""], "none"),
            (&["a=b; __Host-prakerja-login"], "none"),
            (&["prakerja-login=x"], "none"),
            (&["__host-prakerja-login=x"], "none"),
            (&["__Host-prakerja-login2=x; x__Host-prakerja-login=x"], "none"),
            (&["a=__Host-prakerja-login=x"], "none"),
            (&["a=\"; __Host-prakerja-login=x"], "x"),
            (&["__Host-prakerja-login=x"], "x"),
            (&["a=b;\t __Host-prakerja-login = x=y ;c=d"], "x=y"),
            (&["__Host-prakerja-login="], ""),
            (&["a=b", "__Host-prakerja-login=x"], "x"),
            (&["__Host-prakerja-login=x; __Host-prakerja-login=x"], "several"),
            (&["__Host-prakerja-login=x", "__Host-prakerja-login=y"], "several"),
        ];
        for (headers, found) in cases {
            assert_eq!(find(headers), found, "{headers:?}");
        }
    }
}
