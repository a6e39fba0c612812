//! What `TokenCache` promises, each promise on a clock moved by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

use token_core::{
    CachePolicy, Clock, Delivery, Error, ErrorKind, Expiry, Remedy, Resend, Retry, RetryPolicy, Token, TokenCache, TokenProvider,
};
use token_testkit::ManualClock;

const HOUR: Duration = Duration::from_secs(3_600);

/// What the scripted provider does when it is called for the n-th time, counted from 1.
enum Does {
    Gives(&'static str, Duration),
    Fails(Error),
    Panics,
    PanicsWithSecret,
}

type Script = dyn Fn(usize) -> Does + Send + Sync;

struct Scripted {
    clock: Arc<ManualClock>,
    script: Box<Script>,
    calls: AtomicUsize,
    /// A call goes on when it finds a permit here.
    gate: Semaphore,
    invalidated: AtomicUsize,
}

#[async_trait]
impl TokenProvider for Scripted {
    async fn token(&self) -> Result<Token, Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let requested_at = self.clock.now();
        self.gate.acquire().await.unwrap().forget();
        match (self.script)(call) {
            Does::Gives(token, lifetime) => Ok(Token::bearer(token, Expiry::After(lifetime), requested_at).build().unwrap()),
            Does::Fails(error) => Err(error),
            Does::Panics => panic!("planted by the test"),
            Does::PanicsWithSecret => {
                panic!("{}", text(&Token::bearer("canary", Expiry::Unknown, requested_at).build().unwrap()))
            }
        }
    }

    fn invalidate(&self, _rejected: &Token) {
        self.invalidated.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bench {
    clock: Arc<ManualClock>,
    provider: Arc<Scripted>,
    cache: TokenCache<Arc<Scripted>>,
}

impl Bench {
    fn new(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::on(Arc::new(ManualClock::new()), script)
    }

    fn on(clock: Arc<ManualClock>, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let bench = Self::gated_on(clock, script);
        bench.provider.gate.add_permits(1_000_000);
        bench
    }

    /// No call goes on before the test adds a permit.
    fn gated(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::gated_on(Arc::new(ManualClock::new()), script)
    }

    fn gated_on(clock: Arc<ManualClock>, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let provider = Arc::new(Scripted {
            clock: Arc::clone(&clock),
            script: Box::new(script),
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            invalidated: AtomicUsize::new(0),
        });
        let cache = TokenCache::with_policy(Arc::clone(&provider), CachePolicy::default(), Arc::clone(&clock) as _);
        Self { clock, provider, cache }
    }

    fn calls(&self) -> usize {
        self.provider.calls.load(Ordering::SeqCst)
    }

    fn open(&self) {
        self.provider.gate.add_permits(1);
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn served(&self) -> String {
        text(&self.cache.token().await.expect("a token"))
    }

    async fn error(&self) -> Error {
        self.cache.token().await.expect_err("an error")
    }
}

fn text(token: &Token) -> String {
    token.access_token().expose_secret().to_owned()
}

/// A name for each call: the script can be a plain function.
fn numbered(call: usize) -> &'static str {
    ["token-0", "token-1", "token-2", "token-3", "token-4"].get(call).copied().unwrap_or("token-many")
}

fn fails(kind: ErrorKind, remedy: Remedy) -> Does {
    Does::Fails(Error::new("test", kind, remedy).with_delivery(Resend::AfterRefusal, Delivery::Answered))
}

/// Lets every task of this one-threaded runtime do what it can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_fresh_token_is_served_without_a_request() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    for _ in 0..100 {
        assert_eq!(bench.served().await, "token-1");
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_token_that_lives_fifteen_seconds_is_cached_too() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), Duration::from_secs(15)));
    for _ in 0..40 {
        assert_eq!(bench.served().await, "token-1");
        bench.clock.advance(Duration::from_millis(10));
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_due_token_is_served_while_one_refresh_runs_behind_it() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    bench.open();
    bench.served().await;
    bench.advance(3_000);
    for _ in 0..10 {
        assert_eq!(bench.served().await, "token-1");
        settle().await;
    }
    assert_eq!(bench.calls(), 2, "one refresh, not one a call");
    bench.open();
    settle().await;
    assert_eq!(bench.served().await, "token-2");
    assert_eq!(bench.calls(), 2);
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

#[tokio::test]
async fn a_stampede_makes_one_request() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let cache = bench.cache.clone();
            tokio::spawn(async move { text(&cache.token().await.unwrap()) })
        })
        .collect();
    settle().await;
    bench.open();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "token-1");
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_costs_nothing() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let leader = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await }
    });
    settle().await;
    let follower = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|token| text(&token)) }
    });
    settle().await;
    leader.abort();
    settle().await;
    bench.open();
    assert_eq!(follower.await.unwrap().unwrap(), "token-1");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_comes_back_late_gets_no_token_that_is_over() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let mut late = std::pin::pin!(bench.cache.token());
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    bench.open();
    settle().await;
    bench.advance(7_200);
    bench.open();
    assert_eq!(text(&late.await.unwrap()), "token-2");
}

