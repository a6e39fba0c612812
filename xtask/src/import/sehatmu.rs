//! SehatMu's page "Access Token": the texts of its OperationOutcomes, in JSON and quoted in prose.

use super::document::{Document, unmarked};
use super::json;
use super::rows::{Found, Rows};

pub(super) const LOOKED_FOR: &str = "looked for the texts of OperationOutcomes, as `details.text` in JSON or in quotation marks where `issue` is described: \
    the page \"Access Token\" has them, under 4xx Client Error";

/// Most texts, repeated ones too; the page has three. Each is compared with each of ours, so many would take long.
const MOST_TEXTS: usize = 100;
/// A quotation of fewer words is a value, such as "OperationOutcome", and no text.
const FEWEST_WORDS: usize = 3;

/// The word that the paragraph is about, and most times that a page says it.
const ISSUE: &str = "issue";
const MOST_PLACES: usize = 100_000;

/// What a field is called where it is described.
const FIELD: &[&str] = &["field", "property", "properti", "array"];

const BULLETS: &[char] = &['-', '*', '\u{2022}', '\u{25E6}', '\u{25AA}', '\u{2013}'];

/// A text and where it stands on the page.
type Place = (usize, String);

/// Reads the texts. They have no code, and no status but "4xx".
pub(super) fn read(document: &Document) -> Result<Vec<Found>, String> {
    let mut texts = in_json(&document.text);
    let quoted = in_prose(&document.text)?;
    if texts.len() + quoted.len() > MOST_TEXTS {
        return Err(format!("more than {MOST_TEXTS} texts of OperationOutcomes: is this the right page?"));
    }
    texts
        .extend(quoted.into_iter().map(|(at, quotation)| (at, if document.is_markdown { plain(&quotation) } else { quotation })));
    texts.sort_by_key(|(at, _)| *at);
    let mut rows = Rows::default();
    for (_, text) in texts {
        rows.add(Found { message: Some(text), ..Found::default() })?;
    }
    rows.all(LOOKED_FOR)
}

/// Prose without Markdown's marks.
fn plain(quotation: &str) -> String {
    let line = quotation.split_whitespace().collect::<Vec<_>>().join(" ");
    unmarked(&line.replace("\\|", "|").replace('|', "\\|"))
}

/// `{"resourceType": "OperationOutcome", "issue": [{"details": {"text": "..."}}]}`
fn in_json(text: &str) -> Vec<Place> {
    let mut texts = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let start = at;
        at += 1;
        if *byte != b'{' {
            continue;
        }
        let reading = json::object(text, start);
        at = reading.end;
        if let Some(object) = reading.object.filter(|object| object.first("resourceType") == Some("OperationOutcome")) {
            let said = object.all("issue.details.text").filter(|text| !text.trim().is_empty());
            texts.extend(said.map(|text| (start, text.to_owned())));
        }
    }
    texts
}

/// The quotations in every paragraph about `issue`, from that word on.
fn in_prose(text: &str) -> Result<Vec<Place>, String> {
    let mut texts = Vec::new();
    let mut count = 0;
    let mut at = 0;
    let lower = text.to_ascii_lowercase();
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find(ISSUE)).map(|found| at + found) {
        count += 1;
        if count > MOST_PLACES {
            return Err(format!("more than {MOST_PLACES} times `{ISSUE}`: is this the right page?"));
        }
        let (before, rest) = (text.get(..found).unwrap_or_default(), text.get(found + ISSUE.len()..).unwrap_or_default());
        at = found + ISSUE.len();
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        if before.ends_with(is_part) || rest.starts_with(is_part) {
            continue;
        }
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let end = at + rest.find('\n').unwrap_or(rest.len());
        let line = text.get(start..end).unwrap_or_default();
        if is_of_json(line) {
            at = end;
        } else {
            let length = paragraph(line, rest);
            // The word may stand in marks of its own.
            let marks = ['`', '*', '_', '"', '\u{201D}', '\u{2019}', '\u{BB}'];
            let paragraph = rest.get(..length).unwrap_or_default().trim_start_matches(marks);
            let quotations = if is_description(line, paragraph) { quotations(paragraph) } else { Vec::new() };
            texts.extend(quotations.into_iter().map(|quotation| (at, quotation.to_owned())));
            at += length;
        }
    }
    Ok(texts)
}

