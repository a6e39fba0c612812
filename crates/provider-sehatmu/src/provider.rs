//! The builder, and the provider itself.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use token_core::settings::{SettingsCheck, SettingsError};
use token_core::{
    Asked, Assembly, Authorizer, AuthorizerBuilder, CachePolicy, Clock, Error, Origin, Retry, RetryPolicy, Token, TokenCache,
    TokenProvider, Transport, exchange,
};

use crate::PROVIDER;
use crate::config::{Config, Settings};
use crate::scheme::SehatMuScheme;
use crate::{request, response};

/// Asks SehatMu for a token each time. [`SehatMuBuilder::build`] gives one that keeps the answer.
#[derive(Clone)]
pub struct SehatMu {
    settings: Arc<Settings>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
}

impl SehatMu {
    /// Begins with no settings.
    #[must_use]
    pub fn builder() -> SehatMuBuilder {
        Self::from_config(Config::default())
    }

    /// Begins with the settings of a configuration file.
    #[must_use]
    pub fn from_config(config: Config) -> SehatMuBuilder {
        SehatMuBuilder { config, assembly: Assembly::new(PROVIDER) }
    }

    /// Begins with the settings of the environment; the crate's page has the names.
    ///
    /// # Errors
    ///
    /// Variables are missing: the error names all of them.
    pub fn from_env() -> Result<SehatMuBuilder, SettingsError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// As [`from_env`](Self::from_env), with the values that `lookup` gives for the names.
    ///
    /// # Errors
    ///
    /// Values are missing: the error names all of them.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<SehatMuBuilder, SettingsError> {
        Config::from_lookup(lookup).map(Self::from_config)
    }
}

#[async_trait]
impl TokenProvider for SehatMu {
    async fn token(&self) -> Result<Token, Error> {
        let secrets = [self.settings.expose_client_secret()];
        let asked = Asked { provider: PROVIDER, at: self.clock.now(), secrets: &secrets };
        exchange(&*self.transport, asked, request::token(&self.settings), response::token).await
    }

    /// Nothing is kept here, so there is nothing to drop.
    fn invalidate(&self, _rejected: &Token) {}

    fn is_cancel_safe(&self) -> bool {
        true
    }
}

impl fmt::Debug for SehatMu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SehatMu").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Takes the settings and builds the provider.
#[derive(Clone, Debug)]
pub struct SehatMuBuilder {
    config: Config,
    assembly: Assembly,
}

impl SehatMuBuilder {
    /// Sets the base URL, without `/oauth/token`.
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
    pub fn build(self) -> Result<TokenCache<Retry<SehatMu>>, SettingsError> {
        let assembly = self.assembly.clone();
        Ok(assembly.cached(self.build_uncached()?))
    }

    /// Checks the settings and builds the bare provider: it asks the service at every call, once.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_uncached(self) -> Result<SehatMu, SettingsError> {
        let mut check = SettingsCheck::new(PROVIDER);
        let settings = self.config.check(&mut check);
        let transport = self.assembly.transport_or(&mut check, default_transport);
        let parts = settings.zip(transport);
        check.finish(parts).map(|(settings, transport)| SehatMu {
            settings: Arc::new(settings),
            transport,
            clock: self.assembly.clock,
        })
    }

    /// Checks the settings and begins an authoriser of requests to the service's API, with the tokens of `tokens`: a cache that is in use already, most often.
    ///
    /// The origin of the base URL is allowed, and the time is this builder's.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); no transport is needed.
    pub fn authorizer<P: TokenProvider + 'static>(self, tokens: P) -> Result<AuthorizerBuilder<P, SehatMuScheme>, SettingsError> {
        let mut check = SettingsCheck::new(PROVIDER);
        let settings = self.config.check(&mut check);
        check.finish(settings).map(|settings| authorizer(tokens, settings.origin, self.assembly.clock))
    }

    /// Checks the settings and builds provider, cache and authoriser in one. [`Authorizer::tokens`] gives the cache.
    ///
    /// To set more on it, build the cache first: `builder.clone().authorizer(builder.build()?)?`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_authorizer(self) -> Result<Authorizer<TokenCache<Retry<SehatMu>>, SehatMuScheme>, SettingsError> {
        let assembly = self.assembly.clone();
        let provider = self.build_uncached()?;
        let origin = provider.settings.origin.clone();
        authorizer(assembly.cached(provider), origin, assembly.clock).build()
    }
}

fn authorizer<P: TokenProvider + 'static>(
    tokens: P,
    origin: Origin,
    clock: Arc<dyn Clock>,
) -> AuthorizerBuilder<P, SehatMuScheme> {
    Authorizer::with_scheme(tokens, SehatMuScheme::new()).allow(origin).clock(clock)
}

#[cfg(feature = "reqwest")]
fn default_transport() -> Option<Result<Arc<dyn Transport>, transport_reqwest::TransportBuildError>> {
    Some(transport_reqwest::ReqwestTransport::new().map(|transport| Arc::new(transport) as Arc<dyn Transport>))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport() -> Option<Result<Arc<dyn Transport>, std::convert::Infallible>> {
    None
}
