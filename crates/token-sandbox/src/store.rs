//! A map whose entries end by themselves.

use std::collections::HashMap;

use crate::time::Time;

/// Below this many entries nothing is cleared away.
const SMALL: usize = 1_024;

/// Entries by key, each with the time at which it is over.
///
/// [`get`](Self::get) also gives entries that are over, because "expired" and "unknown" are different answers.
/// They are cleared away when the map has doubled, so that it neither grows without end nor is swept at each call.
pub(crate) struct Store<V> {
    entries: HashMap<String, (Time, V)>,
    sweep_at: usize,
}

impl<V> Store<V> {
    pub(crate) fn new() -> Self {
        Self { entries: HashMap::new(), sweep_at: SMALL }
    }

    pub(crate) fn insert(&mut self, now: Time, key: String, ends: Time, value: V) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, (ends, _)| *ends > now);
            self.sweep_at = SMALL.max(self.entries.len().saturating_mul(2));
        }
        self.entries.insert(key, (ends, value));
    }

    /// The entry and the time at which it is over, whether that has come or not.
    pub(crate) fn get(&self, key: &str) -> Option<(Time, &V)> {
        self.entries.get(key).map(|(ends, value)| (*ends, value))
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<(Time, V)> {
        self.entries.remove(key)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.entries.retain(|_, (_, value)| keep(value));
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_over_are_cleared_away_in_time() {
        let mut store = Store::new();
        for index in 0..10_000 {
            let now = Time::from_seconds(index);
            store.insert(now, index.to_string(), Time::from_seconds(index + 10), ());
        }
        assert!(store.entries.len() <= 2 * SMALL, "{}", store.entries.len());
        assert!(store.get("9999").is_some());
        assert!(store.get("0").is_none());
    }
}
