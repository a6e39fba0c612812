//! Placeholder.
mod clock;
pub use clock::{Clock, Moment, SystemClock};
