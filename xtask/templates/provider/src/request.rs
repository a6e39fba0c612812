//! Settings → request. No I/O.

use form_urlencoded::Serializer;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use zeroize::Zeroizing;

use token_core::{Resend, TokenRequest};

use crate::config::Settings;

/// The token request (RFC 6749 section 4.4.2), with the credentials in the body (section 2.3.1).
pub(crate) fn token(settings: &Settings) -> TokenRequest {
    let scope = settings.scope.as_deref().unwrap_or_default();
    // Percent-encoding makes at most three bytes of one. Room for all of it, because a string that grows leaves its old bytes behind.
    let room = 128 + 3 * (settings.client_id.len() + settings.expose_client_secret().len() + scope.len());
    let mut form = Serializer::new(String::with_capacity(room));
    form.append_pair("grant_type", "client_credentials");
    form.append_pair("client_id", &settings.client_id);
    form.append_pair("client_secret", settings.expose_client_secret());
    if !scope.is_empty() {
        form.append_pair("scope", scope);
    }
    TokenRequest::new(Method::POST, settings.token_url.clone(), Resend::AfterRefusal)
        .with_header(ACCEPT, HeaderValue::from_static("application/json"))
        .with_body("application/x-www-form-urlencoded", Zeroizing::new(form.finish().into_bytes()))
}

#[cfg(test)]
mod tests {
    use token_core::settings::SettingsCheck;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_form_has_the_grant_the_credentials_and_the_scope() {
        let mut config = Config {
            base_url: Some("https://service.example/api/".to_owned()),
            client_id: Some("id+1".to_owned()),
            client_secret: Some("s&cret=% test".into()),
            scope: None,
        };
        for (scope, rest) in [(None, ""), (Some("read write"), "&scope=read+write")] {
            config.scope = scope.map(str::to_owned);
            let settings = config.check(&mut SettingsCheck::new("test")).unwrap();
            let request = token(&settings);
            assert_eq!(request.url(), "https://service.example/api/oauth/token");
            assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
            assert_eq!(
                String::from_utf8_lossy(request.body()),
                format!("grant_type=client_credentials&client_id=id%2B1&client_secret=s%26cret%3D%25+test{rest}")
            );
            assert_eq!(request.resend(), Resend::AfterRefusal);
        }
    }
}
