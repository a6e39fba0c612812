//! Providers that misbehave.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use token_core::{CachePolicy, Clock, Error, ErrorKind, Expiry, Moment, Remedy, Token, TokenCache, TokenProvider};
use token_testkit::ManualClock;

use crate::bench::{Bench, Does, HOUR, alive_tasks, numbered, settle, text};

type Answer = Pin<Box<dyn Future<Output = Result<Token, Error>> + Send>>;

/// Its first call does what a test says, before there is a future or in it. Later ones are good.
struct Odd {
    clock: Arc<ManualClock>,
    calls: AtomicUsize,
    first: fn(Moment) -> Answer,
}

impl TokenProvider for Odd {
    fn token<'life0, 'async_trait>(&'life0 self) -> Pin<Box<dyn Future<Output = Result<Token, Error>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let now = self.clock.now();
        match self.calls.fetch_add(1, Ordering::SeqCst) {
            0 => (self.first)(now),
            _ => Box::pin(async move { Ok(Token::bearer("token-good", Expiry::After(HOUR), now).build().unwrap()) }),
        }
    }

    fn invalidate(&self, _rejected: &Token) {}
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("planted by the test");
    }
}

fn token(lifetime: Duration, now: Moment) -> Result<Token, Error> {
    Ok(Token::bearer("token-odd", Expiry::After(lifetime), now).build().unwrap())
}

#[tokio::test]
async fn whatever_a_provider_does_callers_are_told_and_the_next_request_is_good() {
    struct Case {
        what: &'static str,
        first: fn(Moment) -> Answer,
        /// After how many seconds the caller is told.
        after: u64,
        kind: ErrorKind,
        remedy: Remedy,
        says: &'static str,
        /// For how many seconds the service is not asked.
        hold: u64,
    }
    let internal = |what, first, after, says| {
        let (kind, remedy) = (ErrorKind::Internal, Remedy::Retry);
        Case { what, first, after, kind, remedy, says, hold: 0 }
    };
    let cases = [
        internal("a panic before there is a future", |_| panic!("planted by the test"), 0, "planted by the test"),
        internal("a panic at the first look", |_| Box::pin(async { panic!("planted by the test") }), 0, "planted by the test"),
        internal(
            "a panic later on",
            |_| {
                Box::pin(async {
                    tokio::task::yield_now().await;
                    panic!("planted by the test")
                })
            },
            0,
            "planted by the test",
        ),
        internal(
            "a panic when the answer is thrown away",
            |now| {
                let guard = PanicsWhenDropped;
                Box::pin(async move {
                    let _guard = &guard;
                    token(HOUR, now)
                })
            },
            0,
            "",
        ),
        internal("no answer, ever", |_| Box::pin(std::future::pending()), 120, "has not ended in time"),
        Case {
            what: "a token that is over",
            first: |now| Box::pin(async move { token(Duration::ZERO, now) }),
            after: 0,
            kind: ErrorKind::ClockSkew,
            remedy: Remedy::CorrectClock,
            says: "was over when it came",
            hold: 60,
        },
    ];
    for Case { what, first, after, kind, remedy, says, hold } in cases {
        let clock = Arc::new(ManualClock::new());
        let provider = Odd { clock: Arc::clone(&clock), calls: AtomicUsize::new(0), first };
        let cache = TokenCache::with_policy(provider, CachePolicy::default(), Arc::clone(&clock) as _);
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { cache.token().await.map(|_| ()) })
            })
            .collect();
        settle().await;
        for _ in 0..after {
            assert!(callers.iter().all(|caller| !caller.is_finished()), "{what}");
            clock.advance(Duration::from_secs(1));
            settle().await;
        }
        for caller in callers {
            assert!(caller.is_finished(), "{what}");
            let error = caller.await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.remedy()), (kind, remedy), "{what}");
            assert!(error.to_string().contains(says), "{what}: {error}");
        }
        assert_eq!(cache.provider().calls.load(Ordering::SeqCst), 1, "{what}");
        assert_eq!(cache.state().holding.unwrap_or_default().as_secs(), hold, "{what}");
        clock.advance(Duration::from_secs(hold));
        assert_eq!(text(&cache.token().await.unwrap()), "token-good", "{what}");
        assert_eq!(alive_tasks(), 0, "{what}");
    }
}

#[tokio::test]
async fn tokens_of_another_kind_each_time_are_kept_as_they_come() {
    let bench = Bench::new(|call| match call {
        1 => Does::Builds(|now| Token::bearer("token-1", Expiry::Unknown, now)),
        2 => Does::Gives("token-2", HOUR),
        3 => {
            Does::Builds(|now| Token::bearer("token-3", Expiry::After(HOUR), now).scope("read write").expiry_as_received("3600"))
        }
        4 => Does::Builds(|now| Token::bearer("token-4", Expiry::Unknown, now).refresh_token(Some("refresh-4".into()))),
        _ => Does::Builds(|now| Token::bearer("token-many", Expiry::After(HOUR * 24), now)),
    });
    // The lifetime that the state tells, the scopes, and how many seconds the token is usable.
    let kinds: [(Option<Duration>, &[&str], bool, u64); 5] = [
        (None, &[], false, 270),
        (Some(HOUR), &[], false, 3_570),
        (Some(HOUR), &["read", "write"], false, 3_570),
        (None, &[], true, 270),
        (Some(HOUR * 24), &[], false, 86_370),
    ];
    for (number, (lifetime, scopes, has_refresh_token, seconds)) in (1..).zip(kinds) {
        let token = bench.cache.token().await.unwrap();
        assert_eq!(text(&token), numbered(number));
        assert_eq!(token.scopes(), scopes);
        assert_eq!(token.refresh_token().is_some(), has_refresh_token);
        assert_eq!(bench.cache.state().lifetime_left, lifetime, "token {number}");
        assert_eq!(bench.cache.state().generation, number as u64);
        bench.advance(seconds - 1);
        assert!(bench.cache.token().await.unwrap().is_same(&token));
        bench.advance(1);
    }
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
