//! What a page says, taken over into our table. Not a byte beside the changed cells and the new rows is touched.

use std::ops::Range;

use super::compare::{Comparison, Ours};
use super::rows::Found;
use crate::codegen::page::{Cell, Table};
use crate::codegen::{Columns, ERROR_COLUMNS, UNFILLED, anchor};
use crate::markdown;

/// A piece of our page, and what to write in its place.
type Edit = (Range<usize>, String);

/// Our page after the changed cells and the new rows of `page`, which is the name of the service's page.
pub(super) fn edited(
    text: &str,
    table: &Table,
    columns: &Columns,
    found: &[Found],
    ours: &[Ours],
    comparison: &Comparison,
    page: &str,
) -> String {
    let mut edits: Vec<Edit> = Vec::new();
    let line_end = if text.get(table.header_line.end..).is_some_and(|rest| rest.starts_with('\r')) { "\r\n" } else { "\n" };
    // A new row goes after the one that it follows on the page; the first of the page, which follows none, to the end.
    let mut before = None;
    for (found, known) in found.iter().zip(&comparison.page) {
        match known {
            Some(known) => {
                let Some(row) = ours.get(known.ours).and_then(|ours| table.rows.get(ours.row)) else { continue };
                before = Some(row);
                for change in &known.changes {
                    if let Some(cell) = columns.of(row, change.column) {
                        edits.push(cell_edit(text, cell, change.column, &change.page));
                    }
                }
            }
            None => {
                if let Some(row) = before.or(table.rows.last()) {
                    edits.push((row.line.end..row.line.end, format!("{line_end}{}", new_row(table, found, page))));
                }
            }
        }
    }
    // Sorted by where they begin, those of one place stay in the order of the page, and a cell comes before the row after it.
    edits.sort_by_key(|(span, new)| (span.start, new.starts_with(line_end)));
    applied(text, &edits)
}

fn applied(text: &str, edits: &[Edit]) -> String {
    let mut edited = String::with_capacity(text.len() + edits.len() * 64);
    let mut at = 0;
    for (span, new) in edits {
        edited.push_str(text.get(at..span.start).unwrap_or_default());
        edited.push_str(new);
        at = span.end;
    }
    edited.push_str(text.get(at..).unwrap_or_default());
    edited
}

fn cell_edit(text: &str, cell: &Cell, column: &str, new: &str) -> Edit {
    let old = text.get(cell.span.clone()).unwrap_or_default();
    let is_code = old.starts_with('`') || cell.text == UNFILLED || cell.text.is_empty();
    let new = if column == "name" && is_code { format!("`{new}`") } else { markdown::cell(new) };
    // An empty cell stands right before its pipe; a blank on either side is how the others look.
    let new = match (cell.span.is_empty(), text.get(..cell.span.start).is_some_and(|before| before.ends_with('|'))) {
        (false, _) => new,
        (true, false) => format!("{new} "),
        (true, true) => format!(" {new} "),
    };
    (cell.span.clone(), new)
}

/// A row with what the page gives and a question mark in every other cell.
fn new_row(table: &Table, found: &Found, page: &str) -> String {
    let mut row = String::from("|");
    for header in &table.header {
        let column = ERROR_COLUMNS.iter().find(|column| column.eq_ignore_ascii_case(&header.text));
        let cell = match column {
            Some(&"code") => found.code.as_ref().map(|code| format!("<a id=\"{}\"></a>`{code}`", anchor(code))),
            Some(&"HTTP status") => found.status.map(|status| status.to_string()),
            Some(&"name") => found.name.as_ref().map(|name| format!("`{name}`")),
            Some(&"message") => found.message.as_ref().map(|message| markdown::cell(message)),
            Some(&"source") => Some(page.to_owned()),
            _ => None,
        };
        let cell = cell.unwrap_or_else(|| UNFILLED.to_owned());
        row.push_str(&if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") });
    }
    row
}
