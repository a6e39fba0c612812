//! What may not stand in any text: marks of unfinished work that nobody owns, and paths of one machine.

use super::tree::{Findings, Tree};

/// Written in two parts, so that this file does not find itself.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Files in which people leave such marks.
const MARKED: &[&str] = &[".rs", ".md", ".toml", ".sh"];

/// The folders at the root of a file system in which people work.
const FOLDERS: &[&str] = &["home", "root", "work", "Users"];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.texts() {
        let is_marked = path.starts_with(".ci/") || MARKED.iter().any(|ending| path.ends_with(ending));
        for (number, line) in (1..).zip(text.lines()) {
            if is_marked && let Some(mark) = MARKS.iter().find(|mark| has_no_owner(line, mark)) {
                let what = format!("`{mark}` without an owner");
                findings.add(path, number, what, format!("finish it, open an issue, or write `{mark}(name): what is left`"));
            }
            if is_of_one_machine(line) {
                findings.add(path, number, "an absolute path of one machine", "write it relative to the repository");
            }
        }
    }
}

/// Whether the mark stands in the line as a word, and no `(name):` after it.
fn has_no_owner(line: &str, mark: &str) -> bool {
    parts(line, mark).any(|(before, after)| {
        let is_word = !before.ends_with(is_of_a_word) && !after.starts_with(is_of_a_word);
        let owner = after.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        is_word && !owner.is_some_and(|(name, rest)| !name.trim().is_empty() && rest.starts_with(':'))
    })
}

/// Whether a path stands in the line that begins at the root of a file system: not a part of a longer path, and not a part of a URL.
fn is_of_one_machine(line: &str) -> bool {
    let begins =
        |before: &str| before.ends_with("file://") || !before.ends_with(|at| is_of_a_word(at) || "/.-~*})]>%$".contains(at));
    let unix = FOLDERS.iter().any(|folder| parts(line, &format!("/{folder}/")).any(|(before, _)| begins(before)));
    // In a string of Rust every backslash is doubled.
    let windows = |(before, after): (&str, &str)| {
        before.ends_with(|drive: char| drive.is_ascii_alphabetic()) && after.trim_start_matches('\\').starts_with("Users")
    };
    unix || parts(line, ":\\").any(windows)
}

/// What stands before and after each place of `part`.
fn parts<'a>(line: &'a str, part: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let places: Vec<_> = line.match_indices(part).map(|(at, found)| (at, at + found.len())).collect();
    places.into_iter().filter_map(|(start, end)| Some((line.get(..start)?, line.get(end..)?)))
}

fn is_of_a_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
