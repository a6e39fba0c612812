//! What a cache tells of itself: its state, and its events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_core::{CacheEvent, CachePolicy, CacheState, Error, ErrorKind, Expiry, Freshness, Observer, Remedy, Token};
use token_testkit::ManualClock;

use crate::bench::{Bench, Cache, Does, HOUR, at_once, runtime, settle};

/// Everything in a state, in a line: seconds, and `-` for `None`.
fn line(state: &CacheState) -> String {
    let seconds = |duration: Option<Duration>| duration.map_or("-".to_owned(), |duration| duration.as_secs_f64().to_string());
    let (refreshing, holding) = (seconds(state.refreshing), seconds(state.holding));
    let (age, left) = (seconds(state.age), seconds(state.lifetime_left));
    let error = state.last_error.as_ref().map_or("-".to_owned(), |error| format!("{:?}", error.kind()));
    let counts = state.counts;
    format!(
        "{:?} closed={} refreshing={refreshing} holding={holding} generation={} age={age} left={left} error={error} \
         requests={} tokens={} failures={} refusals={}",
        state.freshness, state.is_closed, state.generation, counts.requests, counts.tokens, counts.failures, counts.refusals
    )
}

fn refused_for_half_a_minute() -> Error {
    Error::new("test", ErrorKind::Server, Remedy::Retry)
        .with_service_message("canary-message")
        .with_retry_after(Some(Duration::from_secs(30)))
}

/// A life with everything in it: the second request fails, the third brings a token and a reading of the service's clock, the fourth one of unknown expiry.
fn eventful(call: usize) -> Does {
    match call {
        1 => Does::Gives("canary-1", HOUR),
        2 => Does::Fails(refused_for_half_a_minute()),
        3 => Does::Builds(|now| Token::bearer("canary-3", Expiry::After(HOUR), now).clock_offset(Some(-90))),
        _ => Does::Builds(|now| Token::bearer("canary-4", Expiry::Unknown, now).refresh_token(Some("canary-refresh".into()))),
    }
}

fn without_jitter() -> CachePolicy {
    let mut policy = CachePolicy::default();
    policy.refresh_jitter = 0.0;
    policy
}

#[tokio::test]
async fn the_state_tells_every_situation() {
    let bench = Bench::with(Arc::new(ManualClock::new()), without_jitter(), eventful);
    let is = |what: &str, wanted: &str| {
        let state = bench.cache.state();
        let wanted = wanted.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line(&state), wanted, "{what}");
        let shown = format!("{state:?} {state:#?}");
        assert!(!shown.contains("canary"), "{what}: {shown}");
    };
    is(
        "new",
        "Empty closed=false refreshing=- holding=- generation=0 age=- left=- error=- requests=0 tokens=0 failures=0 refusals=0",
    );
    assert!(bench.cache.try_token().is_none());
    bench.advance(2);
    is(
        "a first request",
        "Empty closed=false refreshing=2 holding=- generation=0 age=- left=- error=- requests=1 tokens=0 failures=0 refusals=0",
    );
    bench.open();
    settle().await;
    is(
        "fresh",
        "Fresh closed=false refreshing=- holding=- generation=1 age=0 left=3600 error=- requests=1 tokens=1 failures=0 refusals=0",
    );
    bench.advance(2_880);
    is(
        "due",
        "Due closed=false refreshing=- holding=- generation=1 age=2880 left=720 error=- requests=1 tokens=1 failures=0 refusals=0",
    );
    let first = bench.cache.try_token().unwrap();
    settle().await;
    bench.advance(1);
    is(
        "due, with a request behind it",
        "Due closed=false refreshing=1 holding=- generation=1 age=2881 left=719 error=- requests=2 tokens=1 failures=0 refusals=0",
    );
    bench.open();
    settle().await;
    bench.advance(10);
    is(
        "due, and in a hold",
        "Due closed=false refreshing=- holding=20 generation=1 age=2891 left=709 error=Server requests=2 tokens=1 failures=1 refusals=0",
    );
    bench.cache.invalidate(&first);
    is(
        "refused, and in a hold",
        "Empty closed=false refreshing=- holding=20 generation=1 age=- left=- error=Server requests=2 tokens=1 failures=1 refusals=1",
    );
    bench.advance(20);
    is(
        "the hold is over",
        "Empty closed=false refreshing=- holding=- generation=1 age=- left=- error=Server requests=2 tokens=1 failures=1 refusals=1",
    );
    bench.open();
    bench.served().await;
    is(
        "recovered",
        "Fresh closed=false refreshing=- holding=- generation=2 age=0 left=3600 error=Server requests=3 tokens=2 failures=1 refusals=1",
    );
    bench.advance(3_570);
    is(
        "over",
        "Empty closed=false refreshing=- holding=- generation=2 age=3570 left=30 error=Server requests=3 tokens=2 failures=1 refusals=1",
    );
    bench.open();
    bench.served().await;
    is(
        "a token of unknown expiry",
        "Fresh closed=false refreshing=- holding=- generation=3 age=0 left=- error=Server requests=4 tokens=3 failures=1 refusals=1",
    );
    bench.cache.close().await;
    is(
        "closed",
        "Fresh closed=true refreshing=- holding=- generation=3 age=0 left=- error=Server requests=4 tokens=3 failures=1 refusals=1",
    );
}

