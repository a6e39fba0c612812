//! One request and the reading of its answer.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::header::{AGE, CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use zeroize::Zeroizing;

use crate::clock::Moment;
use crate::error::{Error, ErrorKind, Remedy};
use crate::expiry::{Expiry, ExpiryFormat};
use crate::http_date::http_date;
use crate::json::{JsonError, Object, Value};
use crate::page::UnexpectedPage;
use crate::text::{untrusted, without_secrets};
use crate::transport::{Delivery, TokenRequest, TokenResponse, Transport};

/// A `Date` before this (2025-01-01) is the clock of a server that never learnt the time, and no token is measured by it.
const EARLIEST_DATE: Duration = Duration::from_secs(1_735_689_600);

/// `Date` is cut to whole seconds, so the service's clock is up to one second ahead of it.
const DATE_STEP: Duration = Duration::from_secs(1);

/// What a [`Reply`] needs to know of the request that it answers. `Debug` shows how many secrets it has, and none of them.
pub struct Asked<'a> {
    /// The provider, for errors: `klikoo`.
    pub provider: &'static str,
    /// The clock's reading before the request was made. Lifetimes count from here.
    pub at: Moment,
    /// The secrets in the request, to be taken out of whatever the service says.
    pub secrets: &'a [&'a str],
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Asked")
            .field("provider", &self.provider)
            .field("at", &self.at)
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

/// Sends `request` once and reads its answer with `read`; a closure in its place names the type of its argument, `|reply: &Reply<'_>| ...`.
///
/// Whatever error comes of it knows how far the request got, so that [`Retry`](crate::Retry) sends nothing again that could do harm twice.
///
/// # Errors
///
/// No answer came, or `read` found none that it wants.
pub async fn exchange<T>(
    transport: &dyn Transport,
    asked: Asked<'_>,
    request: TokenRequest,
    read: impl FnOnce(&Reply<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let resend = request.resend();
    match transport.send(request).await {
        Ok(response) => {
            let reply = Reply { response, asked };
            read(&reply).map_err(|error| error.with_delivery(resend, Delivery::Answered))
        }
        Err(error) => Err(Error::from_transport(asked.provider, resend, error)),
    }
}

/// The answer to a request, with what is needed to read it.
#[derive(Debug)]
pub struct Reply<'a> {
    response: TokenResponse,
    asked: Asked<'a>,
}

impl<'a> Reply<'a> {
    /// Joins an answer with what was asked; [`exchange`] does it, tests may.
    #[must_use]
    pub fn new(response: TokenResponse, asked: Asked<'a>) -> Self {
        Self { response, asked }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.response.body()
    }

    /// The clock's reading before the request was made.
    #[must_use]
    pub fn asked_at(&self) -> Moment {
        self.asked.at
    }

    /// The body as JSON, whatever its content type says: gateways and services get that header wrong.
    ///
    /// # Errors
    ///
    /// It is not strict JSON.
    pub fn json(&self) -> Result<Value, JsonError> {
        Value::parse(self.body())
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    ///
    /// It is none: an answer of the service that broke on the way, or [a page of someone else's](Self::unexpected).
    pub fn object(&self) -> Result<Object, Error> {
        let fault = match self.json() {
            Ok(Value::Object(object)) => return Ok(object),
            Ok(_) => None,
            Err(fault) => Some(fault),
        };
        let is_torn_json = self.body().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        match fault {
            Some(fault @ JsonError::Malformed { .. }) if self.status().is_success() && is_torn_json => {
                Err(self.error(ErrorKind::InvalidResponse, Remedy::Retry).with_source(fault))
            }
            Some(fault @ (JsonError::DoubledKey | JsonError::TooDeep)) => Err(self.invalid(fault)),
            _ => Err(self.unexpected()),
        }
    }

    /// The error of an answer that should hold a token and does not: `fault` says what is wrong with it.
    #[must_use]
    pub fn invalid(&self, fault: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.error(ErrorKind::InvalidResponse, Remedy::ContactService).with_source(fault)
    }

    /// Reads an expiry field; an absolute time is read against the service's own clock where it is known.
    #[must_use]
    pub fn expiry(&self, format: ExpiryFormat, value: Option<&Value>) -> Expiry {
        value.map_or(Expiry::Unknown, |value| Expiry::read(format, value, self.time_at_service()))
    }

    /// The time at the service by its `Date`: single, readable, not from a shared cache (no `Age`, RFC 9111 section 5.1) and not of a clock that never was set.
    #[must_use]
    pub fn date(&self) -> Option<SystemTime> {
        if self.headers().contains_key(AGE) {
            return None;
        }
        let earliest = SystemTime::UNIX_EPOCH + EARLIEST_DATE;
        // A machine whose own clock never was set takes a year of two digits as it is meant today.
        let date = http_date(single_header(self.headers(), &DATE)?, self.asked.at.wall().max(earliest))?;
        (date >= earliest).then_some(date)
    }

    /// The later end of the second that `Date` names, which errs towards the shorter lifetime.
    fn time_at_service(&self) -> SystemTime {
        self.date().and_then(|date| date.checked_add(DATE_STEP)).unwrap_or(self.asked.at.wall())
    }

    /// `Retry-After` in either form (RFC 9110 section 10.2.3), counted from now.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let text = single_header(self.headers(), &RETRY_AFTER)?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than a `u64` holds mean a very long time, not none.
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        let now = self.date().unwrap_or(self.asked.at.wall());
        let until = http_date(text, now)?;
        Some(until.duration_since(now).unwrap_or_default())
    }

