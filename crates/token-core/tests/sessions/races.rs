//! Calls that meet each other: logins, logouts and refreshes of one user, and more users than may refresh at once.

use std::time::Duration;

use secrecy::ExposeSecret;

use token_core::{Error, ErrorKind, Remedy, Session, Token};

use crate::world::{Grant, World, Writes, ask, number, parts, settle};

/// What comes of `work`, with time going by while it waits.
async fn driven<T: Send + 'static>(
    world: &World,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let work = tokio::spawn(work);
    settle().await;
    for _ in 0..100 {
        if work.is_finished() {
            break;
        }
        world.clock.advance(Duration::from_secs(5));
        settle().await;
    }
    assert!(work.is_finished(), "it waits for ever");
    work.await.unwrap()
}

/// Whose login a token is of.
fn family(token: &Token) -> String {
    parts(token.refresh_token().unwrap().expose_secret()).0
}

/// A user who logged in anew when the answer to a refresh of the login before was in the store and not given out yet, and what that refresh brought has come.
async fn logged_in_under_a_refresh() -> (World, Session<Grant>) {
    let world = World::new();
    world.log_in("ani").await;
    world.let_tokens_end();
    let session = world.sessions.get("ani").unwrap();
    // The answer is in the store, and not given out yet.
    world.store.writes(&[Writes::Go, Writes::GoAndWait], Writes::Go);
    let caller = ask(&session);
    settle().await;
    world.sessions.log_in("ani", world.service.login("anew")).await.unwrap();
    world.store.gate.add_permits(1);
    settle().await;
    caller.await.unwrap().unwrap();
    (world, session)
}

#[tokio::test]
async fn a_login_is_not_undone_by_the_answer_to_a_refresh_before_it() {
    let (_world, session) = logged_in_under_a_refresh().await;
    assert_eq!(family(&session.token().await.unwrap()), "anew");
}

#[tokio::test]
async fn a_login_during_a_refresh_is_refreshed_in_time() {
    let (world, session) = logged_in_under_a_refresh().await;
    world.let_tokens_be_due();
    assert_eq!(number(&session.token().await.unwrap()), 1);
    settle().await;
    assert_eq!((number(&session.token().await.unwrap()), world.service.refreshes_of("anew")), (2, 1));
}

#[tokio::test]
async fn what_was_not_stored_before_a_logout_keeps_no_later_login_from_its_refreshes() {
    let world = World::new();
    world.log_in("ani").await;
    world.let_tokens_end();
    world.store.writes(&[Writes::Go, Writes::Fail], Writes::Go);
    world.sessions.get("ani").unwrap().token().await.unwrap();
    world.sessions.log_out("ani").await.unwrap();

    world.log_in("ani").await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(60));
        settle().await;
    }
    world.let_tokens_end();
    let session = world.sessions.get("ani").unwrap();
    let token = driven(&world, async move { session.token().await }).await.unwrap();
    assert_eq!((number(&token), world.service.revoked()), (2, 0));
}

#[tokio::test]
async fn a_handle_of_before_a_logout_keeps_no_later_login_from_its_refreshes() {
    let world = World::gated();
    world.log_in("ani").await;
    world.let_tokens_end();
    let dead = world.sessions.get("ani").unwrap();
    let caller = ask(&dead);
    settle().await;
    world.sessions.log_out("ani").await.unwrap();
    // The answer comes after the logout, and just then the store takes nothing.
    world.store.writes(&[Writes::Fail], Writes::Go);
    world.service.gate.add_permits(100);
    assert_eq!(caller.await.unwrap().unwrap_err().remedy(), Remedy::LogInAgain);

    world.log_in("ani").await;
    world.let_tokens_end();
    let session = world.sessions.get("ani").unwrap();
    let token = driven(&world, async move { session.token().await }).await.unwrap();
    assert_eq!(number(&token), 2);
    assert_eq!(dead.token().await.unwrap_err().remedy(), Remedy::LogInAgain);
}

