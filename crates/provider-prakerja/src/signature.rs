//! The signature of the generate-URL call.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use http::{Method, Uri};
use zeroize::Zeroizing;

use token_core::BaseUrl;

/// HMAC-SHA1 in lower-case hexadecimal, with the sign key's text as its key (Prakerja, Generate Signature page).
///
/// SHA-1 is the service's choice; what is broken of it, finding two texts with one digest, does not reach HMAC.
pub(crate) fn sign(sign_key: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, sign_key.as_bytes());
    let tag = hmac::sign(&key, text.as_bytes());
    tag.as_ref().iter().fold(String::with_capacity(40), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What is signed, with nothing between the parts.
pub(crate) fn signed_text(client_code: &str, timestamp: &str, method: &Method, path: &str, body: &str) -> Zeroizing<String> {
    Zeroizing::new([client_code, timestamp, method.as_str(), path, body].concat())
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

    #[test]
    fn the_documented_example_is_signed_as_documented() {
        // The key and the code are the page's placeholders, not anyone's credentials.
        let path = "/api/v1/integration/payment/redeem-code/commit";
        let text = signed_text("myclient_code", "1516239022", &Method::POST, path, r#"{"redeem_code":"code"}"#);
        assert_eq!(
            text.as_str(),
            r#"myclient_code1516239022POST/api/v1/integration/payment/redeem-code/commit{"redeem_code":"code"}"#
        );
        assert_eq!(sign("my_sign_key", &text), "943c20a8e36b6243f576404b00fffdc86411ce1f");
    }

    #[test]
    fn a_get_signs_no_body_and_no_query() {
        let url = Uri::from_static("https://service.example/api/v1/oauth/authorize?state=x");
        let base = BaseUrl::parse("https://service.example").unwrap();
        let text = signed_text("myclient_code", "1516239022", &Method::GET, signed_path(&url, &base), "");
        assert_eq!(sign("my_sign_key", &text), "96edb72191ebf35e5a19920a866cb083ba9ed36d");
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
