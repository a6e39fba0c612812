//! A client as most programs have it. It shows that the traps are traps.

use async_trait::async_trait;
use zeroize::Zeroizing;

use token_core::{Delivery, TokenRequest, TokenResponse, Transport, TransportError, TransportErrorKind};

/// reqwest with its defaults; and without a look at certificates, as in many an example.
pub(crate) struct Naive(reqwest::Client);

impl Naive {
    pub(crate) fn new() -> Self {
        Self(reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap())
    }
}

#[async_trait]
impl Transport for Naive {
    async fn send(&self, mut request: TokenRequest) -> Result<TokenResponse, TransportError> {
        let failed = |_| TransportError::new(TransportErrorKind::Connect, Delivery::Unknown, "it failed");
        let body = request.take_body().to_vec();
        let sent = self.0.request(request.method().clone(), request.url().to_string()).headers(request.headers().clone());
        let response = sent.body(body).send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?;
        Ok(TokenResponse::new(status, headers, Zeroizing::new(body.to_vec())))
    }
}
