//! A layer of tower.

mod guard;

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, request};
use http_body::Body;
use pin_project_lite::pin_project;
use token_core::{ANSWER_BYTES, ApiAnswer, ApiBody, ApiRequest, Authorize, AuthorizeFault, Checked, Error, Target, Token};
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
        let shared = Shared { authorizer: Arc::clone(&self.authorizer), spare: Mutex::new(inner.clone()) };
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
        let (mut parts, body) = request.into_parts();
        let (mut body, mut copy) = (Peeked::unread(body), None);
        let state = match begin(&*self.shared.authorizer, &mut parts, &mut body, &mut copy) {
            Err(error) => State::Failed { error: Some(error) },
            Ok(Begun::Ready(token)) => {
                let sending = self.inner.call(Request::from_parts(parts, body));
                State::Sending { sending, sent: Some(Sent { token, copy, shared: Arc::clone(&self.shared) }) }
            }
            Ok(Begun::Waiting(checked)) => {
                // The one that was found ready goes along, and a clone takes its place.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                State::Waiting { waiting: Box::pin(wait(checked, parts, body, ready, Arc::clone(&self.shared))) }
            }
        };
        TokenFuture { state, body: PhantomData }
    }
}

/// How far a request has come without waiting.
enum Begun {
    /// It has its token.
    Ready(Option<Token>),
    /// For its body or its token.
    Waiting(Checked),
}

/// What is kept of a request that was sent.
struct Sent<S> {
    token: Option<Token>,
    copy: Option<Copy>,
    shared: Arc<Shared<S>>,
}

/// For a second try.
struct Copy {
    parts: request::Parts,
    data: Bytes,
    trailers: Option<Box<HeaderMap>>,
}

/// Goes as far as it can be gone without waiting. What it makes is left in its place, as moving it costs more than all the rest.
#[inline(always)]
fn begin<B>(
    authorizer: &dyn Authorize,
    parts: &mut request::Parts,
    body: &mut Peeked<B>,
    copy: &mut Option<Copy>,
) -> Result<Begun, BoxError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let request = describe(authorizer, &parts.method, &parts.uri)?;
    let checked = check(authorizer, &request, &parts.headers, body)?;
    // Whoever has to wait polls again, with a waker that wakes.
    if poll_body(authorizer, &parts.method, body, &mut Context::from_waker(Waker::noop())).is_pending() {
        return Ok(Begun::Waiting(checked));
    }
    let Some(token) = authorizer.try_token(takes(&parts.extensions)) else {
        return Ok(Begun::Waiting(checked));
    };
    let whole = whole(authorizer, body)?;
    *copy = copy_of(authorizer, parts, whole.as_ref(), token.as_ref());
    let request = request.with_body(api_body(whole.as_ref()));
    authorizer.attach_checked(checked, &request, token.as_ref(), &mut parts.headers)?;
    Ok(Begun::Ready(token))
}

/// All that can be known before body and token are there.
#[inline]
fn check<B>(authorizer: &dyn Authorize, request: &ApiRequest<'_>, headers: &HeaderMap, body: &Peeked<B>) -> Result<Checked, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let checked = authorizer.check(request, headers)?;
    if authorizer.covers_body() && !is_short(authorizer, body) {
        let fault = match body.size_hint().exact() {
            Some(_) => AuthorizeFault::BodyTooLong { limit: authorizer.longest_body() },
            None => AuthorizeFault::BodyUnread,
        };
        return Err(authorizer.unauthorizable(fault));
    }
    Ok(checked)
}

/// Whether the body is known to be no longer than the limit.
fn is_short(authorizer: &dyn Authorize, body: &impl Body) -> bool {
    let limit = u64::try_from(authorizer.longest_body()).unwrap_or(u64::MAX);
    body.size_hint().exact().is_some_and(|size| size <= limit)
}

/// Reads the body where it is to be signed or kept, and is not too long for that.
fn poll_body<B>(authorizer: &dyn Authorize, method: &Method, body: &mut Peeked<B>, context: &mut Context<'_>) -> Poll<()>
where
    B: Body<Data = Bytes> + Unpin,
{
    let is_wanted = authorizer.covers_body() || authorizer.may_resend(method);
    if is_wanted && is_short(authorizer, body) {
        return body.poll_read(context, authorizer.longest_body());
    }
    Poll::Ready(())
}

/// A body that was read to its end, with its trailers.
type Whole = (Bytes, Option<Box<HeaderMap>>);

/// The body, if all of it was read; what kept it from being read, if a signature covers it.
fn whole<B>(authorizer: &dyn Authorize, body: &mut Peeked<B>) -> Result<Option<Whole>, BoxError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let whole = body.to_whole();
    if whole.is_none() && authorizer.covers_body() {
        // It was not longer than it said, so reading it failed.
        if let Some(error) = body.take_error() {
            return Err(error.into());
        }
    }
    Ok(whole)
}

