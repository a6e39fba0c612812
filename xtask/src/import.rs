//! A service's own page, compared with our table.
//!
//! The page is what a person saved: text copied from the browser, HTML, or Markdown. It may hold anything, so reading takes time in proportion to its length and ends in rows or an error; nothing of it reaches a terminal or our page uncleaned.

mod compare;
mod document;
mod html;
mod json;
mod klikoo;
mod prakerja;
mod rows;
mod sehatmu;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashSet;
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};

use self::compare::{Comparison, Ours};
use self::document::{Document, clean};
use self::rows::Found;
use crate::codegen::page::{self, Feeds};
use crate::codegen::{Columns, ERROR_COLUMNS, PAGES, UNFILLED, coloured, render_faults};
use crate::files;
use crate::step::{self, Failure};

/// Largest page of a service.
const MOST_BYTES: u64 = 10 * 1024 * 1024;
/// Most lines of a table that a person reads.
const MOST_LINES: usize = 200;
/// Longest text of a cell of it, in characters.
const LONGEST_SHOWN: usize = 300;
const WIDTH: u16 = 140;

/// What is said if most of our rows are gone.
const PART: &str = "this page lists only some of the codes; nothing follows from the rows that it does not have";

struct Service {
    name: &'static str,
    /// The page that its rows come from, as it stands in the column `source` where a table has one.
    page: &'static str,
    /// What is counted.
    what: (&'static str, &'static str),
    /// Makes rows of a page, and adds the names of entries that it could not read.
    read: fn(&Document, &mut Vec<String>) -> Result<Vec<Found>, String>,
}

const SERVICES: &[Service] = &[
    Service { name: "klikoo", page: "APIs Response Code page", what: ("code", "codes"), read: klikoo::read },
    Service { name: "prakerja", page: "Create Token page", what: ("code", "codes"), read: prakerja::read },
    Service { name: "sehatmu", page: "Access Token page", what: ("text", "texts"), read: |page, _| sehatmu::read(page) },
];

/// Compares a page with our table, or takes over what it says.
pub(crate) fn run(root: &Path, service: &str, file: &Path, write: bool) -> Result<(), Failure> {
    let (said, outcome) = import(root, service, file, write);
    step::print(&said);
    outcome
}

/// What is to be said on the way, and the outcome.
fn import(root: &Path, service: &str, file: &Path, write: bool) -> (String, Result<(), Failure>) {
    let mut said = String::new();
    let outcome = import_into(&mut said, root, service, file, write);
    (said, outcome)
}

