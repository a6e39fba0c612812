//! The services with their faults, and one caller with a clock of its own hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use provider_klikoo::Klikoo;
use provider_prakerja::{AuthorizationCode, Prakerja};
use provider_sehatmu::SehatMu;
use token_core::{CacheEvent, CachePolicy, Clock, Error, Moment, Observer, SystemClock, Token, TokenProvider, Transport};
use token_sandbox::{Fault, Route, Sandbox};
use token_testkit::ManualClock;
use tokio::sync::Notify;
use transport_reqwest::ReqwestTransport;

use crate::table::{Call, Patience};

/// How long every token lives: due after 700 to 800 seconds, usable for 970.
pub(crate) const LIFETIME: Duration = Duration::from_secs(1_000);

/// The sandbox's clock: the hour is the caller's, and a pause takes a hundredth of its length in real time, as a socket is slow in real time or not at all.
#[derive(Debug)]
struct Scaled(Arc<ManualClock>);

#[async_trait]
impl Clock for Scaled {
    fn now(&self) -> Moment {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration / 100).await;
    }
}

/// Knows when no request is under way.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    under_way: AtomicU64,
    changed: Notify,
}

impl Observer for Watch {
    fn event(&self, _provider: &'static str, event: &CacheEvent) {
        match event {
            CacheEvent::RefreshBegan { .. } => self.under_way.fetch_add(1, Ordering::SeqCst),
            CacheEvent::RefreshEnded { .. } => self.under_way.fetch_sub(1, Ordering::SeqCst),
            _ => return,
        };
        self.changed.notify_one();
    }
}

impl Watch {
    /// Returns when no request is under way.
    pub(crate) async fn idle(&self) {
        while self.under_way.load(Ordering::SeqCst) > 0 {
            self.changed.notified().await;
        }
    }
}

/// A sandbox and the clock of its callers.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    sandbox: Sandbox,
}

impl World {
    pub(crate) async fn start(has_tls: bool) -> Self {
        let clock = Arc::new(ManualClock::sleeping_moves_time());
        let builder = Sandbox::builder()
            .clock(Arc::new(Scaled(clock.clone())))
            .prakerja(|settings| settings.token_lifetime = LIFETIME)
            .klikoo(|settings| settings.token_lifetime = LIFETIME)
            .sehatmu(|settings| {
                settings.token_lifetime = LIFETIME;
                // The limiter is a fault of its own, and no cell is to meet that of another.
                settings.new_tokens_per_minute = None;
            });
        let builder = if has_tls { builder.tls() } else { builder };
        Self { clock, sandbox: builder.start().await.unwrap() }
    }

    pub(crate) fn set(&self, call: Call, fault: &Fault) {
        self.sandbox.faults().set(route(call), fault.clone());
    }

    pub(crate) fn clear(&self) {
        self.sandbox.faults().clear_all();
    }

    pub(crate) fn happened(&self, call: Call) -> u64 {
        self.sandbox.faults().happened(route(call))
    }

    fn transport(&self, patience: Patience) -> Arc<dyn Transport> {
        let total = match patience {
            Patience::Short => Duration::from_millis(600),
            Patience::Long => Duration::from_secs(30),
        };
        let mut builder = ReqwestTransport::builder().total_timeout(total);
        if let Some(pem) = self.sandbox.root_certificate_pem() {
            builder = builder.root_certificate_pem(pem);
        }
        Arc::new(builder.build().unwrap())
    }

    /// One who calls, without a token.
    pub(crate) async fn caller(&self, call: Call, patience: Patience) -> Caller {
        let watch = Arc::new(Watch::default());
        let mut policy = CachePolicy::default();
        policy.observer = Some(watch.clone());
        let clock: Arc<dyn Clock> = self.clock.clone();
        let asks = match call {
            Call::Exchange => Asks::Exchange(self.prakerja(patience, policy)),
            Call::Klikoo => {
                let credentials = self.sandbox.klikoo_credentials();
                let builder = Klikoo::builder()
                    .base_url(self.sandbox.klikoo_base_url())
                    .client_id(credentials.client_id())
                    .client_secret(credentials.client_secret())
                    .private_key(credentials.private_key_pem());
                let tokens = builder.transport(self.transport(patience)).clock(clock).cache(policy).build();
                Asks::Tokens(Arc::new(tokens.unwrap()))
            }
            Call::Refresh => {
                let prakerja = self.prakerja(patience, policy);
                let login = prakerja.exchange(self.code(&prakerja)).await.unwrap();
                let refresh_token = login.refresh_token().unwrap().clone();
                Asks::Tokens(Arc::new(prakerja.user_from_refresh_token(refresh_token).build()))
            }
            Call::SehatMu => {
                let credentials = self.sandbox.sehatmu_credentials();
                let builder = SehatMu::builder()
                    .base_url(self.sandbox.sehatmu_base_url())
                    .client_id(credentials.client_id())
                    .client_secret(credentials.client_secret());
                let tokens = builder.transport(self.transport(patience)).clock(clock).cache(policy).build();
                Asks::Tokens(Arc::new(tokens.unwrap()))
            }
        };
        Caller { asks, watch }
    }

    fn prakerja(&self, patience: Patience, policy: CachePolicy) -> Prakerja {
        let credentials = self.sandbox.prakerja_credentials();
        Prakerja::builder()
            .client_id(credentials.client_id())
            .client_name(credentials.client_name())
            .redirect_uri(credentials.redirect_uri())
            .login_uri(credentials.login_uri())
            .base_url(self.sandbox.prakerja_base_url())
            .consent_url(self.sandbox.prakerja_consent_url())
            .transport(self.transport(patience))
            .clock(self.clock.clone())
            .cache(policy)
            .build()
            .unwrap()
    }

    fn code(&self, prakerja: &Prakerja) -> AuthorizationCode {
        let login = prakerja.begin_login().unwrap();
        let callback = self.sandbox.approve_consent(&login.url).unwrap();
        login.pending.callback(callback.split_once('?').unwrap().1).unwrap()
    }

    /// Asks for a token as a program does.
    pub(crate) async fn ask(&self, caller: &Caller) -> Result<Token, Error> {
        match &caller.asks {
            Asks::Exchange(prakerja) => prakerja.exchange(self.code(prakerja)).await,
            Asks::Tokens(tokens) => tokens.token().await,
        }
    }
}

pub(crate) struct Caller {
    asks: Asks,
    pub(crate) watch: Arc<Watch>,
}

enum Asks {
    Exchange(Prakerja),
    Tokens(Arc<dyn TokenProvider>),
}

fn route(call: Call) -> Route {
    match call {
        Call::Exchange => Route::PrakerjaToken,
        Call::Klikoo => Route::KlikooToken,
        Call::Refresh => Route::PrakerjaRefresh,
        Call::SehatMu => Route::SehatMuToken,
    }
}
