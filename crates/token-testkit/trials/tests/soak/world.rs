//! The services, of which a fifth of all requests fails, and a provider for each with those who call it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provider_klikoo::Klikoo;
use provider_prakerja::Prakerja;
use provider_sehatmu::SehatMu;
use secrecy::ExposeSecret;
use token_core::{CacheEvent, CachePolicy, Clock, Error, ErrorKind, Moment, Observer, Token, TokenProvider, Transport};
use token_sandbox::{Ending, Fault, Page, Place, RetryAfter, Route, Sandbox, Service, When};
use token_testkit::ManualClock;
use tokio::sync::{Notify, watch};
use transport_reqwest::ReqwestTransport;

/// How long every token lives: short, so that there are many.
pub(crate) const LIFETIME: Duration = Duration::from_secs(6);

/// In real time.
const TIME_OUT: Duration = Duration::from_millis(500);

/// What is under way, so that time does not run ahead of it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) in_call: AtomicUsize,
    pub(crate) finished: AtomicU64,
    pub(crate) refreshing: AtomicUsize,
    pub(crate) changed: Notify,
}

impl Gate {
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_call.load(Ordering::SeqCst) == 0 && self.refreshing.load(Ordering::SeqCst) == 0
    }
}

/// The requests of one cache, with the time on the clock.
#[derive(Debug)]
pub(crate) struct Log {
    clock: Arc<ManualClock>,
    gate: Arc<Gate>,
    pub(crate) events: Mutex<Vec<(Moment, Entry)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Began,
    Ended(Option<ErrorKind>),
}

impl Observer for Log {
    fn event(&self, _provider: &'static str, event: &CacheEvent) {
        let entry = match event {
            CacheEvent::RefreshBegan { .. } => {
                self.gate.refreshing.fetch_add(1, Ordering::SeqCst);
                Entry::Began
            }
            CacheEvent::RefreshEnded { result, .. } => {
                self.gate.refreshing.fetch_sub(1, Ordering::SeqCst);
                self.gate.changed.notify_one();
                Entry::Ended(result.err())
            }
            _ => return,
        };
        self.events.lock().unwrap().push((self.clock.now(), entry));
    }
}

/// What callers got.
#[derive(Default)]
pub(crate) struct Got {
    pub(crate) tokens: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) not_taken: u64,
    pub(crate) longest_wait: Duration,
    /// The last token, when it was looked at, and whether the service took it then.
    last: Option<(Token, Moment, bool)>,
}

pub(crate) struct Provider {
    pub(crate) service: Service,
    pub(crate) route: Route,
    /// How often one request of the cache may become one to the service.
    pub(crate) tries: u64,
    tokens: Arc<dyn TokenProvider>,
    pub(crate) log: Arc<Log>,
    pub(crate) got: Mutex<Got>,
}

impl Provider {
    fn note(&self, result: Result<Token, Error>, waited: Duration, now: Moment, sandbox: &Sandbox) {
        let mut got = self.got.lock().unwrap();
        got.longest_wait = got.longest_wait.max(waited);
        let token = match result {
            Ok(token) => token,
            Err(error) => {
                *got.errors.entry(format!("{:?}", error.kind())).or_default() += 1;
                return;
            }
        };
        let known = got.last.as_ref().filter(|(last, at, _)| *at == now && last.is_same(&token)).map(|(_, _, taken)| *taken);
        let taken = known.unwrap_or_else(|| sandbox.takes_token(self.service, token.access_token().expose_secret()));
        got.tokens += 1;
        got.not_taken += u64::from(!taken);
        got.last = Some((token, now, taken));
    }
}

