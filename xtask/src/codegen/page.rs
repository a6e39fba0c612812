//! Markdown → the marked tables of a page, with the place of every cell.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::fault::{Fault, is_hidden};

/// Largest page.
pub(crate) const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// Most rows of one table.
const MOST_ROWS: usize = 20_000;
/// Longest cell, in bytes of the page.
const LONGEST_CELL: usize = 2_000;

const MARKER: &str = "codegen:";

/// A column that no table has but those that code is made of.
const OURS: &str = "arti";

/// What docs.rs and GitHub understand, so that a cell is plain text to both.
const DIALECTS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_FOOTNOTES);

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feeds {
    Errors,
    Services,
}

/// A table and the comment that says which enum it feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) feeds: Feeds,
    /// The enum's name, as it stands in the marker.
    pub(crate) name: String,
    /// Where the marker stands.
    pub(crate) marker: Range<usize>,
    /// The header's cells.
    pub(crate) header: Vec<Cell>,
    /// Where the header's line stands.
    pub(crate) header_line: Range<usize>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The row's line, without its end.
    pub(crate) line: Range<usize>,
    pub(crate) cells: Vec<Cell>,
}

/// A cell's words, without what Markdown needs around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// What stands between the pipes, without the blanks at its ends.
    pub(crate) span: Range<usize>,
    /// Code spans keep their backticks, unless the cell is nothing but one.
    pub(crate) text: String,
    /// The id of an `<a id="..."></a>` at the start.
    pub(crate) anchor: Option<String>,
    /// Whether its form is a fault already, so that its words need not be judged.
    pub(crate) is_faulty: bool,
}

