//! Tokens on requests: which request gets one, what is added to it, and which answers say that the token is refused.

mod fault;
mod scheme;
mod target;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};

pub use self::fault::AuthorizeFault;
pub use self::scheme::{ANSWER_BYTES, ApiAnswer, ApiBody, ApiRequest, AuthScheme, BearerScheme, OneReading, bearer_challenge};
use self::target::has;
pub use self::target::{Origin, Target};
use crate::cache::{caught, within};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Remedy};
use crate::provider::TokenProvider;
use crate::settings::{SettingsCheck, SettingsError};
use crate::token::Token;

/// Adds to a request what its service wants, or fails: a request never goes out without its token in place of one with.
///
/// It is made with the origins that it may authorise. A request to any other, one whose `Host` header says another, and one that has an `Authorization` of its own is an error.
/// `P` gives the tokens and `S` knows the service; [`Bearer`] is the one for any service that wants `Authorization: Bearer` alone. A clone is another handle to the same.
///
/// Programs hand it to a layer of their HTTP client (the crate `token-middleware`), which also sends a request again, once, when the API refuses its token.
///
/// ```
/// use http::{HeaderMap, Method, Uri};
/// use token_core::{ApiBody, ApiRequest, Authorize, Bearer, Error, Target, TokenCache, TokenProvider};
///
/// async fn headers<P: TokenProvider + 'static>(tokens: TokenCache<P>) -> Result<HeaderMap, Error> {
///     let authorizer = Bearer::of(tokens).origin("https://api.example").build()?;
///
///     let (method, url) = (Method::GET, Uri::from_static("https://api.example/v1/balance"));
///     let target = Target::of_uri(&url).expect("it is absolute");
///     let mut headers = HeaderMap::new();
///     authorizer.authorize(&ApiRequest::new(&method, target, ApiBody::Bytes(b"")), &mut headers).await?;
///     Ok(headers) // with `authorization`, marked sensitive
/// }
/// ```
pub struct Authorizer<P, S = BearerScheme> {
    shared: Arc<Shared<P, S>>,
}

/// Bearer tokens of any provider (RFC 6750 section 2.1).
pub type Bearer<P> = Authorizer<P, BearerScheme>;

struct Shared<P, S> {
    tokens: Option<P>,
    scheme: S,
    origins: Vec<Origin>,
    options: Options,
    refused_when: Option<RefusedWhen>,
    clock: Arc<dyn Clock>,
}

type RefusedWhen = Box<dyn Fn(&ApiAnswer<'_>) -> bool + Send + Sync>;

#[derive(Clone, Copy, Debug)]
struct Options {
    patience: Duration,
    takes: Duration,
    longest_body: usize,
    resend: ResendPolicy,
    reads_codes: bool,
}

/// Which requests are sent once more after their token was refused; those whose body can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResendPolicy {
    /// Whatever the method: a service that refuses the token has not acted on the request.
    #[default]
    AnyMethod,
    /// The idempotent ones alone (RFC 9110 section 9.2.2): `GET`, `HEAD`, `OPTIONS`, `QUERY`, `TRACE`, `PUT`, `DELETE`.
    Idempotent,
    /// None.
    Never,
}

impl<P: TokenProvider + 'static> Bearer<P> {
    /// Begins an authoriser of bearer requests with the tokens of `tokens`: a cache, most often, or an `Arc<dyn TokenProvider>`.
    #[must_use = "end it with `build`"]
    pub fn of(tokens: P) -> AuthorizerBuilder<P, BearerScheme> {
        Self::with_scheme(tokens, BearerScheme::default())
    }
}

impl<P: TokenProvider + 'static, S: AuthScheme> Authorizer<P, S> {
    /// Begins an authoriser of requests as `scheme` wants them, with the tokens of `tokens`.
    #[must_use = "end it with `build`"]
    pub fn with_scheme(tokens: P, scheme: S) -> AuthorizerBuilder<P, S> {
        AuthorizerBuilder::new(Some(tokens), scheme)
    }
}

