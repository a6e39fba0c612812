//! Placeholder.
mod clock;
pub use clock::ManualClock;
