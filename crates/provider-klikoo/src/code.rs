//! The service's response codes, taken apart.

use std::fmt;
use std::str::FromStr;

use crate::error::Service;

/// A response code: three digits of HTTP status, two of the service that answers, the rest is the case.
///
/// Its pages show 9 digits (`401016570`) and 7 (`2000100`); both are read.
/// It tells what any call of Klikoo's API answered, not only that for a token:
///
/// ```
/// use provider_klikoo::{KlikooErrorCode, ResponseCode, Service};
///
/// let code: ResponseCode = "404027005".parse().unwrap();
/// assert_eq!((code.http(), code.service(), code.case()), (404, Service::Transaction, "7005"));
/// assert_eq!(KlikooErrorCode::from_code(code.as_str()), KlikooErrorCode::TransactionNotFound);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResponseCode {
    raw: String,
    http: u16,
    service: Service,
}

impl ResponseCode {
    /// The HTTP status in it. The status of the answer itself may be another.
    #[must_use]
    pub fn http(&self) -> u16 {
        self.http
    }

    /// Which of Klikoo's services answered.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// The digits of the case: four, or two in a code of seven.
    #[must_use]
    pub fn case(&self) -> &str {
        self.raw.get(CASE_FROM..).unwrap_or_default()
    }

    /// The code as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }
}

/// Where the case begins, after three digits of HTTP and two of the service.
const CASE_FROM: usize = 5;

impl FromStr for ResponseCode {
    type Err = ResponseCodeError;

    fn from_str(text: &str) -> Result<Self, ResponseCodeError> {
        let digits = matches!(text.len(), 7 | 9) && text.bytes().all(|byte| byte.is_ascii_digit());
        let http = text.get(..3).and_then(|digits| digits.parse().ok()).filter(|http| digits && (100..600).contains(http));
        let service = text.get(3..CASE_FROM).and_then(|digits| digits.parse().ok());
        match (http, service) {
            (Some(http), Some(service)) => Ok(Self { raw: text.to_owned(), http, service: Service::from_number(service) }),
            _ => Err(ResponseCodeError(())),
        }
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.raw)
    }
}

/// A text that is no response code. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseCodeError(());

impl fmt::Display for ResponseCodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("field `response_code`: wanted 9 or 7 digits that begin with an HTTP status")
    }
}

impl std::error::Error for ResponseCodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_lengths_are_taken_apart() {
        for (text, http, service, case) in [
            ("200012000", 200, Service::Auth, "2000"),
            ("401016500", 401, Service::Auth, "6500"),
            ("401036500", 401, Service::Account, "6500"),
            ("401010001", 401, Service::Auth, "0001"),
            ("500009999", 500, Service::Unknown, "9999"),
            ("404027005", 404, Service::Transaction, "7005"),
            ("404047003", 404, Service::Product, "7003"),
            ("400996510", 400, Service::Other(99), "6510"),
            ("2000100", 200, Service::Auth, "00"),
            ("2000200", 200, Service::Transaction, "00"),
            ("4010170", 401, Service::Auth, "70"),
        ] {
            let code: ResponseCode = text.parse().unwrap();
            assert_eq!((code.http(), code.service(), code.case()), (http, service, case), "{text}");
            assert_eq!((code.as_str(), code.to_string().as_str()), (text, text));
        }
    }

    #[test]
    fn other_texts_are_refused_and_not_repeated() {
        let bad = [
            "",
            "200",
            "20001",
            "200010",
            "20001200",
            "2000120001",
            "20001200a",
            "+20001200",
            "-40001650",
            "000012000",
            "099012000",
            "600012000",
            "999012000",
            " 200012000",
            "200012000 ",
            "200.12000",
            "\u{664}\u{660}\u{661}0",
        ];
        for text in bad {
            let error = text.parse::<ResponseCode>().unwrap_err();
            assert!(text.len() < 4 || !format!("{error} {error:?}").contains(text), "{text}");
        }
    }
}
