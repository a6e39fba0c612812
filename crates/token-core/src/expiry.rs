//! When a token ends: the four ways in which services write it, each read here and nowhere else.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::json::{Number, Value};

/// How long a token lives, counted from the moment before it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// For this long; zero when it was over on arrival.
    After(Duration),
    /// The service did not say, or not in a way that can be read.
    Unknown,
}

/// How a service writes an expiry. Each may be a number or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpiryFormat {
    /// A number by its size: below 10^9 seconds from now, below 10^11 Unix seconds, else Unix milliseconds.
    /// For a service that does not say which it means.
    ByMagnitude,
    /// A date and time with an offset, as `2026-11-23T05:06:41.401Z` (RFC 3339).
    Rfc3339,
    /// Seconds from now, as in RFC 6749 section 5.1.
    SecondsFromNow,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// Seconds since 1970.
    UnixSeconds,
}

impl Expiry {
    /// The longest lifetime that is told apart from a longer one: a hundred years. It keeps sums with a time from overflowing.
    pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    /// Reads `value`. An absolute time is read against `now`, the time at the service.
    ///
    /// A negative lifetime and a time in the past are zero; too large a one is [`LONGEST`](Self::LONGEST); anything else that cannot be read is [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn read(format: ExpiryFormat, value: &Value, now: SystemTime) -> Self {
        let lifetime = match (format, value) {
            (ExpiryFormat::Rfc3339, Value::Text(text)) => rfc3339(text.trim()).map(|end| until(end, now)),
            (ExpiryFormat::Rfc3339, _) => None,
            (_, Value::Number(Number::Float(number))) if number.is_nan() => None,
            (_, Value::Number(number)) => Some(from_number(format, number_as_seconds(*number), now)),
            (_, Value::Text(text)) => number_in_text(text.trim()).map(|number| from_number(format, number, now)),
            _ => None,
        };
        lifetime.map_or(Self::Unknown, |lifetime| Self::After(lifetime.min(Self::LONGEST)))
    }
}

/// The end of the year 9999 is how some write "never"; its last days are outside the library's range, and two days less mean the same.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let timestamp = match text.strip_prefix("9999-12-31") {
        Some(rest) => format!("9999-12-29{rest}").parse::<Timestamp>(),
        None => text.parse(),
    };
    SystemTime::try_from(timestamp.ok()?).ok()
}

/// The longest lifetime and the exactness of `f64` are far apart: whole milliseconds are exact beyond the year 200,000.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn number_as_seconds(number: Number) -> f64 {
    match number {
        Number::Float(number) => number,
        Number::Negative(number) => number as f64,
        Number::Unsigned(number) => number as f64,
    }
}

/// `f64`'s own reader takes `inf` and `nan` as well.
fn number_in_text(text: &str) -> Option<f64> {
    let plain = text.len() <= 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if plain { text.parse().ok() } else { None }
}

fn from_number(format: ExpiryFormat, number: f64, now: SystemTime) -> Duration {
    match format {
        ExpiryFormat::UnixMilliseconds => until_unix_seconds(number / 1e3, now),
        ExpiryFormat::UnixSeconds => until_unix_seconds(number, now),
        ExpiryFormat::ByMagnitude if number >= 1e11 => until_unix_seconds(number / 1e3, now),
        ExpiryFormat::ByMagnitude if number >= 1e9 => until_unix_seconds(number, now),
        ExpiryFormat::ByMagnitude | ExpiryFormat::Rfc3339 | ExpiryFormat::SecondsFromNow => seconds(number),
    }
}

/// Saturates both ways.
fn seconds(number: f64) -> Duration {
    if number <= 0.0 { Duration::ZERO } else { Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX) }
}

fn until_unix_seconds(number: f64, now: SystemTime) -> Duration {
    SystemTime::UNIX_EPOCH.checked_add(seconds(number)).map_or(Duration::MAX, |end| until(end, now))
}

