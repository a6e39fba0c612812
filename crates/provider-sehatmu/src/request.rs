//! Settings → request. No I/O.

use form_urlencoded::Serializer;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use zeroize::Zeroizing;

use token_core::{Resend, TokenRequest};

use crate::config::Settings;

/// The token request.
///
/// `grant_type` goes into the body, where the server's library looks for it, and stands in the URL as well, where the Access Token page wants it.
pub(crate) fn token(settings: &Settings) -> TokenRequest {
    // Percent-encoding makes at most three bytes of one. Room for all of it, because a string that grows leaves its old bytes behind.
    let room = 128 + 3 * (settings.client_id.len() + settings.expose_client_secret().len());
    let body = Serializer::new(String::with_capacity(room))
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &settings.client_id)
        .append_pair("client_secret", settings.expose_client_secret())
        .finish();
    TokenRequest::new(Method::POST, settings.token_url.clone(), Resend::AfterRefusal)
        .with_header(ACCEPT, HeaderValue::from_static("application/json"))
        .with_body("application/x-www-form-urlencoded", Zeroizing::new(body.into_bytes()))
}

#[cfg(test)]
mod tests {
    use token_core::settings::SettingsCheck;

    use super::*;
    use crate::config::Config;

    #[test]
    fn grant_type_stands_in_the_body_and_in_the_query() {
        let config = Config {
            base_url: Some("https://service.example/api/".to_owned()),
            client_id: Some("id+1".to_owned()),
            client_secret: Some("s&cret=% test".into()),
        };
        let settings = config.check(&mut SettingsCheck::new("test")).unwrap();
        let request = token(&settings);
        assert_eq!(request.url(), "https://service.example/api/oauth/token?grant_type=client_credentials");
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(
            String::from_utf8_lossy(request.body()),
            "grant_type=client_credentials&client_id=id%2B1&client_secret=s%26cret%3D%25+test"
        );
        assert_eq!(request.resend(), Resend::AfterRefusal);
    }
}
