//! What the service's errors mean.

#[rustfmt::skip]
mod generated;

use std::borrow::Cow;

use http::StatusCode;

use token_core::{Error, ErrorKind, Remedy, Reply};

pub use self::generated::{KlikooErrorCode, Service};
use crate::code::ResponseCode;

/// The error of an answer whose code says failure: by the case if it is documented, else by the status in the code.
pub(crate) fn refusal(reply: &Reply<'_>, code: &ResponseCode, message: Option<&str>) -> Error {
    let meaning = KlikooErrorCode::from_code(code.as_str());
    let http = if reply.status() == StatusCode::TOO_MANY_REQUESTS { 429 } else { code.http() };
    let (kind, remedy) = match (&meaning, http) {
        (KlikooErrorCode::Unknown(_), 401) => (ErrorKind::ClientRefused, Remedy::FixConfiguration),
        (KlikooErrorCode::Unknown(_), 403) => (ErrorKind::AccessDenied, Remedy::FixConfiguration),
        (KlikooErrorCode::Unknown(_), 429) => (ErrorKind::RateLimited, Remedy::Wait),
        (KlikooErrorCode::Unknown(_), 500..=599) => (ErrorKind::Server, Remedy::Retry),
        _ => (meaning.kind(), meaning.remedy()),
    };
    let mut error = reply.error(kind, remedy).with_code(&reply.scrub(code.as_str()));
    if let Some(message) = message {
        error = error.with_service_message(&reply.scrub(message));
    }
    if let Some(hint) = hint(reply, &meaning) {
        error = error.with_message(hint);
    }
    match meaning {
        // Digits alone, but a secret may be digits too.
        KlikooErrorCode::Unknown(code) => error.with_source(KlikooErrorCode::Unknown(reply.scrub(&code))),
        known => error.with_source(known),
    }
}

/// What a person needs to know beyond the kind.
fn hint(reply: &Reply<'_>, meaning: &KlikooErrorCode) -> Option<Cow<'static, str>> {
    match meaning {
        KlikooErrorCode::TimestampMismatch => Some(clock_hint(reply.clock_offset())),
        KlikooErrorCode::SignatureMismatch => Some(
            "the service refused the signature: the public key that is registered with Klikoo is not that of this private key"
                .into(),
        ),
        KlikooErrorCode::AddressNotAllowed => {
            Some("the address that this request came from is not on the whitelist that Klikoo keeps for the client".into())
        }
        _ => None,
    }
}

/// Below this the two clocks count as equal: `Date` has whole seconds, and the answer was on its way.
const SAME_TIME: u64 = 3;

/// `offset` is how far the service's clock is ahead of this machine's.
fn clock_hint(offset: Option<i64>) -> Cow<'static, str> {
    match offset {
        Some(offset) if offset.unsigned_abs() >= SAME_TIME => {
            let direction = if offset > 0 { "behind" } else { "ahead of" };
            format!(
                "the service refused the timestamp: this machine's clock is {} s {direction} the service's",
                offset.unsigned_abs()
            )
            .into()
        }
        Some(_) => "the service refused the timestamp, though its clock and this machine's agree within seconds".into(),
        None => "the service refused the timestamp: this machine's clock is wrong, or the service's".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_known_by_status_and_number_whichever_service_answers() {
        for known in KlikooErrorCode::ALL {
            let (http, case) = known.code().split_once("xx").unwrap();
            for service in ["00", "01", "02", "03", "04", "77", "xx"] {
                assert_eq!(&KlikooErrorCode::from_code(&format!("{http}{service}{case}")), known);
            }
            assert_ne!(known.message(), "", "{known:?}");
        }
        assert_eq!(KlikooErrorCode::from_code("401016500"), KlikooErrorCode::from_code("401036500"));
        assert_ne!(KlikooErrorCode::from_code("400016525"), KlikooErrorCode::from_code("404016525"));
    }

    #[test]
    fn unknown_code_is_kept() {
        // The first is the page's own example; a short code's case is not one of the table's.
        for code in [
            "401010001",
            "4010170",
            "401016505",
            "404016570",
            "6570",
            "",
            "40016505",
            "nonsense",
            "401xX6570",
            "401+16570",
            "401016570 ",
            "40101é570",
            "é01016570",
            "400/6505",
        ] {
            let unknown = KlikooErrorCode::from_code(code);
            assert_eq!((&unknown, unknown.code()), (&KlikooErrorCode::Unknown(code.to_owned()), code));
            assert_eq!((unknown.http_status(), unknown.message()), (None, ""));
        }
    }

    #[test]
    fn what_stays_refused_is_not_tried_again() {
        for code in KlikooErrorCode::ALL {
            let again = matches!(code.remedy(), Remedy::Retry | Remedy::Wait);
            let passing = matches!(code.code(), "500xx8504" | "500xx8505" | "500xx8601" | "500xx9999" | "503xx9991");
            assert_eq!(again, passing, "{code:?}");
        }
    }

    #[test]
    fn the_clock_hint_says_which_way() {
        assert!(clock_hint(Some(420)).ends_with("this machine's clock is 420 s behind the service's"));
        assert!(clock_hint(Some(-3)).ends_with("this machine's clock is 3 s ahead of the service's"));
        assert!(clock_hint(Some(i64::MIN)).contains("ahead of"));
        assert!(clock_hint(Some(2)).contains("agree"));
        assert!(clock_hint(None).contains("or the service's"));
    }
}
