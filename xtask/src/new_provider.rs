//! A new provider, ready to be edited.

use std::path::Path;

use crate::step::Failure;

pub(crate) fn run(_root: &Path, _name: &str) -> Result<(), Failure> {
    Ok(())
}
