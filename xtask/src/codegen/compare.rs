//! What the generated files are, against what they should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::fault::printable;
use super::generated;
use crate::files;
use crate::step::{self, Failure, say};

/// Largest generated file.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// How long the shortest difference is looked for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Lines around a change: enough to see the code that it belongs to.
const CONTEXT: usize = 8;

/// The generated files that are there, by path from the root.
pub(super) fn found(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let cannot = |error| format!("cannot read `crates`: {error}");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root.join("crates")).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let Some(provider) = name.to_str().and_then(|name| name.strip_prefix("provider-")) else { continue };
        if !root.join("crates").join(&name).is_dir() {
            continue;
        }
        let path = generated(provider);
        if let Some(bytes) = files::read(&root.join(&path), MOST_BYTES)? {
            // One that is not UTF-8 is stale like any other.
            found.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(found)
}

/// Those that no page feeds.
pub(super) fn orphans<'a>(wanted: &BTreeMap<String, String>, found: &'a BTreeMap<String, String>) -> Vec<&'a str> {
    found.keys().filter(|path| !wanted.contains_key(*path)).map(String::as_str).collect()
}

/// Shows in what the files differ.
pub(super) fn check(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Result<(), Failure> {
    let (shown, faults) = differences(wanted, found);
    if faults.is_empty() {
        say!("{} generated files, all as the tables want them", wanted.len());
        return Ok(());
    }
    step::print(&shown);
    let list = faults.join("\n  ");
    Err(Failure::Found(format!("generated files are not what the tables say:\n  {list}\nMend it with `cargo xtask codegen`.")))
}

/// The diffs, and what is wrong with each file.
fn differences(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> (String, Vec<String>) {
    let mut shown = String::new();
    let mut faults = Vec::new();
    for (path, text) in wanted {
        match found.get(path) {
            Some(there) if there == text => {}
            Some(there) => {
                shown.push_str(&difference(path, there, text));
                faults.push(format!("{path} is stale"));
            }
            None => faults.push(format!("{path} is missing")),
        }
    }
    faults.extend(orphans(wanted, found).into_iter().map(|path| format!("{path} is orphaned: no page feeds it")));
    (shown, faults)
}

/// A unified diff, from what is there to what should be.
fn difference(path: &str, there: &str, wanted: &str) -> String {
    let (bold, cyan) = (Style::new().bold(), AnsiColor::Cyan.on_default());
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    let mut shown = format!("{bold}--- {path}{bold:#}\n{bold}+++ {path} (as the tables want it){bold:#}\n");
    // A file that changed everywhere has no short difference, and nobody reads the shortest.
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(there, wanted);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        shown.push_str(&format!("{cyan}{}{cyan:#}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', red),
                ChangeTag::Insert => ('+', green),
                ChangeTag::Equal => (' ', Style::new()),
            };
            // What is there may have been written by anyone; a `\r` at the end may be all that differs.
            let line = change.to_string_lossy();
            let words = printable(line.trim_end_matches('\n'));
            let end = if line.ends_with('\n') { "" } else { " (no line end)" };
            shown.push_str(&format!("{style}{sign}{words}{end}{style:#}\n"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_missing_and_orphaned_files_are_told() {
        let files = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        };
        let lines: Vec<String> = (1..=30).map(|number| format!("line {number}\n")).collect();
        let there = lines.concat();
        let wanted = files(&[("same", "x"), ("stale", &there.replace("line 15\n", "another\n")), ("missing", "y")]);
        let found = files(&[("same", "x"), ("stale", &there), ("orphan", "z")]);
        let (shown, faults) = differences(&wanted, &found);
        assert_eq!(faults, ["missing is missing", "stale is stale", "orphan is orphaned: no page feeds it"]);
        assert!(shown.contains("\u{1b}[31m-line 15\u{1b}[0m\n\u{1b}[32m+another\u{1b}[0m\n"), "{shown:?}");
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown));
    }
}
