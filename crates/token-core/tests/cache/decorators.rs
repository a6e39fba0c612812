//! Providers around providers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use token_core::{
    CachePolicy, Clock, Delivery, Error, ErrorKind, Expiry, Remedy, Resend, Retry, RetryPolicy, Token, TokenCache, TokenProvider,
};
use token_testkit::ManualClock;

use crate::bench::{Bench, Does, HOUR, Scripted, fails, numbered, text};

/// A cache of `provider` on the clock of `bench`.
fn cached<P: TokenProvider + 'static>(bench: &Bench, provider: P) -> TokenCache<P> {
    TokenCache::with_policy(provider, CachePolicy::default(), Arc::clone(&bench.clock) as _)
}

#[tokio::test]
async fn caches_and_pointers_to_them_are_providers_of_another_cache() {
    type Around = fn(&Bench) -> Arc<dyn TokenProvider>;
    let cases: [(&str, Around); 5] = [
        ("a cache", |bench| Arc::new(bench.cache.clone())),
        ("a pointer to a cache", |bench| Arc::new(Arc::new(bench.cache.clone()))),
        ("a cache of a cache", |bench| Arc::new(cached(bench, bench.cache.clone()))),
        ("a cache of a pointer to a cache", |bench| Arc::new(cached(bench, Arc::new(bench.cache.clone())))),
        ("a cache of whatever it is", |bench| Arc::new(cached(bench, Arc::new(bench.cache.clone()) as Arc<dyn TokenProvider>))),
    ];
    for (what, around) in cases {
        let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
        let tokens = around(&bench);
        for _ in 0..3 {
            assert_eq!(text(&tokens.token().await.unwrap()), "token-1", "{what}");
        }
        assert_eq!(bench.calls(), 1, "{what}");
        let token = tokens.token().await.unwrap();
        tokens.invalidate(&token);
        assert_eq!(bench.provider.invalidated.load(Ordering::SeqCst), 1, "{what}: the provider at the bottom hears of it");
        assert_eq!(text(&tokens.token().await.unwrap()), "token-2", "{what}");
        assert_eq!(bench.calls(), 2, "{what}");
    }
}

#[test]
fn whether_a_request_may_be_cut_off_is_passed_on() {
    struct SaysNothing;

    #[async_trait::async_trait]
    impl TokenProvider for SaysNothing {
        async fn token(&self) -> Result<Token, Error> {
            Err(Error::new("test", ErrorKind::Server, Remedy::Retry))
        }

        fn invalidate(&self, _rejected: &Token) {}
    }

    assert!(!SaysNothing.is_cancel_safe(), "who says nothing may lose something");
    for is_safe in [true, false] {
        let provider = Scripted::new(Arc::new(ManualClock::new()), |_| Does::Panics);
        provider.is_cancel_safe.store(is_safe, Ordering::SeqCst);
        let through_dyn: Arc<dyn TokenProvider> = Arc::clone(&provider) as _;
        assert_eq!(Arc::clone(&provider).is_cancel_safe(), is_safe, "a pointer");
        assert_eq!(through_dyn.is_cancel_safe(), is_safe, "a pointer to a trait object");
        assert_eq!(Arc::new(through_dyn).is_cancel_safe(), is_safe, "a pointer to that");
        assert_eq!(Retry::new(Arc::clone(&provider)).is_cancel_safe(), is_safe, "a retry");
        assert!(TokenCache::new(provider).is_cancel_safe(), "the requests of a cache belong to no caller");
    }
}

#[tokio::test]
async fn a_token_that_was_there_already_is_the_first_generation() {
    let bench = Bench::new(|call| Does::Gives(numbered(call), HOUR));
    let from_login = |lifetime| Token::bearer("from-login", Expiry::After(lifetime), bench.clock.now()).build().unwrap();
    let cache = bench.cache.clone().with_token(from_login(HOUR));
    assert_eq!((cache.state().generation, cache.state().counts.tokens), (1, 0), "no request brought it");
    cache.invalidate(&cache.token().await.unwrap());
    assert_eq!(text(&cache.token().await.unwrap()), "token-1");
    assert_eq!((cache.state().generation, cache.state().counts.tokens), (2, 1));
    assert_eq!(cache.with_token(from_login(HOUR)).state().generation, 3);
}

#[tokio::test]
async fn retry_waits_by_the_clock_and_passes_refusals_on() {
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let provider = Scripted::new(Arc::clone(&clock), |call| match call {
        1 => Does::Fails(
            Error::new("test", ErrorKind::Server, Remedy::Retry)
                .with_delivery(Resend::AfterRefusal, Delivery::Answered)
                .with_retry_after(Some(Duration::from_secs(7))),
        ),
        2 => fails(ErrorKind::Server, Remedy::Retry),
        _ => Does::Gives("token-3", HOUR),
    });
    provider.gate.add_permits(3);
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
