//! Between a text and the cell of a table that says it in Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Signs that can begin or end markup inside a line.
const SIGNS: &[char] = &['\\', '`', '*', '_', '[', ']', '<', '>', '&', '~', '$', '|'];

/// Writes a text as a cell that Markdown reads as exactly that text. A text is one line, without blanks at its ends.
///
/// Signs that do nothing where they stand are left alone, so that `grant_type` stays readable.
pub(crate) fn cell(text: &str) -> String {
    let plain = text.replace('|', "\\|");
    // A backslash at the end would escape a pipe that follows without a blank.
    if !plain.ends_with('\\') && reads_as(&plain, text) {
        return plain;
    }
    let mut escaped = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if SIGNS.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// What Markdown makes of a cell: no escapes, no emphasis, no backticks. A tag stays as it stands, as most are none: `<id>`.
pub(crate) fn words(cell: &str) -> String {
    let mut words = String::new();
    for event in events(cell, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::InlineHtml(tag) if tag.starts_with("<br") => words.push(' '),
            Event::InlineHtml(tag) => words.push_str(&tag),
            _ => {}
        }
    }
    words
}

/// Whether every dialect that shows our pages reads the cell as this text and nothing more.
fn reads_as(cell: &str, text: &str) -> bool {
    let dialects = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES | Options::ENABLE_MATH;
    let mut rest = text;
    for event in events(cell, dialects) {
        let Event::Text(words) = event else { return false };
        let Some(after) = rest.strip_prefix(&*words) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// The events inside a cell, read where cells are read: in a table.
fn events(cell: &str, dialects: Options) -> Vec<Event<'static>> {
    let table = format!("| x |\n|---|\n| {cell} |\n");
    let events = Parser::new_ext(&table, dialects).skip_while(|event| !matches!(event, Event::Start(Tag::TableRow)));
    let inside = events.skip(2).take_while(|event| !matches!(event, Event::End(TagEnd::TableCell)));
    inside.map(Event::into_static).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codegen::page;

    /// What codegen and import read in a page with this cell.
    fn read_back(cell: &str) -> Option<String> {
        let text = format!("<!-- codegen: errors BankErrorCode -->\n\n| code | message |\n|---|---|\n| E1 | {cell} |\n");
        let (tables, faults) = page::tables(&text);
        assert_eq!(faults, [], "{cell:?}");
        let [table] = tables.as_slice() else { return None };
        let [row] = table.rows.as_slice() else { return None };
        row.cells.get(1).map(|cell| cell.text.clone())
    }

    #[test]
    fn only_what_would_be_markup_is_escaped() {
        let cases = [
            ("", ""),
            ("grant_type tidak sesuai", "grant_type tidak sesuai"),
            ("No. 5: gagal! (lihat #3) - 50% + 1", "No. 5: gagal! (lihat #3) - 50% + 1"),
            ("a|b", "a\\|b"),
            ("a\\|b", "a\\\\\\|b"),
            ("*wajib* a_b", "\\*wajib\\* a\\_b"),
            ("`kode`", "\\`kode\\`"),
            ("Field <id> kosong", "Field \\<id\\> kosong"),
            ("5 < 6 & 7 > 3", "5 < 6 & 7 > 3"),
            ("a &amp; b", "a \\&amp; b"),
            ("[x](y)", "\\[x\\](y)"),
            ("~~lama~~ $x$", "\\~\\~lama\\~\\~ \\$x\\$"),
            ("- - -", "- - -"),
            ("akhir\\", "akhir\\\\"),
        ];
        for (text, wanted) in cases {
            assert_eq!(cell(text), wanted);
            assert_eq!(read_back(wanted).as_deref(), Some(text));
            assert_eq!(words(wanted), text);
        }
    }

    #[test]
    fn words_are_what_a_reader_sees() {
        let cases = [
            ("**`400xx6505`**", "400xx6505"),
            ("a\\_b \\| c", "a_b | c"),
            ("satu<br/>dua", "satu dua"),
            ("Field <id> &amp; nama", "Field <id> & nama"),
            ("[teks](https://bank.example)", "teks"),
        ];
        for (cell, wanted) in cases {
            assert_eq!(words(cell), wanted);
        }
    }

    proptest! {
        #[test]
        fn markdown_gives_back_any_text(text in r"([!-~]|[ -~é\u{4E2D}]{0,3}|\\\||`+|\*+|&lt;|<br>|\]\(|\$\$|\[\^1\]){0,30}") {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let cell = cell(&text);
            prop_assert_eq!(read_back(&cell), Some(text.clone()), "{}", cell);
            prop_assert_eq!(words(&cell), text);
        }
    }
}