fn until(end: SystemTime, now: SystemTime) -> Duration {
    end.duration_since(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T00:00:00Z
    const NOW: u64 = 1_795_392_000;

    fn read(format: ExpiryFormat, json: &str) -> Expiry {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        Expiry::read(format, &Value::parse(json.as_bytes()).unwrap(), now)
    }

    #[test]
    fn every_dialect_becomes_one_lifetime() {
        use ExpiryFormat::{ByMagnitude, Rfc3339, SecondsFromNow, UnixMilliseconds, UnixSeconds};
        let hour = Expiry::After(Duration::from_secs(3_600));
        let over = Expiry::After(Duration::ZERO);
        let longest = Expiry::After(Expiry::LONGEST);
        let cases = [
            (SecondsFromNow, "3600", hour),
            (SecondsFromNow, r#""3600""#, hour),
            (SecondsFromNow, r#"" 3600 ""#, hour),
            (SecondsFromNow, "3.6e3", hour),
            (SecondsFromNow, "0", over),
            (SecondsFromNow, "-5", over),
            (SecondsFromNow, r#""-5""#, over),
            (SecondsFromNow, "18446744073709551615", longest),
            (SecondsFromNow, "1e308", longest),
            (SecondsFromNow, r#""1e999""#, longest),
            (SecondsFromNow, r#""soon""#, Expiry::Unknown),
            (SecondsFromNow, r#""inf""#, Expiry::Unknown),
            (SecondsFromNow, r#""NaN""#, Expiry::Unknown),
            (SecondsFromNow, r#""""#, Expiry::Unknown),
            (SecondsFromNow, "true", Expiry::Unknown),
            (SecondsFromNow, "[3600]", Expiry::Unknown),
            (UnixSeconds, "1795395600", hour),
            (UnixSeconds, r#""1795395600""#, hour),
            (UnixSeconds, "1795391999", over),
            (UnixSeconds, "1e308", longest),
            (UnixMilliseconds, "1795395600000", hour),
            (UnixMilliseconds, r#""1795395600250""#, Expiry::After(Duration::from_millis(3_600_250))),
            (Rfc3339, r#""2026-11-23T01:00:00Z""#, hour),
            (Rfc3339, r#""2026-11-23T08:00:00.000+07:00""#, hour),
            (Rfc3339, r#""2026-11-22T23:59:59Z""#, over),
            (Rfc3339, r#""9999-12-30T00:00:00Z""#, longest),
            (Rfc3339, r#""9999-12-31T23:59:59.999Z""#, longest),
            (Rfc3339, r#""9999-12-31""#, Expiry::Unknown),
            (Rfc3339, r#""2026-11-23T01:00:00""#, Expiry::Unknown),
            (Rfc3339, r#""tomorrow""#, Expiry::Unknown),
            (Rfc3339, "1795395600", Expiry::Unknown),
            (ByMagnitude, r#""TIMESTAMP""#, Expiry::Unknown),
            (ByMagnitude, "3600", hour),
            (ByMagnitude, r#""3600""#, hour),
            (ByMagnitude, "-3600", over),
            (ByMagnitude, "999999999", Expiry::After(Duration::from_secs(999_999_999))),
            (ByMagnitude, "1000000000", over),
            (ByMagnitude, "1795395600", hour),
            (ByMagnitude, "99999999999", longest),
            (ByMagnitude, "100000000000", over),
            (ByMagnitude, r#""1795395600000""#, hour),
        ];
        for (format, json, expiry) in cases {
            let found = read(format, json);
            let close = match (found, expiry) {
                (Expiry::After(found), Expiry::After(wanted)) => found.abs_diff(wanted) < Duration::from_micros(1),
                (found, wanted) => found == wanted,
            };
            assert!(close, "{format:?} {json}: {found:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_or_outlives_the_longest(text in ".{0,80}", number in proptest::num::f64::ANY) {
            for format in [
                ExpiryFormat::ByMagnitude, ExpiryFormat::Rfc3339, ExpiryFormat::SecondsFromNow,
                ExpiryFormat::UnixMilliseconds, ExpiryFormat::UnixSeconds,
            ] {
                for value in [Value::Text(text.clone().into()), Value::Text(number.to_string().into())] {
                    if let Expiry::After(lifetime) = Expiry::read(format, &value, SystemTime::UNIX_EPOCH) {
                        proptest::prop_assert!(lifetime <= Expiry::LONGEST);
                    }
                }
            }
        }
    }
}
