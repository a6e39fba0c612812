//! Another crate of the program, that switches features of reqwest and serde_json on. It has nothing else; see its `Cargo.toml`.
