//! HTML → the text that a browser would give to the clipboard.

use html5gum::Tokenizer;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};

/// Begins and ends on a line of its own. A button would be glued to the code that it copies.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "button",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "ul",
];

/// What else people write into Markdown.
const INLINE: &[&str] =
    &["a", "b", "br", "code", "em", "i", "img", "kbd", "q", "small", "span", "strong", "sub", "sup", "td", "th", "tr", "u"];

/// What is in them is not shown. The tokenizer reads it as one text up to the end tag.
const HIDDEN: &[&str] = &["iframe", "noembed", "noscript", "script", "style", "textarea", "title"];

/// The text of a page. Cells of a row are on one line, with a tab between them.
pub(super) fn page(html: &str) -> String {
    text(html, false)
}

/// Markdown with its HTML tags turned into what they do. Other tags are no tags but words, as in `Bearer <token>`.
pub(super) fn inside_markdown(markdown: &str) -> String {
    let mut masked = String::with_capacity(markdown.len());
    let mut parts = markdown.split('<');
    masked.push_str(parts.next().unwrap_or_default());
    for part in parts {
        masked.push_str(if is_tag(part) { "<" } else { "&lt;" });
        masked.push_str(part);
    }
    text(&masked, true)
}

/// Whether a text that is no HTML page holds an end tag of HTML.
pub(super) fn has_tags(text: &str) -> bool {
    text.split('<').skip(1).any(|part| part.starts_with('/') && is_tag(part))
}

/// Whether a known tag begins here, after its `<`.
fn is_tag(part: &str) -> bool {
    let name = part.strip_prefix('/').unwrap_or(part);
    // The longest name has ten letters.
    let end = name.bytes().take(11).position(|byte| !byte.is_ascii_alphanumeric());
    let (Some(name), Some(after)) = (end.and_then(|end| name.get(..end)), end.and_then(|end| name.as_bytes().get(end))) else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    (after.is_ascii_whitespace() || matches!(after, b'>' | b'/'))
        && (BLOCKS.contains(&name.as_str()) || INLINE.contains(&name.as_str()))
}

fn text(html: &str, keeps_lines: bool) -> String {
    let mut writer = Writer { keeps_lines, ..Writer::default() };
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: html5gum::Span<()>| -> Option<()> {
        match event {
            CallbackEvent::OpenStartTag { name } => writer.start(&String::from_utf8_lossy(name)),
            CallbackEvent::EndTag { name } => writer.end(&String::from_utf8_lossy(name)),
            CallbackEvent::String { value } => writer.words(&String::from_utf8_lossy(value)),
            _ => {}
        }
        None
    });
    // In Markdown a `<script>` is most often an example, and nothing ends it.
    emitter.naively_switch_states(!keeps_lines);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(()) = token;
    }
    writer.text
}

/// What is due before the next word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Blank,
    Line,
    Paragraph,
}

#[derive(Debug, Default)]
struct Writer {
    text: String,
    gap: Gap,
    /// How many `<pre>` are open.
    preformatted: usize,
    is_in_cell: bool,
    row_has_cells: bool,
    is_hidden: bool,
    keeps_lines: bool,
    /// How many lists are open.
    lists: usize,
    is_item: bool,
    /// Where the `<code>` begins that is open.
    code: Option<usize>,
}

impl Writer {
    fn start(&mut self, name: &str) {
        match name {
            "td" | "th" => {
                self.is_in_cell = true;
                if self.row_has_cells {
                    // The line that the row begins on, if its first cells are empty.
                    if self.gap >= Gap::Line {
                        self.fill_gap();
                    }
                    self.gap = Gap::None;
                    self.text.push('\t');
                }
                self.row_has_cells = true;
            }
            "tr" => self.end_row(),
            // A row of a table in Markdown is one line, whatever is in its cells.
            "q" => self.words("\u{201C}"),
            "br" => self.rest(if self.keeps_lines { Gap::Blank } else { Gap::Line }),
            _ => {
                self.rest_around(name);
                self.preformatted += usize::from(name == "pre");
                self.is_hidden |= !self.keeps_lines && HIDDEN.contains(&name);
                self.lists += usize::from(is_list(name));
                // What belongs to an item of a list stays told from the next item.
                self.is_item |= name == "li" && self.lists > 1;
                if name == "code" && !self.is_in_cell && self.preformatted == 0 {
                    self.fill_gap();
                    self.code = Some(self.text.len());
                }
            }
        }
    }

    fn end(&mut self, name: &str) {
        // Nothing but the end tag itself is read as a tag where the text is not shown.
        self.is_hidden = false;
        match name {
            "td" | "th" => self.is_in_cell = false,
            "tr" => self.end_row(),
            "q" => {
                self.gap = if self.gap == Gap::Blank { Gap::None } else { self.gap };
                self.words("\u{201D}");
            }
            "code" => self.end_code(),
            _ => {
                if matches!(name, "table" | "tbody" | "thead" | "tfoot") {
                    self.end_row();
                }
                self.rest_around(name);
                self.preformatted = self.preformatted.saturating_sub(usize::from(name == "pre"));
                self.lists = self.lists.saturating_sub(usize::from(is_list(name)));
            }
        }
    }

