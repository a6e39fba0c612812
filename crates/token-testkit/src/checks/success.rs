//! What comes of a good answer.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::answers;
use crate::clock::ManualClock;
use crate::run::{ACCESS_TOKEN, Asked, Case, HOUR, NEXT_ACCESS_TOKEN, REFRESH_TOKEN, Run, shown};
use crate::server::ScriptedServer;
use crate::subject::json_text;
use token_core::Clock;

pub(super) async fn a_good_answer_gives_a_bearer_token(run: &mut Run<'_>) {
    let case = Case::new("a good answer", run.good().answer(run.subject));
    let Some(token) = run.ask_for_token(&case).await else { return };
    run.expect_access_token(&case.name, &token, ACCESS_TOKEN);
    let authorization = token.authorization();
    run.expect(
        &case.name,
        authorization.as_bytes() == format!("Bearer {ACCESS_TOKEN}").as_bytes() && authorization.is_sensitive(),
        "an `Authorization` of the scheme `Bearer`, marked sensitive",
        "another",
    );
    run.expect_lifetime(&case.name, &token, HOUR, HOUR);
    if let Some(refresh_token) = token.refresh_token() {
        run.expect(
            &case.name,
            refresh_token.expose_secret() == REFRESH_TOKEN,
            format!("no refresh token, or `{REFRESH_TOKEN}`"),
            format!("`{}`", refresh_token.expose_secret()),
        );
    }
}

pub(super) async fn each_call_is_one_request(run: &mut Run<'_>) {
    let name = "two calls, a token rejected in between";
    let first = run.good();
    let mut second = first.clone();
    second.access_token = Some(json_text(NEXT_ACCESS_TOKEN));
    let Some(server) = run.server(name, [first.answer(run.subject), second.answer(run.subject)]).await else { return };
    let provider = run.subject.provider(&run.setup(server.base_url(), Arc::new(ManualClock::new())));
    for (number, expected) in [(1, ACCESS_TOKEN), (2, NEXT_ACCESS_TOKEN)] {
        let case = format!("{name}: call {number}");
        match run.token(&case, Arc::clone(&provider)).await {
            Some(Ok(token)) => {
                run.expect_access_token(&case, &token, expected);
                provider.invalidate(&token);
            }
            Some(Err(error)) => run.fail(&case, "a token", shown(&error)),
            None => return,
        }
        let requests = server.requests().len();
        run.expect(&case, requests == number, format!("requests so far: {number}"), format!("{requests}"));
    }
    for case in answers::bad(run.subject) {
        if let Some(Asked { requests, .. }) = run.ask(&case).await {
            run.expect(&case.name, requests.len() == 1, "one request", format!("{}", requests.len()));
        }
    }
}

pub(super) async fn a_lifetime_counts_from_before_the_request(run: &mut Run<'_>) {
    let case = "the answer takes 20 s";
    let clock = Arc::new(ManualClock::new());
    let before = clock.now();
    let answer = run.good().answer(run.subject);
    let moved = Arc::clone(&clock);
    let started = ScriptedServer::start(move |_| {
        moved.advance(Duration::from_secs(20));
        answer.clone()
    })
    .await;
    let Some(server) = run.started(case, started) else { return };
    let provider = run.subject.provider(&run.setup(server.base_url(), clock));
    match run.token(case, provider).await {
        Some(Ok(token)) => {
            let asked = token.requested_at();
            run.expect(case, asked == before, format!("asked at {before:?}, before the request left"), format!("{asked:?}"));
            run.expect_lifetime(case, &token, HOUR, HOUR);
        }
        Some(Err(error)) => run.fail(case, "a token", shown(&error)),
        None => {}
    }
}

pub(super) async fn the_path_of_the_base_url_is_kept(run: &mut Run<'_>) {
    for (path, prefix) in [("/a-prefix/of-two", "/a-prefix/of-two/"), ("/a-prefix/", "/a-prefix/"), ("/", "/")] {
        let case = format!("base URL with the path `{path}`");
        let Some(server) = run.server(&case, [run.good().answer(run.subject)]).await else { return };
        let base_url = format!("{}{path}", server.base_url());
        let provider = run.subject.provider(&run.setup(base_url, Arc::new(ManualClock::new())));
        if let Some(Err(error)) = run.token(&case, provider).await {
            run.fail(&case, "a token", shown(&error));
        }
        let requests = server.requests();
        let found = requests.first().map_or("no request", |request| request.path());
        let kept = found.strip_prefix(prefix).is_some_and(|rest| !rest.starts_with('/'));
        run.expect(&case, kept, format!("a request below `{prefix}`"), format!("`{found}`"));
    }
}
