//! The time and the signature over it.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::tz::Offset;

use token_core::{Delivery, Error, ErrorKind, Moment, Remedy, Resend};

use crate::PROVIDER;
use crate::signer::Signer;

/// How the time is written. The pages show both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampPrecision {
    /// `2022-03-21T10:11:40.000+07:00`
    Milliseconds,
    /// `2022-03-21T10:11:40+07:00`
    #[default]
    Seconds,
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for TimestampPrecision {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = [("seconds", Self::Seconds), ("milliseconds", Self::Milliseconds)];
        token_core::settings::deserialize_word(deserializer, &words)
    }
}

/// What goes into the two headers. The signature covers this very timestamp.
pub(crate) struct Signed {
    pub(crate) timestamp: String,
    pub(crate) signature: String,
}

/// Western Indonesian Time, which the service wants whatever zone this machine is in. It has no summer time.
const WIB: Offset = Offset::constant(7);

/// A signature is as long as the key's modulus: 2048 bits at least, 16,384 at most, which still fits a header.
const SIGNATURE_BYTES: std::ops::RangeInclusive<usize> = 256..=2_048;

/// Signs `client_id|timestamp` for a request that is made at `at` (Klikoo, Auth Signature page).
pub(crate) async fn sign(
    signer: &dyn Signer,
    client_id: &str,
    at: &Moment,
    precision: TimestampPrecision,
) -> Result<Signed, Error> {
    let timestamp = timestamp(at.wall(), precision).ok_or_else(|| {
        not_sent(ErrorKind::ClockSkew, Remedy::CorrectClock)
            .with_message("this machine's clock shows a year that cannot be written")
    })?;
    let signature = signer.sign(format!("{client_id}|{timestamp}").as_bytes()).await.map_err(|error| {
        let (kind, remedy) = if error.is_transient() {
            (ErrorKind::Internal, Remedy::Retry)
        } else {
            (ErrorKind::Configuration, Remedy::FixConfiguration)
        };
        not_sent(kind, remedy).with_message("the request could not be signed").with_source(error)
    })?;
    if !SIGNATURE_BYTES.contains(&signature.len()) {
        return Err(not_sent(ErrorKind::Configuration, Remedy::FixConfiguration).with_message(format!(
            "the signer gave {} bytes, which is no signature of an RSA key of 2048 bits or more",
            signature.len()
        )));
    }
    Ok(Signed { timestamp, signature: BASE64_STANDARD.encode(signature) })
}

/// The error of a request that never came to be.
pub(crate) fn not_sent(kind: ErrorKind, remedy: Remedy) -> Error {
    Error::new(PROVIDER, kind, remedy).with_delivery(Resend::AfterRefusal, Delivery::NotSent)
}

/// `None` for a time outside the years 0 to 9999, which the format has no room for.
pub(crate) fn timestamp(wall: SystemTime, precision: TimestampPrecision) -> Option<String> {
    let time = Timestamp::try_from(wall).ok()?;
    let local = time.display_with_offset(WIB);
    let text = match precision {
        TimestampPrecision::Milliseconds => format!("{local:.3}"),
        TimestampPrecision::Seconds => format!("{local:.0}"),
    };
    // A year before 0 begins with a minus sign.
    text.starts_with(|first: char| first.is_ascii_digit()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::signer::SignerError;

    fn at(utc: &str) -> SystemTime {
        utc.parse::<Timestamp>().unwrap().try_into().unwrap()
    }

    #[test]
    fn the_time_is_that_of_jakarta_whatever_the_day() {
        let cases = [
            ("the documented sample", "2022-03-21T03:11:40Z", "2022-03-21T10:11:40+07:00", ".000"),
            ("a day ends", "2026-11-23T16:59:59Z", "2026-11-23T23:59:59+07:00", ".000"),
            ("and the next begins", "2026-11-23T17:00:00Z", "2026-11-24T00:00:00+07:00", ".000"),
            ("a year ends", "2026-12-31T16:59:59.999Z", "2026-12-31T23:59:59+07:00", ".999"),
            ("and the next begins", "2026-12-31T17:00:00Z", "2027-01-01T00:00:00+07:00", ".000"),
            ("leap day", "2028-02-28T17:00:00Z", "2028-02-29T00:00:00+07:00", ".000"),
            ("after leap day", "2028-02-29T17:00:00.5Z", "2028-03-01T00:00:00+07:00", ".500"),
            ("no leap day", "2100-02-28T17:00:00Z", "2100-03-01T00:00:00+07:00", ".000"),
            ("the afternoon is not the morning", "2026-11-23T08:05:09.0079Z", "2026-11-23T15:05:09+07:00", ".007"),
            ("nothing is rounded up", "2026-11-23T08:05:09.9999Z", "2026-11-23T15:05:09+07:00", ".999"),
            ("the beginning of time", "1970-01-01T00:00:00Z", "1970-01-01T07:00:00+07:00", ".000"),
        ];
        for (what, utc, seconds, fraction) in cases {
            assert_eq!(timestamp(at(utc), TimestampPrecision::Seconds).as_deref(), Some(seconds), "{what}");
            let milliseconds = seconds.replace('+', &format!("{fraction}+"));
            assert_eq!(timestamp(at(utc), TimestampPrecision::Milliseconds), Some(milliseconds), "{what}");
        }
    }

    #[test]
    fn a_year_without_four_digits_is_not_written() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        assert_eq!(timestamp(far, TimestampPrecision::Seconds), None);
        assert_eq!(timestamp(at("-000005-01-01T00:00:00Z"), TimestampPrecision::Seconds), None);
    }

    struct Canned(Result<Vec<u8>, SignerError>);

    #[async_trait::async_trait]
    impl Signer for Canned {
        async fn sign(&self, _text: &[u8]) -> Result<Vec<u8>, SignerError> {
            self.0.clone()
        }
    }

    #[tokio::test]
    async fn what_is_no_signature_is_not_sent() {
        let cases = [
            (Ok(vec![]), ErrorKind::Configuration, false),
            (Ok(vec![0; 64]), ErrorKind::Configuration, false),
            (Ok(vec![0; 2_049]), ErrorKind::Configuration, false),
            (Err(SignerError::permanent("the key is not there")), ErrorKind::Configuration, false),
            (Err(SignerError::transient("the vault is sealed")), ErrorKind::Internal, true),
        ];
        let at = Moment::new(at("2026-11-23T00:00:00Z"), Duration::ZERO);
        for (answer, kind, transient) in cases {
            let signer = Canned(answer.clone());
            let error = sign(&signer, "id", &at, TimestampPrecision::Seconds).await.map(|_| ()).unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{answer:?}");
            assert!(error.may_be_sent_again(), "it never left");
            assert_eq!(error.find_source::<SignerError>(), answer.as_ref().err());
        }
        let signed = sign(&Canned(Ok(vec![0xfb; 256])), "id", &at, TimestampPrecision::Seconds).await.unwrap();
        assert_eq!(signed.signature.len(), 344);
        assert!(signed.signature.starts_with("+/v7") && signed.signature.ends_with('='), "{}", signed.signature);
    }
}