#[tokio::test]
async fn an_error_is_not_given_while_a_token_is_usable() {
    let bench = Bench::new(|call| match call {
        1 => Does::Gives("token-1", HOUR),
        2 | 3 => fails(ErrorKind::Server, Remedy::Retry),
        _ => Does::Gives("token-4", HOUR),
    });
    bench.served().await;
    bench.advance(3_000);
    for _ in 0..20 {
        assert_eq!(bench.served().await, "token-1");
        settle().await;
    }
    assert_eq!(bench.calls(), 2, "the pause after a failure holds for every caller");
    bench.clock.advance(Duration::from_millis(250));
    bench.served().await;
    settle().await;
    assert_eq!(bench.calls(), 3);
    bench.clock.advance(Duration::from_millis(500));
    bench.served().await;
    settle().await;
    assert_eq!(bench.served().await, "token-4");
    assert_eq!(bench.calls(), 4);
}

#[tokio::test]
async fn what_may_do_harm_twice_is_not_sent_again_behind_a_usable_token() {
    let lost = || Error::new("test", ErrorKind::Transport, Remedy::Retry).with_delivery(Resend::OnlyIfNotSent, Delivery::Unknown);
    let bench = Bench::new(move |call| if call == 2 { Does::Fails(lost()) } else { Does::Gives(numbered(call), HOUR) });
    bench.served().await;
    bench.advance(3_000);
    for _ in 0..100 {
        assert_eq!(bench.served().await, "token-1");
        settle().await;
        bench.advance(5);
    }
    assert_eq!(bench.calls(), 2, "the answer of the second is lost, and the token is still good");
    bench.advance(100);
    assert_eq!(bench.served().await, "token-3", "nothing is left to lose");
}

#[tokio::test]
async fn everyone_who_waits_gets_the_same_error_from_one_request() {
    let bench = Bench::gated(|call| match call {
        1 => fails(ErrorKind::Server, Remedy::Retry),
        call => Does::Gives(numbered(call), HOUR),
    });
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let cache = bench.cache.clone();
            tokio::spawn(async move { cache.token().await.map(|_| ()) })
        })
        .collect();
    settle().await;
    bench.open();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Server);
    }
    let remembered = bench.error().await;
    assert!(remembered.retry_after().unwrap() <= Duration::from_millis(250));
    assert_eq!(bench.calls(), 1);
    bench.clock.advance(Duration::from_millis(250));
    bench.open();
    assert_eq!(bench.served().await, "token-2", "no error is remembered for ever");
}

#[tokio::test]
async fn refused_credentials_and_too_many_requests_hold() {
    let refused = Error::new("test", ErrorKind::ClientRefused, Remedy::FixConfiguration);
    let limited = |retry_after| Error::new("test", ErrorKind::RateLimited, Remedy::Wait).with_retry_after(retry_after);
    let cases = [
        ("refused", refused, 60),
        ("limited", limited(None), 60),
        ("limited, and told for how long", limited(Some(Duration::from_secs(300))), 300),
        ("limited for ever", limited(Some(Duration::MAX)), 3_600),
    ];
    for (what, failure, seconds) in cases {
        let bench =
            Bench::new(move |call| if call == 1 { Does::Fails(failure.clone()) } else { Does::Gives(numbered(call), HOUR) });
        bench.error().await;
        // Neither a clock set forward nor a machine that slept makes the service forget.
        bench.clock.sleep_machine(HOUR * 24);
        bench.advance(seconds - 1);
        let error = bench.error().await;
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)), "{what}");
        assert_eq!(bench.calls(), 1, "{what}");
        bench.advance(1);
        assert_eq!(bench.served().await, "token-2", "{what}");
    }
}

