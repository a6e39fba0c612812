//! The signature of the generate-URL call and of the integration APIs.

use std::fmt::{self, Write as _};
use std::time::UNIX_EPOCH;

use aws_lc_rs::hmac;
use http::{HeaderValue, Method, Uri};
use zeroize::Zeroizing;

use token_core::{BaseUrl, Moment};

/// The key of HMAC-SHA1: the sign key's text (Prakerja, Generate Signature page).
///
/// SHA-1 is the service's choice; what is broken of it, finding two texts with one digest, does not reach HMAC.
pub(crate) struct SignKey(hmac::Key);

impl SignKey {
    pub(crate) fn new(sign_key: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, sign_key.as_bytes()))
    }

    /// The signature in lower-case hexadecimal.
    pub(crate) fn sign(&self, signed: &Signed<'_>) -> Zeroizing<String> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in signed.parts() {
            context.update(part);
        }
        let tag = context.sign();
        tag.as_ref().iter().fold(Zeroizing::new(String::with_capacity(40)), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl fmt::Debug for SignKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignKey").finish_non_exhaustive()
    }
}

/// What is signed.
pub(crate) struct Signed<'a> {
    pub(crate) client_code: &'a HeaderValue,
    /// From [`timestamp`].
    pub(crate) timestamp: &'a HeaderValue,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// The value of `Authorization` as it is sent, in a request that has one. Its place is that in the service's public sample in Go.
    pub(crate) authorization: Option<&'a HeaderValue>,
    pub(crate) body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// In their order, with nothing between them.
    fn parts(&self) -> [&'a [u8]; 6] {
        [
            self.client_code.as_bytes(),
            self.timestamp.as_bytes(),
            self.method.as_str().as_bytes(),
            self.path.as_bytes(),
            self.authorization.map_or(&[], HeaderValue::as_bytes),
            self.body,
        ]
    }
}

/// Unix seconds (Generate URL page); `None` before 1970.
pub(crate) fn timestamp(at: &Moment) -> Option<HeaderValue> {
    at.wall().duration_since(UNIX_EPOCH).ok().map(|since_1970| HeaderValue::from(since_1970.as_secs()))
}

/// The path of `url` without its query and without the path that `base` has itself.
pub(crate) fn signed_path<'u>(url: &'u Uri, base: &BaseUrl) -> &'u str {
    let path = url.path();
    // Only whole segments are taken off: `/api` is no part of `/api2/x`.
    path.strip_prefix(base.path()).filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed as the page's example is. The key and the code are the page's placeholders, not anyone's credentials.
    fn sign(method: &Method, path: &str, authorization: Option<&HeaderValue>, body: &[u8]) -> String {
        let client_code = &HeaderValue::from_static("myclient_code");
        let timestamp = &HeaderValue::from(1_516_239_022_u64);
        SignKey::new("my_sign_key").sign(&Signed { client_code, timestamp, method, path, authorization, body }).to_string()
    }

    #[test]
    fn the_documented_example_is_signed_as_documented() {
        let path = "/api/v1/integration/payment/redeem-code/commit";
        let signature = sign(&Method::POST, path, None, br#"{"redeem_code":"code"}"#);
        assert_eq!(signature, "943c20a8e36b6243f576404b00fffdc86411ce1f");
    }

    #[test]
    fn a_get_signs_no_body_and_no_query() {
        let url = Uri::from_static("https://service.example/api/v1/oauth/authorize?state=x");
        let base = BaseUrl::parse("https://service.example").unwrap();
        let signature = sign(&Method::GET, signed_path(&url, &base), None, b"");
        assert_eq!(signature, "96edb72191ebf35e5a19920a866cb083ba9ed36d");
    }

    #[test]
    fn a_token_stands_between_path_and_body() {
        let authorization = HeaderValue::from_static("Bearer token-test-only");
        let with = sign(&Method::POST, "/api/v1/x", Some(&authorization), b"{}");
        assert_eq!(with, sign(&Method::POST, "/api/v1/xBearer token-test-only", None, b"{}"));
        assert_eq!(with, "92b5b448892edf6113e0bc99173f5068bb177d42");
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", SignKey::new("canary")), "SignKey { .. }");
    }

    #[test]
    fn the_base_urls_own_path_is_taken_off_by_segment() {
        let cases = [
            ("https://service.example", "https://service.example/api/v1/x?a=b", "/api/v1/x"),
            ("https://service.example/", "https://service.example/api/v1/x", "/api/v1/x"),
            ("https://service.example:8443/gate", "https://service.example:8443/gate/api/v1/x", "/api/v1/x"),
            ("https://service.example/gate/way/", "https://service.example/gate/way/api/v1/x", "/api/v1/x"),
            ("https://service.example/api", "https://service.example/api2/x", "/api2/x"),
            ("https://service.example/api", "https://service.example/api", "/api"),
        ];
        for (base, url, path) in cases {
            assert_eq!(signed_path(&Uri::from_static(url), &BaseUrl::parse(base).unwrap()), path, "{base}");
        }
    }
}
