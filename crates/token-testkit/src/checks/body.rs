//! Bodies that are no answer.

use super::answers;
use crate::run::{Case, Run, shown};
use token_core::ErrorKind;

async fn expect_kind(run: &mut Run<'_>, cases: Vec<Case>, kinds: &[ErrorKind]) {
    for case in cases {
        let Some(error) = run.ask_for_error(&case).await else { continue };
        run.expect(&case.name, kinds.contains(&error.kind()), format!("an error of the kind {kinds:?}"), shown(&error));
        if error.kind() != ErrorKind::Transport {
            let (status, found) = (case.answer.status(), error.http_status());
            run.expect(&case.name, found == Some(status), format!("an error with the status {status}"), format!("{found:?}"));
        }
    }
}

pub(super) async fn a_body_that_is_not_an_answer_is_an_error(run: &mut Run<'_>) {
    expect_kind(run, answers::malformed(run.subject), &[ErrorKind::InvalidResponse]).await;
}

pub(super) async fn a_doubled_key_is_an_error(run: &mut Run<'_>) {
    expect_kind(run, answers::doubled_keys(run.subject), &[ErrorKind::InvalidResponse]).await;
}

pub(super) async fn deep_nesting_is_an_error(run: &mut Run<'_>) {
    expect_kind(run, answers::deep(run.subject), &[ErrorKind::InvalidResponse]).await;
}

pub(super) async fn an_oversized_body_is_an_error(run: &mut Run<'_>) {
    // The transport may stop reading, or the provider may refuse what was read.
    expect_kind(run, answers::oversized(run.subject), &[ErrorKind::Transport, ErrorKind::InvalidResponse]).await;
}

pub(super) async fn a_page_for_people_is_an_error(run: &mut Run<'_>) {
    expect_kind(run, answers::pages(), &[ErrorKind::Blocked]).await;
}