#[tokio::test]
async fn a_hundred_refusals_of_one_token_make_one_refresh() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let refused = bench.cache.token().await.unwrap();
    for _ in 0..100 {
        bench.cache.invalidate(&refused);
        assert_eq!(bench.served().await, "token-2", "the newer token stays");
    }
    assert_eq!(bench.calls(), 2);
    assert_eq!(bench.provider.invalidated.load(Ordering::SeqCst), 100, "the provider below hears of each");
}

#[tokio::test]
async fn a_refusal_is_not_undone_by_a_refresh_that_began_before_it() {
    let bench = Bench::gated(|call| Does::Gives(if call < 3 { "token-1" } else { "token-3" }, HOUR));
    bench.open();
    let refused = bench.cache.token().await.unwrap();
    bench.advance(3_000);
    bench.served().await;
    settle().await;
    assert_eq!(bench.calls(), 2, "a refresh is under way");
    bench.cache.invalidate(&refused);
    // This caller joins the refresh that is under way, and it too must not get the refused token back.
    let joined = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|token| text(&token)) }
    });
    settle().await;
    assert_eq!(bench.calls(), 2);
    bench.provider.gate.add_permits(2);
    assert_eq!(joined.await.unwrap().unwrap(), "token-3", "the refresh brought the refused token again");
    assert_eq!(bench.served().await, "token-3");
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn a_refresh_that_brings_the_refused_token_does_not_end_the_pause_for_it() {
    let bench = Bench::gated(|call| Does::Gives(if call == 1 { "token-0" } else { "token-1" }, Duration::from_secs(100)));
    bench.provider.gate.add_permits(2);
    bench.cache.invalidate(&bench.cache.token().await.unwrap());
    let second = bench.cache.token().await.unwrap();
    bench.advance(45);
    // Due by the wall clock, while by the monotonic one it is too young to have served well.
    bench.clock.sleep_machine(Duration::from_secs(40));
    assert_eq!(bench.served().await, "token-1");
    settle().await;
    assert_eq!(bench.calls(), 3, "a refresh is under way");
    bench.cache.invalidate(&second);
    bench.provider.gate.add_permits(2);
    settle().await;
    assert_eq!(bench.error().await.kind(), ErrorKind::TokenRefused);
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn a_refused_token_that_came_a_second_time_is_dropped_too() {
    let bench = Bench::new(|call| Does::Gives(if call < 3 { "token-1" } else { "token-3" }, HOUR));
    let first = bench.cache.token().await.unwrap();
    bench.advance(3_000);
    bench.served().await;
    settle().await;
    assert!(!bench.cache.token().await.unwrap().is_same(&first), "another answer with the same access token");
    bench.cache.invalidate(&first);
    assert_eq!(bench.served().await, "token-3");
}

#[tokio::test]
async fn an_api_that_refuses_every_token_does_not_cause_a_storm() {
    let bench = Bench::new(|_| Does::Gives("token-many", HOUR));
    let mut told = false;
    for _ in 0..6_000 {
        match bench.cache.token().await {
            Ok(token) => bench.cache.invalidate(&token),
            Err(error) => told |= error.kind() == ErrorKind::TokenRefused && error.retry_after().is_some(),
        }
        bench.clock.advance(Duration::from_millis(100));
    }
    assert!(told, "the error says that it is the API that refuses");
    assert!((3..=10).contains(&bench.calls()), "{} requests in 10 minutes", bench.calls());
}

#[tokio::test]
async fn a_token_that_served_well_and_was_revoked_is_replaced_at_once() {
    let bench = Bench::new(|_| Does::Gives("token-many", HOUR));
    for _ in 0..20 {
        let token = bench.cache.token().await.unwrap();
        bench.advance(700);
        bench.cache.invalidate(&token);
    }
    assert_eq!(bench.calls(), 20);
}

#[tokio::test]
async fn a_refusal_now_and_then_does_not_add_up() {
    let bench = Bench::new(|_| Does::Gives("token-many", HOUR));
    for _ in 0..20 {
        // A fresh token is refused once; those after it serve for hours.
        bench.cache.invalidate(&bench.cache.token().await.unwrap());
        for _ in 0..10 {
            bench.served().await;
            settle().await;
            bench.advance(3_000);
        }
        bench.advance(3_600);
    }
}

#[tokio::test]
async fn a_token_that_is_over_on_arrival_is_one_request_and_a_hold() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), if call == 1 { Duration::ZERO } else { HOUR }));
    for _ in 0..10 {
        let error = bench.error().await;
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::ClockSkew, Remedy::CorrectClock));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    }
    assert_eq!(bench.calls(), 1);
    bench.advance(60);
    assert_eq!(bench.served().await, "token-2");
}

