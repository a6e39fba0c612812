//! What the session store of `token-core` needs to keep Prakerja's users logged in.

use async_trait::async_trait;
use secrecy::SecretString;

use token_core::{Error, Realm, RefreshGrant, Refreshed};

use crate::PROVIDER;
use crate::error::PrakerjaErrorCode;
use crate::provider::Prakerja;

/// A session is of one client at one base URL. Where the browser comes back to does not matter any more.
#[async_trait]
impl RefreshGrant for Prakerja {
    fn realm(&self) -> Realm {
        let settings = self.settings();
        Realm::new(PROVIDER).with("base_url", settings.base_url_text()).with("client_id", settings.client_id.as_str())
    }

    async fn refresh(&self, refresh_token: &SecretString) -> Refreshed {
        // The inherent method, which sends one request.
        let (refresh_token, outcome) = Self::refresh(self, refresh_token).await;
        Refreshed { refresh_token, outcome }
    }

    /// The service could not make the token (`ERROAUTH4049`), perhaps after it had spent the refresh token.
    fn may_have_spent(&self, error: &Error) -> bool {
        error.find_source() == Some(&PrakerjaErrorCode::CreateJwtToken)
    }
}