impl<S: AuthScheme> Authorizer<NoTokens, S> {
    /// Begins an authoriser of requests that are signed and carry no token.
    #[must_use = "end it with `build`"]
    pub fn without_token(scheme: S) -> AuthorizerBuilder<NoTokens, S> {
        AuthorizerBuilder::new(None, scheme)
    }
}

impl<P, S> Authorizer<P, S> {
    /// What gives the tokens; `None` if it was made without.
    #[must_use]
    pub fn tokens(&self) -> Option<&P> {
        self.shared.tokens.as_ref()
    }

    /// The origins that it authorises.
    #[must_use]
    pub fn origins(&self) -> &[Origin] {
        &self.shared.origins
    }
}

impl<P: TokenProvider + 'static, S: AuthScheme> Authorizer<P, S> {
    /// Checks `request`, waits for a token, and adds to `headers` what the service wants. Gives the token, for [`Authorize::invalidate`]; `None` if none is used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorizable`], with an [`AuthorizeFault`] as its cause, or what kept the provider from giving a token in time. Do not send the request.
    pub async fn authorize(&self, request: &ApiRequest<'_>, headers: &mut HeaderMap) -> Result<Option<Token>, Error> {
        let checked = self.check(request, headers)?;
        let token = self.token(None).await?;
        self.attach_checked(checked, request, token.as_ref(), headers)?;
        Ok(token)
    }

    /// The token for a request that takes as long as `takes` says (`None`: as the authoriser was told), if there is one at hand. The inner `None`: none is used.
    #[must_use]
    pub fn try_token(&self, takes: Option<Duration>) -> Option<Option<Token>> {
        let Some(tokens) = &self.shared.tokens else { return Some(None) };
        let token = tokens.try_token()?;
        self.shared.long_enough(token, takes.unwrap_or(self.shared.options.takes)).map(Some)
    }
}

impl<P: TokenProvider, S: AuthScheme> Shared<P, S> {
    fn error(&self, fault: AuthorizeFault) -> Error {
        let remedy = match fault {
            AuthorizeFault::Clock => Remedy::CorrectClock,
            AuthorizeFault::Unsigned => Remedy::FixProgram,
            _ => Remedy::FixRequest,
        };
        Error::new(self.scheme.provider(), ErrorKind::Unauthorizable, remedy)
            .with_message(format!("the request was not sent: {}", fault.what()))
            .with_source(fault)
    }

    fn fault(&self, request: &ApiRequest<'_>, headers: &HeaderMap) -> Option<AuthorizeFault> {
        if !request.target.is_any_of(&self.origins) {
            return Some(request.target.elsewhere());
        }
        if *request.method == Method::CONNECT {
            return Some(AuthorizeFault::Connect);
        }
        if !request.target.agrees_with_host_header(headers) {
            return Some(AuthorizeFault::HostDiffers);
        }
        if let Some(name) = self.scheme.headers().iter().find(|name| has(headers, name)) {
            return Some(AuthorizeFault::HeaderSet { name: name.clone() });
        }
        self.body_fault(request.body)
    }

    fn body_fault(&self, body: ApiBody<'_>) -> Option<AuthorizeFault> {
        if !self.scheme.covers_body() {
            return None;
        }
        let limit = self.options.longest_body;
        match body {
            ApiBody::Bytes(bytes) if bytes.len() <= limit => None,
            ApiBody::Bytes(_) => Some(AuthorizeFault::BodyTooLong { limit }),
            ApiBody::Stream => Some(AuthorizeFault::BodyUnread),
        }
    }

    /// Adds to `headers` what the service wants, by one reading of the clock.
    fn apply(&self, request: &ApiRequest<'_>, token: Option<&Token>, headers: &mut HeaderMap) -> Result<(), Error> {
        let reading = OneReading::of(&*self.clock);
        self.scheme.apply(request, token, &reading, headers).map_err(|fault| self.error(fault))
    }

    /// The token, if it lives long enough; one whose lifetime nobody knows does.
    fn long_enough(&self, token: Token, takes: Duration) -> Option<Token> {
        let is_long = takes.is_zero() || token.lifetime_left(&self.clock.now()).is_none_or(|left| left >= takes);
        is_long.then_some(token)
    }