/// One token an hour, handed out again until its end, its lifetime in whole seconds as services write it.
#[tokio::test]
async fn a_service_that_hands_out_one_token_until_its_end_is_neither_stormed_nor_given_up_on() {
    let clock = Arc::new(ManualClock::new());
    let began = clock.now().monotonic();
    let source = Arc::clone(&clock);
    let bench = Bench::on(clock, move |_| {
        let elapsed = source.now().monotonic() - began;
        let hour = elapsed.as_secs() / 3_600;
        let left = (hour + 1) * 3_600 - elapsed.as_secs() - u64::from(elapsed.subsec_nanos() > 0);
        Does::Gives(numbered(usize::try_from(hour).unwrap()), Duration::from_secs(left))
    });
    let mut without_token = 0;
    for _ in 0..4 * 2 * 3_600 {
        without_token += u32::from(bench.cache.token().await.is_err());
        settle().await;
        bench.clock.advance(Duration::from_millis(500));
    }
    assert!(bench.calls() <= 4 * 9, "{} requests for four tokens", bench.calls());
    assert!(without_token <= 4 * 2 * 3, "{without_token} half seconds without a token, at four ends of a token");
}

#[tokio::test]
async fn a_service_that_hands_out_a_dead_token_for_ever_is_asked_ever_more_rarely() {
    let bench = Bench::new(|call| Does::Gives("token-many", if call == 1 { HOUR } else { Duration::ZERO }));
    bench.served().await;
    bench.advance(3_600);
    for _ in 0..1_200 {
        let error = bench.error().await;
        assert_eq!((error.kind(), error.remedy()), (ErrorKind::Server, Remedy::Retry));
        bench.clock.advance(Duration::from_millis(500));
    }
    assert!(bench.calls() <= 1 + 16, "{} requests in 10 minutes", bench.calls());
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_next_caller_starts_anew() {
    let bench = Bench::new(|call| if call == 1 { Does::Panics } else { Does::Gives(numbered(call), HOUR) });
    let error = bench.error().await;
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("planted by the test"), "{error}");
    assert_eq!(bench.served().await, "token-2");
}

#[tokio::test]
async fn a_panics_text_is_kept_only_if_it_stands_in_the_code() {
    let bench = Bench::new(|_| Does::PanicsWithSecret);
    let error = bench.error().await;
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    assert!(error.to_string().contains("the provider panicked"), "{error}");
}

#[tokio::test]
async fn a_provider_that_panics_again_and_again_is_paused() {
    let bench = Bench::new(|_| Does::Panics);
    for _ in 0..100 {
        bench.error().await;
    }
    assert_eq!(bench.calls(), 2);
}

