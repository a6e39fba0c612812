//! What a user gets, and what the service is asked for it.

use std::sync::atomic::Ordering;

use token_core::{ErrorKind, Remedy, TokenProvider};

use crate::world::{Answer, HOUR, World, ask, number, settle};

#[tokio::test]
async fn a_login_is_served_without_asking() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    assert_eq!(number(&session.token().await.unwrap()), 1);
    assert_eq!(number(&session.try_token().unwrap()), 1);
    assert_eq!((world.service.refreshes(), world.store.memory.len(), session.user()), (0, 1, "ani"));
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_to_log_in_and_the_service_is_not_asked() {
    let world = World::new();
    let error = world.sessions.get("nobody").unwrap().token().await.unwrap_err();
    assert_eq!((error.kind(), error.remedy(), error.provider()), (ErrorKind::LoginRequired, Remedy::LogInAgain, "test"));
    assert_eq!(world.service.refreshes(), 0);
    // Through another process, and at once.
    let session = world.sessions.get("nobody").unwrap();
    for _ in 0..5 {
        session.token().await.unwrap_err();
    }
    world.another_process().log_in("nobody", world.service.login("nobody")).await.unwrap();
    assert_eq!(number(&session.token().await.unwrap()), 1);
}

#[tokio::test]
async fn a_wall_clock_that_is_set_back_does_not_bring_a_token_back_from_the_store() {
    let world = World::new();
    let small = world.process_with(1, 64);
    small.log_in("ani", world.service.login("ani")).await.unwrap();
    world.let_tokens_end();
    world.clock.set_wall(token_core::Clock::now(&*world.clock).wall() - HOUR / 2);
    // Another user takes the place in memory.
    small.get("budi").unwrap().token().await.unwrap_err();
    assert_eq!(number(&small.get("ani").unwrap().token().await.unwrap()), 2);
}

#[tokio::test]
async fn everyone_who_waits_shares_one_refresh() {
    let world = World::gated();
    world.log_in("ani").await;
    world.let_tokens_end();
    let callers: Vec<_> = (0..50).map(|_| ask(&world.sessions.get("ani").unwrap())).collect();
    settle().await;
    world.service.gate.add_permits(1);
    for caller in callers {
        assert_eq!(number(&caller.await.unwrap().unwrap()), 2);
    }
    assert_eq!((world.service.refreshes(), world.service.revoked()), (1, 0));
}

#[tokio::test]
async fn a_token_that_is_due_is_served_and_refreshed_behind() {
    let world = World::new();
    world.log_in("ani").await;
    world.let_tokens_be_due();
    let session = world.sessions.get("ani").unwrap();
    assert_eq!(number(&session.token().await.unwrap()), 1);
    settle().await;
    assert_eq!((number(&session.token().await.unwrap()), world.service.refreshes()), (2, 1));
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once_and_another_processs_token_is_taken_instead() {
    let world = World::new();
    world.log_in("ani").await;
    let (here, there) = (world.sessions.get("ani").unwrap(), world.another_process().get("ani").unwrap());
    let (old, same) = (here.token().await.unwrap(), there.token().await.unwrap());
    here.invalidate(&old);
    assert_eq!(number(&here.token().await.unwrap()), 2);
    TokenProvider::invalidate(&there, &same);
    assert_eq!(number(&TokenProvider::token(&there).await.unwrap()), 2);
    assert_eq!(world.service.refreshes(), 1);
    assert!(there.is_cancel_safe());
}

#[tokio::test]
async fn two_processes_refresh_a_user_once() {
    let world = World::gated();
    world.log_in("ani").await;
    let other = world.another_process();
    other.get("ani").unwrap().token().await.unwrap();
    world.let_tokens_end();
    let callers = [&world.sessions, &other].map(|sessions| ask(&sessions.get("ani").unwrap()));
    settle().await;
    world.service.gate.add_permits(2);
    for caller in callers {
        assert_eq!(number(&caller.await.unwrap().unwrap()), 2);
    }
    assert_eq!((world.service.refreshes(), world.service.revoked()), (1, 0));
}

#[tokio::test]
async fn a_caller_that_goes_away_loses_nothing() {
    let world = World::gated();
    world.log_in("ani").await;
    world.let_tokens_end();
    let caller = ask(&world.sessions.get("ani").unwrap());
    settle().await;
    caller.abort();
    settle().await;
    world.service.gate.add_permits(1);
    settle().await;
    // Another process finds what came.
    assert_eq!(number(&world.another_process().get("ani").unwrap().token().await.unwrap()), 2);
    assert_eq!(world.service.refreshes(), 1);
}

#[tokio::test]
async fn users_who_do_not_fit_come_back_from_the_store_without_a_refresh() {
    let world = World::new();
    let small = world.process_with(2, 64);
    for user in 0..40 {
        let user = format!("user-{user}");
        small.log_in(&user, world.service.login(&user)).await.unwrap();
    }
    assert!(small.len() <= 3, "{}", small.len());
    for user in 0..40 {
        let user = format!("user-{user}");
        let token = small.get(&user).unwrap().token().await.unwrap();
        assert!(crate::world::parts(secrecy::ExposeSecret::expose_secret(token.refresh_token().unwrap())).0 == user);
    }
    assert_eq!(world.service.refreshes(), 0);
}

#[tokio::test]
async fn no_more_refreshes_are_under_way_than_allowed() {
    let world = World::gated();
    let sessions = world.process_with(1_000, 8);
    for user in 0..200 {
        let user = format!("user-{user}");
        sessions.log_in(&user, world.service.login(&user)).await.unwrap();
    }
    world.let_tokens_end();
    let callers: Vec<_> = (0..200).map(|user| ask(&sessions.get(&format!("user-{user}")).unwrap())).collect();
    settle().await;
    assert_eq!(world.service.most_under_way.load(Ordering::SeqCst), 8);
    world.service.gate.add_permits(200);
    for caller in callers {
        assert_eq!(number(&caller.await.unwrap().unwrap()), 2);
    }
    assert_eq!((world.service.refreshes(), world.service.most_under_way.load(Ordering::SeqCst)), (200, 8));
    assert!((0..200).all(|user| world.service.refreshes_of(&format!("user-{user}")) == 1));
}

#[tokio::test]
async fn a_session_for_weeks_is_one_login() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    for _ in 0..24 * 21 {
        world.clock.advance(HOUR);
        session.token().await.unwrap();
        settle().await;
    }
    let refreshes = world.service.refreshes();
    assert!((24 * 20..=24 * 22).contains(&refreshes), "{refreshes}");
    assert_eq!(world.service.revoked(), 0);
}

