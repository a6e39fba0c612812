//! google-cloud-auth: a user account, the one kind of credential that takes the URL of its token endpoint and signs nothing.

use std::sync::{Arc, OnceLock};

use google_cloud_auth::credentials::user_account::Builder;
use google_cloud_auth::credentials::{AccessTokenCredentials, CacheableResource, Credentials, EntityTag};
use http::Extensions;

use crate::subject::{CLIENT_ID, CLIENT_SECRET, Subject, TOKEN_BYTES, shown};

const REFRESH_TOKEN: &str = "refresh-token-test-only";

fn builder(base: &str) -> Builder {
    Builder::new(serde_json::json!({
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN,
        "type": "authorized_user", "token_uri": format!("{base}/token"),
    }))
}

fn strings(base: &str) -> usize {
    TOKEN_BYTES + CLIENT_ID.len() + CLIENT_SECRET.len() + REFRESH_TOKEN.len() + base.len() + "/token".len()
}

#[derive(Clone)]
pub(crate) struct GoogleToken(AccessTokenCredentials);

impl Subject for GoogleToken {
    const NAME: &'static str = "google-cloud-auth access_token()";
    type Client = ();

    /// It makes a client for each request, and none can be given to it.
    async fn client() -> Result<(), String> {
        Ok(())
    }

    async fn cold((): &(), base: &str) -> Result<Self, String> {
        builder(base).build_access_token_credentials().map(Self).map_err(shown)
    }

    async fn get(&self) -> Result<usize, String> {
        Ok(self.0.access_token().await.map_err(shown)?.token.len())
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(strings(base))
    }
}

#[derive(Clone)]
pub(crate) struct GoogleHeaders(Credentials);

impl Subject for GoogleHeaders {
    const NAME: &'static str = "google-cloud-auth headers()";
    type Client = ();

    async fn client() -> Result<(), String> {
        Ok(())
    }

    async fn cold((): &(), base: &str) -> Result<Self, String> {
        builder(base).build().map(Self).map_err(shown)
    }

    async fn get(&self) -> Result<usize, String> {
        match self.0.headers(Extensions::new()).await.map_err(shown)? {
            CacheableResource::New { data, .. } => Ok(data.len()),
            CacheableResource::NotModified => Err("no headers came".to_owned()),
        }
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(strings(base))
    }
}

/// The caller keeps the headers and shows their tag.
#[derive(Clone)]
pub(crate) struct GoogleTag(Credentials, Arc<OnceLock<EntityTag>>);

impl Subject for GoogleTag {
    const NAME: &'static str = "google-cloud-auth headers(tag), not modified";
    type Client = ();

    async fn client() -> Result<(), String> {
        Ok(())
    }

    async fn cold((): &(), base: &str) -> Result<Self, String> {
        builder(base).build().map(|credentials| Self(credentials, Arc::default())).map_err(shown)
    }

    async fn get(&self) -> Result<usize, String> {
        let mut extensions = Extensions::new();
        if let Some(tag) = self.1.get() {
            extensions.insert(tag.clone());
        }
        match self.0.headers(extensions).await.map_err(shown)? {
            CacheableResource::New { entity_tag, data } => {
                let _ = self.1.set(entity_tag);
                Ok(data.len())
            }
            CacheableResource::NotModified => Ok(1),
        }
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(strings(base))
    }
}
