//! A fault in a page, and how it is shown.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Wide enough for a row's neighbourhood; a longer line is cut around the place.
const WIDTH: usize = 120;
/// Most faults of one page that are shown: who has more has another trouble.
const MOST: usize = 500;
/// A line longer than this is no row that anyone wrote, and is cut before it is rendered.
const LONGEST_LINE: usize = 8_192;

/// What is wrong at one place of a page, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong, as a sentence without a full stop.
    pub(crate) title: String,
    /// Bytes of the page.
    pub(crate) span: Range<usize>,
    /// What stands there, in a few words.
    pub(crate) label: String,
    /// An earlier place that has to do with it.
    pub(crate) earlier: Option<(Range<usize>, &'static str)>,
    /// How to mend it.
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(span: &Range<usize>, title: impl Into<String>, label: impl Into<String>, help: impl Into<String>) -> Self {
        Self { title: title.into(), span: span.clone(), label: label.into(), earlier: None, help: help.into() }
    }

    pub(crate) fn with_earlier(mut self, span: &Range<usize>, label: &'static str) -> Self {
        self.earlier = Some((span.clone(), label));
        self
    }
}

/// Where the lines of a page begin.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The number, the start and the text of the line that holds a byte.
    fn at(&self, byte: usize) -> (usize, usize, &'a str) {
        let number = self.starts.partition_point(|start| *start <= byte);
        let start = number.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(0);
        let line = self.text.get(start..).unwrap_or_default();
        (number, start, line.split('\n').next().unwrap_or_default().trim_end_matches('\r'))
    }
}

/// All faults of one page, in the order of their places, as rustc would show them.
pub(crate) fn render(path: &str, text: &str, faults: &[Fault], renderer: &Renderer) -> String {
    let lines = Lines::new(text);
    let mut faults: Vec<&Fault> = faults.iter().collect();
    faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
    let mut shown = String::new();
    let more = faults.len().saturating_sub(MOST);
    for fault in faults.into_iter().take(MOST) {
        let mut group = Group::with_title(Level::ERROR.primary_title(printable(&fault.title)));
        group = group.element(snippet(path, &lines, &fault.span, AnnotationKind::Primary, &fault.label));
        if let Some((span, label)) = &fault.earlier {
            group = group.element(snippet(path, &lines, span, AnnotationKind::Context, label));
        }
        let group = group.element(Level::HELP.message(printable(&fault.help)));
        shown.push_str(&renderer.render(&[group]));
        shown.push_str("\n\n");
    }
    if more > 0 {
        shown.push_str(&format!("and {more} more in {path}\n\n"));
    }
    shown
}

/// The renderer for people: colours are taken out further on if nobody sees them.
pub(crate) fn coloured() -> Renderer {
    Renderer::styled().term_width(WIDTH)
}

#[cfg(test)]
pub(crate) fn plain() -> Renderer {
    Renderer::plain().term_width(WIDTH)
}

/// One line of the page with the place in it underlined. Only that line is handed on, so that a page with many faults is not read once for each.
fn snippet<'a>(
    path: &'a str,
    lines: &Lines<'a>,
    span: &Range<usize>,
    kind: AnnotationKind,
    label: &str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let (number, mut start, mut line) = lines.at(span.start);
    let mut label = printable(label);
    if line.len() > LONGEST_LINE {
        let column = line.get(..span.start - start).unwrap_or_default().chars().count() + 1;
        label.push_str(&format!(" (column {column} of a line of {} bytes)", line.len()));
        let (before, after) = line.split_at_checked(span.start - start).unwrap_or((line, ""));
        let from = before.char_indices().rev().nth(WIDTH).map_or(0, |(at, _)| at);
        let to = before.len() + after.char_indices().nth(4 * WIDTH).map_or(after.len(), |(at, _)| at);
        line = line.get(from..to).unwrap_or_default();
        start += from;
    }
    let within = |byte: usize| byte.saturating_sub(start).min(line.len());
    let place = within(span.start)..within(span.end);
    Snippet::source(line).line_start(number).path(path).annotation(kind.span(place).label(label))
}

/// A page may hold anything, so nothing but plain characters goes to a terminal.
pub(crate) fn printable(text: &str) -> String {
    let shown = |character: char| if is_hidden(character) { format!("U+{:04X}", u32::from(character)) } else { character.into() };
    text.chars().map(shown).collect()
}

/// Control, bidi and invisible characters: what a reader cannot see in a table.
pub(crate) fn is_hidden(character: char) -> bool {
    use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory};
    // Most of a page is ASCII, and looking a category up takes time.
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    match character.general_category() {
        Category::Control
        | Category::Format
        | Category::LineSeparator
        | Category::ParagraphSeparator
        | Category::PrivateUse
        | Category::Surrogate
        | Category::Unassigned => true,
        Category::SpaceSeparator => character != ' ',
        // Letters and marks that are drawn as nothing.
        _ => matches!(character,
            '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_hidden() {
        for hidden in
            "\0\t\u{7F}\u{85}\u{A0}\u{AD}\u{61C}\u{200B}\u{200F}\u{202E}\u{2028}\u{2066}\u{3164}\u{FE0F}\u{FEFF}\u{E0041}\u{E000}"
                .chars()
        {
            assert!(is_hidden(hidden), "U+{:04X}", u32::from(hidden));
        }
        for seen in " aZ0|`é€—\u{4E2D}\u{1F511}".chars() {
            assert!(!is_hidden(seen), "{seen}");
        }
    }

    #[test]
    fn a_fault_is_shown_with_its_line_and_its_place() {
        let text = "first\r\n| code | \u{e9} wrong |\r\nlast";
        let span = 19..24;
        let fault = Fault::new(&span, "title", "label \u{1b}[31m", "help").with_earlier(&(0..5), "here");
        insta::assert_snapshot!(render("docs/page.md", text, &[fault], &plain()));
    }
}
