//! Settings → request. No I/O.

use http::header::{ACCEPT, HeaderName};
use http::{HeaderValue, Method};
use serde::ser::{Serialize, SerializeMap, Serializer};
use zeroize::Zeroizing;

use token_core::{Error, ErrorKind, Remedy, Resend, TokenRequest, secret_header};

use crate::config::Settings;
use crate::signature::{Signed, not_sent};

pub(crate) const TIMESTAMP: HeaderName = HeaderName::from_static("open-api-timestamp");
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("open-api-signature");

/// The body (Klikoo, Access Token page).
struct Body<'a> {
    additional_info: Credentials<'a>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(2))?;
        fields.serialize_entry("grant_type", "client_credentials")?;
        fields.serialize_entry("additional_info", &self.additional_info)?;
        fields.end()
    }
}

struct Credentials<'a> {
    client_id: &'a str,
    client_secret: &'a str,
}

impl Serialize for Credentials<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("client_id", self.client_id), ("client_secret", self.client_secret)])
    }
}

/// The token request.
pub(crate) fn token(settings: &Settings, signed: &Signed) -> Result<TokenRequest, Error> {
    let unusable = || not_sent(ErrorKind::Internal, Remedy::FixConfiguration);
    let credentials = Credentials { client_id: &settings.client_id, client_secret: settings.expose_client_secret() };
    // Printable ASCII becomes at most twice as long in JSON. Room for all of it, because a buffer that grows leaves its old bytes behind.
    let room = 128 + 2 * (credentials.client_id.len() + credentials.client_secret.len());
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    let content = Body { additional_info: credentials };
    // Its error is dropped: the text of one of serde_json may quote a value.
    serde_json::to_writer(&mut *body, &content).map_err(|_| unusable())?;
    let timestamp = HeaderValue::from_str(&signed.timestamp).map_err(|_| unusable())?;
    let signature = secret_header(&[&signed.signature]).map_err(|_| unusable())?;
    Ok(TokenRequest::new(Method::POST, settings.token_url.clone(), Resend::AfterRefusal)
        .with_header(ACCEPT, HeaderValue::from_static("application/json"))
        .with_header(TIMESTAMP, timestamp)
        .with_header(SIGNATURE, signature)
        .with_body("application/json", body))
}

#[cfg(test)]
mod tests {
    use token_core::settings::SettingsCheck;

    use super::*;
    use crate::config::Config;

    #[test]
    fn headers_body_and_prefix_are_as_documented() {
        let secret = format!("canary\\{}", "\"".repeat(4_000));
        let config = Config {
            base_url: Some("https://service.example/klikoo-b2b/".to_owned()),
            client_id: Some("3F9c8962-4c4b-4bb6-b3c1-8fc883519c02".to_owned()),
            client_secret: Some(secret.clone().into()),
            ..Config::default()
        };
        let settings = config.check(&mut SettingsCheck::new("test")).unwrap();
        let signed = Signed { timestamp: "2022-03-21T10:11:40+07:00".to_owned(), signature: "canary+/=".to_owned() };
        let request = token(&settings, &signed).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.url(), "https://service.example/klikoo-b2b/v1/open-api/access-token");
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.headers()["open-api-timestamp"], "2022-03-21T10:11:40+07:00");
        assert_eq!(request.headers()["open-api-signature"], "canary+/=");
        assert!(request.headers()["open-api-signature"].is_sensitive());
        assert_eq!(request.resend(), Resend::AfterRefusal);
        let escaped = secret.replace('\\', "\\\\").replace('"', "\\\"");
        assert_eq!(
            String::from_utf8_lossy(request.body()),
            format!(
                r#"{{"grant_type":"client_credentials","additional_info":{{"client_id":"3F9c8962-4c4b-4bb6-b3c1-8fc883519c02","client_secret":"{escaped}"}}}}"#
            )
        );
        assert!(!format!("{request:?} {:?} {settings:?}", request.headers()).contains("canary"));
    }

    #[test]
    fn the_body_never_grows_out_of_its_room() {
        let config = Config {
            base_url: Some("https://service.example".to_owned()),
            client_id: Some("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02".to_owned()),
            client_secret: Some("\"".repeat(4_096).into()),
            ..Config::default()
        };
        let settings = config.check(&mut SettingsCheck::new("test")).unwrap();
        let signed = Signed { timestamp: "t".to_owned(), signature: "s".to_owned() };
        let body = token(&settings, &signed).unwrap().take_body();
        assert!(body.len() > 8_192);
        assert_eq!(body.capacity(), 128 + 2 * (36 + 4_096));
    }
}
