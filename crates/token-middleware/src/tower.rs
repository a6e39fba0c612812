//! A layer of tower.

mod guard;

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, request};
use http_body::Body;
use pin_project_lite::pin_project;
use token_core::{ANSWER_BYTES, ApiAnswer, ApiBody, ApiRequest, Authorize, AuthorizeFault, Error, Target, Token};
use tower_layer::Layer;
use tower_service::Service;

pub use self::guard::{GuardFuture, GuardLayer, GuardService};
use crate::attempt::{attach_again, takes, token_after};
use crate::peek::Peeked;

/// What tower's own layers give as an error: look for [`token_core::Error`] by `downcast_ref`.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives every request of a client its token: a [`Layer`] over any service of [`http::Request`]s.
///
/// Its place is inside what tries again and what limits the time, and outside what makes connections: so each try is signed anew, and waiting for a token counts towards the time.
/// Whatever follows redirects belongs outside as well; if it stands inside, put [`guard`](Self::guard) below it.
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
        let spare = Arc::new(Mutex::new(inner.clone()));
        TokenService { inner, spare, authorizer: Arc::clone(&self.authorizer) }
    }
}

/// The service that [`TokenLayer`] makes. Its error is boxed: [`token_core::Error`] where a request was not sent, else that of the service below.
#[derive(Clone)]
pub struct TokenService<S> {
    inner: S,
    /// For the few requests that are sent again: a clone for each request would cost every one of them.
    spare: Arc<Mutex<S>>,
    authorizer: Arc<dyn Authorize>,
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
        let state = match Call::new(Arc::clone(&self.authorizer), request).begin() {
            Begun::Failed(error) => State::Failed { error: Some(error) },
            Begun::Ready(request, sent) => {
                let spare = Arc::clone(&self.spare);
                State::Sending { sending: self.inner.call(request), sent: Some((sent, spare)) }
            }
            Begun::Waiting(call) => {
                // The one that was found ready goes along, and a clone takes its place.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                State::Waiting { waiting: Box::pin(wait(*call, ready, Arc::clone(&self.spare))) }
            }
        };
        TokenFuture { state, body: PhantomData }
    }
}

/// A request on its way to be sent.
struct Call<B: Body> {
    authorizer: Arc<dyn Authorize>,
    takes: Option<Duration>,
    parts: request::Parts,
    body: Peeked<B>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the one of nearly every request, and a box would be an allocation"
)]
enum Begun<B: Body> {
    Failed(BoxError),
    Ready(Request<Peeked<B>>, Sent),
    /// For its body or its token.
    Waiting(Box<Call<B>>),
}

/// What is kept of a request that was sent.
struct Sent {
    authorizer: Arc<dyn Authorize>,
    takes: Option<Duration>,
    token: Option<Token>,
    copy: Option<Copy>,
}

/// For a second try.
struct Copy {
    parts: request::Parts,
    data: Bytes,
    trailers: Option<Box<HeaderMap>>,
}

impl<B> Call<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn new(authorizer: Arc<dyn Authorize>, request: Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        Self { takes: takes(&parts.extensions), authorizer, parts, body: Peeked::unread(body) }
    }

    /// Goes as far as it can be gone without waiting.
    fn begin(mut self) -> Begun<B> {
        if let Err(error) = self.check() {
            return Begun::Failed(error.into());
        }
        // Whoever has to wait polls again, with a waker that wakes.
        if self.poll_body(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Begun::Waiting(Box::new(self));
        }
        match self.authorizer.try_token(self.takes) {
            None => Begun::Waiting(Box::new(self)),
            Some(token) => match self.attach(token) {
                Ok((request, sent)) => Begun::Ready(request, sent),
                Err(error) => Begun::Failed(error),
            },
        }
    }

    /// All that can be known before body and token are there.
    fn check(&self) -> Result<(), Error> {
        let authorizer = &*self.authorizer;
        authorizer.check(&self.describe(ApiBody::Bytes(&[]))?, &self.parts.headers)?;
        if authorizer.covers_body() && !self.is_short() {
            let fault = match self.body.size_hint().exact() {
                Some(_) => AuthorizeFault::BodyTooLong { limit: authorizer.longest_body() },
                None => AuthorizeFault::BodyUnread,
            };
            return Err(authorizer.unauthorizable(fault));
        }
        Ok(())
    }

    fn describe<'a>(&'a self, body: ApiBody<'a>) -> Result<ApiRequest<'a>, Error> {
        describe(&*self.authorizer, &self.parts.method, &self.parts.uri, body)
    }

    /// Whether the body is known to be no longer than the limit.
    fn is_short(&self) -> bool {
        let limit = u64::try_from(self.authorizer.longest_body()).unwrap_or(u64::MAX);
        self.body.size_hint().exact().is_some_and(|size| size <= limit)
    }

    /// Reads the body where it is to be signed or kept, and is not too long for that.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let is_wanted = self.authorizer.covers_body() || self.authorizer.may_resend(&self.parts.method);
        if is_wanted && self.is_short() {
            return self.body.poll_read(context, self.authorizer.longest_body());
        }
        Poll::Ready(())
    }

    fn attach(mut self, token: Option<Token>) -> Result<(Request<Peeked<B>>, Sent), BoxError> {
        let authorizer = self.authorizer;
        let whole = self.body.to_whole();
        if whole.is_none() && authorizer.covers_body() {
            // It was not longer than it said, so reading it failed.
            if let Some(error) = self.body.take_error() {
                return Err(error.into());
            }
        }
        let mut headers = std::mem::take(&mut self.parts.headers);
        let may_resend = token.is_some() && authorizer.may_resend(&self.parts.method);
        let copied = (may_resend && whole.is_some()).then(|| headers.clone());
        let body = whole.as_ref().map_or(ApiBody::Stream, |(data, _)| ApiBody::Bytes(data));
        let described = describe(&*authorizer, &self.parts.method, &self.parts.uri, body)?;
        authorizer.attach(&described, token.as_ref(), &mut headers)?;
        let copy = copied.zip(whole).map(|(headers, (data, trailers))| {
            let mut parts = self.parts.clone();
            parts.headers = headers;
            Copy { parts, data, trailers }
        });
        self.parts.headers = headers;
        Ok((Request::from_parts(self.parts, self.body), Sent { authorizer, takes: self.takes, token, copy }))
    }
}