#[test]
fn the_end_of_the_runtime_is_told_and_the_next_runtime_starts_anew() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = runtime();
    first.block_on(async {
        drop(tokio::spawn({
            let cache = bench.cache.clone();
            async move { cache.token().await }
        }));
        settle().await;
    });
    assert_eq!(bench.calls(), 1);
    let second = runtime();
    let waiting = second.spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|_| ()) }
    });
    second.block_on(settle());
    drop(first);
    let error = second.block_on(waiting).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::Retry));
    bench.open();
    assert_eq!(second.block_on(bench.served()), "token-2");
}

#[test]
fn a_cache_is_made_without_a_runtime_and_says_when_it_needs_one() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let mut future = std::pin::pin!(bench.cache.token());
    let Poll::Ready(Err(error)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it cannot wait without a runtime");
    };
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let waiting = tokio::spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|_| ()) }
    });
    settle().await;
    bench.advance(119);
    settle().await;
    assert!(!waiting.is_finished());
    bench.advance(1);
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::Internal, Remedy::Retry), "a lone caller is told too");
    bench.open();
    assert_eq!(bench.served().await, "token-2");
}

/// The runtime of the first request lives on, but nobody drives it: not even its time-out can end it.
#[test]
fn a_request_on_a_runtime_that_nobody_drives_is_given_up() {
    let bench = Bench::gated(|call| Does::Gives(numbered(call), HOUR));
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let waiting = first.spawn({
        let cache = bench.cache.clone();
        async move { cache.token().await.map(|token| text(&token)) }
    });
    first.block_on(settle());
    bench.advance(120);
    bench.provider.gate.add_permits(2);
    assert_eq!(second.block_on(bench.served()), "token-2");
    assert_eq!(bench.calls(), 2);
    let _ = first.block_on(waiting).unwrap();
    assert_eq!(second.block_on(bench.served()), "token-2", "what comes of the first request changes nothing");
}

#[tokio::test]
async fn a_cache_can_begin_with_a_token() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let from_login = |lifetime| Token::bearer("from-login", Expiry::After(lifetime), bench.clock.now()).build().unwrap();
    let cache = bench.cache.clone().with_token(from_login(HOUR));
    assert_eq!(text(&cache.token().await.unwrap()), "from-login");
    assert_eq!(bench.calls(), 0);
    let cache = cache.with_token(from_login(Duration::ZERO));
    assert_eq!(text(&cache.token().await.unwrap()), "token-1", "a token that is over is not served");
}

#[tokio::test]
async fn it_is_a_provider_through_dyn() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let tokens: Arc<dyn TokenProvider> = Arc::new(bench.cache.clone());
    let token = tokens.token().await.unwrap();
    tokens.invalidate(&token);
    assert_eq!(text(&tokens.token().await.unwrap()), "token-2");
}

#[tokio::test]
async fn retry_waits_by_the_clock_and_passes_refusals_on() {
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let provider = Arc::new(Scripted {
        clock: Arc::clone(&clock),
        script: Box::new(|call| match call {
            1 => Does::Fails(
                Error::new("test", ErrorKind::Server, Remedy::Retry)
                    .with_delivery(Resend::AfterRefusal, Delivery::Answered)
                    .with_retry_after(Some(Duration::from_secs(7))),
            ),
            2 => fails(ErrorKind::Server, Remedy::Retry),
            _ => Does::Gives("token-3", HOUR),
        }),
        calls: AtomicUsize::new(0),
        gate: Semaphore::new(100),
        invalidated: AtomicUsize::new(0),
    });
    let retry = Retry::with_policy(Arc::clone(&provider), RetryPolicy::default(), Arc::clone(&clock) as _);
    let token = retry.token().await.unwrap();
    assert_eq!(text(&token), "token-3");
    let slept = clock.slept();
    assert_eq!(slept.len(), 2);
    assert_eq!(slept.first(), Some(&Duration::from_secs(7)), "Retry-After is obeyed");
    assert!(slept.get(1).is_some_and(|pause| *pause <= Duration::from_millis(500)), "{slept:?}");
    retry.invalidate(&token);
    assert_eq!(provider.invalidated.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let bench = Bench::new(|_| Does::Gives("canary-token", HOUR));
    bench.served().await;
    let shown = format!("{:?} {:#?}", bench.cache, bench.cache);
    assert!(!shown.contains("canary"), "{shown}");
}
