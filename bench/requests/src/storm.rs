//! A hundred requests whose token is refused at once: how many of them reach the API, and how many new tokens are asked for.

use std::sync::Arc;

use bench_shared::{Column, Report, Stopwatch};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use provider_sehatmu::SehatMu;
use token_core::{Bearer, Retry, TokenCache};
use token_middleware::{TokenLayer, TokenMiddleware};
use token_sandbox::{Sandbox, SehatMuSettings, Service};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tower::{Layer as _, ServiceExt as _};

const REQUESTS: usize = 100;

pub(crate) fn run() -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(shown)?.block_on(measured())
}

async fn measured() -> Result<Report, String> {
    let columns = vec![
        Column::new("answered", "answered", 0),
        Column::new("requests of the API", "api_requests", 0),
        Column::new("new tokens", "tokens", 0),
        Column::new("ms", "ms", 1),
    ];
    let title = format!(
        "{REQUESTS} requests at once with one token that the service has ended, against the sandbox in the same process."
    );
    let mut report = Report::new("storm", title, columns);
    for name in ["tower", "reqwest-middleware"] {
        let sandbox = Sandbox::builder().sehatmu(|settings| *settings = SehatMuSettings::mild()).start().await.map_err(shown)?;
        let url: Arc<str> = format!("{}/oauth/me", sandbox.sehatmu_base_url()).into();
        let authorizer = authorizer(&sandbox)?;
        let (client, tokens) = TokenMiddleware::with_client(authorizer.clone(), reqwest::Client::builder()).map_err(shown)?;
        let reqwest = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
        let tower = TokenLayer::new(authorizer)
            .layer(Client::builder(TokioExecutor::new()).build_http::<token_middleware::Peeked<Full<Bytes>>>());
        let send = {
            move || {
                let (url, tower, reqwest) = (Arc::clone(&url), tower.clone(), reqwest.clone());
                async move {
                    if name == "tower" {
                        let request = Request::get(&*url).body(Full::new(Bytes::new())).map_err(shown)?;
                        Ok::<_, String>(tower.oneshot(request).await.map_err(shown)?.status())
                    } else {
                        Ok(reqwest.get(&*url).send().await.map_err(shown)?.status())
                    }
                }
            }
        };
        // The token that all have.
        send().await?;
        sandbox.revoke_all(Service::SehatMu);
        sandbox.reset_requests();
        let watch = Stopwatch::start();
        let barrier = Arc::new(Barrier::new(REQUESTS));
        let mut callers = JoinSet::new();
        for _ in 0..REQUESTS {
            let (barrier, request) = (Arc::clone(&barrier), send());
            callers.spawn(async move {
                barrier.wait().await;
                request.await
            });
        }
        let mut answered = 0;
        while let Some(answer) = callers.join_next().await {
            answered += usize::from(answer.map_err(shown)?? == StatusCode::OK);
        }
        let took = watch.milliseconds();
        let counts = sandbox.requests();
        let refused = sandbox.outcomes(token_sandbox::Route::SehatMuMe).get("invalid_token").copied().unwrap_or_default();
        report.row(
            name,
            vec![(answered as f64).into(), (counts.sehatmu_me as f64).into(), (counts.sehatmu_token as f64).into(), took.into()],
        );
        report.target(format!("{name}, new tokens"), 1.0, "", counts.sehatmu_token as f64);
        report.target(format!("{name}, requests left without an answer"), 0.0, "", (REQUESTS - answered) as f64);
        let once_more = counts.sehatmu_me as f64 - refused as f64 - REQUESTS as f64;
        report.target(format!("{name}, sent again without a refusal"), 0.0, "", once_more);
        report.note(format!("{name}: {refused} of the requests met the token that was ended; each was sent again once."));
        sandbox.shutdown().await;
    }
    Ok(report)
}

fn authorizer(sandbox: &Sandbox) -> Result<Bearer<TokenCache<Retry<SehatMu>>>, String> {
    let tokens = SehatMu::builder()
        .base_url(sandbox.sehatmu_base_url())
        .client_id(sandbox.sehatmu_credentials().client_id())
        .client_secret(sandbox.sehatmu_credentials().client_secret())
        .build()
        .map_err(shown)?;
    Bearer::of(tokens).origin(sandbox.sehatmu_base_url()).build().map_err(shown)
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}
