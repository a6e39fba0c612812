//! A token from each of the three services, all of them on this machine: `cargo run -p examples --example quickstart`.

use std::error::Error as _;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use examples::{Failure, agree_in_browser, call_authorized};
use provider_klikoo::Klikoo;
use provider_prakerja::Prakerja;
use provider_sehatmu::SehatMu;
use token_core::{Authorize, Bearer, Token, TokenProvider, Transport};
use token_sandbox::Sandbox;
use transport_reqwest::ReqwestTransport;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let sandbox = Sandbox::start().await?;
    // One transport, and so one pool of connections, for all three.
    let transport: Arc<dyn Transport> = Arc::new(ReqwestTransport::new()?);

    println!("{:<10}{:<24}{:<28}{:<16}SECOND CALL", "SERVICE", "TOKEN FROM", "VALID UNTIL (WIB)", "PROTECTED API");
    prakerja(&sandbox, &transport).await?;
    sehatmu(&sandbox, &transport).await?;
    klikoo(&sandbox, &transport).await?;
    refused(&sandbox, &transport).await?;

    sandbox.shutdown().await;
    Ok(())
}

async fn prakerja(sandbox: &Sandbox, transport: &Arc<dyn Transport>) -> Result<(), Failure> {
    let credentials = sandbox.prakerja_credentials();
    let prakerja = Prakerja::builder()
        .base_url(sandbox.prakerja_base_url())
        .consent_url(sandbox.prakerja_consent_url())
        .client_id(credentials.client_id())
        .client_name(credentials.client_name())
        .redirect_uri(credentials.redirect_uri())
        .login_uri(credentials.login_uri())
        .transport(Arc::clone(transport))
        .build()?;

    let login = prakerja.begin_login()?;
    let raw_query = agree_in_browser(&**transport, &login.url).await?;
    let code = login.pending.callback(&raw_query)?;
    let token = prakerja.exchange(code).await?;

    // The profile is the protected resource here.
    let profile = prakerja.profile(&token).await;
    let tokens = prakerja.user(token).build();
    let first = tokens.token().await?;
    let asked = sandbox.requests();
    tokens.token().await?;
    let from_cache = sandbox.requests() == asked;
    row("Prakerja", "login, consent, code", &first, if profile.is_ok() { 200 } else { 400 }, from_cache)
}

async fn sehatmu(sandbox: &Sandbox, transport: &Arc<dyn Transport>) -> Result<(), Failure> {
    let credentials = sandbox.sehatmu_credentials();
    let tokens = SehatMu::builder()
        .base_url(sandbox.sehatmu_base_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .transport(Arc::clone(transport))
        .build()?;
    let authorizer = Bearer::of(tokens).origin(sandbox.sehatmu_base_url()).build()?;
    let api = format!("{}/oauth/me", sandbox.sehatmu_base_url());
    twice("SehatMu", "client credentials", &authorizer, sandbox, &**transport, &api).await
}

async fn klikoo(sandbox: &Sandbox, transport: &Arc<dyn Transport>) -> Result<(), Failure> {
    let credentials = sandbox.klikoo_credentials();
    // Its calls after the token are signed too, so the tokens come in an authoriser.
    let authorizer = Klikoo::builder()
        .base_url(sandbox.klikoo_base_url())
        .client_id(credentials.client_id())
        .client_secret(credentials.client_secret())
        .private_key(credentials.private_key_pem())
        .transport(Arc::clone(transport))
        .build_authorizer()?;
    let api = format!("{}/v1/open-api/balance", sandbox.klikoo_base_url());
    twice("Klikoo", "RSA-signed credentials", &authorizer, sandbox, &**transport, &api).await
}

/// A service that refuses the credentials: one request, an error that says what to do, and a pause in which it is not asked again.
async fn refused(sandbox: &Sandbox, transport: &Arc<dyn Transport>) -> Result<(), Failure> {
    let tokens = SehatMu::builder()
        .base_url(sandbox.sehatmu_base_url())
        .client_id(sandbox.sehatmu_credentials().client_id())
        .client_secret("wrong-secret-test-only")
        .transport(Arc::clone(transport))
        .build()?;
    let first = why(&tokens).await?;
    let asked = sandbox.requests();
    let second = why(&tokens).await?;
    println!("\nA wrong secret:   {first}");
    println!("called again:     {second}");
    println!("requests for it:  {}", sandbox.requests().total() - asked.total());
    Ok(())
}

/// The error and its cause, as a program would log them.
async fn why(tokens: &dyn TokenProvider) -> Result<String, Failure> {
    match tokens.token().await {
        Ok(_) => Err("the service took a wrong secret".into()),
        Err(error) => Ok(error.source().map_or_else(|| error.to_string(), |cause| format!("{error}\n    because {cause}"))),
    }
}

/// Asks for a token, uses it, and asks again: the second call finds it in the cache.
async fn twice(
    service: &str,
    how: &str,
    authorizer: &dyn Authorize,
    sandbox: &Sandbox,
    transport: &dyn Transport,
    api: &str,
) -> Result<(), Failure> {
    let token = authorizer.token(None).await?.ok_or("the authoriser has no tokens")?;
    let status = call_authorized(transport, api, authorizer).await?;
    let asked = sandbox.requests();
    authorizer.token(None).await?;
    row(service, how, &token, status, sandbox.requests() == asked)
}

/// Prints a row, and fails the program when it does not say what it should.
fn row(service: &str, how: &str, token: &Token, status: u16, from_cache: bool) -> Result<(), Failure> {
    let second = if from_cache { "from the cache" } else { "asked the service again" };
    println!("{service:<10}{how:<24}{:<28}{:<16}{second}", until(token), format!("HTTP {status}"));
    if status == 200 && from_cache { Ok(()) } else { Err(format!("{service} did not go as it should").into()) }
}

/// When a token ends, in western Indonesian time.
fn until(token: &Token) -> String {
    let wib = TimeZone::fixed(Offset::constant(7));
    let end = token.expires_at().and_then(|end| Timestamp::try_from(end).ok());
    end.map_or_else(|| "unknown".to_owned(), |end| end.to_zoned_datetime(wib).strftime("%Y-%m-%d %H:%M:%S").to_string())
}
