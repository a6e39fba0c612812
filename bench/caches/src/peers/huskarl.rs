//! huskarl: client credentials with its own HTTP client.

use std::sync::Arc;

use http::{Method, Uri};
use huskarl::authorizer::HttpAuthorizer;
use huskarl::cache::{GrantTokenSource, InMemoryRefreshTokenStore, InMemoryTokenCache, TokenCache};
use huskarl::core::client_auth::ClientSecret;
use huskarl::core::secrets::{ProvidedSecret, SecretString};
use huskarl::grant::client_credentials::{ClientCredentialsGrant, ClientCredentialsGrantParameters};
use huskarl_reqwest::ReqwestClient;

use crate::subject::{CLIENT_ID, CLIENT_SECRET, Subject, TOKEN_BYTES, shown};

type Source = GrantTokenSource<ClientCredentialsGrant, InMemoryRefreshTokenStore>;

async fn client() -> Result<ReqwestClient, String> {
    ReqwestClient::builder().build().await.map_err(shown)
}

fn cache(client: &ReqwestClient, base: &str) -> Result<InMemoryTokenCache<Source>, String> {
    let grant = ClientCredentialsGrant::builder()
        .client_id(CLIENT_ID)
        .http_client(client.clone())
        .client_auth(ClientSecret::new(ProvidedSecret::new(SecretString::new(CLIENT_SECRET))))
        .token_endpoint(format!("{base}/token").parse().map_err(shown)?)
        .build();
    let source = GrantTokenSource::builder()
        .grant(grant)
        .grant_parameters(ClientCredentialsGrantParameters::builder().build())
        .refresh_store(InMemoryRefreshTokenStore::default())
        .build();
    Ok(InMemoryTokenCache::builder().source(source).build())
}

fn strings(base: &str) -> usize {
    TOKEN_BYTES + CLIENT_ID.len() + CLIENT_SECRET.len() + base.len() + "/token".len()
}

#[derive(Clone)]
pub(crate) struct Huskarl(Arc<dyn TokenCache>);

impl Subject for Huskarl {
    const NAME: &'static str = "huskarl token()";
    type Client = ReqwestClient;

    async fn client() -> Result<ReqwestClient, String> {
        client().await
    }

    async fn cold(client: &ReqwestClient, base: &str) -> Result<Self, String> {
        Ok(Self(Arc::new(cache(client, base)?)))
    }

    async fn get(&self) -> Result<usize, String> {
        Ok(self.0.token().await.map_err(shown)?.access_token().token().expose_secret().len())
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(strings(base))
    }
}

#[derive(Clone)]
pub(crate) struct HuskarlHeaders(Arc<HttpAuthorizer>, Uri);

impl Subject for HuskarlHeaders {
    const NAME: &'static str = "huskarl get_headers()";
    type Client = ReqwestClient;

    async fn client() -> Result<ReqwestClient, String> {
        client().await
    }

    async fn cold(client: &ReqwestClient, base: &str) -> Result<Self, String> {
        let authorizer = HttpAuthorizer::builder().cache(cache(client, base)?).build();
        Ok(Self(Arc::new(authorizer), Uri::from_static("https://service.example.test/")))
    }

    async fn get(&self) -> Result<usize, String> {
        Ok(self.0.get_headers(&Method::GET, &self.1).await.map_err(shown)?.len())
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(strings(base))
    }
}
