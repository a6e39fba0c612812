//! Programs to run and copy; each lies in `examples/`.
