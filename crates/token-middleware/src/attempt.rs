//! What every stack does alike: a token for a request, and one more after a refusal.

use std::time::Duration;

use http::Extensions;
use token_core::{ApiRequest, Authorize, Error, Token};

use crate::{RenewalFailed, Takes};

/// How long the request takes, if it says so.
pub(crate) fn takes(extensions: &Extensions) -> Option<Duration> {
    extensions.get::<Takes>().map(|takes| takes.0)
}

/// The token to send the request with once more, or none and why: the caller then gets the answer that there is.
pub(crate) async fn token_after(
    authorizer: &dyn Authorize,
    refused: &Token,
    takes: Option<Duration>,
) -> Result<Token, Option<RenewalFailed>> {
    match authorizer.token_after(refused, takes).await {
        Ok(Some(token)) => Ok(token),
        Ok(None) => Err(None),
        Err(error) => Err(Some(RenewalFailed(error))),
    }
}

/// Adds to `headers` what the service wants, or gives the error that goes into the answer's extensions.
pub(crate) fn attach_again(
    authorizer: &dyn Authorize,
    request: &ApiRequest<'_>,
    token: &Token,
    headers: &mut http::HeaderMap,
) -> Result<(), Option<RenewalFailed>> {
    authorizer.attach(request, Some(token), headers).map_err(|error: Error| Some(RenewalFailed(error)))
}
