//! A layer of tower.

mod guard;

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Extensions, HeaderMap, Method, Request, Response, Uri, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use token_core::{
    ANSWER_BYTES, ApiAnswer, ApiBody, ApiRequest, Authorize, AuthorizeFault, AuthorizeRules, Checked, Error, Target, Token, Tried,
};
use tower_layer::Layer;
use tower_service::Service;

pub use self::guard::{GuardFuture, GuardLayer, GuardService};
use crate::attempt::{authorize_again, takes};
use crate::peek::{KEPT_BYTES, Peeked};

/// What tower's own layers give as an error: look for [`token_core::Error`] by `downcast_ref`.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives every request of a client its token: a [`Layer`] over any service of [`http::Request`]s.
///
/// Its place is inside what tries again and what limits the time, and outside what makes connections: so each try is signed anew, and waiting for a token counts towards the time.
/// Whatever follows redirects belongs outside as well; if it stands inside, put [`guard`](Self::guard) below it.
///
/// The service below must be able to send while an answer is unread, as a pool of connections is: the first answer to a request that is sent again is kept until the second is there.
/// What packs bodies belongs outside, as a signature covers what is sent; what unpacks answers belongs inside, as the codes of a service are looked for in them.
///
/// The service below takes bodies of the type [`Peeked`]. Where it takes none but its own, put them back in a box: for tonic's channel, `.map_request(|request: Request<_>| request.map(tonic::body::Body::new))`.
#[derive(Clone)]
pub struct TokenLayer {
    authorizer: Arc<dyn Authorize>,
}

impl TokenLayer {
    /// Authorises by `authorizer`.
    #[must_use]
    pub fn new(authorizer: impl Authorize + 'static) -> Self {
        Self { authorizer: Arc::new(authorizer) }
    }

    /// A layer for below a redirect layer that stands inside this one: it stops a request that carries a token or a signature to a place where it may not go.
    #[must_use]
    pub fn guard(&self) -> GuardLayer {
        GuardLayer::new(Arc::clone(&self.authorizer))
    }
}

impl fmt::Debug for TokenLayer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenLayer").finish_non_exhaustive()
    }
}

impl<S: Clone> Layer<S> for TokenLayer {
    type Service = TokenService<S>;

    fn layer(&self, inner: S) -> TokenService<S> {
        let authorizer = Arc::clone(&self.authorizer);
        let shared = Shared { rules: authorizer.rules(), authorizer, spare: Mutex::new(inner.clone()) };
        TokenService { inner, shared: Arc::new(shared) }
    }
}

/// The service that [`TokenLayer`] makes. Its error is boxed: [`token_core::Error`] where a request was not sent, else that of the service below.
#[derive(Clone)]
pub struct TokenService<S> {
    inner: S,
    shared: Arc<Shared<S>>,
}

/// Behind one pointer, which is all that a request takes along.
struct Shared<S> {
    authorizer: Arc<dyn Authorize>,
    rules: AuthorizeRules,
    /// For the few requests that are sent again: a clone for each request would cost every one of them.
    spare: Mutex<S>,
}

impl<S> fmt::Debug for TokenService<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenService").finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for TokenService<S>
where
    S: Service<Request<Peeked<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError> + Send,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
    R::Error: Send,
{
    type Response = Response<Peeked<R>>;
    type Error = BoxError;
    type Future = TokenFuture<S, B, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> TokenFuture<S, B, R> {
        let mut request = request.map(Peeked::unread);
        let state = match begin(&self.shared, &mut request) {
            Err(error) => State::Failed { error: Some(error) },
            Ok(Begun::Ready(token, copy)) => {
                let sending = self.inner.call(request);
                State::Sending { sending, sent: Some(Sent { token, copy, shared: Arc::clone(&self.shared) }) }
            }
            Ok(Begun::Waiting(checked)) => {
                // The one that was found ready goes along, and a clone takes its place.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                State::Waiting { waiting: Box::pin(wait(checked, request, ready, Arc::clone(&self.shared))) }
            }
        };
        TokenFuture { state, body: PhantomData }
    }
}

/// How far a request has come without waiting.
enum Begun {
    /// It has its token.
    Ready(Option<Token>, Option<Box<Copy>>),
    /// For its body or its token.
    Waiting(Checked),
}

/// What is kept of a request that was sent.
struct Sent<S> {
    token: Option<Token>,
    copy: Option<Box<Copy>>,
    shared: Arc<Shared<S>>,
}

/// A request as it was before its token was in it, for a second try. In a box, so that those without one do not carry its size about.
struct Copy {
    method: Method,
    uri: Uri,
    version: Version,
    /// As a list, which takes an allocation less than a map.
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    data: Bytes,
    trailers: Option<Box<HeaderMap>>,
}

