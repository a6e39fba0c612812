//! What becomes of an expiry.

use std::time::Duration;

use crate::expiries;
use crate::run::{ACCESS_TOKEN, Case, Draft, HOUR, Run};
use token_core::Expiry;

pub(super) async fn an_expiry_is_read_in_each_spelling(run: &mut Run<'_>) {
    for seconds in [15_i64, 900, 3_600, 86_400] {
        let lifetime = Duration::from_secs(seconds.unsigned_abs());
        for expiry in expiries::written(run.subject.expiry_format(), seconds) {
            let case = Case::new(format!("expiry {expiry}"), run.good_until(&expiry));
            if let Some(token) = run.ask_for_token(&case).await {
                run.expect_lifetime(&case.name, &token, lifetime, lifetime);
            }
        }
    }
}

pub(super) async fn an_unreadable_expiry_is_unknown(run: &mut Run<'_>) {
    let missing = Draft { expiry: None, ..run.good() }.answer(run.subject);
    let mut cases = vec![Case::new("no expiry", missing)];
    for expiry in expiries::UNREADABLE {
        cases.push(Case::new(format!("expiry {expiry}"), run.good_until(expiry)));
    }
    for case in cases {
        if let Some(token) = run.ask_for_token(&case).await {
            run.expect_access_token(&case.name, &token, ACCESS_TOKEN);
            let found = token.expiry();
            run.expect(&case.name, found == Expiry::Unknown, "`Expiry::Unknown`", format!("{found:?}"));
        }
    }
}

pub(super) async fn a_past_expiry_is_over(run: &mut Run<'_>) {
    for expiry in expiries::past(run.subject.expiry_format()) {
        let case = Case::new(format!("expiry {expiry}"), run.good_until(&expiry));
        if let Some(token) = run.ask_for_token(&case).await {
            run.expect_lifetime(&case.name, &token, Duration::ZERO, Duration::ZERO);
        }
    }
}

pub(super) async fn a_huge_expiry_is_capped(run: &mut Run<'_>) {
    for expiry in expiries::huge(run.subject.expiry_format()) {
        let case = Case::new(format!("expiry {expiry}"), run.good_until(expiry));
        let Some(token) = run.ask_for_token(&case).await else { continue };
        // A value beyond what can be read may be unknown, as such a token is kept for a short time; a lifetime that wrapped around is a fault.
        let longest = Expiry::LONGEST;
        let holds = match token.expiry() {
            Expiry::After(lifetime) => lifetime <= longest && lifetime > HOUR * 24 * 365,
            Expiry::Unknown => true,
        };
        let expected = format!("a lifetime of years, at most {longest:?}, or `Expiry::Unknown`");
        run.expect(&case.name, holds, expected, format!("{:?}", token.expiry()));
    }
}
