//! Where no secret may be.

use std::error::Error as _;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::answers;
use crate::answer::Answer;
use crate::capture::LogCapture;
use crate::run::{ACCESS_TOKEN, Asked, Case, Run};
use crate::secrets::{ENCODED, SecretFinder};
use crate::subject::Subject;
use token_core::{Error, Token, UnexpectedPage};

/// All answers, good and bad.
fn all(run: &Run<'_>) -> Vec<Case> {
    let mut cases = answers::bad(run.subject);
    cases.push(Case::new("a good answer", run.good().answer(run.subject)));
    cases
}

pub(super) async fn no_secret_is_in_the_url(run: &mut Run<'_>) {
    let allowed = run.subject.secrets_in_url();
    let secrets = run.subject.secrets().into_iter().filter(|secret| !allowed.contains(secret));
    let finder = SecretFinder::new(secrets.chain(run.subject.never_shown()));
    let case = Case::new("a good answer", run.good().answer(run.subject));
    let Some(Asked { requests, .. }) = run.ask(&case).await else { return };
    run.expect(&case.name, !requests.is_empty(), "a request", "none");
    for request in requests {
        let target = request.target();
        let decoded = percent_decode_str(target).decode_utf8_lossy();
        let referer = request.header("referer").unwrap_or_default();
        if let Some(leak) = [target, &*decoded, referer].into_iter().find_map(|text| finder.find(text)) {
            let found = format!("the subject's {leak} in: {target}");
            run.fail(&case.name, "no secret in the path, the query or the `referer` of a request", found);
        }
    }
}

pub(super) async fn no_secret_is_in_an_error_or_a_token(run: &mut Run<'_>) {
    let finder = run.finder();
    for case in all(run) {
        match run.ask(&case).await.map(|asked| asked.result) {
            Some(Ok(token)) => expect_quiet_token(run, &case, &finder, &token),
            Some(Err(error)) => expect_quiet_error(run, &case, &finder, &error),
            None => {}
        }
    }
}

pub(super) async fn no_secret_is_logged(run: &mut Run<'_>) {
    let finder = run.finder();
    for case in all(run) {
        let capture = match LogCapture::begin() {
            Ok(capture) => capture,
            Err(error) => return run.fail(&case.name, "a view of what is logged", error.to_string()),
        };
        let _outcome = run.ask(&case).await;
        // Line by line, so that a failure shows the line.
        for line in capture.text().lines() {
            run.expect_no_secret(&case.name, &finder, "what is logged", line);
        }
    }
}

pub(super) async fn a_secret_that_the_service_repeats_is_taken_out(run: &mut Run<'_>) {
    let finder = run.finder();
    let mut cases = Vec::new();
    for (number, secret) in run.subject.secrets().into_iter().enumerate() {
        cases.extend(repeating(run.subject, number, &secret));
    }
    // Another way through the provider for each code, so one secret will do.
    let first = run.subject.secrets().into_iter().next().unwrap_or_default();
    for code in run.subject.documented_errors().into_iter().filter_map(|error| error.code) {
        let name = format!("secret 0 in the message of `{code}`");
        cases.push(Case::new(name, run.subject.refusal(&code, &format!("`{first}` is wrong"))));
    }
    for case in cases {
        if let Some(error) = run.ask_for_error(&case).await {
            expect_quiet_error(run, &case, &finder, &error);
        }
    }
}

/// The places in which a service or a page may repeat a secret.
fn repeating(subject: &dyn Subject, number: usize, secret: &str) -> Vec<Case> {
    let code = subject.unknown_code().unwrap_or_default();
    let encoded = utf8_percent_encode(secret, ENCODED);
    // The message is cut after 200 characters, and half a secret must not stay.
    let across_the_cut = format!("{}{secret}", "x".repeat(190));
    let mut cases = vec![Case::new(format!("secret {number} as the code"), subject.refusal(secret, "wrong"))];
    for message in [format!("`{secret}` is wrong"), format!("client_secret={encoded} is wrong"), across_the_cut] {
        cases.push(Case::new(format!("secret {number} in the message `{message}`"), subject.refusal(code, &message)));
    }
    let page = format!("<html><head><title>No {secret} here</title></head><body>{secret}</body></html>");
    for status in [200, 403, 502] {
        cases.push(Case::new(format!("secret {number} in a page, HTTP {status}"), Answer::html(status, &*page)));
    }
    let text = Answer::new(400).body(format!("wrong: {secret}")).header("content-type", &format!("text/{secret}"));
    cases.push(Case::new(format!("secret {number} in plain text"), text));
    cases
}

fn expect_quiet_token(run: &mut Run<'_>, case: &Case, finder: &SecretFinder, token: &Token) {
    let shown = format!("{token:?} {token:#?} {:?}", token.authorization());
    run.expect_no_secret(&case.name, finder, "`Debug` of the token", &shown);
    let shown = format!("{:?} {:?}", token.scopes(), token.expiry_as_received());
    let holds = !shown.contains(ACCESS_TOKEN);
    run.expect(&case.name, holds, "no token in the scopes or the expiry's text", shown);
}

fn expect_quiet_error(run: &mut Run<'_>, case: &Case, finder: &SecretFinder, error: &Error) {
    let mut places = vec![
        ("`Display` of the error", error.to_string()),
        ("`Debug` of the error", format!("{error:?} {error:#?}")),
        ("`Error::service_message`", error.service_message().unwrap_or_default().to_owned()),
        ("`Error::code`", error.code().unwrap_or_default().to_owned()),
    ];
    let title = error.find_source::<UnexpectedPage>().and_then(UnexpectedPage::title);
    places.push(("`UnexpectedPage::title`", title.unwrap_or_default().to_owned()));
    let mut cause = error.source();
    while let Some(error) = cause {
        places.push(("`Display` of a cause", error.to_string()));
        places.push(("`Debug` of a cause", format!("{error:?} {error:#?}")));
        cause = error.source();
    }
    for (place, text) in places {
        run.expect_no_secret(&case.name, finder, place, &text);
    }
}
