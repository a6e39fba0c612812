//! A middleware of reqwest-middleware.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::{Extensions, response};
use reqwest::{Body, Client, ClientBuilder, Request, Response, ResponseBuilderExt as _};
use reqwest_middleware::{Error as MiddlewareError, Middleware, Next};
use token_core::{ANSWER_BYTES, ApiAnswer, ApiBody, ApiRequest, Authorize, AuthorizeFault, AuthorizeRules, Error, Target, Token};

use crate::attempt::{authorize, authorize_again, takes};
use crate::peek::{KEPT_BYTES, Peeked};

/// Gives every request of a client its token.
///
/// Add it last: what tries again belongs outside, so that each try is signed anew. A request can say how long it takes: `.with_extension(Takes(...))`.
///
/// A request that is not sent fails with [`reqwest_middleware::Error::Middleware`], in which [`token_core::Error`] is found by `downcast_ref`.
///
/// ```
/// use token_core::Authorize;
/// use token_middleware::TokenMiddleware;
///
/// # fn example(authorizer: impl Authorize + 'static) -> reqwest::Result<()> {
/// let (client, tokens) = TokenMiddleware::with_client(authorizer, reqwest::Client::builder())?;
/// let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenMiddleware {
    authorizer: Arc<dyn Authorize>,
    rules: AuthorizeRules,
}

impl TokenMiddleware {
    /// The middleware, and the client to use it with: as `client` says, but without redirects, and without reqwest's log of all that is sent.
    ///
    /// reqwest follows redirects below every middleware. To another host it takes `Authorization` along no more, but every other header: a signature, a client id.
    /// So an answer that redirects comes to the caller, who may send a request there, which is checked like any other.
    ///
    /// What the client adds below every middleware is not seen here: its `default_headers`, so give it no `Host` among them, and its proxy, which sees what is sent without TLS.
    ///
    /// # Errors
    ///
    /// The client cannot be built.
    pub fn with_client(authorizer: impl Authorize + 'static, client: ClientBuilder) -> reqwest::Result<(Client, Self)> {
        // Which would log what is sent byte by byte.
        let client = client.connection_verbose(false);
        let client = client.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok((client, Self::for_client_without_redirects(authorizer)))
    }

    /// The middleware for a client that follows no redirects: build it with `redirect(Policy::none())`, or it takes signatures wherever an answer says.
    #[must_use]
    pub fn for_client_without_redirects(authorizer: impl Authorize + 'static) -> Self {
        Self { rules: authorizer.rules(), authorizer: Arc::new(authorizer) }
    }

    /// What of `request` matters for authorising it, beside its headers.
    fn describe<'a>(&self, request: &'a Request) -> Result<ApiRequest<'a>, Error> {
        let url = request.url();
        let target = if url.username().is_empty() && url.password().is_none() {
            Target::new(url.scheme(), url.host_str().unwrap_or_default(), url.port(), url.path(), url.query())
        } else {
            Err(AuthorizeFault::UserInfo)
        };
        let target = target.map_err(|fault| self.authorizer.unauthorizable(fault))?;
        let body = match request.body().map(Body::as_bytes) {
            None => ApiBody::Bytes(&[]),
            Some(Some(bytes)) => ApiBody::Bytes(bytes),
            Some(None) => ApiBody::Stream,
        };
        Ok(ApiRequest::new(request.method(), target, body))
    }

    /// The answer with as much of its body read as it takes to tell, and whether it refuses the token.
    async fn read(&self, answer: Response) -> (Response, bool) {
        let authorizer = &*self.authorizer;
        if !self.rules.wants_body_of(answer.status()) {
            let is_refused = authorizer.is_refused(&ApiAnswer::new(answer.status(), answer.headers(), &[]));
            return (answer, is_refused);
        }
        // A byte less than "more than": a service may stop there without an end.
        let (parts, body, was_read) = self.look(answer, ANSWER_BYTES - 1).await;
        let told = ApiAnswer::new(parts.status, &parts.headers, body.read());
        let is_refused = authorizer.is_refused(&if was_read { told } else { told.cut_off() });
        (joined(parts, body), is_refused)
    }

    /// Looks at an answer that may refuse the token, and sends the request once more if it does.
    async fn look_and_resend(
        &self,
        first: Response,
        token: Token,
        copy: Option<Request>,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, MiddlewareError> {
        let authorizer = &*self.authorizer;
        let (first, is_refused) = self.read(first).await;
        if !is_refused {
            return Ok(first);
        }
        authorizer.invalidate(&token);
        let Some(mut request) = copy else { return Ok(first) };
        // So that its connection is free for the second try.
        let (mut parts, body, _) = self.look(first, KEPT_BYTES).await;
        let mut headers = std::mem::take(request.headers_mut());
        let described = self.describe(&request).map_err(MiddlewareError::middleware)?;
        let (takes, why) = (takes(extensions), &mut parts.extensions);
        let is_authorized = authorize_again(authorizer, &token, takes, &described, &mut headers, why).await;
        *request.headers_mut() = headers;
        let first = joined(parts, body);
        if !is_authorized {
            return Ok(first);
        }
        let (second, is_refused) = self.read(next.run(request, extensions).await?).await;
        Ok(if is_refused { first } else { second })
    }

    /// The answer in parts, with some of its body read, and whether that succeeded.
    async fn look(&self, answer: Response, enough: usize) -> (response::Parts, Peeked<Body>, bool) {
        let url = answer.url().clone();
        let (mut parts, body) = http::Response::<Body>::from(answer).into_parts();
        // The URL goes by an extension of reqwest's own.
        if let Ok(with_url) = http::Response::builder().url(url).body(()) {
            parts.extensions.extend(with_url.into_parts().0.extensions);
        }
        let mut body = Peeked::unread(body);
        let was_read = body.look(enough, || self.authorizer.patience()).await;
        (parts, body, was_read)
    }
}

fn joined(parts: response::Parts, body: Peeked<Body>) -> Response {
    Response::from(http::Response::from_parts(parts, Body::wrap(body)))
}

impl fmt::Debug for TokenMiddleware {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenMiddleware").finish_non_exhaustive()
    }
}

#[async_trait]
impl Middleware for TokenMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, MiddlewareError> {
        let authorizer = &*self.authorizer;
        let takes = takes(extensions);
        let is_short = match request.body().map(Body::as_bytes) {
            None => true,
            Some(bytes) => bytes.is_some_and(|bytes| bytes.len() <= self.rules.longest_body()),
        };
        let copy = if is_short && self.rules.may_resend(request.method()) { request.try_clone() } else { None };
        let mut headers = std::mem::take(request.headers_mut());
        let described = self.describe(&request).map_err(MiddlewareError::middleware)?;
        let token = authorize(authorizer, &described, takes, &mut headers).await.map_err(MiddlewareError::middleware)?;
        *request.headers_mut() = headers;

        let first = next.clone().run(request, extensions).await?;
        match token {
            // In a box of its own, which most requests never need.
            Some(token) if self.rules.may_refuse(first.status()) => {
                Box::pin(self.look_and_resend(first, token, copy, extensions, next)).await
            }
            _ => Ok(first),
        }
    }
}