/// Finds the marked tables. One with a fault of its form is among them, so that its other faults are told as well.
pub(crate) fn tables(text: &str) -> (Vec<Table>, Vec<Fault>) {
    let mut faults = hidden_characters(text);
    let mut tables = Vec::new();
    let mut marker: Option<Marker> = None;
    let mut told = faults.len();
    let mut depth = 0_usize;
    let mut events = Parser::new_ext(text, DIALECTS).into_offset_iter();
    while let Some((event, span)) = events.next() {
        match event {
            Event::Start(Tag::HtmlBlock) => {
                without_table(marker.take(), &mut faults);
                for _ in events.by_ref().take_while(|(event, _)| !matches!(event, Event::End(TagEnd::HtmlBlock))) {}
                let block = trimmed(text, span);
                if let Some(read) = read_marker(text, &block, depth, &mut faults) {
                    marker = Some(read);
                }
            }
            Event::Start(Tag::Table(_)) => {
                let content = events.by_ref().take_while(|(event, _)| !matches!(event, Event::End(TagEnd::Table)));
                match marker.take() {
                    // A marker that has a fault itself may well be this table's.
                    None if faults.len() > told => content.for_each(drop),
                    None => without_marker(text, content, &mut faults),
                    Some(marker) => tables.push(read_table(text, marker, content, &mut faults)),
                }
                told = faults.len();
            }
            Event::InlineHtml(html) if html.contains(MARKER) => faults.push(not_alone(&span)),
            Event::Rule => without_table(marker.take(), &mut faults),
            Event::Start(_) => {
                without_table(marker.take(), &mut faults);
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    without_table(marker, &mut faults);
    (tables, faults)
}

struct Marker {
    feeds: Feeds,
    name: String,
    span: Range<usize>,
}

/// `<!-- codegen: errors NAME -->`
fn read_marker(text: &str, block: &Range<usize>, depth: usize, faults: &mut Vec<Fault>) -> Option<Marker> {
    let source = text.get(block.clone()).unwrap_or_default();
    if !source.contains(MARKER) {
        return None;
    }
    let comment = source.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    let Some(words) = comment.and_then(|comment| comment.trim().strip_prefix(MARKER)).filter(|_| depth == 0) else {
        faults.push(not_alone(block));
        return None;
    };
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let feeds = match words.first() {
        Some(&"errors") => Some(Feeds::Errors),
        Some(&"services") => Some(Feeds::Services),
        _ => None,
    };
    match (feeds, words.as_slice()) {
        (Some(feeds), [_, name]) => Some(Marker { feeds, name: (*name).to_owned(), span: block.clone() }),
        _ => {
            let help = "write `<!-- codegen: errors ServiceErrorCode -->`, or `services` and the name of the enum of services";
            faults.push(Fault::new(
                block,
                "a marker that does not say what its table feeds",
                "wants two words after `codegen:`",
                help,
            ));
            None
        }
    }
}

fn not_alone(span: &Range<usize>) -> Fault {
    let help = "let it be one HTML comment, alone on a line at the margin, right before its table";
    Fault::new(span, "a marker that does not stand alone", "has something around it", help)
}

fn without_table(marker: Option<Marker>, faults: &mut Vec<Fault>) {
    let Some(marker) = marker else { return };
    let help =
        "put the table right after it; if there is one, give the line of dashes below the header as many cells as the header has";
    faults.push(Fault::new(&marker.span, "a marker without a table", "no table comes after this", help));
}

/// A table of codes that nothing marks is most often one whose marker is misspelt; what it fed would be taken away in silence.
fn without_marker<'a>(text: &str, content: impl Iterator<Item = (Event<'a>, Range<usize>)>, faults: &mut Vec<Fault>) {
    let mut is_header = true;
    for (event, span) in content {
        match event {
            Event::End(TagEnd::TableHead) => is_header = false,
            Event::Text(words) if is_header && words.trim().eq_ignore_ascii_case(OURS) => {
                let help = "put `<!-- codegen: errors ServiceErrorCode -->` on a line of its own, right before the table";
                let title = format!("a table with a column `{OURS}` and without a marker");
                faults.push(Fault::new(&trimmed(text, span), title, "feeds nothing", help));
            }
            Event::InlineHtml(html) if html.contains(MARKER) => faults.push(not_alone(&span)),
            _ => {}
        }
    }
}

fn read_table<'a>(
    text: &'a str,
    marker: Marker,
    content: impl Iterator<Item = (Event<'a>, Range<usize>)>,
    faults: &mut Vec<Fault>,
) -> Table {
    let mut table = Table {
        feeds: marker.feeds,
        name: marker.name,
        marker: marker.span,
        header: Vec::new(),
        header_line: 0..0,
        rows: Vec::new(),
    };
    let mut cells: Vec<Vec<(Event<'a>, Range<usize>)>> = Vec::new();
    for (event, span) in content {
        match event {
            Event::Start(Tag::TableHead | Tag::TableRow) => cells.clear(),
            Event::Start(Tag::TableCell) => cells.push(Vec::new()),
            Event::End(TagEnd::TableCell) => {}
            Event::End(TagEnd::TableHead) => {
                table.header_line = trimmed(text, span);
                table.header = read_cells(text, split(text, &table.header_line), &cells, faults);
            }
            Event::End(TagEnd::TableRow) => {
                let line = trimmed(text, span);
                let parts = split(text, &line);
                if parts.len() == table.header.len() {
                    let cells = read_cells(text, parts, &cells, faults);
                    table.rows.push(Row { line, cells });
                } else {
                    faults.push(ragged(text, &line, &parts, table.header.len()));
                    // It counts as a row, so that the table is not called empty as well.
                    table.rows.push(Row { line, cells: Vec::new() });
                }
            }
            event => {
                if let Some(cell) = cells.last_mut() {
                    cell.push((event, span));
                }
            }
        }
    }
    if table.rows.is_empty() {
        let help = "give it one row for each code, or take the marker out";
        faults.push(Fault::new(&table.header_line, "an empty table", "no row comes after this header", help));
    }
    if let Some(row) = table.rows.get(MOST_ROWS) {
        let title = format!("more than {MOST_ROWS} rows");
        faults.push(Fault::new(&row.line, title, "the first row too many", "split the table"));
    }
    table
}

fn ragged(text: &str, line: &Range<usize>, cells: &[Range<usize>], columns: usize) -> Fault {
    let parts = cells.len();
    if parts > columns {
        // A pipe that has a word at either side is the likely one, unless all are so; else the first cell that has no column.
        let between = |pair: &&[Range<usize>]| matches!(pair, [one, next] if one.end + 1 == next.start);
        let is_dense = cells.windows(2).all(|pair| between(&pair));
        let pipe = cells.windows(2).find(|pair| !is_dense && between(pair));
        let pipe = pipe.and_then(|pair| Some(pair.first()?.end..pair.last()?.start));
        let last = cells.get(columns).filter(|span| !span.is_empty());
        let span = &pipe.or_else(|| last.cloned()).unwrap_or_else(|| line.clone());
        let help = "a `|` inside a cell is written `\\|`, in a code span too";
        let label = if parts == columns + 1 { "one cell too many" } else { "cells too many" };
        return Fault::new(span, format!("a stray pipe: {parts} cells in a table of {columns} columns"), label, help);
    }
    let help = if text.get(line.clone()).unwrap_or_default().contains('|') {
        "write every cell of the row; an empty one is `| |`"
    } else {
        "leave a line blank after the table"
    };
    let few = if parts == 1 { "1 cell".to_owned() } else { format!("{parts} cells") };
    Fault::new(line, format!("a ragged row: {few} in a table of {columns} columns"), "cells are missing", help)
}

fn read_cells(
    text: &str,
    spans: Vec<Range<usize>>,
    events: &[Vec<(Event<'_>, Range<usize>)>],
    faults: &mut Vec<Fault>,
) -> Vec<Cell> {
    spans.into_iter().zip(events).map(|(span, events)| read_cell(text, span, events, faults)).collect()
}

fn read_cell(text: &str, span: Range<usize>, events: &[(Event<'_>, Range<usize>)], faults: &mut Vec<Fault>) -> Cell {
    if span.len() > LONGEST_CELL {
        let title = format!("a cell of {} bytes", span.len());
        faults.push(Fault::new(&span, title, format!("at most {LONGEST_CELL} bytes"), "say it shorter"));
        return Cell { span, is_faulty: true, ..Cell::default() };
    }
    let mut cell = Cell { span, ..Cell::default() };
    let mut events = events;
    if let [(Event::InlineHtml(open), _), (Event::InlineHtml(close), _), rest @ ..] = events
        && let Some(id) = open.strip_prefix("<a id=\"").and_then(|open| open.strip_suffix("\">"))
        && &**close == "</a>"
    {
        cell.anchor = Some(id.to_owned());
        events = rest;
    }
    let is_code = matches!(events, [(Event::Code(_), _)]);
    for (event, span) in events {
        match event {
            Event::Text(words) => cell.text.push_str(words),
            Event::Code(code) if is_code => cell.text.push_str(code),
            Event::Code(code) => {
                cell.text.push('`');
                cell.text.push_str(code);
                cell.text.push('`');
            }
            _ => {
                let help =
                    "a cell holds plain text and `code`; a sign that Markdown takes for markup is written with a `\\` before it";
                faults.push(Fault::new(span, "markup in a cell", "neither plain text nor a code span", help));
                cell.is_faulty = true;
                break;
            }
        }
    }
    cell.text = cell.text.trim().to_owned();
    if let Some(hidden) = cell.text.chars().find(|character| is_hidden(*character)) {
        // One that stands in the page as it is was told of already; this is one such as `&#x202E;`.
        if !text.get(cell.span.clone()).is_some_and(|source| source.contains(hidden)) {
            let title = format!("a character that cannot be seen: U+{:04X}", u32::from(hidden));
            faults.push(Fault::new(&cell.span, title, "in this cell", "take it out"));
        }
        cell.is_faulty = true;
    }
    cell
}

/// The cells of a row's line: what stands between the pipes that no backslash escapes (GFM, section 4.10).
fn split(text: &str, line: &Range<usize>) -> Vec<Range<usize>> {
    let source = text.get(line.clone()).unwrap_or_default();
    let mut cells = Vec::new();
    let mut start = 0;
    let mut is_escaped = false;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'\\' => is_escaped = !is_escaped,
            b'|' if !is_escaped => {
                // What stands before a leading pipe is no cell.
                if at > 0 {
                    cells.push(line.start + start..line.start + at);
                }
                start = at + 1;
            }
            _ => is_escaped = false,
        }
    }
    if start < source.len() {
        cells.push(line.start + start..line.end);
    }
    cells.into_iter().map(|cell| trimmed(text, cell)).collect()
}

/// The range without the blanks at its ends.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let source = text.get(span.clone()).unwrap_or_default();
    let start = span.start + (source.len() - source.trim_start().len());
    start..start + source.trim().len()
}

/// What a reader cannot see may say something else than what he reads, so it is nowhere in a page. The first of each line is told.
fn hidden_characters(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let words = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        if let Some((at, character)) = words.char_indices().find(|(_, character)| is_hidden(*character)) {
            let title = format!("a character that cannot be seen: U+{:04X}", u32::from(character));
            let help = if character == '\t' { "write blanks" } else { "take it out" };
            faults.push(Fault::new(&(start + at..start + at + character.len_utf8()), title, "here", help));
        }
        start += line.len();
    }
    faults
}
