//! The builder, and the client with the calls of the login.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use token_core::settings::{SettingsCheck, SettingsError};
use token_core::{
    Asked, Assembly, Authorizer, AuthorizerBuilder, CachePolicy, Clock, Error, ErrorKind, Moment, NoTokens, Origin, Remedy,
    Reply, RetryPolicy, Seal, Token, TokenProvider, Transport, exchange,
};

use crate::PROVIDER;
use crate::config::{AuthorizationStyle, Config, Settings};
use crate::error::of_exchange;
use crate::login::{self, AuthorizationCode, Client, Login, PendingLogin};
use crate::profile::Profile;
use crate::scheme::{PrakerjaScheme, PrakerjaSignedScheme};
use crate::sealed::{Purpose, Sealed};
use crate::signature::SignKey;
use crate::used::UsedLogins;
use crate::user::PrakerjaUserBuilder;
use crate::web::{WebLogin, WebLoginError};
use crate::{request, response};

/// Logs users in with Prakerja. A clone is another handle to the same client.
///
/// It holds no user: [`user`](Self::user) makes the provider of one user's tokens.
#[derive(Clone)]
pub struct Prakerja {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    transport: Arc<dyn Transport>,
    assembly: Assembly,
    used: Arc<UsedLogins>,
}

impl Prakerja {
    /// Begins with no settings.
    #[must_use]
    pub fn builder() -> PrakerjaBuilder {
        Self::from_config(Config::default())
    }

    /// Begins with the settings of a configuration file.
    #[must_use]
    pub fn from_config(config: Config) -> PrakerjaBuilder {
        PrakerjaBuilder { config, assembly: Assembly::new(PROVIDER) }
    }

