//! What the service's errors mean.

#[rustfmt::skip]
mod generated;

use std::time::Duration;

use zeroize::{Zeroize as _, Zeroizing};

use token_core::json::Value;
use token_core::{Error, ErrorKind, Remedy, Reply};

pub use self::generated::SehatMuErrorCode;
use crate::response::Refused;

/// "One request per minute after a failed attempt" (Access Token page): for a refusal as for the limit itself.
const HOLD: Duration = Duration::from_secs(60);

impl SehatMuErrorCode {
    /// The case of an `OperationOutcome`, by its text: its code is `value` for either.
    pub(crate) fn from_outcome(text: &str, code: &str) -> Self {
        let text = Zeroizing::new(text.to_ascii_lowercase());
        if text.contains("rate limit") {
            Self::RateLimit
        } else if text.contains("not able to be authenticated") {
            Self::NotAuthenticated
        } else {
            Self::Unknown(code.to_owned())
        }
    }
}

/// What the body of an answer to a call with a token says by a documented code, in any of the service's shapes.
pub(crate) fn documented_kind(body: &[u8]) -> Option<ErrorKind> {
    let body = Value::parse(body).ok()?;
    match Refused::find(body.as_object().ok()?)?.meaning {
        SehatMuErrorCode::Unknown(mut raw) => {
            raw.zeroize();
            None
        }
        // The text speaks of the client's id and secret, and there are none in such a call: what was not authenticated is its token.
        SehatMuErrorCode::NotAuthenticated => None,
        known => Some(known.kind()),
    }
}

/// The error of an answer in one of the service's shapes: by what the body says, then by its status.
pub(crate) fn refusal(reply: &Reply<'_>, refused: Refused<'_>) -> Error {
    let meaning = refused.meaning;
    let (kind, remedy) = match (&meaning, reply.status().as_u16()) {
        (SehatMuErrorCode::Unknown(_), 401) => (ErrorKind::ClientRefused, Remedy::FixConfiguration),
        (SehatMuErrorCode::Unknown(_), 403) => (ErrorKind::AccessDenied, Remedy::FixConfiguration),
        // The service is there, but not at this address.
        (SehatMuErrorCode::Unknown(_), 404) => (ErrorKind::Configuration, Remedy::FixConfiguration),
        (SehatMuErrorCode::Unknown(_), 429) => (ErrorKind::RateLimited, Remedy::Wait),
        (SehatMuErrorCode::Unknown(_), 500..=599) => (ErrorKind::Server, Remedy::Retry),
        _ => (meaning.kind(), meaning.remedy()),
    };
    let mut error = reply.error(kind, remedy);
    if kind == ErrorKind::RateLimited {
        error = error.with_retry_after(Some(reply.retry_after().unwrap_or_default().max(HOLD)));
    }
    // How the service words a refusal is not certain, so every one counts as a failed attempt.
    if kind != ErrorKind::Server {
        error = error.with_hold(HOLD);
    }
    if let Some(code) = refused.code {
        error = error.with_code(&reply.scrub(code));
    }
    if let Some(message) = refused.message {
        error = error.with_service_message(&reply.scrub(message));
    }
    match meaning {
        // What came in place of a code may hold anything; the error has it cleaned.
        SehatMuErrorCode::Unknown(mut raw) => {
            raw.zeroize();
            let code = error.code().unwrap_or_default().to_owned();
            error.with_source(SehatMuErrorCode::Unknown(code))
        }
        known => error.with_source(known),
    }
}
