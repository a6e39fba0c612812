//! What a provider asks of an HTTP client, in types that cannot print a secret.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use zeroize::Zeroizing;

use crate::url::origin_of;

/// Sends one request and returns its answer.
///
/// An implementation sends a request at most once, follows no redirect, adds no credential of its own, and puts no secret and no query string in an error.
/// `transport-reqwest` has the one that providers use unless told otherwise.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`. An answer of any status is `Ok`.
    ///
    /// # Errors
    ///
    /// No usable answer came; [`TransportError::delivery`] says whether the service may have seen the request.
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError>;
}

/// Whether a request may be sent again when no good answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Sending it twice does no harm: client credentials.
    AfterRefusal,
    /// A second copy may spend or revoke something: an authorization code, a refresh token.
    OnlyIfNotSent,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The service answered it.
    Answered,
    /// It never left this machine.
    NotSent,
    /// It left, or may have; whether the service acted on it is not known.
    Unknown,
}

/// A request to a token endpoint. `Debug` shows method, origin, path and sizes; the body is wiped on drop.
#[derive(Clone)]
pub struct TokenRequest {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    resend: Resend,
}

impl TokenRequest {
    /// A request without headers or body. `url` is absolute.
    #[must_use]
    pub fn new(method: Method, url: Uri, resend: Resend) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Zeroizing::default(), resend }
    }

    /// Sets a header, replacing one of the same name. Mark a secret value sensitive before.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: Zeroizing<Vec<u8>>) -> Self {
        self.body = body;
        self.with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The absolute URL. Its query may hold a secret.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether it may be sent again.
    #[must_use]
    pub fn resend(&self) -> Resend {
        self.resend
    }

    /// Takes the body out, so that an HTTP client can own it without a copy. It is still wiped on drop.
    #[must_use]
    pub fn take_body(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.body)
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenRequest")
            .field("method", &self.method)
            .field("origin", &origin_of(&self.url))
            .field("path", &self.url.path())
            .field("query_bytes", &self.url.query().map_or(0, str::len))
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .field("resend", &self.resend)
            .finish()
    }
}

/// The answer of a token endpoint. `Debug` shows its status and sizes; the body is wiped on drop.
#[derive(Clone)]
pub struct TokenResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl TokenResponse {
    /// Joins what a transport read.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, body: Zeroizing<Vec<u8>>) -> Self {
        Self { status, headers, body }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenResponse")
            .field("status", &self.status.as_u16())
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A header value of these parts that is marked sensitive. Its clones are the same bytes, which are wiped when the last of them goes.
///
/// # Errors
///
/// A part has a character that no header holds.
pub fn secret_header(parts: &[&str]) -> Result<HeaderValue, InvalidHeaderValue> {
    let bytes = Zeroizing::new(parts.concat().into_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What kept a transport from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The server's certificate is not trusted, or not for this host.
    Certificate,
    /// No connection: name not found, refused, unreachable.
    Connect,
    /// The connection broke before the answer was whole.
    Interrupted,
    /// No Tokio runtime runs where the request was to be sent.
    NoRuntime,
    /// What came is not HTTP as it should be.
    Protocol,
    /// The transport will not send such a request, for example `http` to another machine.
    RefusedUrl,
    /// Headers or body are over the limit.
    TooLarge,
    /// No answer in time.
    TimedOut,
}

/// Why no usable answer came. It holds no secret, no query string and no body.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct TransportError {
    kind: TransportErrorKind,
    delivery: Delivery,
    detail: String,
}

impl TransportError {
    /// Makes one. `detail` is a short lower-case phrase that a person can act on; it must hold no secret, query or body.
    #[must_use]
    pub fn new(kind: TransportErrorKind, delivery: Delivery, detail: impl Into<String>) -> Self {
        Self { kind, delivery, detail: detail.into() }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// How far the request got.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn debug_shows_no_secret_and_no_query() {
        let request = TokenRequest::new(
            Method::POST,
            Uri::from_static("https://service.example:8443/oauth/token?code=canary-query"),
            Resend::OnlyIfNotSent,
        )
        .with_header(AUTHORIZATION, HeaderValue::from_static("canary-header"))
        .with_body("application/json", Zeroizing::new(b"canary-body".to_vec()));
        let shown = format!("{request:?} {request:#?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("https://service.example:8443"), "{shown}");
        assert!(shown.contains("/oauth/token"), "{shown}");

        let mut headers = HeaderMap::new();
        headers.insert("x-token", HeaderValue::from_static("canary-header"));
        let response = TokenResponse::new(StatusCode::OK, headers, Zeroizing::new(b"canary-body".to_vec()));
        let shown = format!("{response:?} {response:#?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("200"), "{shown}");
    }
}
