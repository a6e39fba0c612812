//! Several processes, a store and a service that fail, in random order.

use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use token_core::{Error, Remedy, Sessions};

use crate::world::{Answer, Grant, World, Writes, parts, settle};

#[derive(Clone, Debug)]
enum Step {
    Ask { process: usize },
    AskAndGoAway { process: usize },
    Answers(Vec<Answer>),
    Writes(Vec<Writes>, Writes),
    Time(u64),
    Restart { process: usize },
    Invalidate { process: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let process = 0_usize..3;
    let answer = prop_oneof![
        4 => Just(Answer::Good),
        1 => Just(Answer::WithoutRefreshToken),
        1 => Just(Answer::RefreshTokenAlone),
        1 => Just(Answer::LostBefore),
        1 => Just(Answer::NotSent),
        1 => Just(Answer::Fault),
    ];
    let writes = || prop_oneof![3 => Just(Writes::Go), 1 => Just(Writes::Fail), 1 => Just(Writes::GoUnseen)];
    prop_oneof![
        6 => process.clone().prop_map(|process| Step::Ask { process }),
        2 => process.clone().prop_map(|process| Step::AskAndGoAway { process }),
        2 => prop::collection::vec(answer, 1..4).prop_map(Step::Answers),
        2 => (prop::collection::vec(writes(), 0..5), writes()).prop_map(|(next, then)| Step::Writes(next, then)),
        6 => prop_oneof![1_u64..100, 2_000_u64..4_000].prop_map(Step::Time),
        1 => process.clone().prop_map(|process| Step::Restart { process }),
        1 => process.prop_map(|process| Step::Invalidate { process }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// As long as no answer is lost on its way, no login ends, no refresh token is used twice, and when all is well again the store has the newest one.
    #[test]
    fn nobody_logs_in_again_while_answers_arrive(steps in prop::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}

async fn run(steps: Vec<Step>) {
    let world = World::new();
    world.log_in("ani").await;
    let mut processes = [world.another_process(), world.another_process(), world.another_process()];
    for step in steps {
        match step {
            Step::Ask { process } => ask(&world, &processes[process]).await,
            Step::AskAndGoAway { process } => {
                let session = processes[process].get("ani").unwrap();
                let caller = tokio::spawn(async move { session.token().await });
                tokio::task::yield_now().await;
                caller.abort();
            }
            Step::Answers(answers) => world.service.will(&answers),
            Step::Writes(next, then) => world.store.writes(&next, then),
            Step::Time(seconds) => world.clock.advance(Duration::from_secs(seconds)),
            Step::Restart { process } => {
                // As a program ends that closes its sessions. What could not be stored would be lost with it, so then it goes on.
                settle().await;
                if close(&world, &processes[process]).await.is_ok() {
                    processes[process] = world.another_process();
                } else {
                    world.store.writes(&[], Writes::Go);
                    close(&world, &processes[process]).await.unwrap();
                    processes[process] = world.another_process();
                }
            }
            Step::Invalidate { process } => {
                let session = processes[process].get("ani").unwrap();
                if let Some(token) = session.try_token() {
                    session.invalidate(&token);
                }
            }
        }
        settle().await;
        assert_eq!(world.service.revoked(), 0);
    }
    // All is well again.
    world.store.writes(&[], Writes::Go);
    world.service.heal();
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(7_200));
        for process in &processes {
            settle().await;
            ask(&world, process).await;
        }
    }
    for process in &processes {
        close(&world, process).await.unwrap();
    }
    assert_eq!(world.service.revoked(), 0);
    let token = world.another_process().get("ani").unwrap().token().await.unwrap();
    let stored = parts(token.refresh_token().unwrap().expose_secret());
    assert_eq!(Some(stored.1), world.service.current("ani"));
}

async fn ask(world: &World, sessions: &Sessions<Grant>) {
    let session = sessions.get("ani").unwrap();
    if let Err(error) = driven(world, async move { session.token().await }).await {
        assert_ne!(error.remedy(), Remedy::LogInAgain, "{error}");
    }
}

async fn close(world: &World, sessions: &Sessions<Grant>) -> Result<(), Error> {
    let sessions = sessions.clone();
    driven(world, async move { sessions.close().await }).await
}

/// What comes of `work`, with time going by while it waits: another process may have an answer that the store does not take, and keep this one from the service.
async fn driven<T: Send + 'static>(world: &World, work: impl Future<Output = T> + Send + 'static) -> T {
    let work = tokio::spawn(work);
    settle().await;
    for _ in 0..1_000 {
        if work.is_finished() {
            return work.await.unwrap();
        }
        world.clock.advance(Duration::from_secs(5));
        settle().await;
    }
    panic!("it waits for ever");
}
