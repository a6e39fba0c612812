//! What the service's errors mean.

#[rustfmt::skip]
mod generated;

use zeroize::Zeroize as _;

use token_core::json::Value;
use token_core::{Error, ErrorKind, Remedy, Reply};

pub use self::generated::PrakerjaErrorCode;
use crate::PROVIDER;
use crate::response::error_code;

/// The call that an answer belongs to: one code can mean another thing in another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Authorize,
    Exchange,
    Profile,
    Refresh,
}

/// What went wrong and what to do about it, by the code and the call; for a code that is not documented, by the status.
fn reaction(code: &PrakerjaErrorCode, call: Call, status: u16) -> (ErrorKind, Remedy) {
    use PrakerjaErrorCode::{CreateJwtToken, JwtSignKeyNotMatch, TokenExpired, Unknown, ValidateJwtToken};
    match (code, call) {
        // The token that is over or damaged is the refresh token, so there is nothing left to refresh with. In an exchange it can only be the code.
        (TokenExpired | ValidateJwtToken, Call::Exchange | Call::Refresh) => (ErrorKind::LoginRequired, Remedy::LogInAgain),
        // The code was made a moment ago, so its key is no older one: it comes from another environment than the one that is asked, and so would the next.
        (JwtSignKeyNotMatch, Call::Exchange) => (ErrorKind::RequestRefused, Remedy::FixConfiguration),
        // The code may be spent.
        (CreateJwtToken, Call::Exchange) => (ErrorKind::Server, Remedy::LogInAgain),
        (Unknown(_), _) => match status {
            429 => (ErrorKind::RateLimited, Remedy::Wait),
            500..=599 => (ErrorKind::Server, Remedy::Retry),
            _ => (code.kind(), code.remedy()),
        },
        _ => (code.kind(), code.remedy()),
    }
}

/// The error of an answer in the service's own shape. `code` is `None` where it gave none.
pub(crate) fn refusal(reply: &Reply<'_>, call: Call, code: Option<&str>, message: Option<&str>) -> Error {
    let meaning = PrakerjaErrorCode::from_code(code.unwrap_or_default());
    let (kind, remedy) = reaction(&meaning, call, reply.status().as_u16());
    let mut error = reply.error(kind, remedy);
    error = match kind {
        ErrorKind::TokenRefused => error.with_message("the service refuses the access token"),
        ErrorKind::ClockSkew => match reply.clock_offset() {
            Some(seconds) if seconds < 0 => {
                error.with_message(format!("this machine's clock is {} s ahead of the service's", seconds.unsigned_abs()))
            }
            Some(seconds) if seconds > 0 => {
                error.with_message(format!("this machine's clock is {seconds} s behind the service's"))
            }
            _ => error,
        },
        _ => error,
    };
    if let Some(message) = message {
        error = error.with_service_message(&reply.scrub(message));
    }
    let Some(code) = code else { return error };
    error = error.with_code(&reply.scrub(code));
    match meaning {
        // What came in place of a code may hold anything, so it is kept as the error keeps it: cleaned and cut.
        PrakerjaErrorCode::Unknown(mut raw) => {
            raw.zeroize();
            let kept = error.code().unwrap_or_default().to_owned();
            error.with_source(PrakerjaErrorCode::Unknown(kept))
        }
        known => error.with_source(known),
    }
}

/// What an answer of any call says by a documented code.
pub(crate) fn documented_kind(body: &[u8]) -> Option<ErrorKind> {
    let code = error_code(Value::parse(body).ok()?.as_object().ok()?)?;
    PrakerjaErrorCode::ALL.iter().find(|documented| documented.code() == *code).map(PrakerjaErrorCode::kind)
}

