//! yup-oauth2: a service account, as its other flows want a person.

use yup_oauth2::authenticator::Authenticator;
use yup_oauth2::client::{DefaultHyperClientBuilder, HyperClientBuilder};
use yup_oauth2::{ServiceAccountAuthenticator, ServiceAccountKey};

use super::service_account;
use crate::subject::{SCOPES, Subject, shown};

type Connector = <DefaultHyperClientBuilder as HyperClientBuilder>::Connector;

#[derive(Clone)]
pub(crate) struct Yup(Authenticator<Connector>);

impl Subject for Yup {
    const NAME: &'static str = "yup-oauth2 token()";
    type Client = ();

    async fn client() -> Result<(), String> {
        Ok(())
    }

    async fn cold((): &(), base: &str) -> Result<Self, String> {
        let key: ServiceAccountKey = serde_json::from_value(service_account(base)?).map_err(shown)?;
        ServiceAccountAuthenticator::builder(key).build().await.map(Self).map_err(shown)
    }

    async fn get(&self) -> Result<usize, String> {
        Ok(self.0.token(SCOPES).await.map_err(shown)?.token().map_or(0, str::len))
    }

    fn strings(_: &str) -> Result<usize, &'static str> {
        Err("each cache has an HTTP client and a parsed key of its own")
    }
}
