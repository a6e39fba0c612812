//! What a cache writes to `tracing`. Names, levels, targets and fields are part of the public interface.

use std::fmt;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use async_trait::async_trait;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use token_core::{CachePolicy, Clock, Error, ErrorKind, Expiry, Remedy, Token, TokenCache, TokenProvider};
use token_testkit::{LogCapture, ManualClock, SecretFinder};

use crate::bench::settle;

/// Writes every span and event of this thread down as a line: in which span it is, its level, its target, and its name with its fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn write(&self, inside: &str, what: &str, metadata: &Metadata<'_>, fields: &str) {
        self.0.lock().unwrap().push(format!("[{inside}] {what} {} {}:{fields}", metadata.level(), metadata.target()));
    }

    /// What was written since this was asked last.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(format!(" {}", attributes.metadata().name()));
        attributes.record(&mut fields);
        let parent = context.span(id).and_then(|span| span.parent().map(|parent| parent.name())).unwrap_or("");
        self.write(parent, "span", attributes.metadata(), &fields.0);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let name = |id| context.metadata(id).map_or("", |metadata| metadata.name());
        self.0.lock().unwrap().push(format!("{} follows from {}", name(id), name(follows)));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let inside = context.event_span(event).map_or("", |span| span.name());
        self.write(inside, "event", event.metadata(), &fields.0);
    }
}

/// Logs that it is asked, as a transport does, and gives the last of its answers: a token of an hour with this clock offset, or an error.
struct Logging {
    clock: Arc<ManualClock>,
    answers: Mutex<Vec<Result<i64, Error>>>,
}

#[async_trait]
impl TokenProvider for Logging {
    async fn token(&self) -> Result<Token, Error> {
        tracing::trace!(target: "provider", "asked");
        self.clock.sleep(Duration::from_millis(1_500)).await;
        let clock_offset = self.answers.lock().unwrap().pop().unwrap()?;
        let token = Token::bearer("canary-access", Expiry::After(Duration::from_secs(3_600)), self.clock.now());
        Ok(token.refresh_token(Some("canary-refresh".into())).clock_offset(Some(clock_offset)).build().unwrap())
    }

    fn invalidate(&self, _rejected: &Token) {}
}

/// A life with everything in it. `step` is told what happened.
async fn live(mut step: impl FnMut(&str)) {
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let busy = Error::new("test", ErrorKind::RateLimited, Remedy::Wait)
        .with_code("canary-code")
        .with_service_message("canary-message")
        .with_retry_after(Some(Duration::from_secs(90)));
    // The first is the last.
    let answers = Mutex::new(vec![Ok(60), Err(busy), Ok(-61)]);
    let provider = Logging { clock: Arc::clone(&clock), answers };
    let mut policy = CachePolicy::default();
    policy.provider = "klikoo";
    let cache = TokenCache::with_policy(provider, policy, Arc::clone(&clock) as _);
    let caller = tracing::info_span!(target: "program", "caller");
    tracing::Instrument::instrument(cache.token(), caller).await.unwrap();
    step("a cold call");
    for _ in 0..100 {
        cache.token().await.unwrap();
        let _ = (cache.try_token(), cache.authorization().await.unwrap(), cache.state());
    }
    step("hits");
    clock.advance(Duration::from_secs(3_000));
    let token = cache.token().await.unwrap();
    settle().await;
    step("a refresh behind it, which fails");
    cache.token().await.unwrap();
    cache.invalidate(&token);
    step("a refusal");
    cache.token().await.unwrap_err();
    step("an error that is remembered");
    clock.advance(Duration::from_secs(90));
    cache.token().await.unwrap();
    step("recovery");
    cache.close().await;
    step("the end");
}

/// While there is one subscriber in a process, `tracing` asks that of the thread which comes by an event first whether anybody wants it,
/// and remembers the answer for all threads. Most threads of this program have none and would say no, so there is one behind all of them.
fn listen_on_every_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Registry::default()).unwrap());
}

#[tokio::test]
async fn spans_and_events_keep_their_names() {
    listen_on_every_thread();
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(Registry::default().with(lines.clone()));
    let mut told = String::new();
    live(|what| told += &format!("{what}\n{}", lines.take().iter().map(|line| format!("    {line}\n")).collect::<String>()))
        .await;
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn nothing_that_is_traced_holds_a_secret() {
    listen_on_every_thread();
    let capture = LogCapture::begin().unwrap();
    live(|_| {}).await;
    let text = capture.text();
    for name in ["token_refresh{", "token_refresh_began", "token_refresh_ended", "token_refresh_failed", "token_hold"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let finder = SecretFinder::new(["canary-access", "canary-refresh", "canary-message"]);
    assert_eq!(finder.find(&text), None, "{text}");
}