/// Writes every event down as a line.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    /// What was told since this was asked last.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Recorder {
    fn event(&self, provider: &'static str, event: &CacheEvent) {
        assert_eq!(provider, "token-cache");
        let shown = match event {
            CacheEvent::Hold { length, error } => format!("Hold {{ length: {length:?}, error: {:?} }}", error.kind()),
            event => format!("{event:?}"),
        };
        assert!(!format!("{event:?} {event:#?}").contains("canary"), "{event:?}");
        self.0.lock().unwrap().push(shown);
    }
}

fn observed_by(observer: Arc<dyn Observer>) -> CachePolicy {
    let mut policy = without_jitter();
    policy.observer = Some(observer);
    policy
}

#[tokio::test]
async fn an_observer_hears_a_whole_life_in_order() {
    let recorder = Arc::new(Recorder::default());
    let policy = observed_by(Arc::clone(&recorder) as _);
    let bench = Bench::with(Arc::new(ManualClock::new()), policy, eventful);
    let hears = |what: &str, wanted: &[&str]| assert_eq!(recorder.take(), wanted, "{what}");

    let cold = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|_| ()) }
    });
    settle().await;
    hears("a cold call", &["RefreshBegan { number: 1 }", "Wait"]);
    bench.advance(2);
    bench.open();
    cold.await.unwrap().unwrap();
    hears("its token", &["RefreshEnded { number: 1, result: Ok(1), took: 2s }"]);

    bench.served().await;
    assert!(bench.cache.try_authorization().is_some());
    hears("hits", &["Hit", "Hit"]);

    bench.advance(2_880);
    let first = bench.cache.token().await.unwrap();
    hears("a due token", &["Due", "RefreshBegan { number: 2 }"]);
    bench.served().await;
    hears("a due token while a request is under way", &["Due"]);
    bench.open();
    settle().await;
    hears(
        "the refresh behind it fails",
        &["Hold { length: 30s, error: Server }", "RefreshEnded { number: 2, result: Err(Server), took: 0ns }"],
    );
    bench.served().await;
    hears("a due token in a hold", &["Due"]);

    bench.cache.invalidate(&first);
    bench.cache.invalidate(&first);
    hears("an API refused it, and said so twice", &["Invalidated { generation: 1 }"]);
    bench.error().await;
    hears("an error that is remembered", &[]);

    bench.advance(30);
    bench.open();
    bench.served().await;
    hears(
        "recovery",
        &[
            "RefreshBegan { number: 3 }",
            "Wait",
            "ClockOffset { seconds: -90 }",
            "RefreshEnded { number: 3, result: Ok(2), took: 0ns }",
        ],
    );
}

#[tokio::test]
async fn a_caller_waits_once_however_many_requests_that_takes() {
    let recorder = Arc::new(Recorder::default());
    let policy = observed_by(Arc::clone(&recorder) as _);
    let bench =
        Bench::with(Arc::new(ManualClock::new()), policy, |call| Does::Gives(if call < 3 { "same" } else { "new" }, HOUR));
    bench.open();
    let refused = bench.cache.token().await.unwrap();
    bench.advance(2_880);
    assert!(bench.cache.try_token().is_some());
    settle().await;
    bench.cache.invalidate(&refused);
    recorder.take();
    bench.provider.gate.add_permits(2);
    assert_eq!(bench.served().await, "new", "the refresh brought what was refused, so another one followed");
    let told = recorder.take();
    assert_eq!(told.iter().filter(|event| *event == "Wait").count(), 1, "{told:?}");
    assert_eq!(bench.calls(), 3);
}

