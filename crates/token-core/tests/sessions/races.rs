//! Calls that meet each other: logins, logouts and refreshes of one user, and more users than may refresh at once.

use secrecy::ExposeSecret;

use token_core::Token;

use crate::world::{World, Writes, parts, settle};

/// Whose login a token is of.
fn family(token: &Token) -> String {
    parts(token.refresh_token().unwrap().expose_secret()).0
}

#[tokio::test]
async fn a_login_is_not_undone_by_the_answer_to_a_refresh_before_it() {
    let world = World::new();
    world.log_in("ani").await;
    world.let_tokens_end();
    let session = world.sessions.get("ani").unwrap();
    let waiting = session.clone();
    // The answer is in the store, and not given out yet.
    world.store.writes(&[Writes::Go, Writes::GoAndWait], Writes::Go);
    let caller = tokio::spawn(async move { waiting.token().await });
    settle().await;
    world.sessions.log_in("ani", world.service.login("anew")).await.unwrap();
    world.store.gate.add_permits(1);
    settle().await;
    caller.await.unwrap().unwrap();
    assert_eq!(family(&session.token().await.unwrap()), "anew");
}
