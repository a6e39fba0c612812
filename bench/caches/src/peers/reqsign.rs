//! reqsign-core: its signer around a credential and a signature of ours, as it caches nothing else. The window is that of its Google crate.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Request};
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, Error, ProvideCredential, SignRequest, Signer, SigningCredential};

use crate::subject::{Subject, TOKEN_BYTES, shown};

const WINDOW: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
struct Credential {
    token: String,
    until: Timestamp,
}

impl SigningCredential for Credential {
    fn is_valid(&self) -> bool {
        self.until > now() + WINDOW
    }

    fn is_valid_at(&self, time: Timestamp) -> bool {
        self.until > time
    }
}

fn now() -> Timestamp {
    Timestamp::now()
}

#[derive(Debug)]
struct Provider {
    url: String,
    client: reqwest::Client,
}

impl ProvideCredential for Provider {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> reqsign_core::Result<Option<Credential>> {
        let (token, lifetime) = crate::fetch::token(&self.client, &self.url).await.map_err(Error::unexpected)?;
        Ok(Some(Credential { token, until: now() + Duration::from_secs(lifetime) }))
    }
}

#[derive(Debug)]
struct Bearer;

impl SignRequest for Bearer {
    type Credential = Credential;

    async fn sign_request(
        &self,
        _: &Context,
        request: &mut Parts,
        credential: Option<&Credential>,
        _: Option<Duration>,
    ) -> reqsign_core::Result<()> {
        let credential = credential.ok_or_else(|| Error::unexpected("no credential"))?;
        let header = HeaderValue::try_from(format!("Bearer {}", credential.token));
        let mut header = header.map_err(|error| Error::unexpected(error.to_string()))?;
        header.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, header);
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Reqsign(Signer<Credential>);

impl Subject for Reqsign {
    const NAME: &'static str = "reqsign-core sign(), of a new request";
    type Client = reqwest::Client;

    async fn client() -> Result<reqwest::Client, String> {
        crate::fetch::client()
    }

    async fn cold(client: &reqwest::Client, base: &str) -> Result<Self, String> {
        let provider = Provider { url: format!("{base}/token"), client: client.clone() };
        Ok(Self(Signer::new(Context::new(), provider, Bearer)))
    }

    async fn get(&self) -> Result<usize, String> {
        let mut request = Request::get("https://service.example.test/").body(()).map_err(shown)?.into_parts().0;
        self.0.sign(&mut request, None).await.map_err(shown)?;
        Ok(request.headers.len())
    }

    fn strings(base: &str) -> Result<usize, &'static str> {
        Ok(TOKEN_BYTES + base.len() + "/token".len())
    }
}
