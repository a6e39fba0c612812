//! The application and the sandbox, each on a port of its own.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use examples::prakerja_login::{Settings, router};
use provider_prakerja::Prakerja;
use token_core::{Delivery, MemoryStore, Sessions, TokenRequest, TokenResponse, Transport, TransportError, TransportErrorKind};
use token_sandbox::{Sandbox, SandboxBuilder};
use token_store::{AeadSeal, SealKey};
use token_testkit::ManualClock;
use transport_reqwest::ReqwestTransport;

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<ManualClock>,
    /// Where the application believes itself to be.
    pub(crate) origin: String,
    /// Where it listens.
    pub(crate) address: String,
    pub(crate) wire: Arc<Wire>,
    server: JoinHandle<()>,
}

impl World {
    /// On loopback. The application has another host name than the sandbox, so that to a browser they are two sites.
    pub(crate) async fn start() -> Self {
        Self::start_with(None, ManualClock::new(), |sandbox| sandbox).await
    }

    /// Behind a proxy that speaks `https`, as far as the application knows.
    pub(crate) async fn start_behind(origin: &str) -> Self {
        Self::start_with(Some(origin), ManualClock::new(), |sandbox| {
            sandbox.prakerja(|settings| {
                settings.redirect_uris = vec![format!("{origin}/callback")];
                settings.login_uris = vec![format!("{origin}/masuk")];
            })
        })
        .await
    }

    pub(crate) async fn start_with(
        origin: Option<&str>,
        clock: ManualClock,
        change: impl FnOnce(SandboxBuilder) -> SandboxBuilder,
    ) -> Self {
        let clock = Arc::new(clock);
        let sandbox = change(Sandbox::builder().clock(clock.clone())).start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let origin = origin.unwrap_or(&address).to_owned();
        let wire =
            Arc::new(Wire { inner: ReqwestTransport::new().unwrap(), secrets: Mutex::default(), is_cut: AtomicBool::new(false) });
        let credentials = sandbox.prakerja_credentials();
        let prakerja = Prakerja::builder()
            .base_url(sandbox.prakerja_base_url())
            .consent_url(sandbox.prakerja_consent_url())
            .client_id(credentials.client_id())
            .client_name(credentials.client_name())
            .redirect_uri(format!("{origin}/callback"))
            .login_uri(format!("{origin}/masuk"))
            .transport(wire.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        let application = router(Settings {
            web_login: prakerja.web_login(Arc::new(AeadSeal::new(SealKey::generate(1).unwrap()))),
            sessions: Sessions::builder(prakerja.clone(), Arc::new(MemoryStore::new())).clock(clock.clone()).build(),
            prakerja,
            origin: origin.clone(),
            clock: clock.clone(),
        });
        let server = tokio::spawn(async move { axum::serve(listener, application).await.unwrap() });
        Self { sandbox, clock, origin, address, wire, server }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The way between application and sandbox, on which every token and code is noted.
pub(crate) struct Wire {
    inner: ReqwestTransport,
    secrets: Mutex<Vec<String>>,
    is_cut: AtomicBool,
}

impl Wire {
    /// Every access token and refresh token that the sandbox has handed out.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.secrets.lock().unwrap().clone()
    }

    /// From now on no request gets through, or every one again.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wire").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(TransportError::new(TransportErrorKind::Connect, Delivery::NotSent, "the wire was cut"));
        }
        let response = self.inner.send(request).await?;
        if let Ok(body) = serde_json::from_slice::<Value>(response.body()) {
            let found = ["access_token", "refresh_token"].map(|name| body["data"][name].as_str().map(str::to_owned));
            self.secrets.lock().unwrap().extend(found.into_iter().flatten());
        }
        Ok(response)
    }
}
