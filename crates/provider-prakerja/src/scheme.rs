//! What a request to the service's APIs carries, and which answers refuse its token.

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};

use token_core::{ApiAnswer, ApiRequest, AuthScheme, AuthorizeFault, ErrorKind, OneReading, Token};

use crate::PROVIDER;
use crate::config::{AuthorizationStyle, Settings};
use crate::error::documented_kind;
use crate::request::{CLIENT_ID, authorization, header};
use crate::signature::{SignKey, Signed, timestamp};

const CLIENT_CODE: HeaderName = HeaderName::from_static("client_code");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("timestamp");

static USER_HEADERS: [HeaderName; 2] = [AUTHORIZATION, CLIENT_ID];

/// `Authorization` also where no token goes along: one that the caller adds would be none of what is signed.
static SIGNED_HEADERS: [HeaderName; 4] = [AUTHORIZATION, CLIENT_CODE, SIGNATURE, TIMESTAMP];

/// Requests with a user's token: `X-Client-Id`, and `Authorization` with or without `Bearer` (Prakerja, Get Profile page). [`Prakerja::authorizer`](crate::Prakerja::authorizer) uses it.
///
/// The service says by `code` in the body that it refuses a token, and the status is always 400.
/// So that is noticed only where [`read_codes(true)`](token_core::AuthorizerBuilder::read_codes) asked for it.
#[derive(Clone, Debug)]
pub struct PrakerjaScheme {
    client_id: HeaderValue,
    style: AuthorizationStyle,
}

impl PrakerjaScheme {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { client_id: settings.client_id_header.clone(), style: settings.authorization_style }
    }
}

impl AuthScheme for PrakerjaScheme {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn headers(&self) -> &[HeaderName] {
        &USER_HEADERS
    }

    fn apply(
        &self,
        _request: &ApiRequest<'_>,
        token: Option<&Token>,
        _now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        headers.insert(CLIENT_ID, self.client_id.clone());
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, authorization(self.style, token)?);
        }
        Ok(())
    }

    fn has_codes_in_body(&self) -> bool {
        true
    }

    fn error_kind(&self, answer: &ApiAnswer<'_>) -> Option<ErrorKind> {
        documented_kind(answer.body)
    }
}

/// Requests to the integration APIs: `client_code`, `timestamp` and `signature`, over method, path, token and body (Prakerja, Generate Signature page).
/// [`Prakerja::integration_authorizer`](crate::Prakerja::integration_authorizer) uses it.
///
/// With a token there is `Authorization` too, with or without `Bearer`, and its value is signed as it is sent.
/// The signed path is the one below the base URL's own, without the query: whether a query belongs to it is not documented.
#[derive(Debug)]
pub struct PrakerjaSignedScheme {
    key: SignKey,
    client_code: HeaderValue,
    /// The path of the base URL.
    base_path: String,
    style: AuthorizationStyle,
}

impl PrakerjaSignedScheme {
    pub(crate) fn new(settings: &Settings, key: SignKey) -> Self {
        Self {
            key,
            client_code: settings.client_code.clone(),
            base_path: settings.integration_url.path().to_owned(),
            style: settings.authorization_style,
        }
    }
}

impl AuthScheme for PrakerjaSignedScheme {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn headers(&self) -> &[HeaderName] {
        &SIGNED_HEADERS
    }

    fn covers_body(&self) -> bool {
        true
    }

    fn apply(
        &self,
        request: &ApiRequest<'_>,
        token: Option<&Token>,
        now: &OneReading<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthorizeFault> {
        let timestamp = timestamp(&now.moment()).ok_or(AuthorizeFault::Clock)?;
        let authorization = token.map(|token| authorization(self.style, token)).transpose()?;
        let signature = self.key.sign(&Signed {
            client_code: &self.client_code,
            timestamp: &timestamp,
            method: request.method,
            path: request.target.path_below(&self.base_path)?,
            authorization: authorization.as_ref(),
            body: request.body.bytes()?,
        });
        headers.insert(SIGNATURE, header(SIGNATURE, &signature)?);
        headers.insert(CLIENT_CODE, self.client_code.clone());
        headers.insert(TIMESTAMP, timestamp);
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(())
    }

    fn has_codes_in_body(&self) -> bool {
        true
    }

    fn error_kind(&self, answer: &ApiAnswer<'_>) -> Option<ErrorKind> {
        documented_kind(answer.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_settings;

    #[test]
    fn debug_shows_no_key() {
        let settings = test_settings(|config| config.client_code = Some("canary-code".to_owned()));
        let shown = format!(
            "{:?} {:#?}",
            PrakerjaScheme::new(&settings),
            PrakerjaSignedScheme::new(&settings, SignKey::new("canary-key"))
        );
        assert!(!shown.contains("canary"), "{shown}");
    }
}
