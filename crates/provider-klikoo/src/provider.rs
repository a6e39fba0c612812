//! The builder, and the provider itself.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
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
use crate::scheme::KlikooScheme;
use crate::signature::TimestampPrecision;
use crate::signer::Signer;
use crate::{request, response, signature};

/// Asks Klikoo for a token each time. [`KlikooBuilder::build`] gives one that keeps the answer.
#[derive(Clone)]
pub struct Klikoo {
    settings: Arc<Settings>,
    signer: Arc<dyn Signer>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
}

impl Klikoo {
    /// Begins with no settings.
    #[must_use]
    pub fn builder() -> KlikooBuilder {
        Self::from_config(Config::default())
    }

    /// Begins with the settings of a configuration file.
    #[must_use]
    pub fn from_config(config: Config) -> KlikooBuilder {
        KlikooBuilder { config, signer: None, assembly: Assembly::new(PROVIDER) }
    }

    /// Begins with the settings of the environment, the private key among them; the crate's page has the names.
    ///
    /// # Errors
    ///
    /// Variables are missing or wrong: the error names all of them.
    pub fn from_env() -> Result<KlikooBuilder, SettingsError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// As [`from_env`](Self::from_env), with the values that `lookup` gives for the names.
    ///
    /// # Errors
    ///
    /// Values are missing or wrong: the error names all of them.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<KlikooBuilder, SettingsError> {
        Config::from_lookup(lookup).map(Self::from_config)
    }
}

#[async_trait]
impl TokenProvider for Klikoo {
    async fn token(&self) -> Result<Token, Error> {
        // The one reading of the clock: the header, the signed text and the token's lifetime all go by it.
        let at = self.clock.now();
        let settings = &*self.settings;
        let signed = signature::sign(&*self.signer, &settings.client_id, &at, settings.timestamp_precision).await?;
        let secrets = [settings.expose_client_secret(), &signed.signature];
        let asked = Asked { provider: PROVIDER, at, secrets: &secrets };
        exchange(&*self.transport, asked, request::token(settings, &signed)?, response::token).await
    }

    /// Nothing is kept here, so there is nothing to drop.
    fn invalidate(&self, _rejected: &Token) {}

    fn is_cancel_safe(&self) -> bool {
        true
    }
}

impl fmt::Debug for Klikoo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Klikoo").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Takes the settings and builds the provider. Exactly one of `private_key`, `private_key_file` and `signer` is needed.
#[derive(Clone)]
pub struct KlikooBuilder {
    config: Config,
    signer: Option<Arc<dyn Signer>>,
    assembly: Assembly,
}

impl KlikooBuilder {
    /// Sets the base URL that Klikoo gave, with its path if it has one, without `/v1/open-api/access-token`.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.config.base_url = Some(base_url.into());
        self
    }

    /// Sets the client id, a UUID.
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

    /// Sets the private key: PEM (PKCS#8 or PKCS#1), or the Base64 of PEM.
    #[must_use]
    pub fn private_key(mut self, pem: impl Into<SecretString>) -> Self {
        self.config.private_key = Some(pem.into());
        self
    }

    /// Sets a file with the private key. It is read when the provider is built.
    #[must_use]
    pub fn private_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.private_key_file = Some(path.into());
        self
    }

    /// Signs by another signer, so that the private key can stay where it is.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Sets how the time is written; by default in seconds.
    #[must_use]
    pub fn timestamp_precision(mut self, precision: TimestampPrecision) -> Self {
        self.config.timestamp_precision = precision;
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
    pub fn build(self) -> Result<TokenCache<Retry<Klikoo>>, SettingsError> {
        let assembly = self.assembly.clone();
        Ok(assembly.cached(self.build_uncached()?))
    }

    /// Checks the settings and builds the bare provider: it asks the service at every call, once.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_uncached(self) -> Result<Klikoo, SettingsError> {
        let mut check = SettingsCheck::new(PROVIDER);
        let settings = self.config.check(&mut check);
        let signer = self.config.signer(&mut check, self.signer);
        let transport = self.assembly.transport_or(&mut check, default_transport);
        let parts = settings.zip(signer).zip(transport);
        check.finish(parts).map(|((settings, signer), transport)| Klikoo {
            settings: Arc::new(settings),
            signer,
            transport,
            clock: self.assembly.clock,
        })
    }

    /// Checks the settings and builds the provider as [`build`](Self::build) does, in an authoriser that signs requests with its tokens, to the origin of the base URL.
    /// The cache is [`Authorizer::tokens`].
    ///
    /// To set more on it, build the cache first: `builder.clone().authorizer(builder.build()?)?`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_authorizer(self) -> Result<Authorizer<TokenCache<Retry<Klikoo>>, KlikooScheme>, SettingsError> {
        let tokens = self.clone().build()?;
        self.authorizer(tokens)?.build()
    }

    /// Begins an authoriser that signs requests with the tokens of `tokens`, as a cache that is held already; the origin of the base URL is allowed, and it goes by the clock of this builder.
    ///
    /// It needs `base_url`, `client_id` and `client_secret`: no private key, and no transport.
    ///
    /// # Errors
    ///
    /// Settings are missing or wrong: the error names all of them, with what to do.
    pub fn authorizer<P: TokenProvider + 'static>(self, tokens: P) -> Result<AuthorizerBuilder<P, KlikooScheme>, SettingsError> {
        let mut check = SettingsCheck::new(PROVIDER);
        let settings = self.config.check(&mut check);
        let settings = check.finish(settings)?;
        let authorizer = Authorizer::with_scheme(tokens, KlikooScheme::new(&settings));
        Ok(authorizer.allow(Origin::of(&settings.base_url)).clock(self.assembly.clock))
    }
}

impl fmt::Debug for KlikooBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KlikooBuilder")
            .field("config", &self.config)
            .field("has_signer", &self.signer.is_some())
            .field("assembly", &self.assembly)
            .finish()
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
