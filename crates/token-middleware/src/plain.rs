//! For a client that is neither reqwest-middleware nor tower.

use bytes::Bytes;
use http::{Request, Response};
use token_core::{ApiAnswer, ApiBody, ApiRequest, Authorize, AuthorizeRules, Error, Target};

use crate::attempt::{authorize, authorize_again, takes};

/// Authorises `request` and sends it by `send`, once more if its token is refused. `send` makes one HTTP exchange, and follows no redirect.
///
/// The answer's body is there as bytes, as most such clients give it.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use token_core::Authorize;
/// use token_middleware::SendError;
///
/// async fn balance(authorizer: &dyn Authorize) -> Result<Response<Vec<u8>>, SendError<std::io::Error>> {
///     let request = Request::get("https://api.example/v1/balance").body(Bytes::new()).expect("it is a request");
///     token_middleware::send(authorizer, request, |request| async move {
///         // Send `request` by the client that you have.
///         # let _ = request;
///         Ok(Response::new(b"{}".to_vec()))
///     })
///     .await
/// }
/// ```
///
/// # Errors
///
/// The request cannot be authorised, no token came, or `send` failed.
pub async fn send<B, E, F>(
    authorizer: &dyn Authorize,
    request: Request<Bytes>,
    mut send: impl FnMut(Request<Bytes>) -> F,
) -> Result<Response<B>, SendError<E>>
where
    B: AsRef<[u8]>,
    F: Future<Output = Result<Response<B>, E>>,
{
    let takes = takes(request.extensions());
    let (mut parts, body) = request.into_parts();
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let target = Target::of_uri(&uri).map_err(|fault| authorizer.unauthorizable(fault))?;
    let described = ApiRequest::new(&method, target, ApiBody::Bytes(&body));
    let rules = authorizer.rules();
    let is_short = body.len() <= rules.longest_body();
    let copy = (is_short && rules.may_resend(&method)).then(|| parts.clone());
    let token = authorize(authorizer, &described, takes, &mut parts.headers).await?;
    let mut first = send(Request::from_parts(parts, body.clone())).await.map_err(SendError::Send)?;

    let Some(token) = token.filter(|_| is_refused(authorizer, rules, &first)) else { return Ok(first) };
    authorizer.invalidate(&token);
    let Some(mut parts) = copy else { return Ok(first) };
    let why = first.extensions_mut();
    if !authorize_again(authorizer, &token, takes, &described, &mut parts.headers, why).await {
        return Ok(first);
    }
    let second = send(Request::from_parts(parts, body.clone())).await.map_err(SendError::Send)?;
    Ok(if is_refused(authorizer, rules, &second) { first } else { second })
}

fn is_refused<B: AsRef<[u8]>>(authorizer: &dyn Authorize, rules: AuthorizeRules, answer: &Response<B>) -> bool {
    let body = if rules.wants_body_of(answer.status()) { answer.body().as_ref() } else { &[] };
    authorizer.is_refused(&ApiAnswer::new(answer.status(), answer.headers(), body))
}

/// Why [`send`] has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError<E> {
    /// The client failed.
    #[error("the request could not be sent")]
    Send(#[source] E),
    /// The request could not be authorised, and was not sent.
    #[error(transparent)]
    Token(#[from] Error),
}
