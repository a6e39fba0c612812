//! Providers that misbehave, and providers around providers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use token_core::{Delivery, Error, ErrorKind, Remedy, Resend, Retry, RetryPolicy, TokenProvider};
use token_testkit::ManualClock;

use crate::bench::{Bench, Does, HOUR, Scripted, fails, numbered, settle, text};

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
