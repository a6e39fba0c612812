//! What a page says about its codes, each once.

use std::collections::HashMap;

use super::document::clean;
use crate::markdown;

/// Most rows of a page, repeated ones too. The longest list has 32.
const MOST_ROWS: usize = 1_000;
/// Longest message, in characters, and longest cell of it, in bytes, as in our tables.
const LONGEST_MESSAGE: usize = 1_000;
const LONGEST_CELL: usize = 2_000;
/// Longest code; what is longer is no code.
pub(super) const LONGEST_CODE: usize = 64;
/// Longest name; what is longer is no name.
pub(super) const LONGEST_NAME: usize = 100;

/// What a page says about one code; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) code: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) name: Option<String>,
    pub(crate) message: Option<String>,
}

impl Found {
    /// By what it is told from the others: the code, or else the message.
    pub(super) fn key(&self) -> &str {
        self.code.as_deref().or(self.message.as_deref()).unwrap_or_default()
    }

    /// In one line, for people.
    pub(super) fn shown(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        let message = self.message.as_ref().map(|message| format!("\"{message}\""));
        [status, self.name.clone(), message].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Whether it is nothing but a sample of JSON somewhere on the page, which may say anything.
    fn is_sample(&self) -> bool {
        self.code.is_some() && self.status.is_none()
    }

    /// Takes over what only the other says. `false` if the two do not say the same.
    fn merge(&mut self, other: &Self) -> bool {
        fn agree<T: Clone + PartialEq>(one: &mut Option<T>, other: &Option<T>) -> bool {
            let agree = one.is_none() || other.is_none() || one == other;
            if one.is_none() {
                one.clone_from(other);
            }
            agree
        }
        let known = self.clone();
        let agree = agree(&mut self.status, &other.status)
            && agree(&mut self.name, &other.name)
            && agree(&mut self.message, &other.message);
        if !agree {
            *self = known;
        }
        agree
    }
}

/// The rows of a page in its order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Found>,
    places: HashMap<String, usize>,
    /// How many were added.
    count: usize,
}

impl Rows {
    /// Adds a row, with its message in one clean line. The same code with the same content counts once.
    pub(super) fn add(&mut self, mut found: Found) -> Result<(), String> {
        self.count += 1;
        if self.count > MOST_ROWS {
            return Err(format!("more than {MOST_ROWS} codes: is this the right page?"));
        }
        // So many bytes are too many characters, whatever they are.
        let plain = found.message.as_ref().map(|message| (message.len() <= 16 * LONGEST_MESSAGE).then(|| clean(message)));
        found.message = match plain {
            Some(Some(message)) if fits(&message) => Some(message),
            None => None,
            _ => {
                let code = found.code.map(|code| format!(" of `{code}`")).unwrap_or_default();
                return Err(format!("the message{code} is longer than a cell of ours may be: is this the right page?"));
            }
        };
        if let Some(known) = self.places.get(found.key()).and_then(|place| self.rows.get_mut(*place)) {
            if known.merge(&found) || (found.is_sample() && !known.is_sample()) {
                return Ok(());
            }
            if known.is_sample() && !found.is_sample() {
                *known = found;
                return Ok(());
            }
            let (code, one, other) = (found.key(), known.shown(), found.shown());
            return Err(format!(
                "`{code}` stands on the page twice and not alike:\n  {one}\n  {other}\nTake the wrong one out of the saved page."
            ));
        }
        self.places.insert(found.key().to_owned(), self.rows.len());
        self.rows.push(found);
        Ok(())
    }

    pub(super) fn has(&self, code: &str) -> bool {
        self.places.contains_key(code)
    }

    /// All of them; `looked_for` says what a page should have had if it has none.
    pub(super) fn all(self, looked_for: &str) -> Result<Vec<Found>, String> {
        if self.rows.is_empty() { Err(format!("no error code in this page; {looked_for}")) } else { Ok(self.rows) }
    }
}

/// Whether a cell of ours can hold a message.
fn fits(message: &str) -> bool {
    // With a backslash before every sign it is twice as long.
    message.chars().count() <= LONGEST_MESSAGE
        && (message.len() * 2 <= LONGEST_CELL || markdown::cell(message).len() <= LONGEST_CELL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, name: Option<&str>, message: &str) -> Found {
        Found { code: Some(code.to_owned()), status: Some(400), name: name.map(str::to_owned), message: Some(message.to_owned()) }
    }

    #[test]
    fn a_code_counts_once_unless_it_says_two_things() {
        let mut rows = Rows::default();
        rows.add(found("E1", None, " a\u{A0} b ")).unwrap();
        rows.add(found("E2", None, "a b")).unwrap();
        rows.add(found("E1", Some("First"), "a b")).unwrap();
        let error = rows.add(found("E1", Some("Other"), "a b")).unwrap_err();
        assert!(
            error.starts_with("`E1` stands on the page twice and not alike:\n  400, First, \"a b\"\n  400, Other, \"a b\"\n"),
            "{error}"
        );
        assert!(rows.add(found("E2", None, "a")).is_err());
        let first = found("E1", Some("First"), "a b");
        assert_eq!(rows.all("").unwrap(), [first, found("E2", None, "a b")]);
    }

    #[test]
    fn a_row_with_a_status_wins_over_a_sample() {
        let sample = |message: &str| Found { status: None, ..found("E1", None, message) };
        for order in [["sample", "row"], ["row", "sample"]] {
            let mut rows = Rows::default();
            for which in order {
                rows.add(if which == "row" { found("E1", Some("First"), "a") } else { sample("other") }).unwrap();
            }
            assert_eq!(rows.all("").unwrap(), [found("E1", Some("First"), "a")]);
        }
        let mut rows = Rows::default();
        rows.add(sample("a")).unwrap();
        assert!(rows.add(sample("b")).is_err());
    }

    #[test]
    fn rows_and_messages_have_a_bound() {
        let mut rows = Rows::default();
        rows.add(found("0", None, &"é".repeat(LONGEST_MESSAGE))).unwrap();
        for number in 1..MOST_ROWS {
            rows.add(found(&number.to_string(), None, "")).unwrap();
        }
        assert!(rows.add(found("1", None, "")).unwrap_err().starts_with("more than 1000 codes"));
        assert_eq!(rows.all("").unwrap().len(), MOST_ROWS);
        let error = Rows::default().add(found("F", None, &"é".repeat(LONGEST_MESSAGE + 1))).unwrap_err();
        assert!(error.starts_with("the message of `F` is longer"), "{error}");
        for message in ["*".repeat(1_000), "|x".repeat(500)] {
            assert!(Rows::default().add(found("F", None, &message)).is_ok(), "{message}");
        }
        // With its backslashes it has more bytes than characters.
        assert!(Rows::default().add(found("F", None, &"*\u{4E2D}*".repeat(333))).is_err());
        assert_eq!(Rows::default().all("looked for x").unwrap_err(), "no error code in this page; looked for x");
    }
}
