//! gcp_auth: a service account from its file.

use std::sync::Arc;

use gcp_auth::{CustomServiceAccount, TokenProvider};

use super::service_account;
use crate::subject::{SCOPES, Subject, shown};

#[derive(Clone)]
pub(crate) struct GcpAuth(Arc<dyn TokenProvider>);

impl Subject for GcpAuth {
    const NAME: &'static str = "gcp_auth token()";
    type Client = ();

    async fn client() -> Result<(), String> {
        Ok(())
    }

    async fn cold((): &(), base: &str) -> Result<Self, String> {
        let account = CustomServiceAccount::from_json(&service_account(base)?.to_string()).map_err(shown)?;
        Ok(Self(Arc::new(account)))
    }

    async fn get(&self) -> Result<usize, String> {
        Ok(self.0.token(SCOPES).await.map_err(shown)?.as_str().len())
    }

    fn strings(_: &str) -> Result<usize, &'static str> {
        Err("each cache has an HTTP client and a parsed key of its own")
    }
}
