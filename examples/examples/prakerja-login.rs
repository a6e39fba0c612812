//! "Masuk dengan Prakerja" in a web application, with the sandbox as Prakerja: `cargo run -p examples --example prakerja-login`.
//!
//! The application itself is `examples/src/prakerja_login.rs`. Another address than the usual one stands as the argument: `-- 127.0.0.1:9090`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use examples::Failure;
use examples::prakerja_login::{Settings, router};
use provider_prakerja::Prakerja;
use token_core::{MemoryStore, Sessions, SystemClock};
use token_sandbox::Sandbox;
use token_store::{AeadSeal, SealKey};

const ADDRESS: &str = "127.0.0.1:8080";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let address = std::env::args().nth(1).unwrap_or(ADDRESS.to_owned());
    let address: SocketAddr = address.parse().map_err(|_| format!("`{address}` is no address; write it as `{ADDRESS}`"))?;
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    // Another name than the sandbox's: to a browser the two are two sites, as they are in the world.
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());

    // Two minutes, so that a person can see a refresh.
    let sandbox = Sandbox::builder().prakerja(|settings| settings.token_lifetime = Duration::from_secs(120)).start().await?;
    let credentials = sandbox.prakerja_credentials();
    let prakerja = Prakerja::builder()
        .base_url(sandbox.prakerja_base_url())
        .consent_url(sandbox.prakerja_consent_url())
        .client_id(credentials.client_id())
        .client_name(credentials.client_name())
        .redirect_uri(format!("{origin}/callback"))
        .login_uri(format!("{origin}/masuk"))
        .build()?;

    // A program of your own keeps the key with its secrets and reads it by `SealKey::from_text`, and keeps sessions in a `token_store::FileStore`,
    // so that logins and users outlive it. Here all ends with the sandbox.
    let seal = Arc::new(AeadSeal::new(SealKey::generate(1)?));
    let sessions = Sessions::builder(prakerja.clone(), Arc::new(MemoryStore::new())).build();
    let application = router(Settings {
        origin: origin.clone(),
        web_login: prakerja.web_login(seal),
        prakerja,
        sessions: sessions.clone(),
        clock: Arc::new(SystemClock),
    });
    println!("Open {origin} in a browser. Tokens live for two minutes here. Ctrl-C ends the application and its sandbox.");
    axum::serve(listener, application).with_graceful_shutdown(ctrl_c()).await?;
    sessions.close().await?;
    sandbox.shutdown().await;
    Ok(())
}

async fn ctrl_c() {
    // Where the signal cannot be waited for, the application ends at once rather than never.
    let _ = tokio::signal::ctrl_c().await;
}