    /// Begins with the settings of the environment; the crate's page has the names.
    ///
    /// # Errors
    ///
    /// Variables are missing or wrong: the error names all of them.
    pub fn from_env() -> Result<PrakerjaBuilder, SettingsError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// As [`from_env`](Self::from_env), with the values that `lookup` gives for the names.
    ///
    /// # Errors
    ///
    /// Values are missing or wrong: the error names all of them.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<PrakerjaBuilder, SettingsError> {
        Config::from_lookup(lookup).map(Self::from_config)
    }

    /// Begins a login: gives the URL to which the browser goes, and what to keep until it comes back.
    ///
    /// # Errors
    ///
    /// The crypto library gave no random numbers.
    pub fn begin_login(&self) -> Result<Login, Error> {
        let pending = PendingLogin::begin(&self.shared.settings, Arc::clone(self.clock()))?;
        Ok(Login { url: login::url(&self.shared.settings, pending.expose_state()), pending })
    }

    /// The logins of browsers, whose pending state is kept in a sealed cookie: two short handlers of a web application.
    ///
    /// Which logins were used is remembered by this client and its clones together.
    #[must_use]
    pub fn web_login(&self, seal: Arc<dyn Seal>) -> WebLogin {
        WebLogin::new(self.clone(), seal)
    }

    /// Opens what [`PendingLogin::seal`] gave for the same `purpose`.
    ///
    /// It can be opened more than once, as nobody can take a text back. But of all callbacks with its `state`, this client and its clones take one, as told at [`WebLogin`].
    ///
    /// # Errors
    ///
    /// The login is over, from the future, or unreadable; or the seal failed.
    pub fn open_login(&self, seal: &dyn Seal, purpose: &str, sealed: &str) -> Result<PendingLogin, WebLoginError> {
        self.open_login_at(seal, Purpose::Own(purpose), sealed.as_bytes(), &self.clock().now())
    }

    pub(crate) fn open_login_at(
        &self,
        seal: &dyn Seal,
        purpose: Purpose<'_>,
        sealed: &[u8],
        now: &Moment,
    ) -> Result<PendingLogin, WebLoginError> {
        let client = Client::of(&self.shared.settings);
        let sealed = Sealed::open(seal, purpose, &client, sealed, now)?;
        Ok(PendingLogin::open(sealed, client, Arc::clone(self.clock()), Arc::clone(&self.shared.used), now))
    }

    /// As [`begin_login`](Self::begin_login), with a URL that the service makes (Prakerja, Generate URL page): one signed request, which needs the setting `sign_key`.
    ///
    /// Unverified: whether the signature covers the query string is not documented, and no public client of this call was found.
    /// It is signed by the letter of the Generate Signature page, over the path alone. Nothing else of this crate needs it.
    ///
    /// # Errors
    ///
    /// There is no sign key, the service refused the request, or its URL has another origin than the setting `consent_url`.
    /// With [`Remedy::CorrectClock`] the error tells how far the clocks are apart, where that is known.
    pub async fn generate_login_url_unverified(&self) -> Result<Login, Error> {
        let settings = &self.shared.settings;
        let sign_key = settings.expose_sign_key().ok_or_else(|| {
            Error::new(PROVIDER, ErrorKind::Configuration, Remedy::FixConfiguration)
                .with_message("`sign_key` is missing: give the sign key that Prakerja issued, or use `begin_login`")
        })?;
        let pending = PendingLogin::begin(settings, Arc::clone(self.clock()))?;
        // The one reading of the clock that the timestamp, the signature and the measured offset share.
        let at = pending.began();
        let request = request::authorize(settings, sign_key, pending.expose_state(), &at)?;
        let secrets = [sign_key, pending.expose_state()];
        let asked = Asked { provider: PROVIDER, at, secrets: &secrets };
        let read = |reply: &Reply<'_>| response::login_url(reply, &settings.consent_url);
        let url = exchange(&*self.shared.transport, asked, request, read).await?;
        Ok(Login { url, pending })
    }

    /// Exchanges a code for a token: one request, never sent again, as a second one with the same code could end the login that the first one made.
    ///
    /// # Errors
    ///
    /// Whatever came of it, the code is consumed. So where a later try would help, the error says [`Remedy::LogInAgain`] and not [`Remedy::Retry`].
    ///
    /// With [`Remedy::FixRequest`] nothing was sent: another client began the login, one with another client id, base URL or redirect URI.
    pub async fn exchange(&self, code: AuthorizationCode) -> Result<Token, Error> {
        self.exchange_at(code, self.clock().now()).await
    }

    /// The token's lifetime counts from `at`.
    pub(crate) async fn exchange_at(&self, code: AuthorizationCode, at: Moment) -> Result<Token, Error> {
        let settings = &self.shared.settings;
        if !code.is_of(settings) {
            let error = Error::new(PROVIDER, ErrorKind::Configuration, Remedy::FixRequest);
            return Err(error.with_message(
                "the login of this code was begun by a client with another client id, base URL or redirect URI: exchange it with that one",
            ));
        }
        let request = request::exchange(settings, &code);
        let secrets = [code.expose(), self.sign_key()];
        let asked = Asked { provider: PROVIDER, at, secrets: &secrets };
        exchange(&*self.shared.transport, asked, request, response::exchanged).await.map_err(of_exchange)
    }

    /// Refreshes once. Only [`PrakerjaUser`](crate::PrakerjaUser) calls it, one call after the other.
    ///
    /// The new refresh token comes beside the result, as it counts even where the rest of the answer is an error.
    pub(crate) async fn refresh(&self, refresh_token: &SecretString) -> (Option<SecretString>, Result<Token, Error>) {
        let request = request::refresh(&self.shared.settings, refresh_token);
        let secrets = [refresh_token.expose_secret(), self.sign_key()];
        let mut rotated = None;
        let read = |reply: &Reply<'_>| {
            let (new, answer) = response::refreshed(reply, refresh_token);
            rotated = new;
            answer
        };
        let answer = exchange(&*self.shared.transport, self.asked(&secrets), request, read).await;
        (rotated, answer)
    }

    /// Asks who is logged in.
    ///
    /// # Errors
    ///
    /// With [`Remedy::Refresh`] the service refuses the token: call [`TokenCache::invalidate`](token_core::TokenCache::invalidate), and ask again with a new one.
    pub async fn profile(&self, token: &Token) -> Result<Profile, Error> {
        let request = request::profile(&self.shared.settings, token)?;
        let secrets = [token.access_token().expose_secret(), self.sign_key()];
        exchange(&*self.shared.transport, self.asked(&secrets), request, response::profile).await
    }

    /// The provider of one user's tokens, who logged in with `token`.
    ///
    /// Make one for each login and clone it: two that begin with the same refresh token would each try to spend it.
    pub fn user(&self, token: Token) -> PrakerjaUserBuilder {
        PrakerjaUserBuilder::with_token(self.clone(), token)
    }

    /// The provider of one user's tokens, from a refresh token that was kept elsewhere. The first token is a refresh away.
    ///
    /// The handle in this process always has the refresh token that is in force. A copy that a program keeps can fall behind it:
    ///
    /// - A token carries the refresh token that came with it ([`Token::refresh_token`]). Compare after every call of `token()`, and keep what is new.
    /// - Behind [`build`](PrakerjaUserBuilder::build), a refresh of a token that is still usable is made after the call that began it has returned, and nobody is told of its answer: what it brought shows in the token of a later call.
    /// - An answer that brings a new refresh token and no good access token is an error, and no error carries the refresh token.
    ///
    /// A process that ends before such a call leaves a copy that may be dead.
    /// So until there is a session store, a kept copy saves most users a login and can be relied on for none: when it fails with [`Remedy::LogInAgain`], begin a new login.
    /// With [`build_uncached`](PrakerjaUserBuilder::build_uncached) nothing is refreshed unseen: each call refreshes once and its token has the new refresh token, as long as the call is awaited to its end and succeeds.
    pub fn user_from_refresh_token(&self, refresh_token: impl Into<SecretString>) -> PrakerjaUserBuilder {
        PrakerjaUserBuilder::with_refresh_token(self.clone(), refresh_token.into())
    }

    /// Begins an authoriser of requests with a user's token: `X-Client-Id`, and `Authorization` as the setting `authorization_style` says.
    ///
    /// `tokens` is what [`user`](Self::user) built, or a session of the user. The origin of the base URL is allowed, and the time is the client's.
    ///
    /// Every error of the service comes with HTTP 400, so a refused token is noticed only with [`read_codes(true)`](AuthorizerBuilder::read_codes).
    ///
    /// ```no_run
    /// # async fn example(prakerja: provider_prakerja::Prakerja, token: token_core::Token) -> Result<(), token_core::Error> {
    /// let tokens = prakerja.user(token).build();
    /// let authorizer = prakerja.authorizer(tokens).read_codes(true).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn authorizer<P: TokenProvider + 'static>(&self, tokens: P) -> AuthorizerBuilder<P, PrakerjaScheme> {
        let scheme = PrakerjaScheme::new(self.settings());
        Authorizer::with_scheme(tokens, scheme).allow(Origin::of(&self.settings().base_url)).clock(Arc::clone(self.clock()))
    }

    /// Begins an authoriser of requests to the integration APIs, which are signed: `client_code`, `timestamp` and `signature` (Prakerja, Generate Signature page).
    ///
    /// They carry no token: [`integration_authorizer_with`](Self::integration_authorizer_with) is for those that do.
    /// The origin of [`INTEGRATION_BASE_URL`](crate::INTEGRATION_BASE_URL) is allowed; where the setting `base_url` is another than the default, that one's instead.
    /// The time is the client's.
    ///
    /// # Errors
    ///
    /// There is no sign key.
    pub fn integration_authorizer(&self) -> Result<AuthorizerBuilder<NoTokens, PrakerjaSignedScheme>, SettingsError> {
        Ok(self.integration(Authorizer::without_token(self.signed_scheme()?)))
    }

    /// As [`integration_authorizer`](Self::integration_authorizer), with a token of `tokens` in each request: `Authorization` as the setting `authorization_style` says, and signed with the rest.
    ///
    /// As with [`authorizer`](Self::authorizer), a refused token is noticed only with [`read_codes(true)`](AuthorizerBuilder::read_codes).
    ///
    /// # Errors
    ///
    /// There is no sign key.
    pub fn integration_authorizer_with<P: TokenProvider + 'static>(
        &self,
        tokens: P,
    ) -> Result<AuthorizerBuilder<P, PrakerjaSignedScheme>, SettingsError> {
        Ok(self.integration(Authorizer::with_scheme(tokens, self.signed_scheme()?)))
    }

    fn integration<P: TokenProvider + 'static>(
        &self,
        builder: AuthorizerBuilder<P, PrakerjaSignedScheme>,
    ) -> AuthorizerBuilder<P, PrakerjaSignedScheme> {
        builder.allow(Origin::of(&self.settings().integration_url)).clock(Arc::clone(self.clock()))
    }

    fn signed_scheme(&self) -> Result<PrakerjaSignedScheme, SettingsError> {
        let mut check = SettingsCheck::new(PROVIDER);
        let settings = self.settings();
        let scheme = settings.expose_sign_key().map(|sign_key| PrakerjaSignedScheme::new(settings, SignKey::new(sign_key)));
        if scheme.is_none() {
            check.fault(
                "sign_key",
                "is missing",
                "give the sign key that Prakerja issued: the integration APIs want a signature",
            );
        }
        check.finish(scheme)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(crate) fn assembly(&self) -> &Assembly {
        &self.shared.assembly
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.assembly.clock
    }

    /// The service knows it and could repeat it anywhere; empty when there is none.
    fn sign_key(&self) -> &str {
        self.shared.settings.expose_sign_key().unwrap_or_default()
    }

    fn asked<'a>(&self, secrets: &'a [&'a str]) -> Asked<'a> {
        Asked { provider: PROVIDER, at: self.clock().now(), secrets }
    }
}

impl fmt::Debug for Prakerja {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Prakerja").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// Takes the settings and builds the client.
#[derive(Clone, Debug)]
pub struct PrakerjaBuilder {
    config: Config,
    assembly: Assembly,
}

impl PrakerjaBuilder {
    /// Sets the client id, for which the pages also say client code.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.config.client_id = Some(client_id.into());
        self
    }

    /// Sets the client name that came with the client id.
    #[must_use]
    pub fn client_name(mut self, client_name: impl Into<String>) -> Self {
        self.config.client_name = Some(client_name.into());
        self
    }

    /// Sets where the browser goes after a login.
    #[must_use]
    pub fn redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.config.redirect_uri = Some(redirect_uri.into());
        self
    }

    /// Sets where the browser goes when a login fails.
    #[must_use]
    pub fn login_uri(mut self, login_uri: impl Into<String>) -> Self {
        self.config.login_uri = Some(login_uri.into());
        self
    }

    /// Sets the API's base URL; [`DEFAULT_BASE_URL`](crate::DEFAULT_BASE_URL) unless set. Another one than that is the integration APIs' too.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.config.base_url = Some(base_url.into());
        self
    }

    /// Sets the page where a user logs in; [`DEFAULT_CONSENT_URL`](crate::DEFAULT_CONSENT_URL) unless set.
    #[must_use]
    pub fn consent_url(mut self, consent_url: impl Into<String>) -> Self {
        self.config.consent_url = Some(consent_url.into());
        self
    }

    /// Sets the path of the refresh, below the base URL; [`DEFAULT_REFRESH_PATH`](crate::DEFAULT_REFRESH_PATH) unless set.
    #[must_use]
    pub fn refresh_path(mut self, refresh_path: impl Into<String>) -> Self {
        self.config.refresh_path = Some(refresh_path.into());
        self
    }

    /// Sets the scopes to ask for, parted by spaces; [`DEFAULT_SCOPE`](crate::DEFAULT_SCOPE) unless set.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.config.scope = Some(scope.into());
        self
    }

    /// Sets how the token stands in the profile call, and in all others that carry one; bare, as the page shows it, unless set.
    #[must_use]
    pub fn authorization_style(mut self, style: AuthorizationStyle) -> Self {
        self.config.authorization_style = style;
        self
    }

    /// Sets the key of signed calls: generate-URL and the integration APIs. Nothing else needs it.
    #[must_use]
    pub fn sign_key(mut self, sign_key: impl Into<SecretString>) -> Self {
        self.config.sign_key = Some(sign_key.into());
        self
    }

    /// Sets the client code of signed calls; the client id unless set.
    #[must_use]
    pub fn client_code(mut self, client_code: impl Into<String>) -> Self {
        self.config.client_code = Some(client_code.into());
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

    /// Has every user's tokens tried again by another policy.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.assembly.retry = policy;
        self
    }

    /// Has every user's tokens kept by another policy.
    #[must_use]
    pub fn cache(mut self, mut policy: CachePolicy) -> Self {
        policy.provider = PROVIDER;
        self.assembly.cache = policy;
        self
    }

    /// Checks the settings and builds the client.
    ///
    /// # Errors
    ///
    /// Settings are missing or wrong: the error names all of them, with what to do.
    pub fn build(self) -> Result<Prakerja, SettingsError> {
        let mut check = SettingsCheck::new(PROVIDER);
        let settings = self.config.check(&mut check);
        let transport = self.assembly.transport_or(&mut check, default_transport);
        let parts = settings.zip(transport);
        check.finish(parts).map(|(settings, transport)| Prakerja {
            shared: Arc::new(Shared { settings, transport, assembly: self.assembly, used: Arc::default() }),
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
