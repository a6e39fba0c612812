//! Which logins have had their callback.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

/// How many are remembered; at most about 8 MB.
const MOST: usize = 65_536;

/// The logins that were used, each until its end: as hashes of their states, so that nothing in here is of use to anyone.
///
/// Of more than 65,536 the oldest is forgotten first.
#[derive(Default)]
pub(crate) struct UsedLogins {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    hashes: HashSet<[u8; 32]>,
    /// In the order of their use.
    order: VecDeque<([u8; 32], SystemTime)>,
}

impl UsedLogins {
    /// Whether this is the first use of the login with this state, which ends at `ends`. Every later one is told `false`.
    pub(crate) fn is_first(&self, state: &str, ends: SystemTime, now: SystemTime) -> bool {
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest(&SHA256, state.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // One that ends late holds up those behind it, for ten minutes at the most.
        while let Some((over, _)) = inner.order.front().copied().filter(|(_, ends)| *ends <= now) {
            inner.order.pop_front();
            inner.hashes.remove(&over);
        }
        if !inner.hashes.insert(hash) {
            return false;
        }
        inner.order.push_back((hash, ends));
        if inner.order.len() > MOST
            && let Some((oldest, _)) = inner.order.pop_front()
        {
            inner.hashes.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_login_is_used_once_and_remembered_until_its_end() {
        let used = UsedLogins::default();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(used.is_first("one", at(600), at(0)));
        assert!(used.is_first("two", at(700), at(0)));
        assert!(!used.is_first("one", at(600), at(599)));
        assert!(!used.is_first("two", at(700), at(650)));
        assert_eq!(used.inner.lock().unwrap().hashes.len(), 1, "the first one is over");
        assert!(used.is_first("three", at(1_000), at(700)));
        let inner = used.inner.lock().unwrap();
        assert_eq!((inner.hashes.len(), inner.order.len()), (1, 1));
    }

    #[test]
    fn of_too_many_the_oldest_is_forgotten() {
        let used = UsedLogins::default();
        let (now, ends) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(600));
        for number in 0..=MOST {
            assert!(used.is_first(&number.to_string(), ends, now));
        }
        let count = || used.inner.lock().unwrap().hashes.len();
        assert_eq!(count(), MOST);
        assert!(!used.is_first(&MOST.to_string(), ends, now), "the newest");
        assert!(!used.is_first("1", ends, now), "the oldest that is left");
        assert!(used.is_first("0", ends, now), "forgotten");
        assert_eq!((count(), used.inner.lock().unwrap().order.len()), (MOST, MOST));
    }
}
