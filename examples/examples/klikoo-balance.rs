//! Signed calls of Klikoo's API by reqwest-middleware, against the sandbox, which checks every signature: `cargo run -p examples --example klikoo-balance`.

use examples::Failure;
use provider_klikoo::{Klikoo, canonical_json};
use reqwest_middleware::ClientBuilder;
use token_middleware::TokenMiddleware;
use token_sandbox::{Sandbox, Service};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let sandbox = Sandbox::start().await?;
    let credentials = sandbox.klikoo_credentials();

    // In a program of yours: `Klikoo::from_env()?.build_authorizer()?`.
    let authorizer = Klikoo::builder()
        .base_url(sandbox.klikoo_base_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .private_key(credentials.private_key_pem())
        .build_authorizer()?;
    // The client comes along: one that follows no redirect, which would take the signature wherever it is told to.
    // The sandbox is on this machine, where no proxy of the environment would find it; a client of yours may need its proxy.
    let (client, tokens) = TokenMiddleware::with_client(authorizer, reqwest::Client::builder().no_proxy())?;
    let client = ClientBuilder::new(client).with(tokens).build();

    let balance = format!("{}/v1/open-api/balance", sandbox.klikoo_base_url());
    let answer = client.get(&balance).send().await?;
    println!("GET  balance   {}  {}", answer.status(), answer.text().await?);

    // What is signed are these very bytes. Whether the service hashes them as they come or writes them anew first is not documented: sorted, they hold either way.
    let body = canonical_json(br#"{ "bank_code": "000", "account_number": "1234567890" }"#)?;
    let inquiry = format!("{}/v1/open-api/account/inquiry", sandbox.klikoo_base_url());
    let answer = client.post(&inquiry).header("content-type", "application/json").body(body).send().await?;
    println!("POST inquiry   {}  {}", answer.status(), answer.text().await?);

    // The service ends every token, as after a change of its keys. Nobody here notices.
    sandbox.revoke_all(Service::Klikoo);
    let answer = client.get(&balance).send().await?;
    println!("GET  balance   {}  with a new token", answer.status());

    // A request to anywhere else is not sent.
    match client.get("https://elsewhere.example/v1/open-api/balance").send().await {
        Ok(_) => return Err("a request left for another host".into()),
        Err(error) => println!("GET  elsewhere {}", told(&error)),
    }

    let requests = sandbox.requests();
    println!(
        "\ntokens asked for: {}, calls of the API: {}",
        requests.klikoo_token,
        requests.klikoo_balance + requests.klikoo_inquiry
    );
    sandbox.shutdown().await;
    Ok(())
}

/// Of a request that was not sent: the error of this library is inside that of reqwest-middleware.
fn told(error: &reqwest_middleware::Error) -> String {
    let inner = match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast_ref::<token_core::Error>(),
        reqwest_middleware::Error::Reqwest(_) => None,
    };
    inner.map_or_else(|| error.to_string(), ToString::to_string)
}
