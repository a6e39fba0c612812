//! What every stack does alike: how long a request takes, and one more token after a refusal.

use std::time::Duration;

use http::{Extensions, HeaderMap};
use token_core::{ApiRequest, Authorize, Token};

use crate::{RenewalFailed, Takes};

/// How long the request takes, if it says so.
pub(crate) fn takes(extensions: &Extensions) -> Option<Duration> {
    extensions.get::<Takes>().map(|takes| takes.0)
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
