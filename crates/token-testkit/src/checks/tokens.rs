//! What is a token and what is not.

use super::answers;
use crate::run::{Case, Draft, Run, shown};
use crate::subject::json_text;
use token_core::ErrorKind;

pub(super) async fn an_unusable_token_is_an_error(run: &mut Run<'_>) {
    for case in answers::unusable_tokens(run.subject) {
        if let Some(error) = run.ask_for_error(&case).await {
            // The longest ones break the limit on bodies first.
            let holds = matches!(error.kind(), ErrorKind::InvalidResponse | ErrorKind::Transport);
            run.expect(&case.name, holds, "an error of the kind InvalidResponse", shown(&error));
        }
    }
}

pub(super) async fn a_numeric_token_is_as_the_subject_says(run: &mut Run<'_>) {
    let answer = Draft { access_token: Some("1234567".to_owned()), ..run.good() }.answer(run.subject);
    let case = Case::new("access token 1234567, a number", answer);
    if run.subject.takes_numeric_token() {
        if let Some(token) = run.ask_for_token(&case).await {
            run.expect_access_token(&case.name, &token, "1234567");
        }
    } else if let Some(error) = run.ask_for_error(&case).await {
        run.expect(&case.name, error.kind() == ErrorKind::InvalidResponse, "an error of the kind InvalidResponse", shown(&error));
    }
}

pub(super) async fn an_unknown_token_type_is_an_error(run: &mut Run<'_>) {
    for case in answers::unknown_token_types(run.subject) {
        if let Some(error) = run.ask_for_error(&case).await {
            run.expect(
                &case.name,
                error.kind() == ErrorKind::InvalidResponse,
                "an error of the kind InvalidResponse",
                shown(&error),
            );
        }
    }
}

pub(super) async fn a_token_type_is_read_in_any_case(run: &mut Run<'_>) {
    let Some(token_type) = run.subject.token_type() else { return };
    for token_type in [token_type.to_owned(), token_type.to_ascii_lowercase(), token_type.to_ascii_uppercase()] {
        let answer = Draft { token_type: Some(json_text(&token_type)), ..run.good() }.answer(run.subject);
        let _token = run.ask_for_token(&Case::new(format!("token type `{token_type}`"), answer)).await;
    }
}
