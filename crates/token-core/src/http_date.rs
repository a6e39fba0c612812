//! The date in an HTTP header, in any of its three forms.

use std::time::{Duration, SystemTime};

use jiff::civil::{DateTime, date};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

/// `Sunday, 06-Nov-94 08:49:37 GMT`
const RFC_850: &str = "%A, %d-%b-%y %H:%M:%S GMT";

/// RFC 9110 section 5.6.7. The last form is one with the one above it: a day below ten has a space or a zero before it.
const FORMS: [&str; 4] = ["%a, %d %b %Y %H:%M:%S GMT", RFC_850, "%a %b %e %H:%M:%S %Y", "%a %b %d %H:%M:%S %Y"];

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// A year of two digits that would be further ahead than this is one of the past (RFC 9110 section 5.6.7).
const FURTHEST_YEARS: i16 = 50;

/// Reads a date exactly as the RFC has it, from 1970 on. A year of two digits is taken as it is meant at `now`.
pub(crate) fn http_date(text: &str, now: SystemTime) -> Option<SystemTime> {
    let text = text.trim();
    let (form, mut parts) = FORMS.iter().find_map(|form| Some((*form, read(form, text)?)))?;
    let time = if form == RFC_850 { with_century(&mut parts, now)? } else { parts.to_datetime().ok()? };
    // By the civil dates, because a `Timestamp` ends one day before the last date that can be written.
    let since = Duration::try_from(time.duration_since(EPOCH)).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// jiff reads a form leniently, any case and any number of spaces and digits, so what it read is written once more: it must be the same.
fn read(form: &str, text: &str) -> Option<BrokenDownTime> {
    let parts = BrokenDownTime::parse(form, text).ok()?;
    let written = parts.to_string(form).ok()?;
    // A leap second, which the RFC allows at the end of a day, is read as the second before it: Unix time has none.
    (written == text || written.replace("23:59:59", "23:59:60") == text).then_some(parts)
}

/// Puts the year of two digits into the latest century that the RFC allows.
fn with_century(parts: &mut BrokenDownTime, now: SystemTime) -> Option<DateTime> {
    let latest = Offset::UTC.to_datetime(Timestamp::try_from(now).ok()?).saturating_add(FURTHEST_YEARS.years());
    let two_digits = parts.year()?.rem_euclid(100);
    let century = latest.year() - latest.year().rem_euclid(100);
    // The weekday has no say in the century, or a wrong one would move a date by a hundred years instead of being refused.
    let weekday = parts.weekday();
    parts.set_weekday(None);
    let time = [century, century - 100].into_iter().find_map(|century| {
        parts.set_year(Some(century + two_digits)).ok()?;
        parts.to_datetime().ok().filter(|time| *time <= latest)
    })?;
    (weekday == Some(time.weekday())).then_some(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-23T00:00:00Z
    const NOW: u64 = 1_795_392_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn seconds(text: &str) -> Option<u64> {
        http_date(text, at(NOW)).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn the_three_forms_are_read_and_nothing_else() {
        let example = Some(784_111_777);
        let cases = [
            // RFC 9110 section 5.6.7.
            ("Sun, 06 Nov 1994 08:49:37 GMT", example),
            ("Sunday, 06-Nov-94 08:49:37 GMT", example),
            ("Sun Nov  6 08:49:37 1994", example),
            // `date3 = month SP ( 2DIGIT / ( SP 1DIGIT ))`
            ("Sun Nov 06 08:49:37 1994", example),
            (" Sun, 06 Nov 1994 08:49:37 GMT\t", example),
            // The wrong weekday.
            ("Mon, 06 Nov 1994 08:49:37 GMT", None),
            ("Monday, 06-Nov-94 08:49:37 GMT", None),
            ("Mon Nov  6 08:49:37 1994", None),
            // A name in another length or case.
            ("Sunday, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 November 1994 08:49:37 GMT", None),
            ("sun, 06 nov 1994 08:49:37 gmt", None),
            ("SUN, 06 NOV 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 gmt", None),
            // No zone, or another than GMT.
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Nov 1994 08:49:37 ", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37 Z", None),
            ("Sun, 06 Nov 1994 08:49:37 +0000", None),
            ("Sun, 06 Nov 1994 15:49:37 +0700", None),
            ("Sun, 06 Nov 1994 15:49:37 WIB", None),
            ("Sun Nov  6 08:49:37 1994 GMT", None),
            ("1994-11-06T08:49:37Z", None),
            ("Sunday, 06-Nov-94!08:49:37 GMT", None),
            // Text around it.
            ("Sun, 06 Nov 1994 08:49:37 GMT;", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT+1", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("date Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994x", None),
            // Other spaces, digits and signs.
            ("Sun,06 Nov 1994 08:49:37 GMT", None),
            ("Sun,  06 Nov 1994 08:49:37 GMT", None),
            ("Sun,\t06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 8:49:37 GMT", None),
            ("Sun, 006 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov +1994 08:49:37 GMT", None),
            ("Sun, 06 Nov -1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37.5 GMT", None),
            ("Sun Nov 6 08:49:37 1994", None),
            ("Sun, \u{660}\u{666} Nov 1994 08:49:37 GMT", None),
            // Days and times that are not.
            ("Wed, 00 Nov 1994 08:49:37 GMT", None),
            ("Thu, 31 Nov 1994 08:49:37 GMT", None),
            ("Mon, 29 Feb 2027 00:00:00 GMT", None),
            ("Tue, 29 Feb 2028 00:00:00 GMT", Some(1_835_395_200)),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:60:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:61 GMT", None),
            // A leap second, as there was one on this day, and what only looks like one.
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_799)),
            ("Saturday, 31-Dec-16 23:59:60 GMT", Some(1_483_228_799)),
            ("Sat Dec 31 23:59:60 2016", Some(1_483_228_799)),
            ("Sat, 31 Dec 2016 23:58:60 GMT", None),
            ("Sun, 06 Nov 1994 08:49:60 GMT", None),
            // The first and the last second, and years beyond.
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Sat, 01 Jan 0000 00:00:00 GMT", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("Sat, 01 Jan 99999 00:00:00 GMT", None),
            ("Sat Jan  1 00:00:00 99999", None),
            ("", None),
            (" ", None),
            ("GMT", None),
            ("0", None),
            ("tomorrow", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(seconds(text), wanted, "{text:?}");
        }
        for huge in [
            "9".repeat(1 << 20),
            format!("Sun, 06 Nov 1994 08:49:37 GMT{}x", " ".repeat(1 << 20)),
            format!("Sun,{}06 Nov 1994 08:49:37 GMT", " ".repeat(1 << 20)),
            format!("Sun, 06 Nov {}1994 08:49:37 GMT", "0".repeat(1 << 20)),
        ] {
            assert_eq!(seconds(&huge), None, "{} bytes", huge.len());
        }
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_fifty_years_ahead() {
        // The date, when it is read, and what it means then.
        let cases = [
            ("Thursday, 26-Nov-26 00:00:00 GMT", "2026-11-23", "2026-11-26"),
            ("Monday, 23-Nov-76 00:00:00 GMT", "2026-11-23", "2076-11-23"),
            ("Tuesday, 23-Nov-76 00:00:01 GMT", "2026-11-23", "1976-11-23"),
            ("Wednesday, 24-Nov-76 00:00:00 GMT", "2026-11-23", "1976-11-24"),
            ("Friday, 31-Dec-99 00:00:00 GMT", "2026-11-23", "1999-12-31"),
            ("Saturday, 01-Jan-00 00:00:00 GMT", "2026-11-23", "2000-01-01"),
            ("Friday, 01-Jan-00 00:00:00 GMT", "2099-12-31", "2100-01-01"),
            // There is no such day in 2100.
            ("Tuesday, 29-Feb-00 00:00:00 GMT", "2099-12-31", "2000-02-29"),
            // The weekday that the same date has in another century.
            ("Friday, 26-Nov-26 00:00:00 GMT", "2026-11-23", ""),
            ("Tuesday, 23-Nov-76 00:00:00 GMT", "2026-11-23", ""),
        ];
        for (text, now, wanted) in cases {
            let midnight = |date: &str| SystemTime::try_from(format!("{date}T00:00:00Z").parse::<Timestamp>().unwrap()).unwrap();
            let found = http_date(text, midnight(now));
            let day = found.map(|time| Timestamp::try_from(time).unwrap().to_string().chars().take(10).collect::<String>());
            assert_eq!(day.unwrap_or_default(), wanted, "{text} at {now}");
        }
    }

    /// The time in all forms, made of the first by hand.
    fn written(time: SystemTime) -> [String; 4] {
        let first = httpdate::fmt_http_date(time);
        let [weekday, day, month, year, clock, _] = first.split(' ').collect::<Vec<_>>()[..] else { panic!("{first}") };
        let weekday = weekday.trim_end_matches(',');
        let whole = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let whole = whole.iter().find(|name| name.starts_with(weekday)).unwrap();
        let spaced = day.strip_prefix('0').map_or(day.to_owned(), |digit| format!(" {digit}"));
        [
            format!("{whole}, {day}-{month}-{} {clock} GMT", year.get(2..).unwrap()),
            format!("{weekday} {month} {spaced} {clock} {year}"),
            format!("{weekday} {month} {day} {clock} {year}"),
            first,
        ]
    }

    proptest! {
        #[test]
        fn every_time_is_read_as_another_library_reads_it(
            any in 0_u64..253_402_300_800,
            // 1970 to 2069, where the other library has years of two digits whenever it is asked.
            near in 0_u64..3_155_760_000,
        ) {
            // 2019-12-31T23:59:59Z: the last second at which these years are the ones that are meant.
            let now = at(1_577_836_799);
            let [_, longer @ ..] = written(at(any));
            for text in longer.into_iter().chain(written(at(near))) {
                let theirs = httpdate::parse_http_date(&text).unwrap();
                prop_assert_eq!(http_date(&text, now), Some(theirs), "{}", text);
                prop_assert!(theirs == at(any) || theirs == at(near));
            }
        }

        #[test]
        fn no_text_and_no_clock_panics(
            text in "(?s).{0,60}",
            like in "[A-Za-z]{2,10},? [0-9 ]{1,3}[- ][A-Z][a-z]{2,9}[- ][0-9+-]{1,6} [0-9]{1,3}:[0-9]{1,3}:[0-9.]{1,3} ?(GMT)?",
            now in 0_u64..=1 << 62,
        ) {
            let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(now)).unwrap_or(SystemTime::UNIX_EPOCH);
            for text in [&text, &like] {
                let ours = http_date(text, now);
                prop_assert!(ours.is_none() || httpdate::parse_http_date(text).is_ok() || text.contains(":60"), "{}", text);
            }
        }

        /// The other library takes any character before the time in the form with a year of two digits; ours is the stricter one.
        #[test]
        fn a_date_with_another_character_is_what_the_other_library_reads_or_none(
            time in 0_u64..3_155_760_000,
            form in 0_usize..4,
            place in any::<prop::sample::Index>(),
            other in "[ -~\u{e9}]",
        ) {
            let mut text = written(at(time))[form].clone();
            let place = place.index(text.len());
            text.replace_range(place..=place, &other);
            if let Some(ours) = http_date(&text, at(1_577_836_799)).filter(|_| !text.contains(":60")) {
                prop_assert_eq!(Some(ours), httpdate::parse_http_date(&text).ok(), "{}", text);
            }
        }
    }
}
