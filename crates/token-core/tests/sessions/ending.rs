//! Logout and the end of a program.

use std::sync::Arc;

use token_core::{ErrorKind, Remedy};

use crate::world::{World, Writes, ask, number, settle};

#[tokio::test]
async fn a_logout_ends_the_session_everywhere() {
    let world = World::new();
    world.log_in("ani").await;
    let (session, there) = (world.sessions.get("ani").unwrap(), world.another_process());
    there.get("ani").unwrap().token().await.unwrap();
    world.sessions.log_out("ani").await.unwrap();
    assert!(world.store.memory.is_empty());
    assert!(session.try_token().is_none());
    for session in [&session, &world.sessions.get("ani").unwrap()] {
        assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::LoginRequired);
    }
    // Another process notices when it would refresh.
    world.let_tokens_end();
    assert_eq!(there.get("ani").unwrap().token().await.unwrap_err().remedy(), Remedy::LogInAgain);
    assert_eq!(world.service.refreshes(), 0);
    // A handle of before stays dead; the next login begins a session of its own.
    world.log_in("ani").await;
    assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::LoginRequired);
    assert_eq!(number(&world.sessions.get("ani").unwrap().token().await.unwrap()), 1);
}

#[tokio::test]
async fn a_refresh_under_way_does_not_undo_a_logout() {
    let world = World::gated();
    world.log_in("ani").await;
    world.let_tokens_end();
    let caller = ask(&world.sessions.get("ani").unwrap());
    settle().await;
    world.sessions.log_out("ani").await.unwrap();
    world.service.gate.add_permits(1);
    assert_eq!(caller.await.unwrap().unwrap_err().remedy(), Remedy::LogInAgain);
    assert!(world.store.memory.is_empty());
}

#[tokio::test]
async fn a_login_under_a_refresh_under_way_counts() {
    let world = World::gated();
    world.log_in("ani").await;
    world.let_tokens_end();
    let session = world.sessions.get("ani").unwrap();
    let caller = ask(&session);
    settle().await;
    world.sessions.log_in("ani", world.service.login("ani-anew")).await.unwrap();
    assert_eq!(number(&session.token().await.unwrap()), 1);
    world.service.gate.add_permits(100);
    caller.await.unwrap().unwrap();
    world.let_tokens_end();
    session.token().await.unwrap();
    assert_eq!((world.service.refreshes_of("ani-anew"), world.service.revoked()), (1, 0));
}

#[tokio::test]
async fn a_refresh_that_is_refused_does_not_end_a_login_that_came_meanwhile() {
    let world = World::gated();
    world.log_in("ani").await;
    world.let_tokens_end();
    // The service has ended the login, and says so only after the user has logged in anew in another process.
    world.service.end("ani");
    let caller = ask(&world.sessions.get("ani").unwrap());
    settle().await;
    world.another_process().log_in("ani", world.service.login("anew")).await.unwrap();
    world.service.gate.add_permits(100);
    assert_eq!(number(&caller.await.unwrap().unwrap()), 1);
    assert_eq!(world.store.memory.len(), 1);
}

#[tokio::test]
async fn what_is_not_stored_is_not_brought_back_by_its_late_write() {
    for is_login in [true, false] {
        let world = World::new();
        world.log_in("ani").await;
        if is_login {
            world.store.writes(&[Writes::Fail], Writes::Go);
            world.sessions.log_in("ani", world.service.login("ani")).await.unwrap();
        } else {
            world.let_tokens_end();
            world.store.writes(&[Writes::Go, Writes::Fail], Writes::Go);
            world.sessions.get("ani").unwrap().token().await.unwrap();
        }
        world.sessions.log_out("ani").await.unwrap();
        settle().await;
        world.clock.advance(crate::world::HOUR);
        settle().await;
        assert!(world.store.memory.is_empty());
        assert_eq!(world.sessions.get("ani").unwrap().token().await.unwrap_err().remedy(), Remedy::LogInAgain);
    }
}

#[tokio::test]
async fn a_logout_that_the_store_does_not_take_is_told() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    world.store.writes(&[], Writes::Fail);
    let error = world.sessions.log_out("ani").await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true));
    assert!(session.try_token().is_none(), "here it is over all the same");
    world.store.writes(&[], Writes::Go);
    world.sessions.log_out("ani").await.unwrap();
    assert!(world.store.memory.is_empty());
}

#[tokio::test]
async fn close_waits_for_what_is_under_way_and_stores_what_is_not() {
    let world = World::gated();
    world.log_in("ani").await;
    world.log_in("budi").await;
    world.let_tokens_end();
    let caller = ask(&world.sessions.get("ani").unwrap());
    settle().await;
    let sessions = world.sessions.clone();
    let closing = tokio::spawn(async move { sessions.close().await });
    settle().await;
    assert!(!closing.is_finished());
    // The answer comes, and is not stored at first.
    world.store.writes(&[Writes::Fail], Writes::Go);
    world.service.gate.add_permits(1);
    closing.await.unwrap().unwrap();
    assert_eq!(number(&caller.await.unwrap().unwrap()), 2);
    assert_eq!(world.sessions.get("budi").unwrap().token().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(world.sessions.get("citra").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(number(&world.another_process().get("ani").unwrap().token().await.unwrap()), 2);
    assert_eq!((world.service.refreshes(), world.service.revoked()), (1, 0));
}

#[tokio::test]
async fn close_says_what_could_not_be_stored() {
    let world = World::new();
    world.log_in("ani").await;
    world.let_tokens_end();
    world.store.writes(&[Writes::Go], Writes::Fail);
    let session = world.sessions.get("ani").unwrap();
    session.token().await.unwrap();
    assert_eq!(session.close().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(world.sessions.close().await.unwrap_err().kind(), ErrorKind::Store);
    world.store.writes(&[], Writes::Go);
    world.sessions.close().await.unwrap();
    assert_eq!(number(&world.another_process().get("ani").unwrap().token().await.unwrap()), 2);
}

/// What is not stored yet and what all sessions share hold each other.
#[test]
fn sessions_that_are_dropped_leave_nothing_behind() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let before = Arc::strong_count(&world.service);
    runtime.block_on(async {
        let sessions = world.another_process();
        sessions.log_in("ani", world.service.login("ani")).await.unwrap();
        world.let_tokens_end();
        world.store.writes(&[Writes::Go], Writes::Fail);
        sessions.get("ani").unwrap().token().await.unwrap();
        settle().await;
    });
    drop(runtime);
    assert_eq!(Arc::strong_count(&world.service), before);
}
