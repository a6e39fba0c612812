//! What all listeners of one sandbox share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::count::{Counters, Service};
use crate::klikoo::Klikoo;
use crate::plan::Plan;
use crate::prakerja::Prakerja;
use crate::sehatmu::SehatMu;
use crate::time::SandboxClock;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// One sandbox. A handler locks one service at a time and never across an `await`.
///
/// No `Debug`: it holds every secret.
pub(crate) struct Shared {
    pub(crate) clock: SandboxClock,
    pub(crate) counters: Counters,
    pub(crate) plan: Plan,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    pub(crate) urls: Urls,
    pub(crate) prakerja: Mutex<Prakerja>,
    pub(crate) sehatmu: Mutex<SehatMu>,
    pub(crate) klikoo: Mutex<Klikoo>,
}

impl Shared {
    /// Whether the services are spoken to over TLS.
    pub(crate) fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Ends every code and every token of a service.
    pub(crate) fn revoke_all(&self, service: Service) {
        match service {
            Service::Klikoo => lock(&self.klikoo).revoke_all(),
            Service::Prakerja => lock(&self.prakerja).revoke_all(),
            Service::SehatMu => lock(&self.sehatmu).revoke_all(),
        }
    }
}

/// Where the listeners are.
#[derive(Debug)]
pub(crate) struct Urls {
    pub(crate) prakerja_base: String,
    pub(crate) prakerja_consent: String,
    pub(crate) sehatmu_base: String,
    pub(crate) klikoo_base: String,
}

/// Locks. A panic of another holder is no reason to stop: each change leaves the state whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