    /// How far the service's clock is from this machine's, in seconds; positive when the service is ahead.
    #[must_use]
    pub fn clock_offset(&self) -> Option<i64> {
        let date = self.date()?;
        let here = self.asked.at.wall();
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Some(date.duration_since(here).map_or_else(|behind| -seconds(behind.duration()), seconds))
    }

    /// `text` without control and invisible characters, and without the secrets of the request and the tokens of the answer: for anything of the service's words that an error keeps.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let answer = self.json();
        let mut secrets = self.asked.secrets.to_vec();
        if let Ok(answer) = &answer {
            answer.gather_tokens(&mut secrets);
        }
        // In this order: a character that is dropped later could have parted a secret.
        without_secrets(&Zeroizing::new(untrusted(text, usize::MAX)), &secrets)
    }

    /// An error of this provider with the status and `Retry-After` of this answer.
    #[must_use]
    pub fn error(&self, kind: ErrorKind, remedy: Remedy) -> Error {
        Error::new(self.asked.provider, kind, remedy)
            .with_http_status(self.status().as_u16())
            .with_retry_after(self.retry_after())
    }

    /// The error of an answer in none of the service's documented shapes, judged by its status alone.
    ///
    /// A 4xx without a code that the service documents is no verdict on the credentials: it may come from a proxy or a firewall.
    #[must_use]
    pub fn unexpected(&self) -> Error {
        let page = UnexpectedPage::of(self);
        let html = page.is_html();
        let (kind, remedy, message) = match self.status().as_u16() {
            429 => (ErrorKind::RateLimited, Remedy::Wait, None),
            500..=599 | 408 => (ErrorKind::Server, Remedy::Retry, None),
            300..=399 => (
                ErrorKind::Configuration,
                Remedy::FixConfiguration,
                Some("the service redirects elsewhere, which is not followed: a base URL is wrong"),
            ),
            404 | 405 => (
                ErrorKind::Configuration,
                Remedy::FixConfiguration,
                Some("nothing answers at this address: a base URL or path is wrong"),
            ),
            407 => (ErrorKind::Configuration, Remedy::FixConfiguration, Some("a proxy wants credentials")),
            403 | 451 if html || self.body().is_empty() => (
                ErrorKind::Blocked,
                Remedy::FixConfiguration,
                Some("a firewall answered in the service's place: call from a network or address that it allows"),
            ),
            400..=499 => (ErrorKind::Blocked, Remedy::Wait, None),
            _ if html => (
                ErrorKind::Blocked,
                Remedy::FixConfiguration,
                Some("a page for people came where a token was asked for: a proxy, a login portal or a wrong base URL"),
            ),
            _ => (ErrorKind::InvalidResponse, Remedy::Retry, None),
        };
        let error = self.error(kind, remedy).with_source(page);
        match message {
            Some(message) => error.with_message(message),
            None => error,
        }
    }
}

