//! What every stack does alike: how long a request takes, and one more token after a refusal.

use std::time::Duration;

use http::{Extensions, HeaderMap};
use token_core::{ApiRequest, Authorize, Error, Token, Tried};

use crate::{RenewalFailed, Takes};

/// How long the request takes, if it says so.
pub(crate) fn takes(extensions: &Extensions) -> Option<Duration> {
    extensions.get::<Takes>().map(|takes| takes.0)
}

/// Adds to `headers` what the service wants, and gives the token.
pub(crate) async fn authorize(
    authorizer: &dyn Authorize,
    request: &ApiRequest<'_>,
    takes: Option<Duration>,
    headers: &mut HeaderMap,
) -> Result<Option<Token>, Error> {
    match authorizer.try_authorize(request, takes, headers)? {
        Tried::Authorized(token) => Ok(token),
        Tried::Waits(checked) => {
            let token = authorizer.token(takes).await?;
            authorizer.attach_checked(checked, request, token.as_ref(), headers)?;
            Ok(token)
        }
    }
}

/// Adds to `headers` what the service wants with another token than the one that was refused. `false`: the caller gets the answer that there is, and `why`, if there is a reason, in its extensions.
pub(crate) async fn authorize_again(
    authorizer: &dyn Authorize,
    refused: &Token,
    takes: Option<Duration>,
    request: &ApiRequest<'_>,
    headers: &mut HeaderMap,
    why: &mut Extensions,
) -> bool {
    let attached = match authorizer.token_after(refused, takes).await {
        Ok(Some(token)) => authorizer.attach(request, Some(&token), headers),
        Ok(None) => return false,
        Err(error) => Err(error),
    };
    match attached {
        Ok(()) => true,
        Err(error) => {
            why.insert(RenewalFailed(error));
            false
        }
    }
}
