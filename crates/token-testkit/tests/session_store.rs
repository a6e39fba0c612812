//! A store that satisfies the check, and one that is broken in each of many ways.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "this is a test")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use token_core::{Expected, Lease, SessionKey, SessionStore, StoreError, Stored, Version};
use token_testkit::check_session_store;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    CutsValues,
    DeletesWithoutLook,
    ForgetsTheRealm,
    ForgetsVersionsWithTheValue,
    HasNoSharedMemory,
    KeepsTheLease,
    LeasesToAll,
    NeverWaitsForALease,
    LocksWritesByTheLease,
    LooksAndThenWrites,
    OneLeaseForAllUsers,
    ShowsValues,
    TakesAnyVersion,
}

impl Flaw {
    /// With a check that finds it. Each check finds one.
    const ALL: [(Self, &'static str); 14] = [
        (Self::CutsValues, "a_value_comes_back_as_it_was_put"),
        (Self::DeletesWithoutLook, "a_write_takes_the_place_of_what_it_expects"),
        (Self::ForgetsTheRealm, "keys_are_kept_apart"),
        (Self::ForgetsVersionsWithTheValue, "a_version_is_of_one_write"),
        (Self::HasNoSharedMemory, "a_write_takes_the_place_of_what_it_expects"),
        (Self::KeepsTheLease, "a_lease_is_of_one"),
        (Self::LeasesToAll, "a_lease_is_of_one"),
        (Self::LocksWritesByTheLease, "a_lease_is_in_nobodys_way"),
        (Self::LooksAndThenWrites, "no_update_is_lost"),
        (Self::LooksAndThenWrites, "of_many_first_writes_one_counts"),
        (Self::NeverWaitsForALease, "a_lease_is_waited_for"),
        (Self::OneLeaseForAllUsers, "a_lease_is_of_one"),
        (Self::ShowsValues, "nothing_kept_is_shown"),
        (Self::TakesAnyVersion, "a_write_takes_the_place_of_what_it_expects"),
    ];
}

/// All of a store in memory, whole or with a flaw.
struct Store {
    flaw: Flaw,
    shared: Arc<Shared>,
}

type Values = HashMap<Vec<u8>, (Vec<u8>, Version)>;

#[derive(Default)]
struct Shared {
    values: Mutex<Values>,
    writes: Mutex<u128>,
    leases: Mutex<HashSet<Vec<u8>>>,
    freed: Notify,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.flaw == Flaw::ShowsValues {
            let values = self.shared.values.lock().unwrap();
            return formatter.debug_list().entries(values.values().map(|(value, _)| String::from_utf8_lossy(value))).finish();
        }
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    fn name(&self, key: &SessionKey) -> Vec<u8> {
        if self.flaw == Flaw::ForgetsTheRealm { key.user().into() } else { key.to_bytes() }
    }

    fn check(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError> {
        if self.flaw == Flaw::LocksWritesByTheLease && self.shared.leases.lock().unwrap().contains(&self.name(key)) {
            return Err(StoreError::Busy);
        }
        let present = self.shared.values.lock().unwrap().get(&self.name(key)).map(|(_, version)| *version);
        match (expected, present) {
            (Expected::Anything, _) | (Expected::Nothing, None) => Ok(()),
            (Expected::Version(expected), Some(present)) if expected == present || self.flaw == Flaw::TakesAnyVersion => Ok(()),
            _ => Err(StoreError::Conflict),
        }
    }
}

#[async_trait]
impl SessionStore for Store {
    async fn get(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        let kept = self.shared.values.lock().unwrap().get(&self.name(key)).cloned();
        Ok(kept.map(|(value, version)| Stored { value: Zeroizing::new(value), version }))
    }

    async fn put(&self, key: &SessionKey, value: &[u8], expected: Expected) -> Result<Version, StoreError> {
        let one_at_a_time = self.shared.writes.lock().unwrap();
        self.check(key, expected)?;
        let mut writes = if self.flaw == Flaw::LooksAndThenWrites {
            drop(one_at_a_time);
            tokio::task::yield_now().await;
            self.shared.writes.lock().unwrap()
        } else {
            one_at_a_time
        };
        *writes += 1;
        let mut values = self.shared.values.lock().unwrap();
        let version = match values.get(&self.name(key)) {
            _ if self.flaw != Flaw::ForgetsVersionsWithTheValue => Version(*writes),
            Some((_, Version(number))) => Version(number + 1),
            None => Version(1),
        };
        let length = if self.flaw == Flaw::CutsValues { value.len().min(4_096) } else { value.len() };
        values.insert(self.name(key), (value[..length].to_vec(), version));
        Ok(version)
    }

    async fn delete(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError> {
        if self.flaw != Flaw::DeletesWithoutLook {
            self.check(key, expected)?;
        }
        self.shared.values.lock().unwrap().remove(&self.name(key));
        Ok(())
    }

    async fn lease(&self, key: &SessionKey, patience: Duration) -> Result<Box<dyn Lease>, StoreError> {
        let name = if self.flaw == Flaw::OneLeaseForAllUsers { Vec::new() } else { self.name(key) };
        loop {
            let freed = self.shared.freed.notified();
            if self.shared.leases.lock().unwrap().insert(name.clone()) || self.flaw == Flaw::LeasesToAll {
                let keeps = self.flaw == Flaw::KeepsTheLease;
                return Ok(Box::new(Held { shared: Arc::clone(&self.shared), name, keeps }));
            }
            // To wait for one that is kept for ever would take the whole of a deadline.
            if patience.is_zero()
                || matches!(self.flaw, Flaw::KeepsTheLease | Flaw::NeverWaitsForALease | Flaw::OneLeaseForAllUsers)
            {
                return Err(StoreError::Busy);
            }
            freed.await;
        }
    }
}

#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
    name: Vec<u8>,
    keeps: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Lease for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.keeps {
            self.shared.leases.lock().unwrap().remove(&self.name);
            self.shared.freed.notify_waiters();
        }
    }
}

fn pair(flaw: Flaw) -> [Arc<dyn SessionStore>; 2] {
    let one = Arc::new(Shared::default());
    let other = if flaw == Flaw::HasNoSharedMemory { Arc::default() } else { Arc::clone(&one) };
    [one, other].map(|shared| Arc::new(Store { flaw, shared }) as Arc<dyn SessionStore>)
}

#[tokio::test]
async fn a_whole_store_passes() {
    let [one, other] = pair(Flaw::None);
    if let Err(report) = check_session_store(one, other).await {
        panic!("\n{report}");
    }
}

#[tokio::test]
async fn each_flaw_is_found() {
    for (flaw, check) in Flaw::ALL {
        let [one, other] = pair(flaw);
        let report = check_session_store(one, other).await.expect_err(&format!("{flaw:?}"));
        assert!(report.failures().iter().any(|failure| failure.check() == check), "{flaw:?}\n{report}");
    }
}
