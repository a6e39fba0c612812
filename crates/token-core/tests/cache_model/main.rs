//! `TokenCache` beside a plain model of it, in random order and by the hundred thousand steps.
//!
//! `CACHE_MODEL_SEED` repeats a run that failed, whose message names its seed; `CACHE_MODEL_CASES` makes it longer.
//! The cache's own jitter has no seed, so a failure that hangs on it may take some runs to come back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may panic"
)]

mod model;
mod steps;
mod system;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use self::steps::Steps;
use self::system::CacheBesideModel;

/// Steps that were made so far.
static STEPS: AtomicUsize = AtomicUsize::new(0);

/// A run that made fewer has tested nothing worth the name.
const LEAST_STEPS: usize = 100_000;
const CASES: u32 = 700;
const STEPS_OF_A_CASE: usize = 160;

fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

#[test]
fn a_cache_does_what_its_model_does() {
    let seed = number_in("CACHE_MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let cases = number_in("CACHE_MODEL_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap());
    // Nothing is written into the tree: the seed is in the message.
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    // The default, ChaCha, would take half of the time of the whole test.
    let bytes = [seed.to_le_bytes(), (!seed).to_le_bytes()].concat();
    let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::from_seed(RngAlgorithm::XorShift, &bytes));
    let (passed, has_failed) = (AtomicU32::new(0), AtomicBool::new(false));
    let outcome = runner.run(&Steps::sequential_strategy(STEPS_OF_A_CASE), |(outline, steps, seen)| {
        // On the way to the smallest sequence, one that passes by the cache's own chance gets a few more tries.
        let is_shrinking = has_failed.swap(true, Ordering::Relaxed);
        for _ in 0..if is_shrinking { 4 } else { 1 } {
            CacheBesideModel::test_sequential(config.clone(), outline.clone(), steps.clone(), seen.clone());
        }
        has_failed.store(is_shrinking, Ordering::Relaxed);
        passed.fetch_add(u32::from(!is_shrinking), Ordering::Relaxed);
        Ok(())
    });
    let (steps, passed) = (STEPS.load(Ordering::Relaxed), passed.load(Ordering::Relaxed));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, (outline, least, _))) => {
            let list: Vec<_> = least.iter().map(|step| format!("\n    {step:?}")).collect();
            panic!("CACHE_MODEL_SEED={seed}, after {passed} good cases: {reason}\n  {outline:?}{}", list.concat());
        }
        Err(TestError::Abort(reason)) => panic!("CACHE_MODEL_SEED={seed}: {reason}"),
    }
    println!("{steps} steps in {cases} cases");
    assert!(steps >= LEAST_STEPS || cases < CASES, "only {steps} steps");
}
