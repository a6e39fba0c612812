//! JSON as it stands on a page: between line numbers, cut off, or none at all.

use std::str::Chars;

/// Deepest nesting; an error has three or four levels.
const DEEPEST: usize = 32;
/// Most members that are kept of one object.
const MOST_MEMBERS: usize = 200;
/// A longer key is none that anybody asks for.
const LONGEST_KEY: usize = 64;

/// The texts and numbers in an object, by the keys that lead to them: `issue.details.text`. Lists have no part in a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Object(Vec<(String, String)>);

impl Object {
    /// The values at a path, in the order of the page.
    pub(super) fn all<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(at, _)| at == path).map(|(_, value)| value.as_str())
    }

    pub(super) fn first<'a>(&'a self, path: &'a str) -> Option<&'a str> {
        self.all(path).next()
    }
}

/// What a reading came to, and where it ended. What comes next begins there, so that no byte is read twice.
pub(super) struct Reading {
    pub(super) object: Option<Object>,
    pub(super) end: usize,
}

/// Reads the object whose `{` stands at `start`.
///
/// A number where JSON has none is a line number of the page and passed over, and so are the signs that Markdown puts before the lines of a quotation.
pub(super) fn object(text: &str, start: usize) -> Reading {
    // Most braces of a page are code, and an empty object says nothing.
    if !has_keys(text, start) {
        return Reading { object: None, end: start + 1 };
    }
    let mut reader = Reader { text, at: start };
    let object = reader.object();
    Reading { object, end: reader.at.max(start + 1) }
}

/// Whether the lines of the object that begins here are numbered: after the `{` comes a `2`, where JSON has a key.
pub(super) fn is_numbered(text: &str, start: usize) -> bool {
    let after = text.get(start..).and_then(|text| text.strip_prefix('{')).unwrap_or_default();
    after.trim_start().starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a key or the number of a line follows the `{`.
fn has_keys(text: &str, start: usize) -> bool {
    let after = text.get(start + 1..).unwrap_or_default();
    let blanks = after.bytes().take_while(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'|')).count();
    // A byte of another alphabet may begin a blank or a quotation mark.
    after.as_bytes().get(blanks).is_some_and(|next| *next == b'"' || next.is_ascii_digit() || !next.is_ascii())
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Number(String),
    /// `true`, `false`, `null`
    Word,
    Sign(u8),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Key,
    Colon,
    Value,
    /// A comma, or the end of the object or list.
    Next,
}

/// An object or a list that is open, with the key that it is at.
#[derive(Default)]
struct Open {
    is_list: bool,
    key: String,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn object(&mut self) -> Option<Object> {
        let mut object = Object::default();
        let mut open: Vec<Open> = Vec::new();
        let mut wanted = Wanted::Value;
        // A number that is the value, unless another value follows: then it was the number of the line.
        let mut number: Option<String> = None;
        loop {
            let before = self.at;
            let token = self.token()?;
            let is_list = open.last().is_some_and(|open| open.is_list);
            let takes_value = wanted == Wanted::Value || number.is_some();
            wanted = match (wanted, token) {
                (Wanted::Key, Token::Text(key)) => {
                    open.last_mut()?.key = key;
                    Wanted::Colon
                }
                (Wanted::Colon, Token::Sign(b':')) => Wanted::Value,
                (_, Token::Text(value)) if takes_value => {
                    number = None;
                    object.keep(&open, value);
                    Wanted::Next
                }
                (_, Token::Word) if takes_value => {
                    number = None;
                    Wanted::Next
                }
                (_, Token::Sign(sign @ (b'{' | b'['))) if takes_value && open.len() < DEEPEST => {
                    number = None;
                    open.push(Open { is_list: sign == b'[', ..Open::default() });
                    if sign == b'[' { Wanted::Value } else { Wanted::Key }
                }
                (Wanted::Value, Token::Number(value)) => {
                    number = Some(value);
                    Wanted::Next
                }
                (wanted, Token::Number(_)) => wanted,
                (Wanted::Next, Token::Sign(b',')) => {
                    object.keep_number(&open, &mut number);
                    if is_list { Wanted::Value } else { Wanted::Key }
                }
                (Wanted::Next | Wanted::Key, Token::Sign(b'}')) if !is_list => {
                    object.keep_number(&open, &mut number);
                    open.pop();
                    Wanted::Next
                }
                (Wanted::Next | Wanted::Value, Token::Sign(b']')) if is_list => {
                    object.keep_number(&open, &mut number);
                    open.pop();
                    Wanted::Next
                }
                _ => {
                    // Whoever goes on from here may find an object that begins with this.
                    self.at = before;
                    return None;
                }
            };
            if open.is_empty() {
                return Some(object);
            }
        }
    }

