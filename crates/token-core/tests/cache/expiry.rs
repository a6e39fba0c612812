//! When a token is due and when it is over, by both clocks.

use std::time::{Duration, SystemTime};

use token_core::json::Value;
use token_core::{CachePolicy, Clock, Expiry, ExpiryFormat, Freshness, Moment, Token};
use token_testkit::ManualClock;

use crate::bench::{Bench, Does, HOUR, numbered, settle, text};

const DAY: u64 = 86_400;

/// A cache on a clock of its own that holds a token, which it was given at once.
struct Holding {
    bench: Bench,
    cache: crate::bench::Cache,
}

impl Holding {
    fn new(expiry: Expiry, requested_at: impl FnOnce(Moment) -> Moment) -> Self {
        let mut policy = CachePolicy::default();
        policy.refresh_jitter = 0.0;
        let bench = Bench::with(ManualClock::new().into(), policy, |_| Does::Gives("next", HOUR));
        let token = Token::bearer("held", expiry, requested_at(bench.clock.now())).build().unwrap();
        let cache = bench.cache.clone().with_token(token);
        Self { bench, cache }
    }

    /// What the state says, after all that a caller sees was found to be the same.
    async fn freshness(&self, what: &str) -> Freshness {
        let freshness = self.cache.state().freshness;
        let is_usable = freshness != Freshness::Empty;
        assert_eq!(self.cache.try_token().as_ref().map(text).as_deref(), is_usable.then_some("held"), "{what}");
        settle().await;
        assert_eq!(self.bench.calls() == 0, freshness == Freshness::Fresh, "{what}: a request for what is due or over");
        self.bench.open();
        settle().await;
        let served = text(&self.cache.token().await.unwrap());
        assert_eq!(served, if freshness == Freshness::Fresh { "held" } else { "next" }, "{what}");
        freshness
    }
}

#[tokio::test]
async fn windows_begin_and_end_on_the_millisecond() {
    let after = |seconds| Expiry::After(Duration::from_secs(seconds));
    // The lifetime, and after how many milliseconds the token is due and over.
    let cases = [
        ("15 s", after(15), 12_000, 13_500),
        ("5 min, the skew at its most", after(300), 240_000, 270_000),
        ("1 h", after(3_600), 2_880_000, 3_570_000),
        ("24 h", after(DAY), DAY * 800, DAY * 1_000 - 30_000),
        ("30 days", after(30 * DAY), 24 * DAY * 1_000, 30 * DAY * 1_000 - 30_000),
        ("for ever, which is no more than 30 days", after(u64::MAX), 24 * DAY * 1_000, 30 * DAY * 1_000 - 30_000),
        ("as long as there is", Expiry::After(Duration::MAX), 24 * DAY * 1_000, 30 * DAY * 1_000 - 30_000),
        ("unknown, which is 5 min", Expiry::Unknown, 240_000, 270_000),
    ];
    for (what, expiry, due, over) in cases {
        let moments = [
            (0, Freshness::Fresh),
            (due - 1, Freshness::Fresh),
            (due, Freshness::Due),
            (over - 1, Freshness::Due),
            (over, Freshness::Empty),
            (u64::from(u32::MAX), Freshness::Empty),
        ];
        for (millis, freshness) in moments {
            let holding = Holding::new(expiry, |now| now);
            holding.bench.clock.advance(Duration::from_millis(millis));
            let what = format!("{what}, after {millis} ms");
            assert_eq!(holding.freshness(&what).await, freshness, "{what}");
        }
    }
    let negative = Value::parse(b"-5").unwrap();
    let negative = Expiry::read(ExpiryFormat::SecondsFromNow, &negative, SystemTime::UNIX_EPOCH);
    for (what, expiry) in [("zero", after(0)), ("negative", negative)] {
        assert_eq!(Holding::new(expiry, |now| now).freshness(what).await, Freshness::Empty, "{what}");
    }
}

/// Moves the wall clock alone, as a person, a time server or a machine that slept.
fn step(clock: &ManualClock, seconds: i64) {
    let (wall, by) = (clock.now().wall(), Duration::from_secs(seconds.unsigned_abs()));
    clock.set_wall(if seconds < 0 { wall - by } else { wall + by });
}