#[tokio::test]
async fn a_refresh_for_which_nobody_waits_any_more_is_not_sent() {
    let world = World::gated();
    let sessions = world.process_with(100, 1);
    for user in ["ani", "budi"] {
        sessions.log_in(user, world.service.login(user)).await.unwrap();
    }
    world.let_tokens_end();
    // The service hangs, and the second user waits for the only permit until the request is given up.
    let mut callers = Vec::new();
    for user in ["ani", "budi"] {
        callers.push(ask(&sessions.get(user).unwrap()));
        settle().await;
    }
    world.clock.advance(Duration::from_secs(121));
    settle().await;
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Internal);
    }
    world.service.gate.add_permits(100);
    settle().await;
    assert_eq!(world.service.refreshes_of("budi"), 0);
    let session = sessions.get("budi").unwrap();
    let token = driven(&world, async move { session.token().await }).await.unwrap();
    assert_eq!((number(&token), world.service.refreshes_of("budi")), (2, 1));
}

#[tokio::test]
async fn an_answer_that_came_too_late_is_served_to_the_next_caller() {
    let world = World::gated();
    world.log_in("ani").await;
    world.let_tokens_end();
    let session = world.sessions.get("ani").unwrap();
    let caller = ask(&session);
    settle().await;
    world.clock.advance(Duration::from_secs(121));
    settle().await;
    assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Internal);
    world.service.gate.add_permits(100);
    settle().await;
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(number(&session.token().await.unwrap()), 2);
    assert_eq!(world.service.refreshes(), 1);
}

/// As where a program has a runtime for each of its parts.
#[test]
fn what_is_not_stored_is_tried_again_although_the_runtime_of_the_refresh_ended() {
    let world = World::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = runtime();
    first.block_on(async {
        world.log_in("ani").await;
        world.let_tokens_end();
        world.store.writes(&[Writes::Go, Writes::Fail], Writes::Fail);
        world.sessions.get("ani").unwrap().token().await.unwrap();
        settle().await;
    });
    drop(first);
    runtime().block_on(async {
        // The store is still down as the user comes again.
        world.let_tokens_be_due();
        world.sessions.get("ani").unwrap().token().await.unwrap();
        settle().await;
        world.store.writes(&[], Writes::Go);
        for _ in 0..10 {
            world.clock.advance(Duration::from_secs(20));
            settle().await;
        }
        assert!(world.sessions.get("ani").unwrap().state().store_error.is_none());
        assert!(world.log.take().contains(&"stored".to_owned()));
    });
}

#[tokio::test]
async fn a_call_during_a_logout_does_not_bring_the_session_back() {
    let world = World::new();
    world.log_in("ani").await;
    world.store.deletions_wait(true);
    let sessions = world.sessions.clone();
    let logout = tokio::spawn(async move { sessions.log_out("ani").await });
    settle().await;
    // Another tab, meanwhile.
    let _ = world.sessions.get("ani").unwrap().token().await;
    world.store.gate.add_permits(1);
    logout.await.unwrap().unwrap();
    assert!(world.store.memory.is_empty());
    let session = world.sessions.get("ani").unwrap();
    assert!(session.try_token().is_none());
    assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::LoginRequired);
}

#[tokio::test]
async fn a_logout_whose_caller_goes_away_is_made_all_the_same() {
    let world = World::new();
    world.log_in("ani").await;
    world.store.deletions_wait(true);
    let sessions = world.sessions.clone();
    let logout = tokio::spawn(async move { sessions.log_out("ani").await });
    settle().await;
    logout.abort();
    settle().await;
    world.store.gate.add_permits(1);
    settle().await;
    assert!(world.store.memory.is_empty());
    assert_eq!(world.sessions.get("ani").unwrap().token().await.unwrap_err().kind(), ErrorKind::LoginRequired);
}

#[tokio::test]
async fn what_is_not_stored_yet_is_served_although_its_place_in_memory_was_needed() {
    let world = World::new();
    let small = world.process_with(1, 64);
    small.log_in("ani", world.service.login("ani")).await.unwrap();
    world.let_tokens_end();
    world.store.writes(&[Writes::Go], Writes::Fail);
    small.get("ani").unwrap().token().await.unwrap();
    for user in 0..10 {
        // Each takes the place of the one before.
        let _ = small.get(&format!("user-{user}")).unwrap().token().await;
    }
    assert_eq!(number(&small.get("ani").unwrap().token().await.unwrap()), 2);
    assert_eq!(world.service.refreshes(), 1);
}
