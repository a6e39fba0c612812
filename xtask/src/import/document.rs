//! Bytes of a saved page → text to search for codes.

use super::html;
use crate::codegen::is_hidden;
use crate::markdown;

/// Where a page says that it is HTML, if it does: in its first characters.
const HEAD: usize = 16 * 1024;

/// Most signs that begin a tag or an entity. A large page has a tenth of that, and each takes its time.
const MOST_MARKUP: usize = 500_000;

/// Longest line that is read as Markdown.
const LONGEST_LINE: usize = 4 * 1024;

/// The words of a page, as a reader sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) text: String,
    /// Whether Markdown's escapes may stand in it. HTML has none, once its tags are gone.
    pub(super) is_markdown: bool,
}

impl Document {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = decode(bytes);
        if is_encoded(&text) {
            return Err("the page is encoded as quoted-printable; save it from the browser as HTML or text".to_owned());
        }
        let is_html = is_html(&text);
        if !is_html && !html::has_tags(&text) {
            return Ok(Self { text, is_markdown: true });
        }
        if text.bytes().filter(|byte| matches!(byte, b'<' | b'&')).count() > MOST_MARKUP {
            return Err(format!("more than {MOST_MARKUP} tags and entities: is this the right page?"));
        }
        let text = if is_html { html::page(&text) } else { html::inside_markdown(&text) };
        Ok(Self { text, is_markdown: !is_html })
    }
}

/// One line without what cannot be seen: blanks of every kind are one blank, and a character that would do harm on a terminal or in our page is U+FFFD.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.extend(word.chars().map(|character| if is_hidden(character) { '\u{FFFD}' } else { character }));
    }
    clean
}

/// A line of Markdown without its marks. It is read as a cell, so its pipes are escaped.
pub(super) fn unmarked(line: &str) -> String {
    // What is so long is no message, and is refused as it stands.
    if line.len() > LONGEST_LINE { line.to_owned() } else { markdown::words(line.trim()) }
}

/// UTF-8 or, where a byte order mark says so, UTF-16. What is neither becomes U+FFFD.
fn decode(bytes: &[u8]) -> String {
    let mut text = match bytes {
        [0xFF, 0xFE, rest @ ..] => with_plain_lines(utf16(rest, u16::from_le_bytes).as_bytes()),
        [0xFE, 0xFF, rest @ ..] => with_plain_lines(utf16(rest, u16::from_be_bytes).as_bytes()),
        rest => with_plain_lines(rest),
    };
    if !text.is_ascii() {
        text.retain(|character| !is_nothing(character));
    }
    text
}

/// Lines end with `\n`, however they ended, and no byte is 0.
fn with_plain_lines(bytes: &[u8]) -> String {
    if !bytes.contains(&b'\r') && !bytes.contains(&0) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut before = 0;
    for byte in bytes {
        match byte {
            b'\r' => plain.push(b'\n'),
            b'\n' if before == b'\r' => {}
            0 => {}
            byte => plain.push(*byte),
        }
        before = *byte;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks(2).map(|pair| match pair {
        [one, two] => unit([*one, *two]),
        // Half a unit at the end.
        _ => 0xFFFD,
    });
    char::decode_utf16(units).map(|character| character.unwrap_or('\u{FFFD}')).collect()
}

/// Characters of no width that sites put between words, and that mean nothing in a code: soft hyphen, zero-width space, word joiner, byte order mark.
fn is_nothing(character: char) -> bool {
    matches!(character, '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{FEFF}')
}

/// Whether a page was saved in one file with its images, its text encoded as in mail.
fn is_encoded(text: &str) -> bool {
    let head: String = text.chars().take(HEAD).map(|character| character.to_ascii_lowercase()).collect();
    let encoding =
        |line: &str| line.strip_prefix("content-transfer-encoding:").is_some_and(|value| value.trim() == "quoted-printable");
    head.lines().any(encoding)
}

/// A page, or a piece of one. Markdown may hold tags too, but does not begin and end with them.
fn is_html(text: &str) -> bool {
    let head: String = text.chars().take(HEAD).map(|character| character.to_ascii_lowercase()).collect();
    let starts = ["<!doctype html", "<html>", "<html "];
    // A page about HTML shows it in a fence.
    if let Some(at) = starts.iter().filter_map(|start| head.find(start)).min() {
        return !head.get(..at).unwrap_or_default().contains("```");
    }
    let is_tag = |rest: &str| rest.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '!' | '?'));
    head.trim_start().strip_prefix('<').is_some_and(is_tag) && text.trim_end().ends_with('>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16_of(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(unit).collect()
    }

    #[test]
    fn encodings_and_line_ends_are_one() {
        let text = "satu\r\ndua\rtiga\u{200B}\n\u{1F511}é";
        let wanted = "satu\ndua\ntiga\n\u{1F511}é";
        let with_mark = format!("\u{FEFF}{text}").into_bytes();
        for bytes in [text.as_bytes().to_vec(), with_mark, utf16_of(text, u16::to_le_bytes), utf16_of(text, u16::to_be_bytes)] {
            assert_eq!(decode(&bytes), wanted);
        }
        assert_eq!(decode(b"a\xFFb\xC3\0c"), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(decode(b"\xFF\xFEa\0\x00\xD8b"), "a\u{FFFD}\u{FFFD}");
    }

    #[test]
    fn html_is_told_from_text_that_has_tags() {
        let html = [
            "<!DOCTYPE html><p>x",
            "\n<HTML lang=id>x</html>\nafter",
            "<!-- saved from url -->\n<html>x",
            "HTTP/1.1 200 OK\n\n<!doctype html>x",
            "<ul><li>x</li></ul>\n",
            "<!-- a piece --><div>x</div>",
        ];
        let text = [
            "plain",
            "# Page\n\n<ol><li>x</li></ol>",
            "---\na: b\n---\n<html-like>",
            "# How to\n\n```html\n<!doctype html>\n```\n",
            "<div align=\"center\">\n\n# Page\n",
            "< 5",
            "",
        ];
        assert_eq!(html.map(is_html), [true; 6]);
        assert_eq!(text.map(is_html), [false; 7]);
    }

    #[test]
    fn a_page_that_is_encoded_is_refused() {
        let page = |encoding: &str| format!("MIME-Version: 1.0\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n<p>a</p>");
        let error = Document::read(page("Quoted-Printable").as_bytes()).unwrap_err();
        assert!(error.contains("as HTML or text"), "{error}");
        assert!(Document::read(page("8bit").as_bytes()).is_ok());
    }

    #[test]
    fn a_page_of_nothing_but_markup_is_refused() {
        let page = |unit: &str, count: usize| Document::read(format!("<!doctype html>{}", unit.repeat(count)).as_bytes());
        assert!(page("&", MOST_MARKUP - 1).is_ok());
        for unit in ["&", "<", "<p>"] {
            let error = page(unit, MOST_MARKUP).unwrap_err();
            assert!(error.starts_with("more than 500000 tags"), "{error}");
        }
        // Without a tag of HTML a text is a text.
        assert!(Document::read("<".repeat(MOST_MARKUP + 1).as_bytes()).is_ok());
        assert!(Document::read(format!("{}</p>", "<".repeat(MOST_MARKUP)).as_bytes()).is_err());
    }

    #[test]
    fn nothing_hidden_is_left_in_a_clean_line() {
        assert_eq!(clean("  a\u{A0}\t b\n"), "a b");
        assert_eq!(clean("\u{1b}[31m \u{202E}x"), "\u{FFFD}[31m \u{FFFD}x");
        assert_eq!(clean(" \n"), "");
    }
}