/// Asks for a token at every tick, unless it still waits for one.
pub(crate) async fn caller(provider: Arc<Provider>, world: Arc<World>, mut ticks: watch::Receiver<u64>) {
    while ticks.changed().await.is_ok() {
        let gate = &world.gate;
        gate.in_call.fetch_add(1, Ordering::SeqCst);
        let before = world.clock.now();
        let result = provider.tokens.token().await;
        let now = world.clock.now();
        provider.note(result, now.elapsed_since(&before), now, &world.sandbox);
        gate.in_call.fetch_sub(1, Ordering::SeqCst);
        gate.finished.fetch_add(1, Ordering::SeqCst);
        gate.changed.notify_one();
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sandbox: Sandbox,
}

impl World {
    pub(crate) async fn start(clock: Arc<ManualClock>) -> Self {
        let sandbox = Sandbox::builder()
            .clock(clock.clone())
            .prakerja(|settings| {
                settings.token_lifetime = LIFETIME;
                // Else the first answer that is lost on its way ends the login, and with it the load.
                settings.rotate_refresh_tokens = false;
            })
            .sehatmu(|settings| {
                settings.token_lifetime = LIFETIME;
                settings.new_tokens_per_minute = None;
            })
            .klikoo(|settings| {
                settings.token_lifetime = LIFETIME;
                // Else a new token whose answer is lost ends the old one, of which nobody can know.
                settings.one_token_per_client = false;
            })
            .start()
            .await
            .unwrap();
        Self { clock, gate: Arc::default(), sandbox }
    }

    /// Has a fifth of the requests of `route` fail, each in one of a dozen ways.
    fn fail(&self, route: Route, seed: u64) {
        let second = Duration::from_secs(1);
        let cut = |at, ending| Fault::Cut { at, ending };
        let faults = [
            cut(Place::Bytes(0), Ending::Reset),
            cut(Place::Head, Ending::Close),
            cut(Place::Body, Ending::Close),
            cut(Place::Body, Ending::Silence),
            Fault::CloseBeforeReuse,
            Fault::CutChunks,
            Fault::DoubledKeys,
            Fault::LargeBody { bytes: 10_000_000, is_announced: false },
            Fault::Latency { delay: second, jitter: second },
            Fault::ResetAtAccept,
            Fault::ServerError { status: 500, page: Page::Json },
            Fault::ServerError { status: 503, page: Page::Html },
            Fault::TooManyRequests { retry_after: RetryAfter::Seconds(1) },
        ];
        for (seed, fault) in (seed..).zip(faults) {
            // Thirteen after each other, of which the first that comes up counts, are a fifth.
            self.sandbox.faults().add(route, fault, When::Share { share: 0.017, seed });
        }
    }

    pub(crate) async fn providers(&self) -> Vec<Arc<Provider>> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let transport: Arc<dyn Transport> = Arc::new(ReqwestTransport::builder().total_timeout(TIME_OUT).build().unwrap());
        let log = || {
            let events = Mutex::new(Vec::with_capacity(10_000));
            Arc::new(Log { clock: self.clock.clone(), gate: self.gate.clone(), events })
        };
        let policy = |log: &Arc<Log>| {
            let mut policy = CachePolicy::default();
            policy.observer = Some(log.clone());
            policy
        };
        let sandbox = &self.sandbox;

        let prakerja_log = log();
        let credentials = sandbox.prakerja_credentials();
        let prakerja = Prakerja::builder()
            .client_id(credentials.client_id())
            .client_name(credentials.client_name())
            .redirect_uri(credentials.redirect_uri())
            .login_uri(credentials.login_uri())
            .base_url(sandbox.prakerja_base_url())
            .consent_url(sandbox.prakerja_consent_url())
            .transport(transport.clone())
            .clock(clock.clone())
            .cache(policy(&prakerja_log))
            .build()
            .unwrap();
        let login = prakerja.begin_login().unwrap();
        let callback = sandbox.approve_consent(&login.url).unwrap();
        let code = login.pending.callback(callback.split_once('?').unwrap().1).unwrap();
        let user = prakerja.user(prakerja.exchange(code).await.unwrap()).build();

        let sehatmu_log = log();
        let credentials = sandbox.sehatmu_credentials();
        let sehatmu = SehatMu::builder()
            .base_url(sandbox.sehatmu_base_url())
            .client_id(credentials.client_id())
            .client_secret(credentials.client_secret())
            .transport(transport.clone())
            .clock(clock.clone())
            .cache(policy(&sehatmu_log))
            .build()
            .unwrap();

        let klikoo_log = log();
        let credentials = sandbox.klikoo_credentials();
        let klikoo = Klikoo::builder()
            .base_url(sandbox.klikoo_base_url())
            .client_id(credentials.client_id())
            .client_secret(credentials.client_secret())
            .private_key(credentials.private_key_pem())
            .transport(transport)
            .clock(clock)
            .cache(policy(&klikoo_log))
            .build()
            .unwrap();

        let provider = |service, route, tries, tokens, log| {
            self.fail(route, 1_000 * (route as u64 + 1));
            Arc::new(Provider { service, route, tries, tokens, log, got: Mutex::default() })
        };
        vec![
            // A refresh is sent once.
            provider(Service::Prakerja, Route::PrakerjaRefresh, 1, Arc::new(user), prakerja_log),
            provider(Service::SehatMu, Route::SehatMuToken, 3, Arc::new(sehatmu), sehatmu_log),
            provider(Service::Klikoo, Route::KlikooToken, 3, Arc::new(klikoo), klikoo_log),
        ]
    }
}
