//! Every fault, at every provider, with and without a token that is usable: a token, or an error of the kind that the table names, within bounds.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod table;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use token_core::{Clock as _, ErrorKind, Remedy, SystemClock};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use table::{Call, Outcome, Row, rows};
use world::{LIFETIME, World};

/// What the caller has when the fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Cold,
    /// A token that is due for a refresh and usable.
    Valid,
    Expired,
}

/// The tries of `Retry`.
const TRIES: u64 = 3;

/// By the caller's clock: the time of `Retry` for all its tries and pauses.
const LONGEST_SIMULATED: Duration = Duration::from_secs(20);

/// In real time, three time-outs and room for a busy machine.
const LONGEST_REAL: Duration = Duration::from_secs(20);

/// What the caller's side may hold at once: the limits of the transport (64 KiB of body, 400 KiB of head) and what HTTP and TLS need besides.
const MOST_BYTES: u64 = 1_500_000;

/// One cell as it came out.
struct Cell {
    name: String,
    outcome: Outcome,
    expected: Outcome,
    recovered: Outcome,
    real: Duration,
    simulated: Duration,
    bytes: u64,
    complaints: Vec<&'static str>,
}

fn lane(call: Call, state: State, plain: &World, tls: &World) -> Vec<Cell> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    rows().iter().map(|row| cell(&runtime, row, call, state, if row.has_tls { tls } else { plain })).collect()
}

fn cell(runtime: &Runtime, row: &Row, call: Call, state: State, world: &World) -> Cell {
    let mut complaints = Vec::new();
    let at = Call::ALL.iter().position(|each| *each == call).unwrap();
    let happened = world.happened(call);
    let caller = runtime.block_on(async {
        let caller = world.caller(call, row.patience).await;
        if row.is_there_before {
            world.set(call, &row.fault);
        }
        if state != State::Cold {
            world.ask(&caller).await.unwrap();
            world.clock.advance(if state == State::Valid { LIFETIME * 85 / 100 } else { LIFETIME });
        }
        caller
    });
    world.set(call, &row.fault);
    let (real, simulated) = (SystemClock.now(), world.clock.now());
    let mut results = Vec::new();
    // The caller's side runs on this thread alone and is counted; the services run on others and are not.
    let memory = allocation_counter::measure(|| {
        runtime.block_on(async {
            let calls = async {
                results.push(world.ask(&caller).await);
                caller.watch.idle().await;
                if state == State::Valid {
                    // After the refresh behind the first call has failed.
                    results.push(world.ask(&caller).await);
                    caller.watch.idle().await;
                }
            };
            if timeout(LONGEST_REAL, calls).await.is_err() {
                complaints.push("it took too long");
            }
        });
    });
    let (real, simulated) = (SystemClock.now().elapsed_since(&real), world.clock.now().elapsed_since(&simulated));
    if simulated > LONGEST_SIMULATED {
        complaints.push("it waited too long");
    }
    if memory.bytes_max > MOST_BYTES {
        complaints.push("it held too much");
    }
    let is_spared = row.spares_kept_connections && state != State::Cold && !call.is_sent_once();
    let happened = world.happened(call) - happened;
    // At accept the request may never have been sent, and then it is tried again like others.
    let most = if call.is_sent_once() && !row.spares_kept_connections { 1 } else { TRIES };
    let most = if row.is_there_before { most + TRIES } else { most };
    if (happened == 0) != is_spared {
        complaints.push("the fault happened where it should not, or not where it should");
    }
    if happened > most {
        complaints.push("it was asked too often");
    }
    let expected = match state {
        State::Valid => Outcome::Token,
        _ if is_spared => Outcome::Token,
        State::Cold | State::Expired => row.outcomes[at],
    };
    let outcomes: Vec<_> = results.iter().map(Outcome::of).collect();
    let outcome = outcomes.iter().copied().find(|outcome| *outcome != expected).or(outcomes.last().copied());

    // Longer than any error is remembered.
    world.clear();
    world.clock.advance(Duration::from_secs(3 * 60 * 60));
    let recovered = Outcome::of(&runtime.block_on(world.ask(&caller)));
    // Where the answer to a refresh was lost, the new refresh token was lost with it, and the service ends a login whose old one comes again.
    let expected_after = match call {
        Call::Refresh if row.loses_answer => Outcome::Error(ErrorKind::LoginRequired, Remedy::LogInAgain),
        _ => Outcome::Token,
    };
    if recovered != expected_after {
        complaints.push("it did not go on afterwards as it should");
    }
    let name = format!("{} ({:?}), {call:?}, {state:?}", row.name, row.fault);
    let outcome = outcome.unwrap_or(Outcome::Error(ErrorKind::Pending, Remedy::Retry));
    Cell { name, outcome, expected, recovered, real, simulated, bytes: memory.bytes_max, complaints }
}

#[test]
fn every_fault_at_every_provider_ends_as_the_table_says() {
    let began = SystemClock.now();
    let services = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut lanes = Vec::new();
    for call in Call::ALL {
        for state in [State::Cold, State::Valid, State::Expired] {
            // A code is exchanged by someone who has no token.
            if call != Call::Exchange || state == State::Cold {
                lanes.push((call, state));
            }
        }
    }
    let lanes: Vec<_> = lanes
        .into_iter()
        .map(|(call, state)| {
            let worlds = services.spawn(async { (Arc::new(World::start(false).await), Arc::new(World::start(true).await)) });
            (call, state, worlds)
        })
        .collect();
    let lanes: Vec<_> = lanes
        .into_iter()
        .map(|(call, state, worlds)| {
            let (plain, tls) = services.block_on(worlds).unwrap();
            thread::spawn(move || lane(call, state, &plain, &tls))
        })
        .collect();
    let cells: Vec<Cell> = lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect();

    let mut wrong = Vec::new();
    let mut by_outcome: BTreeMap<String, usize> = BTreeMap::new();
    for cell in &cells {
        *by_outcome.entry(format!("{:?}", cell.outcome)).or_default() += 1;
        if cell.outcome != cell.expected || !cell.complaints.is_empty() {
            wrong.push(format!("{}: {:?}, expected {:?} {:?}", cell.name, cell.outcome, cell.expected, cell.complaints));
        }
    }
    let recovered = cells.iter().filter(|cell| cell.recovered == Outcome::Token).count();
    println!("{} cells ({} faults) in {:?}: {by_outcome:?}", cells.len(), rows().len(), SystemClock.now().elapsed_since(&began));
    println!("afterwards {recovered} gave a token, {} had to log in again", cells.len() - recovered);
    println!(
        "at most {:?} of real time, {:?} of simulated time, {} bytes held",
        cells.iter().map(|cell| cell.real).max().unwrap(),
        cells.iter().map(|cell| cell.simulated).max().unwrap(),
        cells.iter().map(|cell| cell.bytes).max().unwrap(),
    );
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}