#[tokio::test]
async fn a_token_is_over_by_the_clock_that_went_further() {
    use Freshness::{Due, Empty, Fresh};
    // For a token of two hours: due after 5760 s, over after 7170 s. How far both clocks went, then the wall clock alone.
    let cases: [(&str, u64, i64, Freshness); 14] = [
        ("fresh, nothing moved", 1_000, 0, Fresh),
        ("fresh, forward by an hour", 1_000, 3_600, Fresh),
        ("fresh, forward by two", 1_000, 7_200, Empty),
        ("fresh, back by an hour", 1_000, -3_600, Fresh),
        ("fresh, back to the end of the last century", 1_000, -900_000_000, Fresh),
        ("nearly due, forward by an hour", 2_160, 3_600, Due),
        ("the machine slept for a second less than the token lives", 0, 7_169, Due),
        ("the machine slept for as long as the token lives", 0, 7_170, Empty),
        ("due, forward by an hour", 6_000, 3_600, Empty),
        ("due, back by an hour", 6_000, -3_600, Due),
        ("over, forward by an hour", 7_170, 3_600, Empty),
        ("over, back by an hour", 7_170, -3_600, Empty),
        ("over, back by a day", 7_170, -86_400, Empty),
        ("over for days, back to where it was", 300_000, -300_000, Empty),
    ];
    for (what, age, stepped, freshness) in cases {
        let holding = Holding::new(Expiry::After(2 * HOUR), |now| now);
        holding.bench.advance(age);
        step(&holding.bench.clock, stepped);
        let gone = Duration::from_secs(age.saturating_add_signed(stepped.max(0)));
        let state = holding.cache.state();
        assert_eq!((state.age, state.lifetime_left), (Some(gone), Some((2 * HOUR).saturating_sub(gone))), "{what}");
        assert_eq!(holding.freshness(what).await, freshness, "{what}");
    }
}

/// Unix time tells one second twice, so the wall clock goes back by one.
#[tokio::test]
async fn a_leap_second_does_nothing() {
    for (millis, freshness) in
        [(2_879_999, Freshness::Fresh), (2_880_000, Freshness::Due), (3_569_999, Freshness::Due), (3_570_000, Freshness::Empty)]
    {
        let holding = Holding::new(Expiry::After(HOUR), |now| now);
        holding.bench.advance(1_000);
        step(&holding.bench.clock, -1);
        holding.bench.clock.advance(Duration::from_millis(millis - 1_000_000));
        assert_eq!(holding.freshness("a leap second").await, freshness, "after {millis} ms");
    }
}

/// A wall clock that was set back after the request left, or a token that another program asked for by a monotonic clock of its own.
#[tokio::test]
async fn a_moment_of_the_request_that_lies_ahead_on_one_clock_prolongs_nothing() {
    type RequestedAt = fn(Moment) -> Moment;
    let ahead: [(&str, RequestedAt); 2] = [
        ("by the wall clock", |now| Moment::new(now.wall() + 10 * HOUR, now.monotonic())),
        ("by the monotonic clock", |now| Moment::new(now.wall(), now.monotonic() + 10 * HOUR)),
    ];
    for (what, requested_at) in ahead {
        for (millis, freshness) in [(2_879_999, Freshness::Fresh), (2_880_000, Freshness::Due), (3_570_000, Freshness::Empty)] {
            let holding = Holding::new(Expiry::After(HOUR), requested_at);
            assert_eq!(holding.cache.state().age, Some(Duration::ZERO), "{what}");
            holding.bench.clock.advance(Duration::from_millis(millis));
            assert_eq!(holding.freshness(what).await, freshness, "ahead {what}, after {millis} ms");
        }
    }
}

/// Time on the way counts: the lifetime begins before the request leaves.
#[tokio::test]
async fn a_slow_answer_shortens_the_life_of_its_token() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), Duration::from_secs(100)));
    assert!(bench.cache.try_token().is_none());
    settle().await;
    bench.advance(60);
    bench.open();
    assert_eq!(bench.served().await, "token-1");
    assert_eq!(bench.cache.state().lifetime_left, Some(Duration::from_secs(40)));
    bench.advance(30);
    assert!(bench.cache.try_token().is_none(), "ninety seconds have gone by since the request left");
}

#[tokio::test]
async fn caches_that_began_together_are_due_at_different_times() {
    let due_after = |millis: u64| async move {
        let mut due = 0;
        for _ in 0..200 {
            let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
            bench.served().await;
            bench.clock.advance(Duration::from_millis(millis));
            due += usize::from(bench.cache.state().freshness == Freshness::Due);
        }
        due
    };
    // From 70 % to 80 % of the lifetime. By chance all of 200 are on one side once in 10^60.
    assert_eq!(due_after(2_519_999).await, 0);
    assert!((1..200).contains(&due_after(2_700_000).await));
    assert_eq!(due_after(2_880_000).await, 200);
}

#[tokio::test]
async fn no_token_is_served_past_its_end_less_the_skew() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    bench.served().await;
    bench.advance(3_570);
    assert_eq!(bench.served().await, "token-2");
}

#[tokio::test]
async fn a_machine_that_slept_and_a_wall_clock_set_back_prolong_nothing() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    bench.served().await;
    bench.clock.sleep_machine(HOUR);
    assert_eq!(bench.served().await, "token-2", "the monotonic clock stood still while the machine slept");
    bench.clock.set_wall(SystemTime::UNIX_EPOCH);
    bench.advance(3_600);
    assert_eq!(bench.served().await, "token-3", "the wall clock says that no time has gone by");
}