fn describe<'a>(
    authorizer: &dyn Authorize,
    method: &'a Method,
    uri: &'a Uri,
    body: ApiBody<'a>,
) -> Result<ApiRequest<'a>, Error> {
    let target = Target::of_uri(uri).map_err(|fault| authorizer.unauthorizable(fault))?;
    Ok(ApiRequest { method, target, body })
}

/// The rest of a call that has to wait for its body or its token.
async fn wait<S, B, R>(mut call: Call<B>, mut ready: S, spare: Arc<Mutex<S>>) -> Result<Response<Peeked<R>>, BoxError>
where
    S: Service<Request<Peeked<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    poll_fn(|context| call.poll_body(context)).await;
    let token = call.authorizer.token(call.takes).await?;
    let (request, sent) = call.attach(token)?;
    let response = ready.call(request).await.map_err(Into::into)?;
    match sent.refused_at_once(&response) {
        Some(false) => Ok(response.map(Peeked::unread)),
        _ => look(sent, response, spare).await,
    }
}

impl Sent {
    /// Whether the answer refuses the token, if that can be told without its body.
    fn refused_at_once<R>(&self, answer: &Response<R>) -> Option<bool> {
        match &self.token {
            None => Some(false),
            Some(_) if self.authorizer.wants_body_of(answer.status()) => None,
            Some(_) => Some(self.is_refused(answer, &[])),
        }
    }

    fn is_refused<R>(&self, answer: &Response<R>, body: &[u8]) -> bool {
        let body = body.get(..ANSWER_BYTES).unwrap_or(body);
        self.authorizer.is_refused(&ApiAnswer { status: answer.status(), headers: answer.headers(), body })
    }

    /// The answer with as much of its body read as it takes to tell, and whether it refuses the token.
    async fn read<R: Body<Data = Bytes> + Unpin>(&self, answer: Response<R>) -> (Response<Peeked<R>>, bool) {
        let mut answer = answer.map(Peeked::unread);
        if self.authorizer.wants_body_of(answer.status()) {
            answer.body_mut().fill(ANSWER_BYTES).await;
        }
        let is_refused = self.is_refused(&answer, answer.body().read());
        (answer, is_refused)
    }
}

/// Looks at an answer that may refuse the token, and sends the request once more if it does.
async fn look<S, B, R>(mut sent: Sent, answer: Response<R>, spare: Arc<Mutex<S>>) -> Result<Response<Peeked<R>>, BoxError>
where
    S: Service<Request<Peeked<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    R: Body<Data = Bytes> + Unpin,
{
    let (mut first, is_refused) = sent.read(answer).await;
    let (copy, token) = (sent.copy.take(), sent.token.take());
    let Some(refused) = token.filter(|_| is_refused) else { return Ok(first) };
    let Some(copy) = copy else {
        sent.authorizer.invalidate(&refused);
        return Ok(first);
    };
    let Copy { mut parts, data, trailers } = copy;
    let again = match token_after(&*sent.authorizer, &refused, sent.takes).await {
        Ok(token) => {
            let described = describe(&*sent.authorizer, &parts.method, &parts.uri, ApiBody::Bytes(&data))?;
            attach_again(&*sent.authorizer, &described, &token, &mut parts.headers)
        }
        Err(why) => Err(why),
    };
    if let Err(why) = again {
        if let Some(why) = why {
            first.extensions_mut().insert(why);
        }
        return Ok(first);
    }
    let mut service = spare.lock().unwrap_or_else(PoisonError::into_inner).clone();
    poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
    let second = service.call(Request::from_parts(parts, Peeked::whole(data, trailers))).await.map_err(Into::into)?;
    let (second, is_refused) = sent.read(second).await;
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
        Sending { #[pin] sending: F, sent: Option<(Sent, Arc<Mutex<S>>)> },
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
                    let Some((sent, spare)) = sent.take() else { return Poll::Pending };
                    if sent.refused_at_once(&response) == Some(false) {
                        return Poll::Ready(Ok(response.map(Peeked::unread)));
                    }
                    Box::pin(look(sent, response, spare))
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