fn import_into(said: &mut String, root: &Path, service: &str, file: &Path, write: bool) -> Result<(), Failure> {
    let Some(service) = SERVICES.iter().find(|known| known.name == service) else {
        let names = SERVICES.iter().map(|service| service.name).collect::<Vec<_>>().join(", ");
        return Err(Failure::Trouble(format!("no page of `{}` can be read; the services are {names}", clean(service))));
    };
    let shown_file = clean(&file.display().to_string());
    let bytes = files::read(file, MOST_BYTES)?.ok_or_else(|| format!("there is no file `{shown_file}`"))?;
    let mut unread = Vec::new();
    let read = Document::read(&bytes).and_then(|document| (service.read)(&document, &mut unread));
    let found = read.map_err(|error| format!("`{shown_file}`: {error}"))?;
    let ours = OurPage::read(root, service)?;
    let (rows, comparison) = ours.compare(service, &found)?;

    let (one, many) = service.what;
    let path = &ours.path;
    let count = if found.len() == 1 { format!("1 {one}") } else { format!("{} {many}", found.len()) };
    let (new, changed, gone) = (comparison.count_new(), comparison.count_changed(), comparison.gone.len());
    if let Some(first) = unread.first() {
        let entries = if unread.len() == 1 { "1 entry".to_owned() } else { format!("{} entries", unread.len()) };
        said.push_str(&format!("{}: {entries} could not be read, the first is `{first}`: is the page whole?\n", service.name));
    }
    let bare = found.iter().filter(|found| found.code.is_some() && found.status.is_none() && found.name.is_none()).count();
    if bare > 0 {
        let codes = if bare == 1 { "1 code".to_owned() } else { format!("{bare} codes") };
        said.push_str(&format!("{}: {codes} came without status and name, so these were not compared\n", service.name));
    }
    if new + changed + gone == 0 {
        said.push_str(&format!("{}: {count}, all as in {path}\n", service.name));
        return if unread.is_empty() { Ok(()) } else { Err(Failure::Found("the page could not be read as a whole".to_owned())) };
    }
    // A page about one endpoint has the codes of that endpoint.
    let is_part = gone > rows.len() / 2;
    said.push_str(&shown(&found, &rows, &comparison));
    said.push_str(&format!("{}: {count} on the page; {new} new, {changed} changed, {gone} gone\n", service.name));
    if !write {
        let command = format!("cargo xtask import --write {} {}", service.name, quoted(&shown_file));
        let help = if new + changed == 0 && is_part {
            PART.to_owned()
        } else if new + changed == 0 {
            "If the service dropped the rows that are gone, delete them by hand.".to_owned()
        } else {
            format!("Take over what is new and changed with `{command}`.")
        };
        return Err(Failure::Found(format!("the page and {path} differ\n{help}")));
    }
    if !unread.is_empty() {
        // What belongs to an entry that was not read may stand with another one.
        return Err(Failure::Found("the page could not be read as a whole, so nothing was written".to_owned()));
    }
    if new + changed > 0 {
        ours.take_over(root, service, &found, &rows, &comparison)?;
        said.push_str(&format!("wrote {path}\n"));
        let cells =
            if new > 0 { "fill in the `?` cells of the new rows" } else { "see whether meaning, kind and remedy still fit" };
        said.push_str(&format!("Now {cells}, then run `cargo xtask codegen`.\n"));
    }
    if is_part {
        said.push_str(&format!("{PART}\n"));
    } else if gone > 0 {
        said.push_str("The rows that are gone were kept: if the service dropped them, delete them by hand.\n");
    }
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-');
    if path.bytes().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Our page about a service, with its table of errors.
struct OurPage {
    /// From the root.
    path: String,
    text: String,
    table: page::Table,
    columns: Columns,
}

impl OurPage {
    fn read(root: &Path, service: &Service) -> Result<Self, Failure> {
        let path = format!("{PAGES}/{}.md", service.name);
        let text = files::read_text(&root.join(&path), page::MOST_BYTES)?;
        Self::of(path, text.ok_or_else(|| format!("there is no `{PAGES}/{}.md` to compare with", service.name))?)
    }

    fn of(path: String, text: String) -> Result<Self, Failure> {
        let (tables, mut faults) = page::tables(&text);
        let mut errors = tables.into_iter().filter(|table| table.feeds == Feeds::Errors);
        let table = errors.next();
        let columns = table.as_ref().map(|table| Columns::read(table, ERROR_COLUMNS, &mut faults));
        if !faults.is_empty() {
            anstream::eprint!("{}", render_faults(&path, &text, &faults, &coloured()));
            return Err(Failure::Trouble(format!("{path} has faults; nothing was compared")));
        }
        match (table, columns, errors.next()) {
            (Some(table), Some(columns), None) => Ok(Self { path, text, table, columns }),
            (None, ..) => Err(Failure::Trouble(format!("{path} has no table of errors to compare with"))),
            _ => Err(Failure::Trouble(format!("{path} has two tables of errors; make one of them"))),
        }
    }

    /// The rows that are compared, and how.
    fn compare(&self, service: &Service, found: &[Found]) -> Result<(Vec<Ours>, Comparison), Failure> {
        let ours = compare::ours(&self.table, &self.columns, service.page);
        let mut codes = HashSet::new();
        if let Some(twice) = ours.iter().find(|ours| ours.code != UNFILLED && !codes.insert(&ours.code)) {
            let (code, path) = (&twice.code, &self.path);
            return Err(Failure::Trouble(format!("`{code}` stands twice in {path}; `cargo xtask codegen` shows where")));
        }
        let comparison = compare::compare(found, &ours);
        Ok((ours, comparison))
    }

    /// Writes the page with what is new and changed, if it then reads back as wanted.
    fn take_over(
        &self,
        root: &Path,
        service: &Service,
        found: &[Found],
        ours: &[Ours],
        comparison: &Comparison,
    ) -> Result<(), Failure> {
        let text = write::edited(&self.text, &self.table, &self.columns, found, ours, comparison, service.page);
        let edited = Self::of(self.path.clone(), text)?;
        let (_, after) = edited.compare(service, found)?;
        if after.count_new() + after.count_changed() > 0 || after.gone.len() != comparison.gone.len() {
            let path = &self.path;
            return Err(Failure::Trouble(format!("{path} would not say what the page says, so nothing was written")));
        }
        Ok(files::replace(&root.join(&self.path), &edited.text)?)
    }
}

/// The differences, in a table for people.
fn shown(found: &[Found], ours: &[Ours], comparison: &Comparison) -> String {
    let mut lines: Vec<[String; 5]> = Vec::new();
    let line = |what: &str, code: &str, field: &str, ours: &str, page: &str| [what, code, field, ours, page].map(str::to_owned);
    for (found, known) in found.iter().zip(&comparison.page) {
        let Some(known) = known else {
            lines.push(line("new", found.code.as_deref().unwrap_or(UNFILLED), "", "", &found.shown()));
            continue;
        };
        let code = ours.get(known.ours).map(|ours| ours.code.as_str()).unwrap_or_default();
        lines.extend(known.changes.iter().map(|change| line("changed", code, change.column, &change.ours, &change.page)));
    }
    let gone = comparison.gone.iter().filter_map(|index| ours.get(*index));
    lines.extend(gone.map(|ours| line("gone", &ours.code, "", &ours.shown(), "")));

    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["what", "code", "field", "ours", "page"]);
    let left_out = lines.len().saturating_sub(MOST_LINES);
    table.add_rows(lines.into_iter().take(MOST_LINES).map(|line| line.map(|cell| shortened(&cell))));
    let more = if left_out == 0 { String::new() } else { format!("and {left_out} more\n") };
    format!("{table}\n{more}")
}

/// A text for a cell of the table.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(LONGEST_SHOWN).collect();
    let end = if short.len() < text.len() { "..." } else { "" };
    format!("{}{end}", clean(&short))
}
