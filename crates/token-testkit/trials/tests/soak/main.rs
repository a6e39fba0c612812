//! Thousands of callers for many lifetimes of a token, while a fifth of all requests fails.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use token_core::{CachePolicy, Clock as _, ErrorKind, Moment, SystemClock};
use token_testkit::ManualClock;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::timeout;

use world::{Entry, LIFETIME, Provider, World, caller};

const CALLERS: usize = 2_000;

/// By how much time moves at once.
const TICK: Duration = Duration::from_millis(500);

/// For how much real time a tick waits for a request that is under way: time runs ten times as fast while something is on the wire, and as fast as it can otherwise.
const PATIENCE: Duration = Duration::from_millis(50);

/// Simulated, after which the memory is where it stays.
const WARM_UP: Duration = Duration::from_secs(100);

/// Simulated, twice.
const PHASE: Duration = Duration::from_secs(100);

/// The time of `Retry` for all its tries and pauses, and then one time-out that began within it, with room for a busy machine.
const LONGEST_WAIT: Duration = Duration::from_secs(20 + 10);

/// Connections and requests, as tasks beside the callers: each provider has one request under way, and each connection has a task.
const MOST_TASKS: usize = 24;

/// What may stay allocated on the callers' side after a phase: connections come and go.
const MOST_GROWTH: i64 = 64 * 1024;

struct Most {
    tasks: usize,
    connections: usize,
}

/// Lets `time` go by, and then lets everyone who still waits come back.
async fn run(world: &World, providers: usize, ticks: &watch::Sender<u64>, server: &Handle, time: Duration, most: &mut Most) {
    let gate = &world.gate;
    let callers = CALLERS * providers;
    let mut left = time.as_millis() / TICK.as_millis();
    let mut settling = Duration::ZERO;
    while left > 0 || !gate.is_quiet() {
        world.clock.advance(TICK);
        let mut target = 0;
        if left == 0 {
            settling += TICK;
            assert!(settling < 10 * LONGEST_WAIT, "someone waits without end");
        } else {
            left -= 1;
            let idle = callers - gate.in_call.load(Ordering::SeqCst);
            target = gate.finished.load(Ordering::SeqCst) + idle as u64;
            ticks.send_modify(|tick| *tick += 1);
        }
        let is_last = left == 0;
        let quiet = async {
            while gate.finished.load(Ordering::SeqCst) < target
                || gate.refreshing.load(Ordering::SeqCst) > 0
                || (is_last && !gate.is_quiet())
            {
                gate.changed.notified().await;
            }
        };
        // Something is on the wire, or waits for time to go by.
        let _ = timeout(PATIENCE, quiet).await;
        most.tasks = most.tasks.max(Handle::current().metrics().num_alive_tasks().saturating_sub(callers));
        most.connections = most.connections.max(server.metrics().num_alive_tasks());
    }
}

/// The bound on the rate: one request at a time; after a token none before it is due; after a failure none before the pause is over.
fn check_rate(provider: &Provider) -> (u64, u64) {
    let policy = CachePolicy::default();
    // An absolute end in whole seconds, read against a `Date` in whole seconds, costs up to two.
    let due = (LIFETIME - Duration::from_secs(2)).mul_f64(policy.refresh_after - policy.refresh_jitter);
    let (mut began, mut ended): (Option<Moment>, Option<(Moment, Option<ErrorKind>)>) = (None, None);
    let (mut requests, mut failures, mut in_a_row) = (0, 0, 0_u32);
    for (at, entry) in provider.log.events.lock().unwrap().iter() {
        match entry {
            Entry::Began => {
                match ended.take() {
                    None => assert!(began.is_none(), "two requests at once"),
                    Some((_, None)) => {
                        let since = at.elapsed_since(&began.unwrap());
                        assert!(since >= due, "{:?}: asked again {since:?} after a good token", provider.service);
                    }
                    Some((ended, Some(kind))) => {
                        let doubled = (policy.first_pause * (1 << (in_a_row - 1).min(16))).min(policy.longest_pause) / 2;
                        let pause = if kind == ErrorKind::RateLimited { policy.refused_pause } else { doubled };
                        let since = at.elapsed_since(&ended);
                        assert!(since >= pause, "{:?}: asked again {since:?} after {kind:?}", provider.service);
                    }
                }
                requests += 1;
                began = Some(*at);
            }
            Entry::Ended(result) => {
                assert!(began.is_some() && ended.is_none());
                in_a_row = if result.is_some() { in_a_row + 1 } else { 0 };
                failures += u64::from(result.is_some());
                ended = Some((*at, *result));
            }
        }
    }
    (requests, failures)
}

#[test]
fn thousands_of_callers_get_live_tokens_while_a_fifth_of_the_requests_fails() {
    let real = SystemClock.now();
    let services = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // The callers' side has this one thread, so that its memory can be counted.
    let here = Builder::new_current_thread().enable_all().build().unwrap();
    let clock = Arc::new(ManualClock::new());
    let world = Arc::new(services.block_on(World::start(clock.clone())));
    let before = services.metrics().num_alive_tasks();
    let (ticks, ticking) = watch::channel(0);

    let providers = here.block_on(world.providers());
    for provider in &providers {
        for _ in 0..CALLERS {
            here.spawn(caller(provider.clone(), world.clone(), ticking.clone()));
        }
    }
    drop(ticking);
    let mut most = Most { tasks: 0, connections: 0 };
    let mut phase = |time| here.block_on(run(&world, providers.len(), &ticks, services.handle(), time, &mut most));
    phase(WARM_UP);
    let growth = [(); 2].map(|()| allocation_counter::measure(|| phase(PHASE)).bytes_current);

    let requests = world.sandbox.requests();
    for provider in &providers {
        let (asked, failed) = check_rate(provider);
        let got = provider.got.lock().unwrap();
        let sent = match provider.route {
            token_sandbox::Route::PrakerjaRefresh => requests.prakerja_refresh,
            token_sandbox::Route::SehatMuToken => requests.sehatmu_token,
            _ => requests.klikoo_token,
        };
        let faults = world.sandbox.faults().happened(provider.route);
        println!(
            "{:?}: {} tokens given out, errors {:?}, longest wait {:?}; {asked} requests of the cache, {failed} failed; {sent} at the service, {faults} of them with a fault",
            provider.service, got.tokens, got.errors, got.longest_wait
        );
        assert_eq!(got.not_taken, 0, "{:?}: a token was given out that the service does not take", provider.service);
        assert!(got.longest_wait <= LONGEST_WAIT, "{:?}: {:?}", provider.service, got.longest_wait);
        assert!(sent <= asked * provider.tries, "{:?}: {sent} for {asked}", provider.service);
        assert!(asked >= 10 && faults >= 3, "{:?}: there was no load", provider.service);
    }
    println!(
        "grew by {growth:?} bytes; at most {} tasks and {} at the services beside the callers",
        most.tasks, most.connections
    );
    assert!(growth.iter().all(|growth| *growth <= MOST_GROWTH), "{growth:?}");
    assert!(most.tasks <= MOST_TASKS && most.connections <= before + MOST_TASKS, "{} {}", most.tasks, most.connections);

    // Callers that stop leave no task behind but those of kept connections, which end with the transport.
    drop((ticks, providers));
    here.block_on(async {
        let gone = async {
            while Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(Duration::from_secs(20), gone).await.is_ok(), "{}", Handle::current().metrics().num_alive_tasks());
    });
    println!("{:?} of real time", SystemClock.now().elapsed_since(&real));
}