/// Whether a paragraph describes the field, and not what to do with an issue. `rest` is what stands after the word.
fn is_description(line: &str, rest: &str) -> bool {
    let is_named = |text: &str| {
        let mut words = text.split(|sign: char| !sign.is_alphanumeric());
        words.any(|word| FIELD.iter().any(|field| field.eq_ignore_ascii_case(word)))
    };
    let has_colon = rest.trim_start().starts_with(':');
    has_colon
        || is_item(line.trim_start())
        || is_named(line)
        || is_named(rest)
        || rest.lines().skip(1).any(|line| is_item(line.trim_start()))
}

/// Whether an item of a list begins here.
fn is_item(start: &str) -> bool {
    let number = start.trim_start_matches(|digit: char| digit.is_ascii_digit());
    start.starts_with(BULLETS) || (number.len() < start.len() && number.starts_with(['.', ')']))
}

/// Whether a line begins as one of a JSON sample does, after the number of the line.
fn is_of_json(line: &str) -> bool {
    let line = line.trim_start_matches(|character: char| character.is_whitespace() || character.is_ascii_digit());
    let is_member = |key: &str| key.split_once('"').is_some_and(|(_, rest)| rest.trim_start().starts_with(':'));
    line.starts_with(['{', '}', '[', ']']) || line.strip_prefix('"').is_some_and(is_member)
}

/// How far the paragraph goes on in `rest`, if its first line is `line`: to a blank line, or one that begins something else. A list that is indented more belongs to it.
fn paragraph(line: &str, rest: &str) -> usize {
    let first = first_word(line);
    let margin = indent(line);
    let (mut length, mut blank) = (0, 0);
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        let start = line.trim_start();
        if number > 0 && start.is_empty() {
            blank += line.len();
            continue;
        }
        let is_own = number == 0 || (is_item(start) && indent(line) > margin);
        // An item of a list, a heading, a fence, a sample, or the next of several lines that begin alike: `Properti ...`.
        let is_next = || {
            blank > 0
                || is_item(start)
                || start.starts_with(['#', '<', '|'])
                || start.starts_with("```")
                || is_of_json(start)
                || (!first.is_empty() && first_word(start) == first)
        };
        if !is_own && is_next() {
            break;
        }
        length += blank + line.len();
        blank = 0;
    }
    length
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The first word of a line, after the mark of a list.
fn first_word(line: &str) -> &str {
    let line = line.trim_start_matches(|character: char| !character.is_alphabetic());
    line.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default()
}

/// What stands in quotation marks and is long enough for a text.
fn quotations(paragraph: &str) -> Vec<&str> {
    let mut quotations = Vec::new();
    let mut rest = paragraph;
    while let Some((_, mark, inside)) = cut(rest, &['"', '\u{201C}', '\u{201E}', '\u{AB}', '\u{2018}', '`']) {
        let closing: &[char] = match mark {
            '"' => &['"'],
            '\u{AB}' => &['\u{BB}'],
            '\u{2018}' => &['\u{2019}'],
            '`' => &['`'],
            _ => &['\u{201C}', '\u{201D}'],
        };
        let Some((quotation, _, after)) = cut(inside, closing) else { break };
        if quotation.split_whitespace().nth(FEWEST_WORDS - 1).is_some() {
            quotations.push(quotation);
        }
        rest = after;
    }
    quotations
}

