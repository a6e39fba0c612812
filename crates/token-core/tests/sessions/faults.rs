//! Services and networks that fail, and processes that end midway.

use std::time::Duration;

use token_core::{ErrorKind, Remedy};

use crate::world::{Answer, World, ask, number, settle};

#[tokio::test]
async fn what_an_answer_does_not_bring_stays() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    world.service.will(&[Answer::WithoutRefreshToken]);
    world.let_tokens_end();
    session.token().await.unwrap();
    world.let_tokens_end();
    assert_eq!(number(&session.token().await.unwrap()), 2);
    assert_eq!((world.service.refreshes(), world.service.revoked()), (2, 0));
}

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_whatever_came_with_it() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    world.service.will(&[Answer::RefreshTokenAlone]);
    world.let_tokens_end();
    assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    // By this process, and by one that knows what is stored alone.
    assert_eq!(number(&world.another_process().get("ani").unwrap().token().await.unwrap()), 3);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(number(&session.token().await.unwrap()), 3);
    assert_eq!((world.service.refreshes(), world.service.revoked()), (2, 0));
}

#[tokio::test]
async fn a_failure_that_spends_nothing_is_tried_again_behind_a_usable_token() {
    for answer in [Answer::NotSent, Answer::Fault] {
        let world = World::new();
        world.log_in("ani").await;
        let session = world.sessions.get("ani").unwrap();
        world.let_tokens_be_due();
        world.service.will(&[answer; 3]);
        for _ in 0..8 {
            assert!(session.try_token().is_some());
            settle().await;
            world.clock.advance(Duration::from_secs(20));
            settle().await;
        }
        assert_eq!(number(&session.try_token().unwrap()), 2, "{answer:?}");
        assert_eq!(world.service.revoked(), 0);
    }
}

