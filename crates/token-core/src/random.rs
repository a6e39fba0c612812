//! Chance for jitter, from the standard library: nothing here guards a secret.

use std::hash::{BuildHasher, RandomState};

/// A number from 0 up to 1.
pub(crate) fn unit() -> f64 {
    /// The bits that an `f64` below 1 can tell apart.
    const BITS: u32 = 53;
    // Each `RandomState` has keys of its own.
    let bits = RandomState::new().hash_one(()) >> (u64::BITS - BITS);
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let number = bits as f64 / (1_u64 << BITS) as f64;
    number
}

/// A number that no other call gives, in this process or another.
#[cfg(feature = "sessions")]
pub(crate) fn id() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(()));
    half() << u64::BITS | half()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_spread_over_the_whole_range() {
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let number = unit();
            assert!((0.0..1.0).contains(&number));
            tenths[(number * 10.0) as usize] += 1;
        }
        // A thousand each; 800 is more than six standard deviations off.
        assert!(tenths.iter().all(|&count| count > 800), "{tenths:?}");
    }
}
