//! What a program that measures does besides measuring.

use std::io::Write as _;

use crate::report::{Report, Verdict};

/// Prints, and does not panic when nobody reads.
///
/// # Errors
///
/// Nothing can be written.
pub fn say(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot print: {error}"))
}

/// Prints a report as it was asked for, and gives its verdict.
///
/// # Errors
///
/// Nothing can be written.
pub fn tell(report: &Report, as_json: bool) -> Result<Verdict, String> {
    if as_json {
        say(&report.json_lines())?;
        eprint!("{}", report.target_lines());
    } else {
        say(&format!("{}\n", report.markdown()))?;
    }
    Ok(report.verdict())
}
