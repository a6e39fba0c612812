//! What an error says.

use std::time::Duration;

use super::answers;
use crate::answer::Answer;
use crate::expiries::http_date;
use crate::run::{Case, Run, shown, start};
use token_core::{Error, ErrorKind};

/// The longest message that an error keeps.
const LONGEST_MESSAGE: usize = 200;

pub(super) async fn a_documented_error_has_its_meaning(run: &mut Run<'_>) {
    let documented = run.subject.documented_errors();
    run.expect("the subject", !documented.is_empty(), "at least one documented error", "none");
    for (number, expected) in documented.into_iter().enumerate() {
        let name = answers::documented_name(number, &expected.code, &expected.answer);
        let case = Case::new(name, expected.answer.clone());
        let Some(error) = run.ask_for_error(&case).await else { continue };
        let (kind, remedy) = (error.kind(), error.remedy());
        run.expect(&case.name, kind == expected.kind, format!("the kind {:?}", expected.kind), format!("{kind:?}"));
        run.expect(&case.name, remedy == expected.remedy, format!("the remedy {:?}", expected.remedy), format!("{remedy:?}"));
        let (status, found) = (case.answer.status(), error.http_status());
        run.expect(&case.name, found == Some(status), format!("the status {status}"), format!("{found:?}"));
        if let Some(code) = &expected.code {
            let found = error.code();
            run.expect(&case.name, found == Some(code), format!("the code `{code}`"), format!("{found:?}"));
        }
        for (name, expected, found) in
            [("retry_after", expected.retry_after, error.retry_after()), ("hold", expected.hold, error.hold())]
        {
            if expected.is_some() {
                run.expect(&case.name, found == expected, format!("`Error::{name}` is {expected:?}"), format!("{found:?}"));
            }
        }
    }
}

pub(super) async fn an_unknown_code_is_kept(run: &mut Run<'_>) {
    let Some(code) = run.subject.unknown_code() else { return };
    let case = Case::new(format!("the code `{code}`"), run.subject.refusal(code, "a message for test only"));
    let Some(error) = run.ask_for_error(&case).await else { return };
    let found = error.code();
    run.expect(&case.name, found == Some(code), format!("the code `{code}`"), format!("{found:?}"));
    expect_no_verdict(run, &case, &error);
    let (status, found) = (case.answer.status(), error.http_status());
    run.expect(&case.name, found == Some(status), format!("the status {status}"), format!("{found:?}"));
}

pub(super) async fn an_undocumented_refusal_is_no_verdict_on_the_client(run: &mut Run<'_>) {
    for case in answers::refusals(&[400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 418, 422, 429, 451]) {
        if let Some(error) = run.ask_for_error(&case).await {
            expect_no_verdict(run, &case, &error);
        }
    }
}

/// A proxy or a firewall can say 401 too. To take it for wrong credentials is to hold back for a minute, and to send a person after the wrong fault.
fn expect_no_verdict(run: &mut Run<'_>, case: &Case, error: &Error) {
    let holds = error.kind() != ErrorKind::ClientRefused;
    run.expect(&case.name, holds, "an error of any kind but ClientRefused", shown(error));
}

pub(super) async fn a_fault_of_the_service_is_transient(run: &mut Run<'_>) {
    for case in answers::service_faults() {
        if let Some(error) = run.ask_for_error(&case).await {
            let holds = error.kind() == ErrorKind::Server && error.is_transient();
            let found = format!("{}, with the remedy {:?}", shown(&error), error.remedy());
            run.expect(&case.name, holds, "a transient error of the kind Server", found);
        }
    }
}

pub(super) async fn retry_after_is_kept(run: &mut Run<'_>) {
    let (soon, past) = (http_date(120), http_date(-120));
    for status in [429, 503] {
        for (after, seconds) in [("120", 120), (&soon, 120), ("0", 0), (&past, 0)] {
            let answer = Answer::text(status, "busy").header("retry-after", after);
            let case = Case::new(format!("HTTP {status} with `retry-after: {after}`"), answer);
            let Some(error) = run.ask_for_error(&case).await else { continue };
            let (expected, found) = (Some(Duration::from_secs(seconds)), error.retry_after());
            run.expect(&case.name, found == expected, format!("`Error::retry_after` is {expected:?}"), format!("{found:?}"));
            run.expect(&case.name, error.is_transient(), "a transient error", shown(&error));
            if status == 429 {
                let holds = error.kind() == ErrorKind::RateLimited;
                run.expect(&case.name, holds, "an error of the kind RateLimited", shown(&error));
            }
        }
    }
}

pub(super) async fn an_error_is_one_line_and_names_its_provider(run: &mut Run<'_>) {
    for case in answers::bad(run.subject) {
        if let Some(error) = run.ask_for_error(&case).await {
            let (found, expected) = (error.provider(), run.subject.name());
            run.expect(&case.name, found == expected, format!("`Error::provider` is `{expected}`"), format!("`{found}`"));
            expect_one_line(run, &case, &error);
        }
    }
}

pub(super) async fn what_the_service_says_is_cleaned(run: &mut Run<'_>) {
    let odd = "line one\r\nline two\u{1b}[31m\u{202e}txt\u{200b}\u{0}";
    let long = "long ".repeat(2_000);
    let code = run.subject.unknown_code().unwrap_or_default();
    let cases = [
        Case::new("a message with control and bidi characters", run.subject.refusal(code, odd)),
        Case::new("a message of 10,000 characters", run.subject.refusal(code, &long)),
        Case::new("a code with control and bidi characters", run.subject.refusal(odd, "a message")),
        Case::new("a code of 10,000 characters", run.subject.refusal(&long, "a message")),
    ];
    for case in cases {
        let Some(error) = run.ask_for_error(&case).await else { continue };
        expect_one_line(run, &case, &error);
        for (what, text) in [("message", error.service_message()), ("code", error.code())] {
            let Some(text) = text else { continue };
            let plain = text.chars().count() <= LONGEST_MESSAGE && !text.chars().any(is_odd);
            let expected = format!("a {what} of at most {LONGEST_MESSAGE} characters, none of them control or bidi");
            run.expect(&case.name, plain, expected, format!("{:?}", start(text)));
        }
    }
}

fn is_odd(character: char) -> bool {
    character.is_control() || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn expect_one_line(run: &mut Run<'_>, case: &Case, error: &Error) {
    let text = error.to_string();
    let holds = !text.trim().is_empty() && !text.chars().any(is_odd) && text.chars().count() < 1_000;
    run.expect(&case.name, holds, "a `Display` of one line, without control characters", format!("{:?}", start(&text)));
}
