//! aliri_tokens: a watcher, which has its first token before there is anything to ask, and tests no expiry when it is asked.

use aliri_tokens::backoff::ErrorBackoffConfig;
use aliri_tokens::jitter::NullJitter;
use aliri_tokens::sources::oauth2::ClientCredentialsTokenSource;
use aliri_tokens::sources::oauth2::dto::{ClientCredentials, ClientCredentialsWithAudience};
use aliri_tokens::{ClientId, ClientSecret, TokenLifetimeConfig, TokenWatcher};
use reqwest_0_12::{Client, Url};

use crate::subject::{CLIENT_ID, CLIENT_SECRET, Subject, TOKEN_BYTES, shown};

const AUDIENCE: &str = "audience";

#[derive(Clone)]
pub(crate) struct Aliri(TokenWatcher);

impl Subject for Aliri {
    const NAME: &'static str = "aliri_tokens watcher token(), no expiry test";
    type Client = Client;

    async fn client() -> Result<Client, String> {
        Client::builder().no_proxy().build().map_err(shown)
    }

    async fn cold(client: &Client, base: &str) -> Result<Self, String> {
        let credentials = ClientCredentials {
            client_id: ClientId::from_static(CLIENT_ID),
            client_secret: ClientSecret::from_static(CLIENT_SECRET),
        };
        let credentials = ClientCredentialsWithAudience {
            credentials: credentials.into(),
            audience: aliri::jwt::Audience::from_static(AUDIENCE),
        };
        let url = Url::parse(&format!("{base}/token")).map_err(shown)?;
        let source = ClientCredentialsTokenSource::new(client.clone(), url, credentials, TokenLifetimeConfig::default());
        let watcher = TokenWatcher::spawn_from_token_source(source, NullJitter, ErrorBackoffConfig::default());
        watcher.await.map(Self).map_err(shown)
    }

    async fn get(&self) -> Result<usize, String> {
        Ok(self.0.token().access_token().as_str().len())
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(TOKEN_BYTES + base.len() + "/token".len() + AUDIENCE.len())
    }
}
