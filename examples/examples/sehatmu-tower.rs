//! A client of SehatMu's API as a stack of tower's layers, against the sandbox: `cargo run -p examples --example sehatmu-tower`.
//!
//! From the outside to the inside, and why in this order:
//!
//! 1. **Retry.** Each try passes all that is below it, so it has a token that is valid then, and, for a service that wants one, a signature with a time of its own. Inside the token layer it would repeat an old signature.
//! 2. **Timeout**, of one try. Waiting for a token and the second try after a refusal count towards it. Outside the retry it would limit all tries together.
//! 3. **Tokens.** Below it is nothing but the client, so what it signs is what is sent, and nothing below follows a redirect.
//! 4. **The client.**
//!
//! A layer that unpacks answers belongs below the tokens, as a refusal may stand in an answer's body; one that packs requests belongs above them, for a service that signs what is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use examples::Failure;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use provider_sehatmu::SehatMu;
use token_core::{Clock, SystemClock};
use token_middleware::TokenLayer;
use token_sandbox::{Fault, Page, Route, Sandbox, Service, When};
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::timeout::error::Elapsed;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let sandbox = Sandbox::start().await?;
    let credentials = sandbox.sehatmu_credentials();

    // In a program of yours: `SehatMu::from_env()?.build_authorizer()?`.
    let authorizer = SehatMu::builder()
        .base_url(sandbox.sehatmu_base_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .build_authorizer()?;
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(Again { left: 2, clock: Arc::new(SystemClock) }))
        .layer(TimeoutLayer::new(Duration::from_secs(10)))
        .layer(TokenLayer::new(authorizer))
        .service(Client::builder(TokioExecutor::new()).build_http());

    let patients = format!("{}/fhir/Patient", sandbox.sehatmu_base_url());
    let ask = || Request::get(&patients).body(Full::new(Bytes::new()));

    let answer = client.clone().oneshot(ask()?).await?;
    println!("a good day            {}", answer.status());
    println!("                      {} bytes", answer.into_body().collect().await?.to_bytes().len());

    sandbox.revoke_all(Service::SehatMu);
    let answer = client.clone().oneshot(ask()?).await?;
    println!("the token was ended   {}", answer.status());

    let fault = Fault::ServerError { status: 503, page: Page::Text };
    sandbox.faults().add(Route::SehatMuPatients, fault, When::Next(1));
    let answer = client.clone().oneshot(ask()?).await?;
    println!("503, then good again  {}", answer.status());

    let requests = sandbox.requests();
    println!("\ntokens asked for: {}, calls of the API: {}", requests.sehatmu_token, requests.sehatmu_patients);
    sandbox.shutdown().await;
    Ok(())
}

/// Tries a reading request again after 502, 503, 504 and a time-out, with a pause. What the token layer refused to send stays refused.
#[derive(Clone)]
struct Again {
    left: u32,
    clock: Arc<dyn Clock>,
}

impl<B> Policy<Request<Full<Bytes>>, Response<B>, BoxError> for Again {
    type Future = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn retry(&mut self, request: &mut Request<Full<Bytes>>, result: &mut Result<Response<B>, BoxError>) -> Option<Self::Future> {
        let may_pass = match result {
            Ok(answer) => {
                matches!(answer.status(), StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
            }
            Err(error) => error.is::<Elapsed>(),
        };
        if !may_pass || !request.method().is_safe() {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        let clock = Arc::clone(&self.clock);
        Some(Box::pin(async move { clock.sleep(Duration::from_millis(100)).await }))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}
