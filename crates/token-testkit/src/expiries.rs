//! Expiries as services write them, made here without the code that is being checked.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::Offset;

use token_core::ExpiryFormat;

/// 2026-11-23T00:00:00Z, where a [`ManualClock`](crate::ManualClock) begins.
pub(crate) const NOW: i64 = 1_795_392_000;

/// The usual way to write the time that is `seconds` from the clock's beginning, as JSON text.
pub(crate) fn usual(format: ExpiryFormat, seconds: i64) -> String {
    written(format, seconds).into_iter().next().unwrap_or_default()
}

/// Every way to write it.
pub(crate) fn written(format: ExpiryFormat, seconds: i64) -> Vec<String> {
    let at = NOW.saturating_add(seconds);
    let numbers = match format {
        ExpiryFormat::Rfc3339 => return dates(at),
        ExpiryFormat::SecondsFromNow => vec![seconds],
        ExpiryFormat::UnixMilliseconds => vec![at.saturating_mul(1_000)],
        ExpiryFormat::UnixSeconds => vec![at],
        // By magnitude, and any format that is added after this was written.
        _ => vec![at, at.saturating_mul(1_000), seconds],
    };
    numbers.iter().flat_map(|number| [number.to_string(), format!("\"{number}\"")]).collect()
}

/// Whether a text of this format names a point in time, which needs a clock to become a lifetime.
pub(crate) fn is_absolute(format: ExpiryFormat) -> bool {
    !matches!(format, ExpiryFormat::SecondsFromNow)
}

/// Values that are in the past, or negative.
pub(crate) fn past(format: ExpiryFormat) -> Vec<String> {
    let mut values = match format {
        ExpiryFormat::Rfc3339 => vec![r#""1970-01-01T00:00:01Z""#.to_owned(), r#""0001-01-01T00:00:00Z""#.to_owned()],
        _ => ["0", "-1", "-3600", r#""-3600""#, "-1.5", "-9223372036854775808", "-1e308"].map(str::to_owned).into(),
    };
    match format {
        ExpiryFormat::SecondsFromNow => {}
        ExpiryFormat::Rfc3339 | ExpiryFormat::UnixMilliseconds | ExpiryFormat::UnixSeconds => {
            values.extend([-1, -3_600, -400_000_000].into_iter().flat_map(|seconds| written(format, seconds)));
        }
        // A small number means seconds from now, so only the large ones are in the past.
        _ => values.extend([NOW - 1, (NOW - 3_600) * 1_000].map(|number| number.to_string())),
    }
    values
}

/// Values beyond any lifetime.
pub(crate) fn huge(format: ExpiryFormat) -> Vec<&'static str> {
    match format {
        ExpiryFormat::Rfc3339 => {
            vec![
                r#""9999-12-30T00:00:00Z""#,
                r#""9999-12-31T23:59:59Z""#,
                r#""99999-01-01T00:00:00Z""#,
                r#""+123456789-01-01T00:00:00Z""#,
            ]
        }
        _ => vec![
            "18446744073709551615",
            r#""18446744073709551615""#,
            "9223372036854775807",
            "99999999999999999999999999",
            r#""99999999999999999999999999""#,
            "1e308",
            r#""1e308""#,
        ],
    }
}

/// Values that say nothing.
pub(crate) const UNREADABLE: [&str; 12] = [
    r#""soon""#,
    r#""TIMESTAMP""#,
    r#""""#,
    r#"" ""#,
    r#""NaN""#,
    r#""inf""#,
    r#""0x10""#,
    r#""2026-13-32T25:61:61Z""#,
    "null",
    "true",
    "[3600]",
    r#"{"seconds":3600}"#,
];

/// The time that is `seconds` from the clock's beginning, as in a `date` header.
pub(crate) fn http_date(seconds: i64) -> String {
    let at = u64::try_from(NOW.saturating_add(seconds)).unwrap_or(0);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(at))
}

/// With `Z`, with milliseconds, with the offset of Jakarta.
fn dates(at: i64) -> Vec<String> {
    let at = Timestamp::from_second(at).unwrap_or_default();
    let jakarta = at.display_with_offset(Offset::constant(7));
    vec![format!("\"{at}\""), format!("\"{at:.3}\""), format!("\"{jakarta}\"")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_written_as_its_services_do() {
        let cases: [(ExpiryFormat, &[&str]); 5] = [
            (ExpiryFormat::SecondsFromNow, &["3600", r#""3600""#]),
            (ExpiryFormat::UnixSeconds, &["1795395600", r#""1795395600""#]),
            (ExpiryFormat::UnixMilliseconds, &["1795395600000", r#""1795395600000""#]),
            (
                ExpiryFormat::Rfc3339,
                &[r#""2026-11-23T01:00:00Z""#, r#""2026-11-23T01:00:00.000Z""#, r#""2026-11-23T08:00:00+07:00""#],
            ),
            (
                ExpiryFormat::ByMagnitude,
                &["1795395600", r#""1795395600""#, "1795395600000", r#""1795395600000""#, "3600", r#""3600""#],
            ),
        ];
        for (format, expected) in cases {
            assert_eq!(written(format, 3_600), expected, "{format:?}");
        }
        assert_eq!(http_date(0), "Mon, 23 Nov 2026 00:00:00 GMT");
    }
}
