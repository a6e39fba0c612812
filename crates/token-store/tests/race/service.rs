//! The sandbox on a thread of its own, and its client.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use provider_prakerja::{Prakerja, PrakerjaBuilder};
use token_core::Clock;
use token_sandbox::{Route, Sandbox};

pub(crate) struct Service {
    sandbox: Arc<Sandbox>,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let (started, sandbox) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        // One thread, so that a few turns of it are enough for whatever has arrived.
        let thread = thread::spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                started.send((Arc::new(Sandbox::start().await.unwrap()), Handle::current())).unwrap();
                let _ = stopped.await;
            });
        });
        let (sandbox, handle) = sandbox.recv().unwrap();
        Self { sandbox, handle, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns when the service has acted on all that has arrived at its sockets.
    pub(crate) fn settle(&self) {
        let turns = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        let (done, is_done) = std::sync::mpsc::channel();
        self.handle.spawn(async move {
            turns.await;
            done.send(()).unwrap();
        });
        is_done.recv().unwrap();
    }

    /// How many refreshes it acted on, and how many of an old token it refused: each ended its login.
    pub(crate) fn refreshes(&self) -> (u64, u64) {
        let outcomes = self.sandbox.outcomes(Route::PrakerjaRefresh);
        let of = |outcome| outcomes.get(outcome).copied().unwrap_or_default();
        let (acted, refused) = (of("ok"), of("ERROAUTH4043"));
        assert_eq!(acted + refused, outcomes.values().sum::<u64>(), "{outcomes:?}");
        (acted, refused)
    }

    /// All requests by their outcome.
    pub(crate) fn requests(&self) -> String {
        let (refreshes, exchanges) = (self.sandbox.outcomes(Route::PrakerjaRefresh), self.sandbox.outcomes(Route::PrakerjaToken));
        assert_eq!(self.sandbox.requests().prakerja_token, exchanges.values().sum::<u64>());
        let read = self.sandbox.requests().prakerja_refresh;
        format!("requests: {read} refreshes {refreshes:?}, code exchanges {exchanges:?}")
    }

    pub(crate) fn consent(&self, login_url: &str) -> String {
        self.sandbox.approve_consent(login_url).unwrap()
    }

    /// What another process needs for its client.
    pub(crate) fn settings(&self) -> [(&'static str, String); 6] {
        let credentials = self.sandbox.prakerja_credentials();
        [
            ("RACE_CLIENT_ID", credentials.client_id().to_owned()),
            ("RACE_CLIENT_NAME", credentials.client_name().to_owned()),
            ("RACE_REDIRECT_URI", credentials.redirect_uri().to_owned()),
            ("RACE_LOGIN_URI", credentials.login_uri().to_owned()),
            ("RACE_BASE_URL", self.sandbox.prakerja_base_url().to_owned()),
            ("RACE_CONSENT_URL", self.sandbox.prakerja_consent_url().to_owned()),
        ]
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The client, by what [`Service::settings`] gave.
pub(crate) fn client(setting: impl Fn(&str) -> String, clock: Arc<dyn Clock>) -> Prakerja {
    let builder: PrakerjaBuilder = Prakerja::builder()
        .client_id(setting("RACE_CLIENT_ID"))
        .client_name(setting("RACE_CLIENT_NAME"))
        .redirect_uri(setting("RACE_REDIRECT_URI"))
        .login_uri(setting("RACE_LOGIN_URI"))
        .base_url(setting("RACE_BASE_URL"))
        .consent_url(setting("RACE_CONSENT_URL"));
    builder.clock(clock).build().unwrap()
}
