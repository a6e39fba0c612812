//! Text from a service: untrusted until it has been through here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// Drops control, bidi and invisible characters and cuts at `most` characters.
pub(crate) fn untrusted(text: &str, most: usize) -> String {
    // A character has at most four bytes. Room for all of it, because a text that grows leaves its old bytes behind.
    let mut plain = String::with_capacity(text.len().min(most.saturating_mul(4)));
    plain.extend(text.chars().filter(|&character| is_plain(character)).take(most));
    plain
}

fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

/// What RFC 3986 calls unreserved stands for itself.
const IN_A_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a form leaves as it is; a space becomes `+` besides.
const IN_A_FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b' ');

/// Replaces every occurrence of a secret, raw, percent-encoded or HTML-escaped in any usual way. Done before a text is cut, or half a secret would stay.
pub(crate) fn without_secrets(text: &str, secrets: &[&str]) -> String {
    let mut spellings: Vec<Zeroizing<String>> =
        secrets.iter().filter(|secret| !secret.is_empty()).flat_map(|secret| spellings(secret)).collect();
    // The longest first: a secret that begins another one must not leave the rest of it behind.
    spellings.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    spellings.dedup();
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    // One pass: what was put in is not searched again.
    while let Some(first) = rest.chars().next() {
        match spellings.iter().find_map(|spelling| rest.strip_prefix(spelling.as_str())) {
            Some(after) => {
                clean.push_str("[secret]");
                rest = after;
            }
            None => {
                clean.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    clean
}

fn spellings(secret: &str) -> [Zeroizing<String>; 6] {
    let url = wiped(utf8_percent_encode(secret, IN_A_URL), 3 * secret.len());
    let form = utf8_percent_encode(secret, IN_A_FORM);
    let form = wiped(form.flat_map(|part| part.split_inclusive(' ')).flat_map(with_plus), 3 * secret.len());
    let html = wiped(secret.split_inclusive(['&', '<', '>', '"', '\'']).flat_map(escaped), 6 * secret.len());
    let raw = wiped([secret], secret.len());
    [raw, lower_hex(&url), lower_hex(&form), url, form, html]
}

/// The parts as one text of at most `room` bytes, with no copy left behind by growing.
fn wiped<'p>(parts: impl IntoIterator<Item = &'p str>, room: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.extend(parts);
    text
}

fn with_plus(part: &str) -> [&str; 2] {
    part.strip_suffix(' ').map_or([part, ""], |before| [before, "+"])
}

fn escaped(part: &str) -> [&str; 2] {
    let escapes = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];
    let ends = escapes.into_iter().find_map(|(character, escape)| Some([part.strip_suffix(character)?, escape]));
    ends.unwrap_or([part, ""])
}

/// `%2F` → `%2f`
fn lower_hex(encoded: &str) -> Zeroizing<String> {
    let mut left = 0;
    let lower = |character: char| {
        left = if character == '%' { 3 } else { u32::saturating_sub(left, 1) };
        if left > 0 { character.to_ascii_lowercase() } else { character }
    };
    let mut text = Zeroizing::new(String::with_capacity(encoded.len()));
    text.extend(encoded.chars().map(lower));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_in_every_usual_spelling() {
        let secrets = ["aB", "aB/c+d~E f*", ""];
        for spelling in
            ["aB/c+d~E f*", "aB%2Fc%2Bd~E%20f%2A", "aB%2fc%2bd~E%20f%2a", "aB%2Fc%2Bd%7EE+f*", "aB%2fc%2bd%7eE+f*", "aB"]
        {
            assert_eq!(without_secrets(&format!("bad secret {spelling}, {spelling}"), &secrets), "bad secret [secret], [secret]");
        }
        assert_eq!(without_secrets("a&amp;b&quot; \u{e9}", &["a&b\""]), "[secret] \u{e9}");
        assert_eq!(without_secrets("no secret", &["secret", "e", "s"]), "no [secret]", "what was put in is not searched again");
    }
}
