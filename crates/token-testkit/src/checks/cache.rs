//! The provider under the cache that people use it with.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::ManualClock;
use crate::run::{ACCESS_TOKEN, Draft, HOUR, NEXT_ACCESS_TOKEN, Run, shown};
use crate::server::ScriptedServer;
use crate::subject::json_text;
use token_core::{CachePolicy, Error, Token, TokenCache};

/// A good answer, and one that is good an hour later.
fn answers(run: &Run<'_>) -> [crate::Answer; 2] {
    let next = Draft {
        access_token: Some(json_text(NEXT_ACCESS_TOKEN)),
        expiry: Some(run.expiry_in(2 * HOUR.as_secs().cast_signed())),
        ..run.good()
    };
    [run.good().answer(run.subject), next.answer(run.subject)]
}

type Cached = TokenCache<Arc<dyn token_core::TokenProvider>>;

fn cached(run: &Run<'_>, server: &ScriptedServer, clock: &Arc<ManualClock>) -> Cached {
    let setup = run.setup(server.base_url(), Arc::clone(clock));
    TokenCache::with_policy(run.subject.provider(&setup), CachePolicy::default(), setup.clock)
}

fn expect(
    run: &mut Run<'_>,
    case: &str,
    server: &ScriptedServer,
    requests: usize,
    result: Option<Result<Token, Error>>,
    expected: &str,
) {
    match result {
        Some(Ok(token)) => run.expect_access_token(case, &token, expected),
        Some(Err(error)) => run.fail(case, "a token", shown(&error)),
        None => {}
    }
    let found = server.requests().len();
    run.expect(case, found == requests, format!("requests so far: {requests}"), found.to_string());
}

pub(super) async fn a_cache_asks_once_a_lifetime(run: &mut Run<'_>) {
    let Some(server) = run.server("the first call", answers(run)).await else { return };
    let clock = Arc::new(ManualClock::new());
    let cache = Arc::new(cached(run, &server, &clock));
    let second = Duration::from_secs(1);
    for (case, later, requests, expected) in [
        ("the first call", Duration::ZERO, 1, ACCESS_TOKEN),
        ("a call a second later", second, 1, ACCESS_TOKEN),
        ("a call after half an hour", HOUR / 2, 1, ACCESS_TOKEN),
        ("a call after the lifetime", HOUR / 2, 2, NEXT_ACCESS_TOKEN),
        ("a call a second after that", second, 2, NEXT_ACCESS_TOKEN),
    ] {
        clock.advance(later);
        let result = run.token(case, Arc::<Cached>::clone(&cache)).await;
        expect(run, case, &server, requests, result, expected);
    }
}

pub(super) async fn a_stampede_makes_one_request(run: &mut Run<'_>) {
    let case = "100 calls at once";
    let Some(server) = run.server(case, answers(run)).await else { return };
    let cache = cached(run, &server, &Arc::new(ManualClock::new()));
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let cache = cache.clone();
        calls.spawn(async move { cache.token().await });
    }
    for result in calls.join_all().await {
        expect(run, case, &server, 1, Some(result), ACCESS_TOKEN);
    }
}
