//! Every check can fail: for each there is a provider that is wrong in one way, and the check says so.

#![allow(clippy::panic, reason = "this is a test")]

mod reference;

use std::collections::BTreeSet;

use reference::{Fault, Reference};
use token_testkit::{Check, checks};

fn check(name: &str) -> &'static Check {
    checks().iter().find(|check| check.name() == name).unwrap_or_else(|| panic!("no check `{name}`"))
}

/// A provider that is wrong, a check that must find it, and a part of what the report must say.
fn table() -> Vec<(Reference, &'static str, &'static str)> {
    let plain = Reference::rfc_6749;
    vec![
        (plain(Fault::AsksTwice), "a_stampede_makes_one_request", "requests so far: 1"),
        (plain(Fault::AsksTwice), "each_call_is_one_request", "two calls, a token rejected in between: call 1"),
        (plain(Fault::CutsLifetime), "a_cache_asks_once_a_lifetime", "a call after half an hour"),
        (plain(Fault::CutsLifetime), "a_good_answer_gives_a_bearer_token", "After(60s)"),
        (plain(Fault::DropsPath), "the_path_of_the_base_url_is_kept", "`/a-prefix/of-two/`"),
        (plain(Fault::DropsRetryAfter), "retry_after_is_kept", "HTTP 429 with `retry-after: 120`"),
        (plain(Fault::DropsUnknownCode), "an_unknown_code_is_kept", "`code_nobody_documents`"),
        (plain(Fault::FollowsRedirects), "a_redirect_is_not_followed", "no connection to the target"),
        (plain(Fault::GuessesExpiry), "an_unreadable_expiry_is_unknown", "no expiry"),
        (Reference::refresh(Fault::IgnoresDate), "the_clock_of_the_service_measures_its_times", "is ahead"),
        (Reference::date_and_time(Fault::IgnoresDate), "the_clock_of_the_service_measures_its_times", "is behind"),
        (plain(Fault::IgnoresTokenType), "an_unknown_token_type_is_an_error", "token type `mac`"),
        (plain(Fault::IgnoresUnknownFields), "a_doubled_key_is_an_error", "a key twice beside the token"),
        (plain(Fault::IgnoresUnknownFields), "deep_nesting_is_an_error", "4,000 arrays in each other"),
        (plain(Fault::KeepsEcho), "a_secret_that_the_service_repeats_is_taken_out", "`Error::service_message`"),
        (plain(Fault::KeepsEchoInCode), "a_secret_that_the_service_repeats_is_taken_out", "`Display` of the error"),
        (plain(Fault::LastKeyWins), "a_doubled_key_is_an_error", r#"the key "access_token" twice"#),
        (plain(Fault::LogsBody), "no_secret_is_logged", "a token, as a list of bytes"),
        (plain(Fault::LogsSecret), "no_secret_is_logged", "secret 0 of the subject"),
        (plain(Fault::MixesUpDigits), "a_huge_expiry_is_capped", "expiry 18446744073709551615"),
        (plain(Fault::CallsPagesServerTrouble), "a_page_for_people_is_an_error", "an HTML page with status 403"),
        (plain(Fault::Panics), "a_page_for_people_is_an_error", "a panic"),
        (plain(Fault::PastIsAnError), "a_past_expiry_is_over", "expiry -3600"),
        (plain(Fault::ReadsClockLate), "a_lifetime_counts_from_before_the_request", "the answer takes 20 s"),
        (plain(Fault::ReadsNumbersOnly), "an_expiry_is_read_in_each_spelling", r#"expiry "900""#),
        (plain(Fault::ReadsTooMuch), "an_oversized_body_is_an_error", "64 KiB of white space"),
        (Reference::date_and_time(Fault::RefusesNumber), "a_numeric_token_is_as_the_subject_says", "expected a token"),
        (plain(Fault::RepairsToken), "an_unusable_token_is_an_error", "an empty token"),
        (Reference::refresh(Fault::SaysHarmless), "only_harmless_requests_may_be_sent_again", "closed before any byte"),
        (plain(Fault::SecretInError), "no_secret_is_in_an_error_or_a_token", "in Base64"),
        (plain(Fault::SecretInQuery), "no_secret_is_in_the_url", "client_secret="),
        (plain(Fault::CallsServerTroublePermanent), "a_fault_of_the_service_is_transient", "remedy ContactService"),
        (plain(Fault::ShowsKey), "no_secret_is_in_an_error_or_a_token", "secret 1 of the subject"),
        (plain(Fault::ShowsKey), "no_secret_is_in_the_url", "?key="),
        (plain(Fault::ShowsKey), "no_secret_is_logged", "secret 1 of the subject"),
        (plain(Fault::ShowsMessage), "what_the_service_says_is_cleaned", "a message of 10,000 characters"),
        (plain(Fault::CallsSilenceServerTrouble), "a_silent_service_is_given_up_on", "no answer at all"),
        (plain(Fault::TakesHalfBodies), "a_broken_connection_is_a_transport_error", "closed half-way through the body"),
        (plain(Fault::TakesNumber), "a_numeric_token_is_as_the_subject_says", "expected an error"),
        (plain(Fault::TakesTrailingText), "a_body_that_is_not_an_answer_is_an_error", "something after it"),
        (plain(Fault::TokenInCause), "no_secret_is_in_an_error_or_a_token", "`Display` of a cause"),
        (plain(Fault::TokenTypeExactly), "a_token_type_is_read_in_any_case", "token type `BEARER`"),
        (Reference::refresh(Fault::TrustsAnyDate), "a_clock_that_was_never_set_prolongs_nothing", "1970"),
        (Reference::refresh(Fault::TrustsAnyDate), "a_date_from_a_shared_cache_is_ignored", "age: 3600"),
        (Reference::refresh(Fault::TrustsAnyDate), "two_dates_are_ignored", "and `date:"),
        (plain(Fault::UnknownIsRefused), "an_undocumented_refusal_is_no_verdict_on_the_client", "HTTP 401 with plain text"),
        (plain(Fault::UnknownIsRefused), "an_unknown_code_is_kept", "any kind but ClientRefused"),
        (plain(Fault::WrongName), "an_error_is_one_line_and_names_its_provider", "`unnamed`"),
        (plain(Fault::WrongRemedy), "a_documented_error_has_its_meaning", "the remedy FixConfiguration"),
    ]
}

#[test]
fn each_fault_is_found_by_its_check() {
    for (subject, name, said) in table() {
        let fault = subject.fault;
        let Err(report) = check(name).run_alone(&subject) else { panic!("{fault:?} passes `{name}`") };
        let text = report.to_string();
        assert!(text.contains(said), "{fault:?}, `{name}`: no `{said}` in\n{text}");
        for failure in report.failures() {
            assert_eq!(failure.check(), name);
            assert!(![failure.case(), failure.expected(), failure.found()].contains(&""), "{failure}");
        }
    }
}

#[test]
fn each_check_has_a_fault_that_it_finds() {
    let found: BTreeSet<_> = table().iter().map(|(_, name, _)| *name).collect();
    let all: BTreeSet<_> = checks().iter().map(Check::name).collect();
    assert_eq!(all.difference(&found).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// On a clock that leaps whenever nothing else is to be done, so that nobody waits for the kit's patience to end.
#[tokio::test(start_paused = true)]
async fn a_provider_that_waits_for_ever_is_not_waited_for() {
    let report = check("a_silent_service_is_given_up_on").run(&Reference::rfc_6749(Fault::WaitsForEver)).await.unwrap_err();
    assert!(report.to_string().contains("nothing after 60 s"), "{report}");
}

/// On such a clock too.
#[tokio::test(start_paused = true)]
async fn a_provider_that_waits_as_long_as_bytes_come_is_not_waited_for() {
    let subject = Reference::rfc_6749(Fault::IdleTimeoutOnly);
    let report = check("a_silent_service_is_given_up_on").run(&subject).await.unwrap_err();
    let cases: Vec<_> = report.failures().iter().map(|failure| (failure.case(), failure.found())).collect();
    assert_eq!(cases, [("a byte of the body now and then", "nothing after 60 s")]);
}

#[test]
fn the_report_says_which_check_which_case_what_and_what_instead() {
    let report = check("a_documented_error_has_its_meaning").run_alone(&Reference::rfc_6749(Fault::WrongRemedy)).unwrap_err();
    assert_eq!(
        report.to_string(),
        "check    a_documented_error_has_its_meaning\n\
         case     documented error 1 `invalid_client`, HTTP 400\n\
         expected the remedy FixConfiguration\n\
         got      Retry\n"
    );
}