    /// `None` at the end, and where no token begins.
    fn token(&mut self) -> Option<Token> {
        self.skip_blanks();
        let rest = self.rest();
        let first = *rest.as_bytes().first()?;
        match first {
            b'"' => self.string('"'),
            b'{' | b'}' | b'[' | b']' | b':' | b',' => {
                self.at += 1;
                Some(Token::Sign(first))
            }
            b'0'..=b'9' | b'-' => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
                let length = rest.bytes().take_while(is_part).count();
                self.at += length;
                Some(Token::Number(rest.get(..length.min(LONGEST_KEY))?.to_owned()))
            }
            // What an editor for prose makes of quotation marks.
            _ if rest.starts_with(['\u{201C}', '\u{201D}']) => self.string('\u{201D}'),
            _ => {
                let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word))?;
                self.at += word.len();
                Some(Token::Word)
            }
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'>' | b'|' => self.at += 1,
                byte if byte.is_ascii() => break,
                _ => match self.rest().chars().next().filter(|character| character.is_whitespace()) {
                    Some(blank) => self.at += blank.len_utf8(),
                    None => break,
                },
            }
        }
    }

    /// A text on one line.
    fn string(&mut self, close: char) -> Option<Token> {
        let mut string = String::new();
        let mut characters = self.rest().chars();
        characters.next();
        let text = loop {
            // Plain characters at once: what ends them is a sign of ASCII, or begins as the other quotation marks do.
            let rest = characters.as_str();
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\n' | 0xE2)).count();
            string.push_str(rest.get(..plain).unwrap_or_default());
            characters = rest.get(plain..).unwrap_or_default().chars();
            match characters.next() {
                None | Some('\n') => break None,
                Some('\\') => match characters.next() {
                    Some('b' | 'f' | 'n' | 'r' | 't') => string.push(' '),
                    Some('u') => string.push(unit(&mut characters)),
                    // `\"`, and Markdown's own escapes.
                    Some(other) => string.push(other),
                    None => break None,
                },
                Some(character) if character == close => break Some(Token::Text(string)),
                Some(character) => string.push(character),
            }
        };
        self.at = self.text.len() - characters.as_str().len();
        text
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

impl Object {
    fn keep(&mut self, open: &[Open], value: String) {
        let keys = || open.iter().filter(|open| !open.is_list).map(|open| open.key.as_str());
        if self.0.len() < MOST_MEMBERS && keys().all(|key| key.len() <= LONGEST_KEY) {
            self.0.push((keys().collect::<Vec<_>>().join("."), value));
        }
    }

    fn keep_number(&mut self, open: &[Open], number: &mut Option<String>) {
        if let Some(number) = number.take() {
            self.keep(open, number);
        }
    }
}

/// The character of a `\u`, after its `u`; U+FFFD if it is none.
fn unit(characters: &mut Chars<'_>) -> char {
    let mut units: Vec<u16> = number(characters).into_iter().collect();
    // The second half of a character that has two.
    if let [0xD800..0xDC00] = units.as_slice()
        && let Some(rest) = characters.as_str().strip_prefix("\\u")
    {
        *characters = rest.chars();
        units.extend(number(characters));
    }
    char::decode_utf16(units).next().and_then(Result::ok).unwrap_or('\u{FFFD}')
}

/// Four hexadecimal digits.
fn number(characters: &mut Chars<'_>) -> Option<u16> {
    let text = characters.as_str();
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    *characters = text.get(4..)?.chars();
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        object(text, text.find('{').unwrap()).object.map(|object| object.0)
    }

    fn members(members: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(members.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn an_object_is_read_however_its_lines_are_numbered() {
        let wanted = members(&[("code", "E1"), ("message", "a b")]);
        let cases = [
            r#"{"code":"E1","message":"a b","success":false}"#,
            "{\n  \"code\": \"E1\",\n  \"message\": \"a b\",\n  \"success\": false\n}",
            "1{\n2  \"code\": \"E1\",\n3  \"message\": \"a b\",\n4  \"success\": false\n5}",
            r#"1{ 2 "code": "E1", 3 "message": "a b", 4 "success": false 5}"#,
            r#"1{2"code":"E1",3"message":"a b",4"success":false5}"#,
            "1{\n2 \"code\":\n3 \"E1\",\n4 \"message\"\n5 : \"a b\"\n6 , \"success\": null\n7 }",
            "1\n{\n2\n\"code\": \"E1\",\n3\n\"message\": \"a b\",\n4\n}",
            "> {\n> \"code\": \"E1\",\n> \"message\": \"a b\"\n> }",
            "{\u{201C}code\u{201D}: \u{201C}E1\u{201D}, \u{201C}message\u{201D}: \u{201C}a b\u{201D}}",
            "{\u{A0}\"code\":\u{A0}\"E1\",\t\"message\": \"a b\"}",
        ];
        for text in cases {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn values_are_found_by_the_keys_that_lead_to_them() {
        let text =
            r#"1{ 2 "a": { 3 "b": [ 4 { 5 "c": "x", 6 "n": 12 7 }, 8 { 9 "c": "y" 10 } 11 ] 12 }, 13 "l": [ 1, 2 14 ] 15 }"#;
        let wanted = members(&[("a.b.c", "x"), ("a.b.n", "12"), ("a.b.c", "y"), ("l", "1"), ("l", "2")]);
        assert_eq!(read(text), wanted);
        assert_eq!(read(r#"{"a":{},"b":[],"c":[[]],"d":-1.5}"#), members(&[("d", "-1.5")]));
        assert_eq!(read(r#"{"a":1.5e3,"b":2E+1}"#), members(&[("a", "1.5e3"), ("b", "2E+1")]));
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn escapes_are_read() {
        let text = r#"{"a":"\"x\\ \u0041\ud83d\udd11 \ud83d \u12 grant\_type\n/"}"#;
        assert_eq!(read(text), members(&[("a", "\"x\\ A\u{1F511} \u{FFFD} \u{FFFD}12 grant_type /")]));
    }

    #[test]
    fn what_is_no_object_ends_where_it_stops_to_be_one() {
        let cases = [
            ("{", 1),
            ("{x", 1),
            ("{{", 1),
            ("{{}", 1),
            ("{\"a\" \"b\"", 4),
            ("{\"a\": x}", 6),
            ("{\"a\": [1}", 8),
            ("{\"a\": 1", 7),
            ("{\"a\n\": 1}", 4),
            ("{\"a\": \"b\\", 9),
            ("{ 2  key: 1}", 5),
            ("{\"a\" Response 400", 5),
        ];
        for (text, end) in cases {
            let reading = object(text, 0);
            assert_eq!((reading.object, reading.end), (None, end), "{text}");
        }
        let deep = "{\"a\":".repeat(DEEPEST + 1);
        assert_eq!(object(&deep, 0).end, 5 * DEEPEST);
        let good = "{\"a\":".repeat(DEEPEST - 1) + "{" + &"}".repeat(DEEPEST);
        assert_eq!(object(&good, 0).object, Some(Object::default()));
        assert_eq!(object(&good, 0).end, good.len());
    }
}