    async fn token_in_time(&self, tokens: &P, takes: Duration) -> Result<Token, Error> {
        let asked = async { if takes.is_zero() { tokens.token().await } else { tokens.token_lasting(takes).await } };
        let patience = self.options.patience;
        let token = within(asked, caught(self.clock.sleep(patience))).await.unwrap_or_else(|| {
            let message = if patience.is_zero() {
                "no token is at hand, and the request was not to wait for one".to_owned()
            } else {
                format!("no token came within {patience:?}, which is how long a request waits for one")
            };
            Err(Error::new(self.scheme.provider(), ErrorKind::Pending, Remedy::Retry).with_message(message))
        })?;
        self.long_enough(token, takes).ok_or_else(|| self.error(AuthorizeFault::TokenTooShort))
    }
}

/// What a layer of an HTTP client needs of an [`Authorizer`], whatever its provider and service. Nothing else implements it.
#[async_trait]
pub trait Authorize: Send + Sync + sealed::Sealed {
    /// Looks whether `request` with `headers` can be authorised, before anyone waits for a token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorizable`].
    fn check(&self, request: &ApiRequest<'_>, headers: &HeaderMap) -> Result<Checked, Error>;

    /// Checks `request`, and adds to `headers` what the service wants if there is a token at hand, as there is for most requests: one that lives as long as `takes` says (`None`: as the authoriser was told).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorizable`]: do not send the request. What is in `headers` then does not matter.
    fn try_authorize(&self, request: &ApiRequest<'_>, takes: Option<Duration>, headers: &mut HeaderMap) -> Result<Tried, Error>;

    /// The token for a request that takes as long as `takes` says (`None`: as the authoriser was told): the one at hand, or another that is waited for as long as a request may wait. `None` if none is used.
    ///
    /// # Errors
    ///
    /// The provider failed, or no token came in time ([`ErrorKind::Pending`]), or those of the service do not live so long.
    async fn token(&self, takes: Option<Duration>) -> Result<Option<Token>, Error>;

    /// Checks `request` and adds to `headers` what the service wants with `token`, by one reading of the clock.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorizable`]: do not send the request.
    fn attach(&self, request: &ApiRequest<'_>, token: Option<&Token>, headers: &mut HeaderMap) -> Result<(), Error>;

    /// As [`attach`](Self::attach), of a request that passed the check a moment ago and is the same but for its body, which may not have been read then. Where it goes is looked at once more.
    ///
    /// # Errors
    ///
    /// As there.
    fn attach_checked(
        &self,
        checked: Checked,
        request: &ApiRequest<'_>,
        token: Option<&Token>,
        headers: &mut HeaderMap,
    ) -> Result<(), Error>;

    /// What it does with requests and answers, by rules that stay the same.
    fn rules(&self) -> AuthorizeRules;

    /// Whether the service says by this answer that it refuses the token.
    ///
    /// A 401 does (RFC 9110 section 15.5.2), unless it names a code that the service documents for something else, or was cut off before one.
    /// Another status does only where [`AuthorizerBuilder::read_codes`] asked for it, and by a documented code alone.
    /// Where [`AuthorizerBuilder::refused_when`] gave a rule, that rule alone tells, whatever the status.
    fn is_refused(&self, answer: &ApiAnswer<'_>) -> bool;

    /// Tells the provider that the API refused `token`.
    fn invalidate(&self, token: &Token);

    /// Gives the token to send a request with once more, after [`invalidate`](Self::invalidate) told of `refused`; `None` if the provider gives that very one again.
    ///
    /// # Errors
    ///
    /// As with [`token`](Self::token).
    async fn token_after(&self, refused: &Token, takes: Option<Duration>) -> Result<Option<Token>, Error>;

    /// Looks whether a request that was authorised above may go on from here: it must go to an allowed origin, and have its token still.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorizable`]: do not send the request.
    fn guard(&self, target: Result<Target<'_>, AuthorizeFault>, headers: &HeaderMap) -> Result<(), Error>;

    /// Ends when a look into the body of an answer has lasted long enough: as long as a request waits for its token.
    fn patience(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The error of a request that is not sent because of `fault`.
    fn unauthorizable(&self, fault: AuthorizeFault) -> Error;
}

/// What an [`Authorizer`] does with requests and answers. It stays the same, so a layer asks for it once: [`Authorize::rules`].
#[derive(Clone, Copy, Debug)]
pub struct AuthorizeRules {
    has_tokens: bool,
    covers_body: bool,
    has_codes_in_body: bool,
    has_own_rule: bool,
    options: Options,
}

impl AuthorizeRules {
    /// Whether what is added covers the body.
    #[inline]
    #[must_use]
    pub fn covers_body(&self) -> bool {
        self.covers_body
    }

    /// The longest body, in bytes, that is signed or kept so that it can be sent again.
    #[inline]
    #[must_use]
    pub fn longest_body(&self) -> usize {
        self.options.longest_body
    }

    /// Whether a request with this method is sent once more after its token was refused.
    #[inline]
    #[must_use]
    pub fn may_resend(&self, method: &Method) -> bool {
        self.has_tokens
            && match self.options.resend {
                ResendPolicy::AnyMethod => true,
                ResendPolicy::Idempotent => method.is_idempotent(),
                ResendPolicy::Never => false,
            }
    }

    /// Whether an answer with this status may refuse the token. Most may not, and are not looked at.
    #[inline]
    #[must_use]
    pub fn may_refuse(&self, status: StatusCode) -> bool {
        self.has_tokens && (status == StatusCode::UNAUTHORIZED || self.options.reads_codes || self.has_own_rule)
    }

    /// Whether [`Authorize::is_refused`] wants the first [`ANSWER_BYTES`] of the body of an answer with this status.
    #[inline]
    #[must_use]
    pub fn wants_body_of(&self, status: StatusCode) -> bool {
        self.has_tokens
            && match status {
                StatusCode::UNAUTHORIZED => self.has_codes_in_body || self.options.reads_codes,
                status => self.options.reads_codes && !status.is_informational(),
            }
    }
}

/// What comes of [`Authorize::try_authorize`].
#[derive(Debug)]
pub enum Tried {
    /// The headers have what the service wants. The token is for [`Authorize::invalidate`]; `None` if none is used.
    Authorized(Option<Token>),
    /// No token is at hand. The headers are those of the caller; go on with [`Authorize::token`] and [`Authorize::attach_checked`].
    Waits(Checked),
}

/// That a request passed [`Authorize::check`]: its headers are those of the caller.
#[derive(Debug)]
pub struct Checked(());

mod sealed {
    pub trait Sealed {}

    impl<P, S> Sealed for super::Authorizer<P, S> {}
}

#[async_trait]
impl<P: TokenProvider + 'static, S: AuthScheme> Authorize for Authorizer<P, S> {
    fn check(&self, request: &ApiRequest<'_>, headers: &HeaderMap) -> Result<Checked, Error> {
        match self.shared.fault(request, headers) {
            None => Ok(Checked(())),
            Some(fault) => Err(self.shared.error(fault)),
        }
    }

    fn try_authorize(&self, request: &ApiRequest<'_>, takes: Option<Duration>, headers: &mut HeaderMap) -> Result<Tried, Error> {
        let checked = self.check(request, headers)?;
        let Some(token) = self.try_token(takes) else { return Ok(Tried::Waits(checked)) };
        self.shared.apply(request, token.as_ref(), headers)?;
        Ok(Tried::Authorized(token))
    }

    async fn token(&self, takes: Option<Duration>) -> Result<Option<Token>, Error> {
        if let Some(token) = self.try_token(takes) {
            return Ok(token);
        }
        let Some(tokens) = &self.shared.tokens else { return Ok(None) };
        self.shared.token_in_time(tokens, takes.unwrap_or(self.shared.options.takes)).await.map(Some)
    }

    fn attach(&self, request: &ApiRequest<'_>, token: Option<&Token>, headers: &mut HeaderMap) -> Result<(), Error> {
        let checked = self.check(request, headers)?;
        self.attach_checked(checked, request, token, headers)
    }

    fn attach_checked(
        &self,
        _: Checked,
        request: &ApiRequest<'_>,
        token: Option<&Token>,
        headers: &mut HeaderMap,
    ) -> Result<(), Error> {
        let shared = &*self.shared;
        if !request.target.is_any_of(&shared.origins) {
            return Err(shared.error(request.target.elsewhere()));
        }
        if token.is_none() && shared.tokens.is_some() {
            let error = Error::new(shared.scheme.provider(), ErrorKind::Internal, Remedy::FixProgram);
            return Err(error.with_message("the request was given no token"));
        }
        if let Some(fault) = shared.body_fault(request.body) {
            return Err(shared.error(fault));
        }
        shared.apply(request, token, headers)
    }

    fn rules(&self) -> AuthorizeRules {
        let shared = &*self.shared;
        AuthorizeRules {
            has_tokens: shared.tokens.is_some(),
            covers_body: shared.scheme.covers_body(),
            has_codes_in_body: shared.scheme.has_codes_in_body(),
            has_own_rule: shared.refused_when.is_some(),
            options: shared.options,
        }
    }

    fn is_refused(&self, answer: &ApiAnswer<'_>) -> bool {
        let shared = &*self.shared;
        if !self.rules().may_refuse(answer.status) {
            return false;
        }
        if let Some(refused_when) = &shared.refused_when {
            return refused_when(answer);
        }
        match answer.status {
            StatusCode::UNAUTHORIZED => match shared.scheme.error_kind(answer) {
                Some(kind) => kind == ErrorKind::TokenRefused,
                // The code that is not there may have said something else.
                None => !answer.is_cut_off,
            },
            // Codes are read, or it would be no such status.
            _ => shared.scheme.error_kind(answer) == Some(ErrorKind::TokenRefused),
        }
    }

    fn invalidate(&self, token: &Token) {
        if let Some(tokens) = &self.shared.tokens {
            tokens.invalidate(token);
        }
    }

    async fn token_after(&self, refused: &Token, takes: Option<Duration>) -> Result<Option<Token>, Error> {
        let token = self.token(takes).await?;
        Ok(token.filter(|token| !token.has_same_access_token(refused)))
    }

    fn guard(&self, target: Result<Target<'_>, AuthorizeFault>, headers: &HeaderMap) -> Result<(), Error> {
        let shared = &*self.shared;
        let target = target.map_err(|fault| shared.error(fault))?;
        let wants_token = shared.tokens.is_some() && shared.scheme.headers().contains(&AUTHORIZATION);
        let fault = if !target.is_any_of(&shared.origins) {
            target.elsewhere()
        } else if !target.agrees_with_host_header(headers) {
            AuthorizeFault::HostDiffers
        } else if wants_token && !has(headers, &AUTHORIZATION) {
            AuthorizeFault::HeaderLost { name: AUTHORIZATION }
        } else {
            return Ok(());
        };
        Err(shared.error(fault))
    }

    fn patience(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let shared = &*self.shared;
        Box::pin(async {
            // On a runtime without timers nobody can wait for a time, so it counts as gone.
            let _ = caught(shared.clock.sleep(shared.options.patience)).await;
        })
    }

    fn unauthorizable(&self, fault: AuthorizeFault) -> Error {
        self.shared.error(fault)
    }
}

impl<P, S> Clone for Authorizer<P, S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P, S: AuthScheme> fmt::Debug for Authorizer<P, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authorizer")
            .field("provider", &self.shared.scheme.provider())
            .field("origins", &self.shared.origins)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// Gives no token: the provider of an authoriser that signs requests without one. There is no value of it.
#[derive(Clone, Copy, Debug)]
pub enum NoTokens {}

impl TokenProvider for NoTokens {
    fn token<'this, 'future>(&'this self) -> Pin<Box<dyn Future<Output = Result<Token, Error>> + Send + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        match *self {}
    }

    fn invalidate(&self, _rejected: &Token) {
        match *self {}
    }
}

/// Builds an [`Authorizer`]. At least one origin is needed.
#[must_use = "end it with `build`"]
pub struct AuthorizerBuilder<P, S> {
    tokens: Option<P>,
    scheme: S,
    origins: Vec<Origin>,
    /// Whether an origin was named, right or wrong.
    is_named: bool,
    check: SettingsCheck,
    options: Options,
    refused_when: Option<RefusedWhen>,
    clock: Arc<dyn Clock>,
}

impl<P: TokenProvider + 'static, S: AuthScheme> AuthorizerBuilder<P, S> {
    fn new(tokens: Option<P>, scheme: S) -> Self {
        Self {
            tokens,
            check: SettingsCheck::new(scheme.provider()),
            scheme,
            origins: Vec::new(),
            is_named: false,
            options: Options {
                patience: Duration::from_secs(30),
                takes: Duration::ZERO,
                longest_body: 1024 * 1024,
                resend: ResendPolicy::default(),
                reads_codes: false,
            },
            refused_when: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Allows requests to one more origin, as `https://api.example:8443`: `https`, or `http` to this machine.
    pub fn origin(mut self, origin: &str) -> Self {
        self.is_named = true;
        let fix = "write it as `https://service.example`";
        if let Some(base) = self.check.base_url("origin", Some(origin), fix) {
            if base.path().is_empty() {
                return self.allow(Origin::of(&base));
            }
            self.check.fault("origin", "has a path", "leave the path out: a token is for a whole origin");
        }
        self
    }

    /// Allows requests to one more origin.
    pub fn allow(mut self, origin: Origin) -> Self {
        self.is_named = true;
        self.origins.push(origin);
        self
    }

    /// How long a request waits for a token at most, and how long a look into the body of an answer lasts; 30 seconds unless set.
    ///
    /// A cache and a session go on with what they asked for. A bare provider is asked no further, so one whose answer may bring a new refresh token belongs behind a cache.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.options.patience = patience;
        self
    }

    /// How long requests take: a token that would be over before is not attached, and a new one is asked for. Zero unless set; a single request can say otherwise.
    pub fn takes(mut self, takes: Duration) -> Self {
        self.options.takes = takes;
        self
    }

    /// The longest body, in bytes, that is signed or kept so that it can be sent again; 1 MiB unless set. A longer one is an error where the signature covers it, and else is sent once.
    pub fn longest_body(mut self, bytes: usize) -> Self {
        self.options.longest_body = bytes;
        self
    }

    /// Which requests are sent once more after their token was refused; any unless set.
    pub fn resend(mut self, policy: ResendPolicy) -> Self {
        self.options.resend = policy;
        self
    }

    /// Looks for the service's codes in answers of any status: some come with 200 or 400. The first 4 KiB of every answer are then read before it is given out, so one that comes bit by bit, as events of a server do, comes late.
    ///
    /// Off unless set: then only the body of a 401 is looked at.
    pub fn read_codes(mut self, read: bool) -> Self {
        self.options.reads_codes = read;
        self
    }

    /// Tells by another rule whether an answer refuses the token: for a gRPC service, `answer.headers.get("grpc-status").is_some_and(|status| status == "16")`.
    ///
    /// The body of a 401 is there for services whose codes stand in it, that of other answers with [`read_codes`](Self::read_codes).
    pub fn refused_when(mut self, rule: impl Fn(&ApiAnswer<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.refused_when = Some(Box::new(rule));
        self
    }

    /// Tells the time by another clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the authoriser.
    ///
    /// # Errors
    ///
    /// An origin is wrong, or there is none: the error names all faults.
    pub fn build(mut self) -> Result<Authorizer<P, S>, SettingsError> {
        if !self.is_named {
            self.check.fault("origin", "is missing", "name the origins that the token is for, as `https://service.example`");
        }
        let shared = Shared {
            tokens: self.tokens,
            scheme: self.scheme,
            origins: self.origins,
            options: self.options,
            refused_when: self.refused_when,
            clock: self.clock,
        };
        self.check.finish(Some(Authorizer { shared: Arc::new(shared) }))
    }
}

impl<P, S> fmt::Debug for AuthorizerBuilder<P, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthorizerBuilder")
            .field("origins", &self.origins)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