/// Does harm in every event that it hears, once the test says so.
#[derive(Debug)]
struct Panics;

impl Observer for Panics {
    fn event(&self, _provider: &'static str, _event: &CacheEvent) {
        panic!("planted by the test");
    }
}

#[tokio::test]
async fn a_panic_in_an_observer_harms_nobody() {
    let bench = Bench::with(Arc::new(ManualClock::new()), observed_by(Arc::new(Panics)), eventful).opened();
    assert_eq!(bench.served().await, "canary-1");
    assert_eq!(bench.served().await, "canary-1");
    bench.advance(2_880);
    assert_eq!(bench.served().await, "canary-1");
    settle().await;
    bench.cache.invalidate(&bench.cache.token().await.unwrap());
    assert_eq!(bench.error().await.kind(), ErrorKind::Server, "the refresh behind it failed");
    bench.advance(30);
    assert_eq!(bench.served().await, "canary-3");
    bench.cache.close().await;
    assert_eq!(bench.cache.state().counts.requests, 3);
}

/// The end of a runtime ends a request in a `drop`, where a second panic would end the program.
#[test]
fn a_panic_in_an_observer_does_not_come_out_of_the_end_of_a_runtime() {
    let bench = Bench::with(Arc::new(ManualClock::new()), observed_by(Arc::new(Panics)), eventful);
    let ending = runtime();
    ending.block_on(async {
        assert!(bench.cache.try_token().is_none());
        settle().await;
    });
    drop(ending);
    assert_eq!(bench.cache.state().counts.failures, 1);
}

/// Calls the cache again when it hears an event of one kind, as one would to log its state beside the event.
#[derive(Debug)]
struct Curious {
    kind: &'static str,
    cache: Mutex<Option<Cache>>,
    heard: Mutex<Vec<Freshness>>,
}

impl Observer for Curious {
    fn event(&self, _provider: &'static str, event: &CacheEvent) {
        if !format!("{event:?}").starts_with(self.kind) {
            return;
        }
        // Whoever is inside already is called again by what it asks; it asks no more.
        let Some(cache) = self.cache.lock().unwrap().take() else { return };
        let freshness = cache.state().freshness;
        assert_eq!(cache.try_token().is_some(), freshness != Freshness::Empty);
        assert_eq!(at_once(cache.token_within(Duration::ZERO)).unwrap().is_ok(), freshness != Freshness::Empty);
        self.heard.lock().unwrap().push(freshness);
        *self.cache.lock().unwrap() = Some(cache);
    }
}

/// One kind at a time, as what is asked in one event keeps others from happening.
#[tokio::test]
async fn an_observer_may_call_the_cache_again() {
    use Freshness::{Due, Empty, Fresh};
    let cases: [(&str, &[Freshness]); 8] = [
        ("ClockOffset", &[Fresh]),
        ("Due", &[Due, Due]),
        ("Hit", &[Fresh]),
        ("Hold", &[Due]),
        ("Invalidated", &[Empty]),
        ("RefreshBegan", &[Empty, Due, Empty]),
        ("RefreshEnded", &[Fresh, Due, Fresh]),
        ("Wait", &[Empty, Empty]),
    ];
    for (kind, wanted) in cases {
        let curious = Arc::new(Curious { kind, cache: Mutex::default(), heard: Mutex::default() });
        let policy = observed_by(Arc::clone(&curious) as _);
        let bench = Bench::with(Arc::new(ManualClock::new()), policy, eventful).opened();
        *curious.cache.lock().unwrap() = Some(bench.cache.clone());
        bench.served().await;
        bench.served().await;
        bench.advance(2_880);
        bench.served().await;
        settle().await;
        bench.cache.invalidate(&bench.cache.token().await.unwrap());
        bench.advance(30);
        bench.served().await;
        // The two hold each other.
        drop(curious.cache.lock().unwrap().take());
        assert_eq!(*curious.heard.lock().unwrap(), wanted, "{kind}");
        assert_eq!(bench.calls(), 3, "{kind}: what it asks joins the requests that are under way");
    }
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let bench = Bench::new(|_| Does::Gives("canary-token", HOUR));
    bench.served().await;
    let shown = format!("{:?} {:#?}", bench.cache, bench.cache);
    assert!(!shown.contains("canary"), "{shown}");
}