#[tokio::test]
async fn a_refresh_in_doubt_waits_until_the_token_is_over_and_is_then_tried_once_more() {
    for answer in [Answer::LostBefore, Answer::LostAfter, Answer::Panics] {
        // The process goes on, or another one begins with what is stored.
        for restarts in [false, true] {
            let world = World::new();
            world.log_in("ani").await;
            let mut session = world.sessions.get("ani").unwrap();
            world.let_tokens_be_due();
            world.service.will(&[answer]);
            assert_eq!(number(&session.token().await.unwrap()), 1);
            settle().await;
            if restarts {
                session = world.another_process().get("ani").unwrap();
            }
            let asked = world.service.refreshes();
            for _ in 0..5 {
                assert_eq!(number(&session.token().await.unwrap()), 1);
                settle().await;
                world.clock.advance(Duration::from_secs(60));
            }
            assert_eq!((world.service.refreshes(), world.service.revoked()), (asked, 0), "{answer:?}");

            world.let_tokens_end();
            let outcome = session.token().await;
            if answer == Answer::LostAfter {
                let error = outcome.unwrap_err();
                assert_eq!((error.kind(), error.remedy()), (ErrorKind::LoginRequired, Remedy::LogInAgain));
                assert!(error.to_string().contains("the answer to an earlier refresh was lost"), "{error}");
                let asked = world.service.refreshes();
                world.clock.advance(Duration::from_secs(600));
                assert_eq!(session.token().await.unwrap_err().remedy(), Remedy::LogInAgain);
                assert_eq!((world.service.refreshes(), world.store.memory.len()), (asked, 0));
            } else {
                assert_eq!(number(&outcome.unwrap()), 2, "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_outage_logs_nobody_out() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    world.let_tokens_end();
    world.service.will(&[Answer::LostBefore; 20]);
    let mut failures = 0;
    let token = loop {
        match session.token().await {
            Ok(token) => break token,
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                failures += 1;
                world.clock.advance(Duration::from_secs(60));
            }
        }
    };
    assert_eq!((number(&token), failures, world.service.revoked()), (2, 20, 0));
}

#[tokio::test]
async fn a_service_that_cannot_make_a_token_twice_in_a_row_ends_the_login() {
    for (answers, ends) in [
        (&[Answer::CannotMint][..], false),
        (&[Answer::CannotMint, Answer::CannotMint], true),
        (&[Answer::SpentAndCannotMint], true),
    ] {
        let world = World::new();
        world.log_in("ani").await;
        let session = world.sessions.get("ani").unwrap();
        world.let_tokens_end();
        world.service.will(answers);
        assert_eq!(session.token().await.unwrap_err().remedy(), Remedy::Retry);
        world.clock.advance(Duration::from_secs(60));
        let outcome = session.token().await;
        match outcome {
            Ok(token) => assert!(!ends && number(&token) == 2, "{answers:?}"),
            Err(error) => assert!(ends && error.remedy() == Remedy::LogInAgain, "{answers:?}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_login_that_the_service_ended_is_over_until_the_next_one() {
    let world = World::new();
    world.log_in("ani").await;
    let (session, there) = (world.sessions.get("ani").unwrap(), world.another_process());
    // The service spends the refresh token, and nobody hears of the new one.
    world.service.will(&[Answer::LostAfter]);
    world.let_tokens_end();
    session.token().await.unwrap_err();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(session.token().await.unwrap_err().remedy(), Remedy::LogInAgain);
    assert_eq!(there.get("ani").unwrap().token().await.unwrap_err().remedy(), Remedy::LogInAgain);
    let asked = world.service.refreshes();
    // On the very handle, and at once: what was remembered of the login before does not stand in its way.
    world.log_in("ani").await;
    assert_eq!(number(&session.token().await.unwrap()), 1);
    world.let_tokens_end();
    assert_eq!(number(&session.token().await.unwrap()), 2);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(number(&there.get("ani").unwrap().token().await.unwrap()), 2);
    assert_eq!(world.service.refreshes(), asked + 1);
}

#[tokio::test]
async fn a_login_without_a_refresh_token_ends_with_its_token() {
    let world = World::new();
    let bare = token_core::Token::bearer(
        "access-test-only",
        token_core::Expiry::After(crate::world::HOUR),
        token_core::Clock::now(&*world.clock),
    );
    world.sessions.log_in("ani", bare.build().unwrap()).await.unwrap();
    let session = world.sessions.get("ani").unwrap();
    world.let_tokens_be_due();
    for _ in 0..3 {
        session.token().await.unwrap();
        settle().await;
    }
    world.let_tokens_end();
    assert_eq!(session.token().await.unwrap_err().remedy(), Remedy::LogInAgain);
    assert_eq!(world.service.refreshes(), 0);
}

/// A process that is ended where the refresh stands: after the note, with the request on its way or answered.
#[test]
fn a_process_that_ends_midway_leaves_the_next_one_what_it_needs() {
    for answer in [Answer::LostBefore, Answer::Good] {
        let world = World::gated();
        let first = tokio::runtime::Builder::new_current_thread().build().unwrap();
        first.block_on(async {
            world.log_in("ani").await;
            world.let_tokens_end();
            world.service.will(&[answer]);
            let caller = ask(&world.sessions.get("ani").unwrap());
            settle().await;
            assert!(!caller.is_finished());
        });
        // Whatever ran on it ends here.
        drop(first);
        let second = tokio::runtime::Builder::new_current_thread().build().unwrap();
        second.block_on(async {
            world.service.gate.add_permits(100);
            let outcome = world.another_process().get("ani").unwrap().token().await;
            match answer {
                // The service never saw the request: one more try, and nothing is lost.
                Answer::LostBefore => assert_eq!(number(&outcome.unwrap()), 2),
                // It did, and its answer is lost with the process: only then does the user log in again.
                _ => assert_eq!(outcome.unwrap_err().remedy(), Remedy::LogInAgain),
            }
            // The first process's own sessions go on as well, on another runtime.
            let outcome = world.sessions.get("ani").unwrap().token().await;
            assert_eq!(outcome.is_ok(), answer == Answer::LostBefore, "{outcome:?}");
        });
    }
}

#[tokio::test]
async fn a_doubt_that_another_process_left_counts_here() {
    let world = World::new();
    world.log_in("ani").await;
    let (here, there) = (world.sessions.get("ani").unwrap(), world.another_process().get("ani").unwrap());
    for session in [&here, &there] {
        session.token().await.unwrap();
    }
    world.let_tokens_be_due();
    world.service.will(&[Answer::LostAfter]);
    there.token().await.unwrap();
    settle().await;
    // The refresh token may be spent, and this process's access token is still good.
    for _ in 0..5 {
        assert_eq!(number(&here.token().await.unwrap()), 1);
        settle().await;
        world.clock.advance(Duration::from_secs(30));
    }
    assert_eq!((world.service.refreshes(), world.service.revoked()), (1, 0));
}

#[tokio::test]
async fn a_doubt_does_not_outweigh_a_token_that_an_api_refuses() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    world.let_tokens_be_due();
    world.service.will(&[Answer::LostBefore]);
    let token = session.token().await.unwrap();
    settle().await;
    world.clock.advance(Duration::from_secs(60));
    session.invalidate(&token);
    assert_eq!(number(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn a_request_that_was_not_sent_leaves_a_doubt_as_it_was() {
    let world = World::new();
    world.log_in("ani").await;
    let session = world.sessions.get("ani").unwrap();
    world.let_tokens_end();
    world.service.will(&[Answer::LostAfter, Answer::NotSent, Answer::Fault]);
    for _ in 0..2 {
        assert!(session.token().await.unwrap_err().is_transient());
        world.clock.advance(Duration::from_secs(60));
    }
    let error = session.token().await.unwrap_err();
    assert!(error.to_string().contains("the answer to an earlier refresh was lost"), "{error}");
}