/// A header that is there once and is text.
pub(crate) fn single_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The content type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    single_header(headers, &CONTENT_TYPE)?.split(';').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use zeroize::Zeroizing;

    use super::*;

    /// 2026-11-23T00:00:00Z
    const NOW: Duration = Duration::from_secs(1_795_392_000);
    const DATE_NOW: &str = "Mon, 23 Nov 2026 00:00:00 GMT";

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn reply(status: u16, headers: Headers<'_>, body: &str) -> Reply<'static> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect::<Vec<_>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        let response = TokenResponse::new(StatusCode::from_u16(status).unwrap(), map, Zeroizing::new(body.as_bytes().to_vec()));
        let at = Moment::new(SystemTime::UNIX_EPOCH + NOW, Duration::ZERO);
        Reply::new(response, Asked { provider: "test", at, secrets: &["canary-secret"] })
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let in_two_minutes = "Mon, 23 Nov 2026 00:02:00 GMT";
        let cases: &[(Headers<'_>, Option<u64>)] = &[
            (&[("retry-after", "120")], Some(120)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[("retry-after", "99999999999999999999999")], Some(u64::MAX)),
            (&[("retry-after", in_two_minutes)], Some(120)),
            (&[("retry-after", "Monday, 23-Nov-26 00:02:00 GMT")], Some(120)),
            (&[("retry-after", "Mon Nov 23 00:02:00 2026")], Some(120)),
            (&[("retry-after", in_two_minutes), ("date", "Mon, 23 Nov 2026 00:01:00 GMT")], Some(60)),
            (&[("retry-after", "Mon, 23 Nov 2020 00:02:00 GMT")], Some(0)),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "1.5")], None),
            (&[("retry-after", "")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "1"), ("retry-after", "2")], None),
            (&[], None),
        ];
        for (headers, seconds) in cases {
            assert_eq!(reply(503, headers, "").retry_after(), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn a_date_counts_only_if_it_can_be_trusted() {
        let cases: &[(Headers<'_>, bool)] = &[
            (&[("date", DATE_NOW)], true),
            (&[("date", "Monday, 23-Nov-26 00:00:00 GMT")], true),
            (&[("date", "Mon Nov 23 00:00:00 2026")], true),
            (&[("date", DATE_NOW), ("age", "0")], false),
            (&[("date", DATE_NOW), ("date", DATE_NOW)], false),
            (&[("date", "Thu, 01 Jan 1970 00:00:00 GMT")], false),
            (&[("date", "yesterday")], false),
            (&[], false),
        ];
        for (headers, trusted) in cases {
            assert_eq!(reply(200, headers, "").date().is_some(), *trusted, "{headers:?}");
        }
        let mut unset = reply(200, &[("date", "Monday, 23-Nov-26 00:00:00 GMT")], "");
        unset.asked.at = Moment::new(SystemTime::UNIX_EPOCH, Duration::ZERO);
        assert_eq!(unset.date(), Some(SystemTime::UNIX_EPOCH + NOW));
    }

    #[test]
    fn a_wrong_local_clock_neither_kills_nor_prolongs() {
        let end = Value::Text(Zeroizing::new("2026-11-23T06:00:00Z".to_owned()));
        for (date, seconds) in [("Mon, 23 Nov 2026 05:00:00 GMT", 3_599), ("Sun, 22 Nov 2026 06:00:00 GMT", 86_399)] {
            let expiry = reply(200, &[("date", date)], "").expiry(ExpiryFormat::Rfc3339, Some(&end));
            assert_eq!(expiry, Expiry::After(Duration::from_secs(seconds)));
        }
        let without_date = reply(200, &[], "").expiry(ExpiryFormat::Rfc3339, Some(&end));
        assert_eq!(without_date, Expiry::After(Duration::from_secs(6 * 3_600)));
        assert_eq!(reply(200, &[("date", "Mon, 23 Nov 2026 00:01:30 GMT")], "").clock_offset(), Some(90));
        assert_eq!(reply(200, &[("date", "Sun, 22 Nov 2026 23:59:00 GMT")], "").clock_offset(), Some(-60));
    }

    #[test]
    fn an_undocumented_answer_is_judged_by_its_status() {
        let html = ("content-type", "text/html");
        let cases = [
            (200, html, "<html>", ErrorKind::Blocked),
            (200, ("content-type", "application/json"), "{", ErrorKind::InvalidResponse),
            (302, html, "", ErrorKind::Configuration),
            (400, html, "<html>", ErrorKind::Blocked),
            (401, html, "", ErrorKind::Blocked),
            (403, html, "<html>", ErrorKind::Blocked),
            (404, html, "<html>", ErrorKind::Configuration),
            (429, html, "", ErrorKind::RateLimited),
            (503, ("content-type", "text/plain"), "Gateway Timeout", ErrorKind::Server),
            // A gateway's mark on an answer does not make a page of it.
            (200, ("cf-ray", "x"), "[]", ErrorKind::InvalidResponse),
            (403, ("cf-ray", "x"), "{}", ErrorKind::Blocked),
            (200, ("cf-ray", "x"), "<html>", ErrorKind::Blocked),
        ];
        for (status, header, body, kind) in cases {
            let error = reply(status, &[header], body).unexpected();
            assert_eq!((error.kind(), error.http_status()), (kind, Some(status)), "{status} {body}");
            assert_ne!(error.kind(), ErrorKind::ClientRefused);
        }
        let page = reply(403, &[html], "<html><title>No canary-secret here</title>").unexpected();
        let parted = reply(400, &[], "");
        assert_eq!(parted.scrub("no canary-\n\u{200b}secret here"), "no [secret] here");
        let mixed_up = reply(200, &[], r#"{"data":[{"access_token":"canary-token"}],"refresh_token":"short"}"#);
        assert_eq!(mixed_up.scrub("not canary-token, but short"), "not [secret], but short");
        assert!(!format!("{parted:?} {parted:#?}").contains("canary"));
        assert_eq!(page.find_source::<UnexpectedPage>().and_then(UnexpectedPage::title), Some("No [secret] here"));
        assert!(!format!("{page} {page:?} {:?}", page.find_source::<UnexpectedPage>()).contains("No "));
    }
}
