//! A transport that keeps the requests and answers each with a token.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use token_core::{TokenRequest, TokenResponse, Transport, TransportError};

#[derive(Default)]
pub(crate) struct Canned(Mutex<Vec<TokenRequest>>);

impl Canned {
    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<TokenRequest>> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        self.requests().push(request);
        let body =
            br#"{"response_code":"200012000","data":{"access_token":"token-test-only","token_type":"Bearer","expires_in":900}}"#;
        Ok(TokenResponse::new(StatusCode::OK, HeaderMap::new(), body.to_vec().into()))
    }
}