#[tokio::test]
async fn nothing_shows_a_user_or_a_secret() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    let token = session.token().await.unwrap();
    let shown = format!(
        "{:?} {session:?} {:?} {:?} {token:?} {}",
        world.sessions,
        session.state(),
        world.store,
        world.sessions.get("nobody").unwrap().token().await.unwrap_err()
    );
    for secret in ["ani", "access-", "refresh-", "nobody\""] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_token_that_was_refused_before_it_was_given_here_is_not_given() {
    let world = World::new();
    world.log_in("ani").await;
    let refused = world.sessions.get("ani").unwrap().token().await.unwrap();
    // As in a process that has the session anew from the store, while a call with the token was under way.
    let there = world.another_process().get("ani").unwrap();
    there.invalidate(&refused);
    assert_eq!(number(&there.token().await.unwrap()), 2);
}

#[tokio::test]
async fn a_token_out_of_the_store_that_is_too_short_for_a_request_is_refreshed() {
    let world = World::new();
    world.log_in("ani").await;
    world.clock.advance(HOUR / 2);
    let there = world.another_process().get("ani").unwrap();
    assert_eq!(number(&there.token_lasting(HOUR / 3).await.unwrap()), 1);
    assert_eq!(number(&there.token_lasting(HOUR / 3 * 2).await.unwrap()), 2);
    // As the first call of a process.
    world.clock.advance(HOUR / 2);
    let there = world.another_process().get("ani").unwrap();
    assert_eq!(number(&there.token_lasting(HOUR / 3 * 2).await.unwrap()), 3);
    assert_eq!(number(&there.try_token().unwrap()), 3);
    let error = there.token_lasting(2 * HOUR).await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Unauthorizable, Remedy::FixRequest));
    assert_eq!((world.service.refreshes(), world.service.revoked()), (2, 0));
}

#[tokio::test]
async fn a_login_serves_who_waits_for_a_longer_token_though_the_refresh_fails() {
    let world = World::gated();
    world.log_in("ani").await;
    world.clock.advance(HOUR / 2);
    world.service.will(&[Answer::Fault]);
    let session = world.sessions.get("ani").unwrap();
    let waits = session.clone();
    let caller = tokio::spawn(async move { waits.token_lasting(HOUR / 3 * 2).await });
    settle().await;
    world.sessions.log_in("ani", world.service.login("anew")).await.unwrap();
    world.service.gate.add_permits(1);
    let token = caller.await.unwrap().unwrap();
    assert_eq!(crate::world::parts(secrecy::ExposeSecret::expose_secret(token.refresh_token().unwrap())).0, "anew");
}
