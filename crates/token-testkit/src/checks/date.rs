//! Whose clock measures an expiry.

use std::time::Duration;

use crate::expiries::{self, http_date};
use crate::run::{Case, HOUR, Run};
use token_core::Token;

const HOUR_IN_SECONDS: i64 = 3_600;

/// The lifetime of a token that the service ends at `end` seconds from the clock's beginning, with these headers.
async fn expect(
    run: &mut Run<'_>,
    name: &str,
    end: i64,
    headers: &[(&str, &str)],
    shortest: Duration,
    longest: Duration,
) -> Option<Token> {
    let answer = run.good_until(&run.expiry_in(end));
    let answer = headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value));
    let case = Case::new(name, answer);
    let token = run.ask_for_token(&case).await?;
    run.expect_lifetime(&case.name, &token, shortest, longest);
    Some(token)
}

pub(super) async fn a_clock_that_was_never_set_prolongs_nothing(run: &mut Run<'_>) {
    for date in [
        "Thu, 01 Jan 1970 00:00:10 GMT",
        "Sat, 01 Jan 2000 00:00:00 GMT",
        "yesterday",
        "",
        "1795392000",
        "Mon, 99 Nov 2026 99:99:99 GMT",
    ] {
        expect(run, &format!("`date: {date}`"), HOUR_IN_SECONDS, &[("date", date)], HOUR, HOUR).await;
    }
}

pub(super) async fn a_date_from_a_shared_cache_is_ignored(run: &mut Run<'_>) {
    let date = http_date(-HOUR_IN_SECONDS);
    for age in ["3600", "0"] {
        let name = format!("`date` an hour ago with `age: {age}`");
        expect(run, &name, HOUR_IN_SECONDS, &[("date", &date), ("age", age)], HOUR, HOUR).await;
    }
}

pub(super) async fn two_dates_are_ignored(run: &mut Run<'_>) {
    let (past, future) = (http_date(-HOUR_IN_SECONDS), http_date(HOUR_IN_SECONDS));
    for (first, second) in [(&past, &future), (&future, &past), (&past, &past)] {
        let name = format!("`date: {first}` and `date: {second}`");
        expect(run, &name, HOUR_IN_SECONDS, &[("date", first), ("date", second)], HOUR, HOUR).await;
    }
}

pub(super) async fn the_clock_of_the_service_measures_its_times(run: &mut Run<'_>) {
    let absolute = expiries::is_absolute(run.subject.expiry_format());
    for (name, offset) in [("ahead", HOUR_IN_SECONDS), ("behind", -HOUR_IN_SECONDS), ("right", 0)] {
        let date = http_date(offset);
        // Seconds from now mean the same by any clock; a time is that of the service's clock.
        let end = if absolute { HOUR_IN_SECONDS + offset } else { HOUR_IN_SECONDS };
        // `Date` is cut to whole seconds, so up to one is lost.
        let shortest = if absolute { HOUR - Duration::from_secs(1) } else { HOUR };
        let name = format!("the service's clock is {name}, `date: {date}`");
        if let Some(token) = expect(run, &name, end, &[("date", &date)], shortest, HOUR).await {
            let found = token.clock_offset();
            run.expect(&name, found == Some(offset), format!("a clock offset of {offset} s"), format!("{found:?}"));
        }
    }
}
