//! Sessions in this process's memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::store::{Expected, Lease, SessionKey, SessionStore, StoreError, Stored, Version};
use crate::cache::{caught, within};
use crate::clock::{Clock, SystemClock};

/// Keeps sessions in this process's memory, unsealed: for tests, and for programs whose users may log in again after a restart. A clone is another handle to the same store.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    kept: Mutex<Kept>,
    leases: Mutex<HashMap<SessionKey, Arc<Semaphore>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<SessionKey, (Zeroizing<Vec<u8>>, Version)>,
    writes: u128,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store that waits for leases by `clock`.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { kept: Mutex::default(), leases: Mutex::default(), clock }) }
    }

    /// How many sessions are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().sessions.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing that can panic is called while it is locked.
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    fn check(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError> {
        let version = self.sessions.get(key).map(|(_, version)| *version);
        let is_as_expected = match expected {
            Expected::Anything => true,
            Expected::Nothing => version.is_none(),
            Expected::Version(expected) => version == Some(expected),
        };
        if is_as_expected { Ok(()) } else { Err(StoreError::Conflict) }
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn get(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.kept().sessions.get(key).map(|(value, version)| Stored { value: value.clone(), version: *version }))
    }

    async fn put(&self, key: &SessionKey, value: &[u8], expected: Expected) -> Result<Version, StoreError> {
        let mut kept = self.kept();
        kept.check(key, expected)?;
        kept.writes += 1;
        let version = Version(kept.writes);
        kept.sessions.insert(key.clone(), (Zeroizing::new(value.to_vec()), version));
        Ok(version)
    }

    async fn delete(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.check(key, expected)?;
        kept.sessions.remove(key);
        Ok(())
    }

    async fn lease(&self, key: &SessionKey, patience: Duration) -> Result<Box<dyn Lease>, StoreError> {
        let turn = {
            let mut leases = self.shared.leases.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(leases.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let mut lease = MemoryLease { shared: Arc::clone(&self.shared), key: key.clone(), permit: None };
        let permit = within(turn.acquire_owned(), caught(self.shared.clock.sleep(patience))).await;
        // It is never closed.
        lease.permit = Some(permit.and_then(Result::ok).ok_or(StoreError::Busy)?);
        Ok(Box::new(lease))
    }
}

struct MemoryLease {
    shared: Arc<Shared>,
    key: SessionKey,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease for MemoryLease {}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut leases = self.shared.leases.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody has it or waits for it but the map, and nobody can begin to without the lock.
        if leases.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            leases.remove(&self.key);
        }
    }
}

impl fmt::Debug for MemoryLease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryLease").finish_non_exhaustive()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryStore").field("len", &self.len()).finish_non_exhaustive()
    }
}
