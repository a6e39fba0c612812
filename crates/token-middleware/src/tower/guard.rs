//! The last look before a request leaves.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use pin_project_lite::pin_project;
use token_core::{Authorize, Target};
use tower_layer::Layer;
use tower_service::Service;

use super::BoxError;

/// Stops a request that carries a header of the service, such as a token or a signature, to an origin that the authoriser does not allow.
///
/// For below a layer that follows redirects inside [`TokenLayer`](super::TokenLayer), which makes it: [`TokenLayer::guard`](super::TokenLayer::guard).
#[derive(Clone)]
pub struct GuardLayer {
    authorizer: Arc<dyn Authorize>,
}

impl GuardLayer {
    pub(super) fn new(authorizer: Arc<dyn Authorize>) -> Self {
        Self { authorizer }
    }
}

impl fmt::Debug for GuardLayer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GuardLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService { inner, authorizer: Arc::clone(&self.authorizer) }
    }
}

/// The service that [`GuardLayer`] makes.
#[derive(Clone)]
pub struct GuardService<S> {
    inner: S,
    authorizer: Arc<dyn Authorize>,
}

impl<S> fmt::Debug for GuardService<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GuardService").finish_non_exhaustive()
    }
}

impl<S, B> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> GuardFuture<S::Future> {
        let state = match self.authorizer.guard(Target::of_uri(request.uri()), request.headers()) {
            Ok(()) => State::Passed { sending: self.inner.call(request) },
            Err(error) => State::Stopped { error: Some(error.into()) },
        };
        GuardFuture { state }
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Passed { #[pin] sending: F },
        Stopped { error: Option<BoxError> },
    }
}

pin_project! {
    /// The answer of a [`GuardService`].
    pub struct GuardFuture<F> {
        #[pin]
        state: State<F>,
    }
}

impl<F, T, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passed { sending } => sending.poll(context).map_err(Into::into),
            StateProjection::Stopped { error } => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

impl<F> fmt::Debug for GuardFuture<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
