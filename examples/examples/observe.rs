//! What a token does, as traces on the console and as metrics for Prometheus: `cargo run -p examples --example observe`.
//!
//! The traces go to the standard error, the metrics to the standard output, as an endpoint `/metrics` would give them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use examples::Failure;
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use provider_sehatmu::SehatMu;
use reqwest_middleware::ClientBuilder;
use token_core::{CacheEvent, CachePolicy, Observer};
use token_middleware::TokenMiddleware;
use token_sandbox::{Sandbox, Service};
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

// On one thread, so that what happened is told before it is printed.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    // Of the tokens alone: what the HTTP client says is another story.
    let console = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    let of_tokens = Targets::new().with_target("token_core", Level::DEBUG);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(console.with_filter(of_tokens)))?;
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::registered(&mut registry));

    let sandbox = Sandbox::start().await?;
    let credentials = sandbox.sehatmu_credentials();
    let mut policy = CachePolicy::default();
    policy.observer = Some(Arc::clone(&metrics) as Arc<dyn Observer>);
    let authorizer = SehatMu::builder()
        .base_url(sandbox.sehatmu_base_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .cache(policy)
        .build_authorizer()?;
    let (client, tokens) = TokenMiddleware::with_client(authorizer.clone(), reqwest::Client::builder().no_proxy())?;
    let client = ClientBuilder::new(client).with(tokens).build();

    let patients = format!("{}/fhir/Patient", sandbox.sehatmu_base_url());
    for call in 1..=5 {
        if call == 4 {
            // The API refuses the token of the fourth call, which is sent again with a new one.
            sandbox.revoke_all(Service::SehatMu);
        }
        if client.get(&patients).send().await?.status() != StatusCode::OK {
            return Err("a call of the API failed".into());
        }
    }

    // What is not an event but a state is asked for when the metrics are.
    if let Some(left) = authorizer.tokens().and_then(|cache| cache.state().lifetime_left) {
        metrics.lifetime_left.set(i64::try_from(left.as_secs()).unwrap_or(i64::MAX));
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    println!("{text}");
    sandbox.shutdown().await;
    Ok(())
}

/// By provider: a program with three of them has one set of metrics.
type ByProvider = [(&'static str, &'static str); 1];

#[derive(Debug)]
struct Metrics {
    served: Family<ByProvider, Counter>,
    waited: Family<ByProvider, Counter>,
    refused: Family<ByProvider, Counter>,
    requests: Family<[(&'static str, String); 2], Counter>,
    request_seconds: Histogram,
    held_seconds: Counter<f64, AtomicU64>,
    lifetime_left: Gauge,
}

impl Metrics {
    fn registered(registry: &mut Registry) -> Self {
        let metrics = Self {
            served: Family::default(),
            waited: Family::default(),
            refused: Family::default(),
            requests: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 12)),
            held_seconds: Counter::default(),
            lifetime_left: Gauge::default(),
        };
        registry.register("tokens_served", "Tokens given out from the cache", metrics.served.clone());
        registry.register("token_waits", "Callers who found no usable token", metrics.waited.clone());
        registry.register("tokens_refused", "Tokens that an API refused", metrics.refused.clone());
        registry.register("token_requests", "Requests for a token, by how they ended", metrics.requests.clone());
        let (histogram, held, left) =
            (metrics.request_seconds.clone(), metrics.held_seconds.clone(), metrics.lifetime_left.clone());
        registry.register_with_unit("token_request", "How long a request for a token took", Unit::Seconds, histogram);
        registry.register_with_unit("token_holds", "For how long no token may be asked for", Unit::Seconds, held);
        registry.register_with_unit("token_lifetime_left", "How long the token still lives", Unit::Seconds, left);
        metrics
    }
}

impl Observer for Metrics {
    fn event(&self, provider: &'static str, event: &CacheEvent) {
        let by_provider = [("provider", provider)];
        match event {
            CacheEvent::Hit | CacheEvent::Due => drop(self.served.get_or_create(&by_provider).inc()),
            CacheEvent::Wait => drop(self.waited.get_or_create(&by_provider).inc()),
            CacheEvent::Invalidated { .. } => drop(self.refused.get_or_create(&by_provider).inc()),
            CacheEvent::RefreshEnded { result, took, .. } => {
                let ended = result.map_or_else(|kind| format!("{kind:?}"), |_| "ok".to_owned());
                self.requests.get_or_create(&[("provider", provider.to_owned()), ("result", ended)]).inc();
                self.request_seconds.observe(took.as_secs_f64());
            }
            CacheEvent::Hold { length, .. } => drop(self.held_seconds.inc_by(length.as_secs_f64())),
            _ => {}
        }
    }
}