impl Copy {
    /// `None` if the body was not read to its end.
    fn of<B: Body>(request: &Request<Peeked<B>>) -> Option<Self> {
        let (data, trailers) = request.body().to_whole()?;
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: request.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            extensions: request.extensions().clone(),
            data,
            trailers,
        })
    }

    fn into_request<B: Body>(self) -> Request<Peeked<B>> {
        let mut request = Request::new(Peeked::whole(self.data, self.trailers));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.into_iter().collect();
        *request.extensions_mut() = self.extensions;
        request
    }
}

/// Goes as far as it can be gone without waiting. The request is left in its place, as moving it costs as much as all the rest.
#[inline(always)]
fn begin<S, B>(shared: &Shared<S>, request: &mut Request<Peeked<B>>) -> Result<Begun, BoxError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let Shared { authorizer, rules, .. } = shared;
    // Whoever has to wait polls again, with a waker that wakes.
    if poll_body(*rules, request, &mut Context::from_waker(Waker::noop())).is_pending() {
        return Ok(Begun::Waiting(check(shared, request)?));
    }
    let copy = copy_of(shared, request)?;
    let mut headers = std::mem::take(request.headers_mut());
    let described = describe(&**authorizer, request)?;
    let tried = authorizer.try_authorize(&described, takes(request.extensions()), &mut headers)?;
    *request.headers_mut() = headers;
    Ok(match tried {
        Tried::Authorized(token) => Begun::Ready(token, copy),
        Tried::Waits(checked) => Begun::Waiting(checked),
    })
}

/// All that can be known of a request before its body and its token are there.
#[cold]
fn check<S, B>(shared: &Shared<S>, request: &Request<Peeked<B>>) -> Result<Checked, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Shared { authorizer, rules, .. } = shared;
    let mut described = describe(&**authorizer, request)?;
    described.body = ApiBody::Bytes(&[]);
    let checked = authorizer.check(&described, request.headers())?;
    if rules.covers_body() && !is_short(*rules, request.body()) {
        let fault = match request.body().size_hint().exact() {
            Some(_) => AuthorizeFault::BodyTooLong { limit: rules.longest_body() },
            None => AuthorizeFault::BodyUnread,
        };
        return Err(authorizer.unauthorizable(fault));
    }
    Ok(checked)
}

/// Whether the body is no longer than the limit, as far as is known. What it says of its length is taken before it is read, as some bodies go on saying it.
fn is_short<B>(rules: AuthorizeRules, body: &Peeked<B>) -> bool
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.has_begun() {
        return body.read().len() <= rules.longest_body();
    }
    let limit = u64::try_from(rules.longest_body()).unwrap_or(u64::MAX);
    body.size_hint().exact().is_some_and(|size| size <= limit)
}

/// Reads the body where it is to be signed or kept, and is not too long for that.
#[inline]
fn poll_body<B>(rules: AuthorizeRules, request: &mut Request<Peeked<B>>, context: &mut Context<'_>) -> Poll<()>
where
    B: Body<Data = Bytes> + Unpin,
{
    let is_wanted = rules.covers_body() || rules.may_resend(request.method());
    if is_wanted && is_short(rules, request.body()) {
        return request.body_mut().poll_read(context, rules.longest_body());
    }
    Poll::Ready(())
}

/// A copy, if the request may be sent again.
///
/// # Errors
///
/// A signature covers the body, and it was not read to its end.
#[inline]
fn copy_of<S, B>(shared: &Shared<S>, request: &mut Request<Peeked<B>>) -> Result<Option<Box<Copy>>, BoxError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if shared.rules.covers_body() && !request.body().is_whole() {
        check(shared, request)?;
        // It was not too long, so reading it failed.
        if let Some(error) = request.body_mut().take_error() {
            return Err(error.into());
        }
    }
    if !shared.rules.may_resend(request.method()) {
        return Ok(None);
    }
    Ok(Copy::of(request).map(Box::new))
}

/// What of a request matters for authorising it, beside its headers.
#[inline(always)]
fn describe<'a, B>(authorizer: &dyn Authorize, request: &'a Request<Peeked<B>>) -> Result<ApiRequest<'a>, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let body = request.body();
    let body = if body.is_whole() { ApiBody::Bytes(body.read()) } else { ApiBody::Stream };
    match Target::of_uri(request.uri()) {
        Ok(target) => Ok(ApiRequest::new(request.method(), target, body)),
        Err(fault) => Err(authorizer.unauthorizable(fault)),
    }
}

/// The rest of a call that has to wait for its body or its token.
async fn wait<S, B, R>(
    checked: Checked,
    mut request: Request<Peeked<B>>,
    mut ready: S,
    shared: Arc<Shared<S>>,
) -> Result<Response<Peeked<R>>, BoxError>
where
    S: Service<Request<Peeked<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    let Shared { authorizer, rules, .. } = &*shared;
    poll_fn(|context| poll_body(*rules, &mut request, context)).await;
    let copy = copy_of(&shared, &mut request)?;
    let token = authorizer.token(takes(request.extensions())).await?;
    let mut headers = std::mem::take(request.headers_mut());
    let described = describe(&**authorizer, &request)?;
    authorizer.attach_checked(checked, &described, token.as_ref(), &mut headers)?;
    *request.headers_mut() = headers;
    let response = ready.call(request).await.map_err(Into::into)?;
    let sent = Sent { token, copy, shared };
    if sent.is_settled_by(&response) {
        return Ok(response.map(Peeked::unread));
    }
    look(sent, response).await
}

