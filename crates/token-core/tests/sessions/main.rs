//! What `Sessions` promises, on a clock moved by hand, beside a service that ends a login when an old refresh token comes again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may panic"
)]

mod ending;
mod faults;
mod races;
mod random;
mod serving;
mod storing;
mod world;
