//! The order of a refresh, and a store that does not do what it should.

use std::time::Duration;

use token_core::{ErrorKind, Remedy, StoreError};

use crate::world::{Answer, Leases, World, Writes, ask, number, settle};

fn unreachable() -> StoreError {
    StoreError::Unreachable("the test says so".to_owned())
}

#[tokio::test]
async fn a_refresh_is_noted_sent_stored_and_served_in_this_order() {
    let world = World::new();
    world.log_in("ani").await;
    world.let_tokens_end();
    world.sessions.get("ani").unwrap().token().await.unwrap();
    world.log.add("served");
    assert_eq!(world.log.take(), ["put", "sent", "put", "served"]);
}

#[tokio::test]
async fn what_cannot_be_noted_is_not_sent() {
    let world = World::new();
    world.log_in("ani").await;
    world.store.writes(&[], Writes::Fail);
    world.let_tokens_be_due();
    let session = world.sessions.get("ani").unwrap();
    // Behind a usable token nobody hears of it.
    assert_eq!(number(&session.token().await.unwrap()), 1);
    settle().await;
    assert_eq!(number(&session.token().await.unwrap()), 1);
    world.let_tokens_end();
    let error = session.token().await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Store, Remedy::Retry));
    assert_eq!(error.find_source(), Some(&unreachable()));
    assert_eq!(world.service.refreshes(), 0);
    // It heals by itself.
    world.store.writes(&[], Writes::Go);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(number(&session.token().await.unwrap()), 2);
    assert_eq!(world.service.revoked(), 0);
}

#[tokio::test]
async fn an_answer_that_is_not_stored_is_served_and_stored_later() {
    for fate in [Writes::Fail, Writes::GoUnseen] {
        let world = World::new();
        world.log_in("ani").await;
        world.let_tokens_end();
        let session = world.sessions.get("ani").unwrap();
        world.store.writes(&[Writes::Go, fate], Writes::Fail);
        assert_eq!(number(&session.token().await.unwrap()), 2);
        let error = session.state().store_error.unwrap();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, true));
        assert!(world.log.take().contains(&"not stored".to_owned()));
        settle().await;
        world.clock.advance(Duration::from_secs(40));
        settle().await;
        assert!(session.state().store_error.is_some() || fate == Writes::GoUnseen, "it is told for as long as it lasts");

        world.store.writes(&[], Writes::Go);
        world.clock.advance(Duration::from_secs(40));
        settle().await;
        assert!(session.state().store_error.is_none());
        assert!(world.log.take().contains(&"stored".to_owned()));
        // What another process finds is the newest, and the service does not mind it.
        world.let_tokens_end();
        assert_eq!(number(&world.another_process().get("ani").unwrap().token().await.unwrap()), 3);
        assert_eq!(number(&session.token().await.unwrap()), 3);
        assert_eq!((world.service.refreshes(), world.service.revoked()), (2, 0), "{fate:?}");
    }
}

#[tokio::test]
async fn what_is_not_stored_yet_outlives_its_place_in_memory() {
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
    world.let_tokens_end();
    world.store.writes(&[], Writes::Go);
    assert_eq!(number(&small.get("ani").unwrap().token().await.unwrap()), 3);
    assert_eq!((world.service.refreshes(), world.service.revoked()), (2, 0));
}

#[tokio::test]
async fn a_login_that_is_not_stored_counts_and_is_stored_later() {
    let world = World::new();
    world.store.writes(&[], Writes::Fail);
    let session = world.sessions.log_in("ani", world.service.login("ani")).await.unwrap();
    assert_eq!(number(&session.token().await.unwrap()), 1);
    assert!(session.state().store_error.is_some());
    assert!(world.store.memory.is_empty());
    world.store.writes(&[], Writes::Go);
    settle().await;
    world.clock.advance(Duration::from_secs(40));
    settle().await;
    assert!(session.state().store_error.is_none());
    assert_eq!(number(&world.another_process().get("ani").unwrap().token().await.unwrap()), 1);

    // A newer login of another process is not undone by one that comes late.
    world.store.writes(&[Writes::Fail], Writes::Go);
    world.sessions.log_in("ani", world.service.login("older")).await.unwrap();
    world.clock.advance(Duration::from_millis(100));
    world.another_process().log_in("ani", world.service.login("newer")).await.unwrap();
    settle().await;
    world.clock.advance(Duration::from_secs(40));
    settle().await;
    world.let_tokens_end();
    let token = world.sessions.get("ani").unwrap().token().await.unwrap();
    assert_eq!((number(&token), world.service.refreshes_of("newer"), world.service.refreshes_of("older")), (2, 1, 0));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_no_logout() {
    let world = World::new();
    world.log_in("ani").await;
    world.log_in("budi").await;
    let cases = [
        (unreachable(), Remedy::Retry),
        (StoreError::CannotUnseal { what: "file-7".to_owned(), why: "it was altered".into() }, Remedy::FixConfiguration),
    ];
    for (fault, remedy) in cases {
        let other = world.another_process();
        world.store.reads_fail(Some(fault.clone()));
        let session = other.get("ani").unwrap();
        let error = session.token().await.unwrap_err();
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Store, remedy));
        assert_eq!(error.find_source(), Some(&fault));
        world.store.reads_fail(None);
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(number(&session.token().await.unwrap()), 1);
        assert_eq!(number(&other.get("budi").unwrap().token().await.unwrap()), 1);
    }
    assert_eq!(world.service.refreshes(), 0);
}

#[tokio::test]
async fn a_store_whose_leases_are_worth_nothing_loses_no_newer_token() {
    for answers in [[Answer::Good, Answer::Good], [Answer::Good, Answer::LostBefore], [Answer::LostBefore, Answer::Good]] {
        let world = World::gated();
        world.store.leases(Leases::ToEveryone);
        world.log_in("ani").await;
        let other = world.another_process();
        other.get("ani").unwrap().token().await.unwrap();
        world.let_tokens_end();
        world.service.will(&answers);
        let callers = [&world.sessions, &other].map(|sessions| ask(&sessions.get("ani").unwrap()));
        settle().await;
        world.service.gate.add_permits(2);
        settle().await;
        world.service.gate.add_permits(100);
        let outcomes = [callers[0].is_finished(), callers[1].is_finished()];
        for caller in callers {
            let _ = caller.await.unwrap();
        }
        assert_eq!(outcomes, [true; 2]);
        // Whoever sent a second copy: what an answer brought is what is stored.
        if let Some(current) = world.service.current("ani") {
            let third = world.another_process().get("ani").unwrap().token().await.unwrap();
            assert_eq!(number(&third), world.service.current("ani").unwrap(), "{answers:?}, {current} before");
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_stored_unseen_is_not_stored_again_over_a_newer_one() {
    let world = World::new();
    world.store.leases(Leases::ToEveryone);
    world.log_in("ani").await;
    world.let_tokens_end();
    world.store.writes(&[Writes::Go, Writes::GoUnseen], Writes::Go);
    world.sessions.get("ani").unwrap().token().await.unwrap();
    let there = world.another_process().get("ani").unwrap();
    // While the clock stands still, no other try to store it is made.
    let token = there.token().await.unwrap();
    there.invalidate(&token);
    assert_eq!(number(&there.token().await.unwrap()), 3);
    world.clock.advance(Duration::from_secs(40));
    settle().await;
    let third = world.another_process().get("ani").unwrap().token().await.unwrap();
    assert_eq!((Some(number(&third)), world.service.revoked()), (world.service.current("ani"), 0));
}