/// The error of an exchange: its code is consumed whatever came of it, so what may pass by itself asks for a new login all the same.
pub(crate) fn of_exchange(error: Error) -> Error {
    if !error.is_transient() {
        return error;
    }
    let message = if error.kind() == ErrorKind::Transport {
        "no answer to the code exchange, and the code in it can be used only once"
    } else {
        "the code exchange failed, and the code in it can be used only once"
    };
    let mut last =
        Error::new(PROVIDER, error.kind(), Remedy::LogInAgain).with_message(message).with_retry_after(error.retry_after());
    if let Some(status) = error.http_status() {
        last = last.with_http_status(status);
    }
    if let Some(code) = error.code() {
        last = last.with_code(code);
    }
    if let Some(message) = error.service_message() {
        last = last.with_service_message(message);
    }
    last.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_reaction_in_every_call() {
        use ErrorKind as K;
        use Remedy as R;
        const LOGIN: (K, R) = (K::LoginRequired, R::LogInAgain);
        const SETTINGS: (K, R) = (K::RequestRefused, R::FixConfiguration);
        const CLIENT: (K, R) = (K::ClientRefused, R::FixConfiguration);
        const PROGRAM: (K, R) = (K::RequestRefused, R::FixRequest);
        const CLOCK: (K, R) = (K::ClockSkew, R::CorrectClock);
        const TOKEN: (K, R) = (K::TokenRefused, R::Refresh);
        const MINT: (K, R) = (K::Server, R::Retry);
        let staff = (K::RequestRefused, R::ContactService);
        // Code, status, then the reaction in authorize, exchange, profile and refresh.
        let cases = [
            ("ERROAUTH4024", 400, [SETTINGS; 4]),
            ("ERROAUTH4029", 400, [CLIENT; 4]),
            ("ERROAUTH4030", 400, [LOGIN; 4]),
            ("ERROAUTH4031", 400, [LOGIN; 4]),
            ("ERROAUTH4032", 400, [LOGIN; 4]),
            ("ERROAUTH4033", 400, [SETTINGS; 4]),
            ("ERROAUTH4034", 400, [PROGRAM; 4]),
            ("ERROAUTH4035", 400, [CLOCK; 4]),
            ("ERROAUTH4036", 400, [CLOCK; 4]),
            ("ERROAUTH4037", 400, [PROGRAM; 4]),
            ("ERROAUTH4038", 400, [CLIENT; 4]),
            ("ERROAUTH4039", 400, [PROGRAM; 4]),
            ("ERROAUTH4040", 400, [PROGRAM; 4]),
            ("ERROAUTH4041", 400, [PROGRAM; 4]),
            ("ERROAUTH4042", 400, [SETTINGS; 4]),
            ("ERROAUTH4043", 400, [LOGIN; 4]),
            ("ERROAUTH4044", 400, [SETTINGS; 4]),
            ("ERROAUTH4045", 400, [SETTINGS; 4]),
            ("ERROAUTH4046", 400, [SETTINGS; 4]),
            ("ERROAUTH4047", 400, [LOGIN; 4]),
            ("ERROAUTH4048", 400, [TOKEN, LOGIN, TOKEN, LOGIN]),
            ("ERROAUTH4049", 400, [MINT, (K::Server, R::LogInAgain), MINT, MINT]),
            ("ERROAUTH4050", 400, [LOGIN, SETTINGS, LOGIN, LOGIN]),
            ("ERROAUTH4051", 400, [TOKEN, LOGIN, TOKEN, LOGIN]),
            ("ERROAUTH4052", 400, [LOGIN; 4]),
            ("ERROAUTH4053", 400, [SETTINGS; 4]),
            // Neither the status nor the case of the letters moves a known code, or makes one known.
            ("ERROAUTH4043", 503, [LOGIN; 4]),
            ("ERROAUTH4043", 200, [LOGIN; 4]),
            ("erroauth4043", 400, [staff; 4]),
            ("ERRPLT00001", 400, [staff; 4]),
            ("ERRPLT00001", 401, [staff; 4]),
            ("ERRPLT00001", 200, [staff; 4]),
            ("ERRPLT00001", 429, [(K::RateLimited, R::Wait); 4]),
            ("ERRPLT00001", 503, [MINT; 4]),
            ("", 400, [staff; 4]),
        ];
        for (code, status, reactions) in cases {
            let meaning = PrakerjaErrorCode::from_code(code);
            assert_eq!(meaning.code(), code);
            for (call, wanted) in [Call::Authorize, Call::Exchange, Call::Profile, Call::Refresh].into_iter().zip(reactions) {
                assert_eq!(reaction(&meaning, call, status), wanted, "{code} {status} {call:?}");
            }
        }
        let in_table = |code: &PrakerjaErrorCode| cases.iter().any(|(known, _, _)| *known == code.code());
        assert_eq!(PrakerjaErrorCode::ALL.len(), 26);
        assert!(PrakerjaErrorCode::ALL.iter().all(in_table));
        assert!(PrakerjaErrorCode::ALL.iter().all(|code| code.http_status() == Some(400)));
    }

    #[test]
    fn an_exchange_never_asks_to_be_tried_again() {
        for (kind, remedy, wanted) in [
            (ErrorKind::Transport, Remedy::Retry, Remedy::LogInAgain),
            (ErrorKind::Server, Remedy::Retry, Remedy::LogInAgain),
            (ErrorKind::RateLimited, Remedy::Wait, Remedy::LogInAgain),
            (ErrorKind::Blocked, Remedy::Wait, Remedy::LogInAgain),
            (ErrorKind::Transport, Remedy::FixConfiguration, Remedy::FixConfiguration),
            (ErrorKind::ClientRefused, Remedy::FixConfiguration, Remedy::FixConfiguration),
            (ErrorKind::LoginRequired, Remedy::LogInAgain, Remedy::LogInAgain),
        ] {
            let error = of_exchange(Error::new(PROVIDER, kind, remedy).with_http_status(503).with_code("X1"));
            assert_eq!((error.kind(), error.remedy()), (kind, wanted));
            assert_eq!((error.http_status(), error.code()), (Some(503), Some("X1")));
        }
    }
}
