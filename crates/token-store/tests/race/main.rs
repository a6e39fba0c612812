//! Two processes with one store and one user, against a service that ends a login whose old refresh token comes again, and kills at random instants.
//!
//! - A *rotation* is a refresh that the service acted on.
//! - A refresh token is *delivered* when the answer with it was read by a process: the line of it in that process's journal was written before anything was done with it.
//! - It is *served* when its access token was given out.
//! - The *window* is the time from the service's acting on a refresh to the storing of its answer. Who is killed in it takes the answer along, whether delivered or not.
//!
//! After every kill, with the other process stopped where it stands, and at the end:
//!
//! - Whatever was served is stored, or something newer.
//! - The newest refresh token that was delivered is stored, or it is the very next one, the store has the note of its refresh, and its process was killed in the window or is stopped in it.
//! - The service has acted on no other refresh than these.
//! - It ended no login but those of a kill in the window, and nobody was asked to log in anew but for those.
//! - A process saw no error besides, but such as pass.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod judge;
mod process;
mod service;
mod worker;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use token_core::{Clock as _, SystemClock};

use judge::{Judge, Kill};
use process::{News, Process};
use service::Service;

/// How many kills there are in all.
const KILLS: &str = "RACE_KILLS";
const KILLS_UNLESS_SET: u64 = 100;

const ROTATIONS_FOR_A_KILL: u64 = 10;

/// A kill comes at most so long after both processes were up: some dozens of rotations.
const LONGEST_TURN: Duration = Duration::from_millis(80);

/// How long no process may tell anything, and no rotation come.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

#[test]
fn no_kill_costs_a_login_but_one_that_takes_an_answer_along() {
    let kills = env::var(KILLS).map_or(KILLS_UNLESS_SET, |kills| kills.parse().expect("a number of kills"));
    let rotations = kills * ROTATIONS_FOR_A_KILL;
    let began = SystemClock.now();
    // What a killed process had written is there for the others, on the disk or not: memory is as good here, and several times as fast.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let service = Service::start();
    let mut judge = Judge::new(&service, folder.path());
    judge.log_in();

    let (sender, news) = mpsc::channel();
    let mut processes = [0, 1].map(|slot| Process::start(slot, &service, folder.path(), &sender));
    let mut turn = None;
    let mut progress = (SystemClock.now(), 0);
    while judge.kills() < kills || judge.rotations() < rotations {
        let all_ready = processes.iter().all(Process::is_ready);
        if judge.kills() < kills && turn.is_none() && (all_ready || chance(8) == 0) {
            turn = Some(LONGEST_TURN.mul_f64(unit()));
        }
        match news.recv_timeout(turn.unwrap_or(LONGEST_TURN)) {
            Ok((slot, of, news)) if processes[slot].is(of) => match news {
                News::Ready => processes[slot].ready(),
                News::LoginWanted => {
                    for process in &processes {
                        process.freeze();
                    }
                    let is_wanted = judge.is_login_wanted();
                    for process in &processes {
                        process.thaw();
                    }
                    // One that was stopped may have had a lock of the store.
                    if is_wanted {
                        judge.log_in();
                    }
                    processes[slot].go_on();
                }
                News::Ended => panic!("a process ended by itself: {}", judge.last_words(slot)),
            },
            // Of one that was killed.
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) if turn.is_some() => {
                turn = None;
                // Now and then both at once.
                let victims: &[usize] = [&[0][..], &[1], &[0], &[1], &[0], &[1], &[0], &[1], &[0, 1]][chance(9)];
                for (slot, process) in processes.iter().enumerate() {
                    if !victims.contains(&slot) {
                        process.freeze();
                    }
                }
                let mut killed = Vec::new();
                for slot in victims {
                    killed.push(Kill { slot: *slot, while_starting: !processes[*slot].is_ready() });
                    processes[*slot].kill();
                }
                judge.after(&killed);
                for (slot, process) in processes.iter_mut().enumerate() {
                    if victims.contains(&slot) {
                        *process = Process::start(slot, &service, folder.path(), &sender);
                    } else {
                        process.thaw();
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("this function has a sender too"),
        }
        let (now, count) = (SystemClock.now(), judge.rotations() + judge.kills());
        if count > progress.1 {
            progress = (now, count);
        }
        assert!(now.elapsed_since(&progress.0) < LONGEST_SILENCE, "nothing goes on any more");
    }
    for process in &mut processes {
        process.kill();
    }
    judge.after(&[0, 1].map(|slot| Kill { slot, while_starting: !processes[slot].is_ready() }));
    judge.end();
    println!("{}, in {:.1} s", judge.counts(), SystemClock.now().elapsed_since(&began).as_secs_f64());
}

fn chance(below: u64) -> usize {
    usize::try_from(RandomState::new().hash_one(()) % below).unwrap()
}

/// A number from 0 to 1.
fn unit() -> f64 {
    chance(1_000_001) as f64 / 1e6
}