#[inline]
fn copy_of(authorizer: &dyn Authorize, parts: &request::Parts, whole: Option<&Whole>, token: Option<&Token>) -> Option<Copy> {
    let (data, trailers) = whole.filter(|_| token.is_some() && authorizer.may_resend(&parts.method))?;
    Some(Copy { parts: parts.clone(), data: data.clone(), trailers: trailers.clone() })
}

fn api_body(whole: Option<&Whole>) -> ApiBody<'_> {
    whole.map_or(ApiBody::Stream, |(data, _)| ApiBody::Bytes(data))
}

/// What of a request matters for authorising it, without its body.
#[inline(always)]
fn describe<'a>(authorizer: &dyn Authorize, method: &'a Method, uri: &'a Uri) -> Result<ApiRequest<'a>, Error> {
    match Target::of_uri(uri) {
        Ok(target) => Ok(ApiRequest::new(method, target, ApiBody::Bytes(&[]))),
        Err(fault) => Err(authorizer.unauthorizable(fault)),
    }
}

/// The rest of a call that has to wait for its body or its token.
async fn wait<S, B, R>(
    checked: Checked,
    mut parts: request::Parts,
    mut body: Peeked<B>,
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
    let authorizer = &*shared.authorizer;
    poll_fn(|context| poll_body(authorizer, &parts.method, &mut body, context)).await;
    let token = authorizer.token(takes(&parts.extensions)).await?;
    let whole = whole(authorizer, &mut body)?;
    let copy = copy_of(authorizer, &parts, whole.as_ref(), token.as_ref());
    let request = describe(authorizer, &parts.method, &parts.uri)?.with_body(api_body(whole.as_ref()));
    authorizer.attach_checked(checked, &request, token.as_ref(), &mut parts.headers)?;
    let response = ready.call(Request::from_parts(parts, body)).await.map_err(Into::into)?;
    let sent = Sent { token, copy, shared };
    match sent.refused_at_once(&response) {
        Some(false) => Ok(response.map(Peeked::unread)),
        _ => look(sent, response).await,
    }
}

impl<S> Sent<S> {
    /// Whether the answer refuses the token, if that can be told without its body.
    fn refused_at_once<R>(&self, answer: &Response<R>) -> Option<bool> {
        let authorizer = &*self.shared.authorizer;
        match &self.token {
            None => Some(false),
            Some(_) if authorizer.wants_body_of(answer.status()) => None,
            Some(_) => Some(authorizer.is_refused(&ApiAnswer::new(answer.status(), answer.headers(), &[]))),
        }
    }
}

/// The answer with as much of its body read as it takes to tell, and whether it refuses the token.
async fn read<R: Body<Data = Bytes> + Unpin>(authorizer: &dyn Authorize, answer: Response<R>) -> (Response<Peeked<R>>, bool) {
    let mut answer = answer.map(Peeked::unread);
    let mut was_read = true;
    if authorizer.wants_body_of(answer.status()) {
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
    let (mut first, is_refused) = read(authorizer, answer).await;
    let Some(refused) = token.filter(|_| is_refused) else { return Ok(first) };
    authorizer.invalidate(&refused);
    let Some(Copy { mut parts, data, trailers }) = copy else { return Ok(first) };
    // So that its connection is free for the second try.
    first.body_mut().look(KEPT_BYTES, || authorizer.patience()).await;
    // Before there is a token and a time in the request: this may wait.
    let mut service = shared.spare.lock().unwrap_or_else(PoisonError::into_inner).clone();
    poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
    let takes = takes(&parts.extensions);
    let request = describe(authorizer, &parts.method, &parts.uri)?.with_body(ApiBody::Bytes(&data));
    let why = first.extensions_mut();
    if !authorize_again(authorizer, &refused, takes, &request, &mut parts.headers, why).await {
        return Ok(first);
    }
    let second = service.call(Request::from_parts(parts, Peeked::whole(data, trailers))).await.map_err(Into::into)?;
    let (second, is_refused) = read(authorizer, second).await;
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
    /// The answer of a [`TokenService`]. While a token is at hand and no answer refuses it, there is no box around the future of the service below.
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
                    if sent.as_ref().and_then(|sent| sent.refused_at_once(&response)) == Some(false) {
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