/// What stands before the first of these characters, which one it is, and what stands after it.
fn cut<'a>(text: &'a str, at: &[char]) -> Option<(&'a str, char, &'a str)> {
    let (before, rest) = text.split_at_checked(text.find(at)?)?;
    let mut rest = rest.chars();
    let mark = rest.next()?;
    Some((before, mark, rest.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "The client was not found (see client_id or a secret)";
    const SECOND: &str = "Too many attempts. Wait: 1 minute";

    fn texts(text: &str) -> Vec<String> {
        let document = Document { text: text.to_owned(), is_markdown: true };
        read(&document).unwrap_or_default().into_iter().map(|found| found.message.unwrap()).collect()
    }

    #[test]
    fn texts_are_read_from_json_and_from_prose() {
        let json = |text: &str| {
            format!(r#"{{"resourceType": "OperationOutcome", "issue": [{{"code": "value", "details": {{"text": "{text}"}}}}]}}"#)
        };
        let cases = [
            format!("Field issue is an array with \"{FIRST}\" (some words) or \"{SECOND}\" (others)."),
            format!("3. Field `issue`, with \u{201C}{FIRST}\u{201D}\n   or\n\u{201C}{}\u{201D}", SECOND.replace(' ', "\n")),
            format!("- issue: \u{201E}{}\u{201C}\n\n{}", FIRST.replace('_', "\\_"), json(SECOND)),
            format!("```json\n{}\n```\nField issue has \"{SECOND}\".\nField other has \"some words of its own\".", json(FIRST)),
            format!("{}\n1{}", json(FIRST), json(SECOND).replace(", ", ",\n2 ").replace("}]", "\n3}]")),
            format!("Issue: has \"{FIRST}\" or \"{SECOND}\" or again \"{FIRST}\" or \"value\" or \"two words\"\n{}", json(FIRST)),
            format!("Properti ISSUE berisi \u{AB}{FIRST}\u{BB} atau \u{2018}{SECOND}\u{2019}"),
            format!("Field `issue` has `{FIRST}` or `{SECOND}` and `no_text`"),
            format!("- Field issue\n  - \"{FIRST}\"\n\n  - \"{SECOND}\"\n\n- Other \"some words of its own\""),
            format!("1. issue is one of\n    \u{2022} `{FIRST}`\n    \u{2022} \"{SECOND}\"\n2. Other \"some words of its own\""),
        ];
        for text in cases {
            assert_eq!(texts(&text), [FIRST, SECOND], "{text}");
        }
        let html = [
            format!("<ol><li>Properti issue: <q>{FIRST}</q> or <q>{SECOND}</q></li><li>Other <q>some words of its own</q></ol>"),
            format!(
                "<ul><li>Properti <code>issue</code><ul><li><code>{FIRST}</code></li><li><code>{SECOND}</code></li></ul></li><li>Other <code>some words of its own</code></ul>"
            ),
        ];
        for text in html {
            let document = Document::read(format!("<!doctype html>{text}").as_bytes()).unwrap();
            let found = read(&document).unwrap().into_iter().map(|found| found.message.unwrap()).collect::<Vec<_>>();
            assert_eq!(found, [FIRST, SECOND], "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_text() {
        let others = [
            "\"Some words before\" the issue",
            "Field other has \"some words of its own\"",
            "tissue and issued and issue_x: \"some words of its own\"",
            "issue\n\n\"some words of its own\"",
            "issue\n- \"some words of its own\"",
            "1  \"issue\": [ { \"diagnostics\": \"some words of its own\" } ]",
            "issue: \"never closed and so on",
            "Open an issue on GitHub, with the label \"needs more information please\".",
            "An issue\nmay have the label \"needs more information please\".",
            "issue\n  \"diagnostics\": \"some words of its own\"",
            r#"{"resourceType": "Bundle", "issue": [{"details": {"text": "some words of its own"}}]}"#,
            r#"{"resourceType": "OperationOutcome", "text": "some words of its own"}"#,
            "Gateway Timeout",
            "",
        ];
        for text in others {
            assert_eq!(texts(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let many = format!("issue: {}", "\"some words of it\" ".repeat(MOST_TEXTS + 1));
        let long = format!("issue: \"{}\"", "word ".repeat(2_000));
        let places = "issue\n".repeat(MOST_PLACES + 1);
        for (text, wanted) in [
            (many, "more than 100 texts"),
            (places, "more than 100000 times"),
            (long, "the message is longer"),
            (String::new(), "no error code"),
        ] {
            let error = read(&Document { text, is_markdown: true }).unwrap_err();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
