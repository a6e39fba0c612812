//! azure_identity: a client secret. It asks by https alone, so the transport that leads to loopback is ours; cache and pipeline are its own.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};

use crate::subject::{CLIENT_ID, CLIENT_SECRET, SCOPES, Subject, TOKEN_BYTES, shown};

const TENANT: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Debug)]
struct Loopback {
    url: String,
    client: reqwest::Client,
}

#[async_trait]
impl HttpClient for Loopback {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        let fault = |error: reqwest::Error| azure_core::Error::new(ErrorKind::Io, error);
        let answer = self.client.post(&self.url).body("grant_type=client_credentials").send().await.map_err(fault)?;
        let status = StatusCode::from(answer.status().as_u16());
        let body = answer.bytes().await.map_err(fault)?;
        Ok(AsyncRawResponse::from_bytes(status, Default::default(), body))
    }
}

#[derive(Clone)]
pub(crate) struct Azure(Arc<ClientSecretCredential>);

impl Subject for Azure {
    const NAME: &'static str = "azure_identity get_token()";
    type Client = reqwest::Client;

    async fn client() -> Result<reqwest::Client, String> {
        crate::fetch::client()
    }

    async fn cold(client: &reqwest::Client, base: &str) -> Result<Self, String> {
        let transport = Loopback { url: format!("{base}/token"), client: client.clone() };
        let mut options = ClientSecretCredentialOptions::default();
        options.client_options.transport = Some(Transport::new(Arc::new(transport)));
        let secret = Secret::new(CLIENT_SECRET);
        ClientSecretCredential::new(TENANT, CLIENT_ID.to_owned(), secret, Some(options)).map(Self).map_err(shown)
    }

    async fn get(&self) -> Result<usize, String> {
        Ok(self.0.get_token(SCOPES, None).await.map_err(shown)?.token.secret().len())
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        let scopes: usize = SCOPES.iter().map(|scope| scope.len()).sum();
        Ok(TOKEN_BYTES + CLIENT_ID.len() + CLIENT_SECRET.len() + TENANT.len() + scopes + base.len() + "/token".len())
    }
}
