//! The builder, and the provider itself.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use token_core::settings::{SettingsCheck, SettingsError};
use token_core::{
    Asked, Assembly, CachePolicy, Clock, Error, Retry, RetryPolicy, Token, TokenCache, TokenProvider, Transport, exchange,
};

use crate::PROVIDER;
use crate::config::{Config, Settings};
use crate::{request, response};

/// Asks New Service for a token each time. [`NewServiceBuilder::build`] gives one that keeps the answer.
#[derive(Clone)]
pub struct NewService {
    settings: Arc<Settings>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
}

impl NewService {
    /// Begins with no settings.
    #[must_use]
    pub fn builder() -> NewServiceBuilder {
        Self::from_config(Config::default())
    }

    /// Begins with the settings of a configuration file.
    #[must_use]
    pub fn from_config(config: Config) -> NewServiceBuilder {
        NewServiceBuilder { config, assembly: Assembly::new(PROVIDER) }
    }

    /// Begins with the settings of the environment; the crate's page has the names.
    ///
    /// # Errors
    ///
    /// Variables are missing: the error names all of them.
    pub fn from_env() -> Result<NewServiceBuilder, SettingsError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// As [`from_env`](Self::from_env), with the values that `lookup` gives for the names.
    ///
    /// # Errors
    ///
    /// Values are missing: the error names all of them.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<NewServiceBuilder, SettingsError> {
        Config::from_lookup(lookup).map(Self::from_config)
    }
}

#[async_trait]
impl TokenProvider for NewService {
    async fn token(&self) -> Result<Token, Error> {
        let secrets = [self.settings.expose_client_secret()];
        let asked = Asked { provider: PROVIDER, at: self.clock.now(), secrets: &secrets };
        exchange(&*self.transport, asked, request::token(&self.settings), response::token).await
    }

    /// Nothing is kept here, so there is nothing to drop.
    fn invalidate(&self, _rejected: &Token) {}

    /// A token that is lost on its way is asked for again. Not so if an answer brings a refresh token that takes the place of the old one.
    fn is_cancel_safe(&self) -> bool {
        true
    }
}

impl fmt::Debug for NewService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewService").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Takes the settings and builds the provider.
#[derive(Clone, Debug)]
pub struct NewServiceBuilder {
    config: Config,
    assembly: Assembly,
}

impl NewServiceBuilder {
    /// Sets the base URL, to which the path of the token endpoint is added.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.config.base_url = Some(base_url.into());
        self
    }

    /// Sets the client id.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.config.client_id = Some(client_id.into());
        self
    }

    /// Sets the client secret.
    #[must_use]
    pub fn client_secret(mut self, client_secret: impl Into<SecretString>) -> Self {
        self.config.client_secret = Some(client_secret.into());
        self
    }

    /// Sets the scopes to ask for, parted by spaces. Without it the service decides.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.config.scope = Some(scope.into());
        self
    }

    /// Sends the requests by another transport; several providers can share one.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.assembly.transport = Some(transport);
        self
    }

    /// Tells the time by another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.assembly.clock = clock;
        self
    }

    /// Tries again by another policy.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.assembly.retry = policy;
        self
    }

    /// Keeps tokens by another policy.
    #[must_use]
    pub fn cache(mut self, mut policy: CachePolicy) -> Self {
        policy.provider = PROVIDER;
        self.assembly.cache = policy;
        self
    }

    /// Checks the settings and builds the provider, tried again after a passing fault and cached.
    ///
    /// # Errors
    ///
    /// Settings are missing or wrong: the error names all of them, with what to do.
    pub fn build(self) -> Result<TokenCache<Retry<NewService>>, SettingsError> {
        let assembly = self.assembly.clone();
        Ok(assembly.cached(self.build_uncached()?))
    }

    /// Checks the settings and builds the bare provider: it asks the service at every call, once.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_uncached(self) -> Result<NewService, SettingsError> {
        let mut check = SettingsCheck::new(PROVIDER);
        let settings = self.config.check(&mut check);
        let transport = self.assembly.transport_or(&mut check, default_transport);
        let parts = settings.zip(transport);
        check.finish(parts).map(|(settings, transport)| NewService {
            settings: Arc::new(settings),
            transport,
            clock: self.assembly.clock,
        })
    }
}

#[cfg(feature = "reqwest")]
fn default_transport() -> Option<Result<Arc<dyn Transport>, transport_reqwest::TransportBuildError>> {
    Some(transport_reqwest::ReqwestTransport::new().map(|transport| Arc::new(transport) as Arc<dyn Transport>))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport() -> Option<Result<Arc<dyn Transport>, std::convert::Infallible>> {
    None
}
