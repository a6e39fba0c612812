//! What the threads of a cache share.
//!
//! Under `cfg(token_core_shuttle)` the file of the same name in `interleavings/src` stands in for this one,
//! with threads that a test interleaves as it likes.

pub(super) use std::sync::atomic::AtomicUsize;
pub(super) use std::sync::{Mutex, MutexGuard, OnceLock};

pub(super) use arc_swap::ArcSwapOption;
pub(super) use tokio::sync::Notify;
