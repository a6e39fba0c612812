//! What the service's errors mean.

#[rustfmt::skip]
mod generated;

use token_core::{Error, ErrorKind, Remedy, Reply};

pub use self::generated::NewServiceErrorCode;
use crate::response::Refused;

/// The longest code that is kept of one that the service does not document.
const LONGEST_CODE: usize = 64;

/// The error of an answer in the service's own shape: by its code, and by its status where the code is not documented.
pub(crate) fn refusal(reply: &Reply<'_>, refused: &Refused<'_>) -> Error {
    // What comes in place of a code may be anything, a secret of the request too.
    let code: String = reply.scrub(refused.code).chars().take(LONGEST_CODE).collect();
    let meaning = NewServiceErrorCode::from_code(&code);
    let (kind, remedy) = match (&meaning, reply.status().as_u16()) {
        // The service is there, but not at this address.
        (NewServiceErrorCode::Unknown(_), 404) => (ErrorKind::Configuration, Remedy::FixConfiguration),
        (NewServiceErrorCode::Unknown(_), 429) => (ErrorKind::RateLimited, Remedy::Wait),
        (NewServiceErrorCode::Unknown(_), 500..=599) => (ErrorKind::Server, Remedy::Retry),
        _ => (meaning.kind(), meaning.remedy()),
    };
    let mut error = reply.error(kind, remedy).with_code(&code).with_source(meaning);
    if let Some(message) = refused.message {
        error = error.with_service_message(&reply.scrub(message));
    }
    error
}