    fn words(&mut self, words: &str) {
        if self.is_hidden {
            return;
        }
        if (self.preformatted > 0 || self.keeps_lines) && !self.is_in_cell && !self.row_has_cells {
            // The line breaks between two tags add nothing to the gap that the tags make.
            if self.gap < Gap::Line || !words.trim().is_empty() {
                self.fill_gap();
                self.text.push_str(words);
            }
            return;
        }
        for (index, word) in words.split(char::is_whitespace).enumerate() {
            if index > 0 {
                self.rest(Gap::Blank);
            }
            if !word.is_empty() {
                self.fill_gap();
                self.text.push_str(word);
            }
        }
    }

    /// Puts quotation marks around a text; a word or a sample needs none.
    fn end_code(&mut self) {
        let Some(start) = self.code.take() else { return };
        let code = self.text.get(start..).unwrap_or_default();
        if code.split(' ').nth(2).is_some() && !code.contains(['{', '\n', '\t', '"', '\u{201C}']) {
            self.text.insert(start, '\u{201C}');
            self.text.push('\u{201D}');
        }
    }

    fn end_row(&mut self) {
        self.is_in_cell = false;
        self.row_has_cells = false;
        self.rest(Gap::Line);
    }

    fn rest_around(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.rest(Gap::Paragraph);
        }
    }

    fn rest(&mut self, gap: Gap) {
        // What stands in a cell stays on the line of its row.
        let gap = if self.is_in_cell { gap.min(Gap::Blank) } else { gap };
        self.gap = self.gap.max(gap);
    }

    fn fill_gap(&mut self) {
        let gap = match std::mem::take(&mut self.gap) {
            Gap::None => "",
            _ if self.text.is_empty() => "",
            Gap::Blank if self.text.ends_with(['\t', '\n']) => "",
            Gap::Blank => " ",
            Gap::Line => "\n",
            Gap::Paragraph => "\n\n",
        };
        self.text.push_str(gap);
        if std::mem::take(&mut self.is_item) && gap.ends_with('\n') {
            self.text.push_str("  - ");
        }
    }
}

fn is_list(name: &str) -> bool {
    matches!(name, "ul" | "ol")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_lines_and_cells() {
        let cases = [
            ("<p>satu <b>dua</b>\n tiga</p><p>empat", "satu dua tiga\n\nempat"),
            ("<table><tr><td>a<td> b\n c </td></tr><tr><th></th><td>d</td></tr></table>e", "a\tb c\n\td\n\ne"),
            ("<table><tr><td><p>a</p></td><td><div>b</div><div>c</div></td></tr></table>", "a\tb c"),
            ("a<br>b<hr>c", "a\nb\n\nc"),
            ("<pre>1{\n2  x\n</pre>\ny", "1{\n2  x\n\n\ny"),
            ("a &amp; b&nbsp;c &lt;id&gt; &#x41;", "a & b c <id> A"),
            ("<title>t</title><script>a</p>b</script><style>c</style>x<noscript>d</noscript>y", "xy"),
            ("<textarea><p>a</textarea>b<!-- c -->d", "bd"),
            ("<ul><li>a</li>\n<li>b</li></ul>", "a\n\nb"),
            ("<DIV>a</DIV>b<unknown>c", "a\n\nbc"),
            ("<pre>a</pre></pre><p>b  c", "a\n\nb c"),
            ("<q>a b</q> <q> c </q>d", "\u{201C}a b\u{201D} \u{201C} c\u{201D}d"),
            ("<ul><li>a<ul><li>b<li><p>c</ul><li>d</ul>e", "a\n\n  - b\n\n  - c\n\nd\n\ne"),
            ("x <code>a b c</code> <code>a b</code> <code>{ a b c }</code>", "x \u{201C}a b c\u{201D} a b { a b c }"),
            ("<pre><code>a b c</code></pre><table><tr><td><code>a b c</code>", "a b c\n\na b c"),
        ];
        for (html, wanted) in cases {
            assert_eq!(page(html), wanted, "{html}");
        }
    }

    #[test]
    fn markdown_keeps_its_lines_and_its_words() {
        let cases = [
            ("# a\n\n<ol>\n<li>b</li>\n<li>c\nd</li>\n</ol>\n", "# a\n\n\n\nb\n\nc\nd"),
            ("Bearer <token> <b>x</b>\n  y", "Bearer <token> x\n  y"),
            ("<?php a -> b <p>c</p>", "<?php a -> b \n\nc"),
            ("| a<br/>b | c |\n</p>", "| a b | c |\n"),
            ("a\n\n<Table>\n<tr>\n  <td>\n    b\n  </td>\n\n  <td>c</td>\n</tr>\n</Table>\n\nd\ne", "a\n\n\n\nb\tc\n\n\n\nd\ne"),
            ("x <script> y <p>z</p>", "x <script> y \n\nz"),
        ];
        for (markdown, wanted) in cases {
            assert!(has_tags(markdown));
            assert_eq!(inside_markdown(markdown), wanted, "{markdown}");
        }
        for text in ["a < b", "<b>", "</", "</tokens>", "</bigger-than-any-name>"] {
            assert!(!has_tags(text), "{text}");
        }
    }
}
