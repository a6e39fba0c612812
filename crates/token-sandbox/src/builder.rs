//! The settings with which a sandbox starts.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::task;

use token_core::{Clock, SystemClock};

use crate::count::{Counters, Service};
use crate::error::{SandboxError, SandboxErrorKind};
use crate::klikoo::{self, Klikoo};
use crate::listener::{Server, bind};
use crate::plan::Plan;
use crate::prakerja::{self, Prakerja};
use crate::random;
use crate::sandbox::Sandbox;
use crate::sehatmu::{self, SehatMu};
use crate::settings::{KlikooSettings, PrakerjaSettings, SehatMuSettings};
use crate::state::{Shared, Urls};
use crate::time::SandboxClock;
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::{control, front};

/// Starts a [`Sandbox`] with other settings than the strict ones; made by [`Sandbox::builder`].
#[derive(Clone)]
pub struct SandboxBuilder {
    clock: Arc<dyn Clock>,
    port: u16,
    #[cfg(feature = "tls")]
    has_tls: bool,
    prakerja: PrakerjaSettings,
    sehatmu: SehatMuSettings,
    klikoo: KlikooSettings,
}

impl SandboxBuilder {
    pub(crate) fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            port: 0,
            #[cfg(feature = "tls")]
            has_tls: false,
            prakerja: PrakerjaSettings::strict(),
            sehatmu: SehatMuSettings::strict(),
            klikoo: KlikooSettings::strict(),
        }
    }

    /// The clock by which the services answer. Without it, the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The port of Prakerja; SehatMu, Klikoo and the control endpoint take the three that follow. Zero, as without it: any four that are free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Has the three services spoken to over TLS, with certificates made at the start: [`Sandbox::root_certificate_pem`] is who vouches for them.
    /// The control endpoint stays plain.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.has_tls = true;
        self
    }

    /// Sets all three services to the mild reading of their documentation. Changes made before are lost.
    #[must_use]
    pub fn mild(mut self) -> Self {
        self.prakerja = PrakerjaSettings::mild();
        self.sehatmu = SehatMuSettings::mild();
        self.klikoo = KlikooSettings::mild();
        self
    }

    /// Changes the settings of Prakerja.
    #[must_use]
    pub fn prakerja(mut self, change: impl FnOnce(&mut PrakerjaSettings)) -> Self {
        change(&mut self.prakerja);
        self
    }

    /// Changes the settings of SehatMu.
    #[must_use]
    pub fn sehatmu(mut self, change: impl FnOnce(&mut SehatMuSettings)) -> Self {
        change(&mut self.sehatmu);
        self
    }

    /// Changes the settings of Klikoo.
    #[must_use]
    pub fn klikoo(mut self, change: impl FnOnce(&mut KlikooSettings)) -> Self {
        change(&mut self.klikoo);
        self
    }

    /// Binds the ports, invents the credentials and serves.
    ///
    /// # Errors
    ///
    /// A redirect or login address is not absolute, a port is taken, or the crypto library gave no key or no random numbers.
    pub async fn start(self) -> Result<Sandbox, SandboxError> {
        // Each login would fail with `ERROAUTH4045` or `ERROAUTH4046`.
        let addresses = self.prakerja.redirect_uris.iter().chain(&self.prakerja.login_uris);
        if let Some(wrong) = addresses.into_iter().find(|address| !prakerja::is_address(address)) {
            return Err(SandboxError::address(wrong));
        }
        // A key of 2048 bits takes its time; other tasks go on meanwhile.
        let klikoo = task::spawn_blocking(move || Klikoo::new(self.klikoo))
            .await
            .map_err(|_| SandboxError::new(SandboxErrorKind::Crypto))?
            .map_err(SandboxError::crypto)?;
        let prakerja = Prakerja::new(self.prakerja).map_err(SandboxError::crypto)?;
        let sehatmu = SehatMu::new(self.sehatmu).map_err(SandboxError::crypto)?;
        let secret: Arc<str> = random::hex::<32>().map_err(SandboxError::crypto)?.into();

        let port = |offset: u16| if self.port == 0 { Ok(0) } else { self.port.checked_add(offset).ok_or(out_of_ports()) };
        let (prakerja_listener, prakerja_port) = bind(port(0)?).await.map_err(SandboxError::bind)?;
        let (sehatmu_listener, sehatmu_port) = bind(port(1)?).await.map_err(SandboxError::bind)?;
        let (klikoo_listener, klikoo_port) = bind(port(2)?).await.map_err(SandboxError::bind)?;
        let (control_listener, control_port) = bind(port(3)?).await.map_err(SandboxError::bind)?;

        #[cfg(feature = "tls")]
        let tls = self.has_tls.then(Tls::new).transpose().map_err(SandboxError::certificate)?;
        #[cfg(feature = "tls")]
        let scheme = if self.has_tls { "https" } else { "http" };
        #[cfg(not(feature = "tls"))]
        let scheme = "http";
        let shared = Arc::new(Shared {
            clock: SandboxClock::new(self.clock),
            counters: Counters::default(),
            plan: Plan::default(),
            #[cfg(feature = "tls")]
            tls,
            urls: Urls {
                prakerja_base: format!("{scheme}://127.0.0.1:{prakerja_port}"),
                prakerja_consent: format!("{scheme}://127.0.0.1:{prakerja_port}/consent-sso"),
                sehatmu_base: format!("{scheme}://127.0.0.1:{sehatmu_port}"),
                klikoo_base: format!("{scheme}://127.0.0.1:{klikoo_port}{}", klikoo::PREFIX),
            },
            prakerja: Mutex::new(prakerja),
            sehatmu: Mutex::new(sehatmu),
            klikoo: Mutex::new(klikoo),
        });
        let control_url = format!("http://127.0.0.1:{control_port}/{secret}");

        let mut server = Server::new();
        let services = [
            (prakerja_listener, prakerja_port, prakerja::router(), Some(Service::Prakerja)),
            (sehatmu_listener, sehatmu_port, sehatmu::router(), Some(Service::SehatMu)),
            (klikoo_listener, klikoo_port, klikoo::router(), Some(Service::Klikoo)),
            (control_listener, control_port, control::router(secret), None),
        ];
        for (listener, port, router, service) in services {
            let router = front::wrap(router, shared.clone(), service, port);
            server.serve(listener, router, shared.clone(), service);
        }
        Ok(Sandbox::new(shared, server, control_url))
    }
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SandboxBuilder")
            .field("clock", &self.clock)
            .field("port", &self.port)
            .field("prakerja", &self.prakerja)
            .field("sehatmu", &self.sehatmu)
            .field("klikoo", &self.klikoo)
            .finish()
    }
}

fn out_of_ports() -> SandboxError {
    SandboxError::bind(std::io::Error::new(std::io::ErrorKind::InvalidInput, "four ports in a row are wanted, up to 65535"))
}
