//! Text from a service: untrusted until it has been through here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Drops control, bidi and invisible characters and cuts at `most` characters.
pub(crate) fn untrusted(text: &str, most: usize) -> String {
    text.chars().filter(|&character| is_plain(character)).take(most).collect()
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

/// What RFC 3986 calls unreserved stands for itself in every percent-encoding; all else may be written as `%XX`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Replaces every occurrence of a secret, raw or percent-encoded. Done before [`untrusted`] cuts the text, or half a secret would stay.
pub(crate) fn without_secrets(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let encoded = utf8_percent_encode(secret, ENCODED).to_string();
        text = text.replace(secret, "[secret]").replace(&encoded, "[secret]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_in_both_spellings() {
        let text = without_secrets("bad secret a/b+c and a%2Fb%2Bc here", &["a/b+c", ""]);
        assert_eq!(text, "bad secret [secret] and [secret] here");
    }
}
