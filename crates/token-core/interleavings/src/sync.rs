//! Stand-ins for what the threads of a cache share. Before each step of one, shuttle may go on with another thread.

use std::ops::Deref;
use std::sync::{Arc, PoisonError};

pub(super) use shuttle::sync::atomic::AtomicUsize;
use shuttle::sync::atomic::Ordering;
pub(super) use shuttle::sync::{Mutex, MutexGuard};

/// Where shuttle may go on with another thread.
struct Crossing(AtomicUsize);

impl Crossing {
    fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn pass(&self) {
        let _ = self.0.load(Ordering::SeqCst);
    }
}

/// Like arc-swap's: each step is whole.
pub(super) struct ArcSwapOption<T> {
    crossing: Crossing,
    /// Never held at a crossing, so it need not be shuttle's.
    value: std::sync::Mutex<Option<Arc<T>>>,
}

impl<T> ArcSwapOption<T> {
    pub(super) fn empty() -> Self {
        Self { crossing: Crossing::new(), value: std::sync::Mutex::new(None) }
    }

    pub(super) fn load(&self) -> Loaded<T> {
        Loaded(self.load_full())
    }

    pub(super) fn load_full(&self) -> Option<Arc<T>> {
        self.crossing.pass();
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn store(&self, value: Option<Arc<T>>) {
        self.crossing.pass();
        let before = std::mem::replace(&mut *self.value.lock().unwrap_or_else(PoisonError::into_inner), value);
        drop(before);
    }
}

/// What was there at the time.
pub(super) struct Loaded<T>(Option<Arc<T>>);

impl<T> Deref for Loaded<T> {
    type Target = Option<Arc<T>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

pub(super) struct OnceLock<T> {
    crossing: Crossing,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(super) fn new() -> Self {
        Self { crossing: Crossing::new(), value: std::sync::OnceLock::new() }
    }

    pub(super) fn get(&self) -> Option<&T> {
        self.crossing.pass();
        self.value.get()
    }

    pub(super) fn set(&self, value: T) -> Result<(), T> {
        self.crossing.pass();
        self.value.set(value)
    }
}

/// Tokio's, which asks no more of the threads than their wakers.
pub(super) struct Notify {
    crossing: Crossing,
    notify: tokio::sync::Notify,
}

impl Notify {
    pub(super) async fn notified(&self) {
        self.crossing.pass();
        self.notify.notified().await;
    }

    pub(super) fn notify_one(&self) {
        self.crossing.pass();
        self.notify.notify_one();
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self { crossing: Crossing::new(), notify: tokio::sync::Notify::new() }
    }
}
