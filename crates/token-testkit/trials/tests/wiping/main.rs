//! What is freed holds no secret: where the crates promise it, a copy of all that was freed is searched for it.
//!
//! Only what goes through Rust's allocator is seen. The crypto library, which is C, has its own; the stack is nobody's.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod allocator;
mod keys;
mod login;
mod network;
mod providers;
mod requests;
mod sessions;
mod settings;
mod support;
mod types;

#[global_allocator]
static ALLOCATOR: allocator::Watching = allocator::Watching::new();
