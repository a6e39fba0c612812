//! What no single crate's tests can hold: all providers, the transport and the sandbox together. The tests are in `tests/`.
