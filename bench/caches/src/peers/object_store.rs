//! object_store: the credential provider of its Azure store, whose authority can be set. Its own retries are off, so that only the cache is seen.

use object_store::azure::{AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, RetryConfig};

use crate::subject::{CLIENT_ID, CLIENT_SECRET, Subject, TOKEN_BYTES, shown};

const TENANT: &str = "tenant";
const PATH: &str = "/tenant/oauth2/v2.0/token";

/// Gives the same client to each store.
#[derive(Clone, Debug)]
pub(crate) struct Shared(HttpClient);

impl HttpConnector for Shared {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

#[derive(Clone)]
pub(crate) struct ObjectStore(AzureCredentialProvider);

impl Subject for ObjectStore {
    const NAME: &'static str = "object_store get_credential()";
    type Client = Shared;

    async fn client() -> Result<Shared, String> {
        Ok(Shared(HttpClient::new(crate::fetch::client()?)))
    }

    async fn cold(client: &Shared, base: &str) -> Result<Self, String> {
        let store = MicrosoftAzureBuilder::new()
            .with_account("account")
            .with_container_name("container")
            .with_client_secret_authorization(CLIENT_ID, CLIENT_SECRET, TENANT)
            .with_authority_host(base)
            .with_allow_http(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(client.clone())
            .build();
        Ok(Self(store.map_err(shown)?.credentials().clone()))
    }

    async fn get(&self) -> Result<usize, String> {
        match &*self.0.get_credential().await.map_err(shown)? {
            AzureCredential::BearerToken(token) => Ok(token.len()),
            _ => Err("no bearer token came".to_owned()),
        }
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(TOKEN_BYTES + CLIENT_ID.len() + CLIENT_SECRET.len() + base.len() + PATH.len())
    }
}