impl<S> Sent<S> {
    /// Whether the answer goes to the caller without a look at it, as most do.
    fn is_settled_by<R>(&self, answer: &Response<R>) -> bool {
        self.token.is_none() || !self.shared.rules.may_refuse(answer.status())
    }
}

/// The answer with as much of its body read as it takes to tell, and whether it refuses the token.
async fn read<S, R: Body<Data = Bytes> + Unpin>(shared: &Shared<S>, answer: Response<R>) -> (Response<Peeked<R>>, bool) {
    let Shared { authorizer, rules, .. } = shared;
    let mut answer = answer.map(Peeked::unread);
    let mut was_read = true;
    if rules.wants_body_of(answer.status()) {
        // A byte less than "more than": a service may stop there without an end.
        was_read = answer.body_mut().look(ANSWER_BYTES - 1, || authorizer.patience()).await;
    }
    let told = ApiAnswer::new(answer.status(), answer.headers(), answer.body().read());
    let is_refused = authorizer.is_refused(&if was_read { told } else { told.cut_off() });
    (answer, is_refused)
}

/// Looks at an answer that may refuse the token, and sends the request once more if it does.
async fn look<S, B, R>(sent: Sent<S>, answer: Response<R>) -> Result<Response<Peeked<R>>, BoxError>
where
    S: Service<Request<Peeked<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    R: Body<Data = Bytes> + Unpin,
{
    let Sent { token, copy, shared } = sent;
    let authorizer = &*shared.authorizer;
    let (mut first, is_refused) = read(&shared, answer).await;
    let Some(refused) = token.filter(|_| is_refused) else { return Ok(first) };
    authorizer.invalidate(&refused);
    let Some(copy) = copy else { return Ok(first) };
    let mut request = copy.into_request();
    // So that its connection is free for the second try.
    first.body_mut().look(KEPT_BYTES, || authorizer.patience()).await;
    // Before there is a token and a time in the request: this may wait.
    let mut service = shared.spare.lock().unwrap_or_else(PoisonError::into_inner).clone();
    poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
    let mut headers = std::mem::take(request.headers_mut());
    let described = describe(authorizer, &request)?;
    let (takes, why) = (takes(request.extensions()), first.extensions_mut());
    if !authorize_again(authorizer, &refused, takes, &described, &mut headers, why).await {
        return Ok(first);
    }
    *request.headers_mut() = headers;
    let second = service.call(request).await.map_err(Into::into)?;
    let (second, is_refused) = read(&shared, second).await;
    Ok(if is_refused { first } else { second })
}

type Boxed<R> = Pin<Box<dyn Future<Output = Result<Response<Peeked<R>>, BoxError>> + Send>>;

pin_project! {
    #[project = StateProjection]
    enum State<S, F, R>
    where
        R: Body,
    {
        Failed { error: Option<BoxError> },
        Sending { #[pin] sending: F, sent: Option<Sent<S>> },
        Waiting { waiting: Boxed<R> },
    }
}

pin_project! {
    /// The answer of a [`TokenService`]. While a token is at hand and no answer is looked at, there is no box around the future of the service below.
    pub struct TokenFuture<S, B, R>
    where
        S: Service<Request<Peeked<B>>>,
        B: Body,
        R: Body,
    {
        #[pin]
        state: State<S, S::Future, R>,
        body: PhantomData<fn(B)>,
    }
}

impl<S, B, R> Future for TokenFuture<S, B, R>
where
    S: Service<Request<Peeked<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Send,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
    R::Error: Send,
{
    type Output = Result<Response<Peeked<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let waiting = match state.as_mut().project() {
                StateProjection::Failed { error } => match error.take() {
                    Some(error) => return Poll::Ready(Err(error)),
                    None => return Poll::Pending,
                },
                StateProjection::Sending { sending, sent } => {
                    let response = ready!(sending.poll(context)).map_err(Into::into)?;
                    if sent.as_ref().is_some_and(|sent| sent.is_settled_by(&response)) {
                        return Poll::Ready(Ok(response.map(Peeked::unread)));
                    }
                    let Some(sent) = sent.take() else { return Poll::Pending };
                    Box::pin(look(sent, response))
                }
                StateProjection::Waiting { waiting } => return waiting.as_mut().poll(context),
            };
            state.set(State::Waiting { waiting });
        }
    }
}

impl<S, B, R> fmt::Debug for TokenFuture<S, B, R>
where
    S: Service<Request<Peeked<B>>>,
    B: Body,
    R: Body,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenFuture").finish_non_exhaustive()
    }
}
