//! Prakerja's pages: a list of `Response 400 Bad Request ErrName`, each with the JSON that comes with it.

use super::document::Document;
use super::json::{self, Object};
use super::rows::{Found, LONGEST_CODE, LONGEST_NAME, Rows};

pub(super) const LOOKED_FOR: &str = "looked for entries such as `Response 400 Bad Request ErrName` with JSON that has a `code`: \
    the pages Create Token, Refresh Token, Get Profile and Generate URL have them, under Error Response";

/// Between a header and its JSON stand a reason, a name, a line number, a button: not more bytes than this.
const LONGEST_HEADER: usize = 400;
/// And not more words than this: more are prose.
const MOST_WORDS: usize = 6;

/// Most headers of a page.
const MOST_HEADERS: usize = 20_000;

/// Most marks between `Response` and its status.
const MOST_MARKS: usize = 8;
/// How far before a status at the start of a line its line begins.
const MOST_INDENT: usize = 16;
/// Most bytes after the `{` of what cannot be read that are searched for a code.
const LONGEST_SAMPLE: usize = 200;
/// Most lines of JSON whose numbers may stand together before it.
const MOST_NUMBERS: usize = 60;

/// What a site puts above a sample of JSON.
const NOISE: &[&str] = &["copy", "javascript", "js", "json", "salin", "text"];

pub(super) const REASONS: &[&str] = &[
    "Bad Request",
    "Unauthorized",
    "Payment Required",
    "Forbidden",
    "Not Found",
    "Method Not Allowed",
    "Not Acceptable",
    "Request Timeout",
    "Conflict",
    "Gone",
    "Unsupported Media Type",
    "Unprocessable Entity",
    "Unprocessable Content",
    "Too Many Requests",
    "Internal Server Error",
    "Not Implemented",
    "Bad Gateway",
    "Service Unavailable",
    "Gateway Timeout",
];

/// The beginning of an entry.
struct Header {
    status: u16,
    /// Where its status ends.
    end: usize,
}

/// Reads the entries, and tells of those that have a name or a code and no JSON that can be read.
pub(super) fn read(document: &Document, unread: &mut Vec<String>) -> Result<Vec<Found>, String> {
    let text = document.text.as_str();
    let mut rows = Rows::default();
    let mut header: Option<Header> = None;
    let mut headers = 0;
    // Codes in what could not be read, and where they stand.
    let mut broken: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        at += 1;
        match byte {
            b'R' | b'r' | b'H' | b'h' | b'1'..=b'5' => {
                let next = if byte.is_ascii_digit() { bare_header_at(text, at - 1) } else { header_at(text, at - 1) };
                if let Some(next) = next {
                    headers += 1;
                    if headers > MOST_HEADERS {
                        return Err(format!("more than {MOST_HEADERS} responses: is this the right page?"));
                    }
                    let start = at - 1;
                    at = next.end;
                    lost(text, header.replace(next), start, &mut broken, unread);
                }
            }
            b'{' => {
                let start = at - 1;
                let reading = json::object(text, start);
                at = reading.end;
                let Some(object) = reading.object else {
                    // Up to the next `{`, so that no byte is searched twice.
                    let rest = text.as_bytes().get(at..).unwrap_or_default();
                    let end = at + rest.iter().take(LONGEST_SAMPLE).take_while(|byte| **byte != b'{').count();
                    let known = broken.last().map(|(_, code)| *code);
                    broken.extend(code_in(text, start, end).filter(|code| known != Some(code)).map(|code| (start, code)));
                    continue;
                };
                let name = header.as_ref().map(|header| name(header.end, text, start, reading.end));
                match (header.take(), name) {
                    (Some(header), Some(Ok(name))) => match code(&object).filter(|code| is_answer(&object, code)) {
                        // The answer of a success has a code too: `"errorCode": "0"`.
                        _ if header.status < 300 => {}
                        Some(code) => rows.add(found(code, Some(header.status), name, &object))?,
                        None => lost(text, Some(header), start, &mut broken, unread),
                    },
                    // Without a header of its own only what looks like a code of the service is one.
                    _ => {
                        if let Some(code) = code(&object).filter(|code| is_of_the_service(code)) {
                            rows.add(found(code, None, None, &object))?;
                        }
                    }
                }
            }
            _ => {}
        }
    }
    lost(text, header, text.len(), &mut broken, unread);
    unread.extend(broken.into_iter().filter(|(_, code)| !rows.has(code)).map(|(_, code)| code.to_owned()));
    rows.all(LOOKED_FOR)
}

fn found(code: &str, status: Option<u16>, name: Option<String>, object: &Object) -> Found {
    Found { code: Some(code.to_owned()), status, name, message: object.first("message").map(str::to_owned) }
}

/// `Response 400`, with any marks or none between the two, or `HTTP 400`, or `Response Status: 400`.
fn header_at(text: &str, start: usize) -> Option<Header> {
    let rest = text.get(start..)?;
    let rest = if let Some(rest) = after_word(rest, "http") {
        // `HTTP/1.1`
        rest.strip_prefix('/').map_or(rest, |rest| rest.trim_start_matches(['0', '1', '2', '3', '.']))
    } else {
        after_word(rest, "response").or_else(|| after_word(rest, "respons"))?
    };
    let rest = after_marks(rest);
    let rest = after_word(rest, "status").map_or(rest, after_marks);
    let rest = after_word(rest, "code").map_or(rest, after_marks);
    status(text, rest)
}

/// `400 Bad Request` at the start of a line.
fn bare_header_at(text: &str, start: usize) -> Option<Header> {
    let header = status(text, text.get(start..)?)?;
    let after = text.get(header.end..)?;
    let reason = after_marks(after);
    if reason.len() == after.len() || !reason.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let before = text.as_bytes().get(start.saturating_sub(MOST_INDENT)..start)?;
    let is_mark = |byte: &u8| is_mark(char::from(*byte)) || !byte.is_ascii();
    let marks = before.iter().rev().take_while(|byte| **byte != b'\n' && is_mark(byte)).count();
    let is_start = marks == start || before.iter().rev().nth(marks) == Some(&b'\n');
    (is_start && REASONS.iter().any(|known| after_word(reason, known).is_some())).then_some(header)
}

/// The header that ends with the status at the start of `rest`.
fn status(text: &str, rest: &str) -> Option<Header> {
    let (status, after) = rest.split_at_checked(3).filter(|(status, _)| status.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_longer = after.starts_with(|next: char| next.is_ascii_digit());
    let status = status.parse().ok().filter(|status| (100..600).contains(status) && !is_longer)?;
    Some(Header { status, end: text.len() - after.len() })
}

/// What comes after a word, however its letters are written.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_at_checked(word.len()).filter(|(start, _)| start.eq_ignore_ascii_case(word)).map(|(_, rest)| rest)
}

fn after_marks(text: &str) -> &str {
    let marks: usize = text.chars().take(MOST_MARKS).take_while(|mark| is_mark(*mark)).map(char::len_utf8).sum();
    text.get(marks..).unwrap_or_default()
}

fn is_mark(mark: char) -> bool {
    mark.is_whitespace() || matches!(mark, '*' | '`' | ':' | '-' | '_' | '#' | '(' | '[' | '>' | '|' | '+')
}

/// The name in what stands between `from`, where a header's status ends, and its JSON from `start` to `end`; an error if that is no header but prose.
fn name(from: usize, text: &str, start: usize, end: usize) -> Result<Option<String>, ()> {
    let gap = text.get(from..start).unwrap_or_default();
    if gap.len() > LONGEST_HEADER {
        return Err(());
    }
    let mut words = words(gap);
    // `ErrScopeNotMatch1{2 "code"`: the 1 is the number of the first line.
    if gap.ends_with('1')
        && json::is_numbered(text, start)
        && let Some(last) = words.last_mut()
    {
        last.pop();
    } else if let Some(last) = words.last_mut() {
        // `ErrScopeNotMatch12345`: the numbers of all five lines.
        let lines = text.get(start..end).unwrap_or_default().matches('\n').take(MOST_NUMBERS).count() + 1;
        let numbers: String = (1..=lines).map(|line| line.to_string()).collect();
        if lines > 1 && last.ends_with(&numbers) {
            last.truncate(last.len() - numbers.len());
        }
    }
    words.retain(|word| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        !is_number && !NOISE.iter().any(|noise| noise.eq_ignore_ascii_case(word))
    });
    if words.len() > MOST_WORDS { Err(()) } else { Ok(best(&words).cloned()) }
}

/// The word that is a name: best one that begins with `Err`, then one of words, then one with `_`.
fn best(words: &[String]) -> Option<&String> {
    let first = |is: fn(&str) -> bool| words.iter().find(|word| is(word));
    first(is_own).or_else(|| first(is_camel)).or_else(|| first(is_snake))
}

/// `ErrScopeNotMatch`
fn is_own(word: &str) -> bool {
    word.starts_with("Err") && is_camel(word)
}

/// `invalid_request`
fn is_snake(word: &str) -> bool {
    is_name(word) && word.contains('_')
}

/// The words after a header's status and its reason.
fn words(gap: &str) -> Vec<String> {
    // Markdown's escape of an underscore is part of the name; every other sign is not.
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let plain: String = gap.chars().filter(|character| *character != '\\').map(|c| if is_part(c) { c } else { ' ' }).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = REASONS.iter().find_map(|reason| {
        let begins = plain.get(..reason.len()).is_some_and(|start| start.eq_ignore_ascii_case(reason));
        let rest = plain.get(reason.len()..).filter(|_| begins)?;
        // `Bad RequestErrName` can only be cut in one place. `UnauthorizedClient` is a name.
        (rest.is_empty() || rest.starts_with(' ') || reason.contains(' ') || rest.starts_with("Err")).then_some(rest)
    });
    rest.unwrap_or(&plain).split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn is_name(word: &str) -> bool {
    word.len() <= LONGEST_NAME
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a word is made of words, as no word of prose is: `ErrScopeNotMatch`.
fn is_camel(word: &str) -> bool {
    is_name(word)
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
        && word.bytes().filter(u8::is_ascii_uppercase).count() > 1
        && word.starts_with(|first: char| first.is_ascii_uppercase())
}

fn code(object: &Object) -> Option<&str> {
    let code = object.first("code").or_else(|| object.first("errorCode"))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-');
    (!code.is_empty() && code != "0" && code.len() <= LONGEST_CODE && code.bytes().all(is_plain)).then_some(code)
}

/// Whether an object after a header is the answer: a request may have a `code` too.
fn is_answer(object: &Object, code: &str) -> bool {
    is_of_the_service(code) || (object.first("message").is_some() && !code.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The first code of the service that stands between two places of a text.
fn code_in(text: &str, start: usize, end: usize) -> Option<&str> {
    let end = (end..=text.len()).find(|end| text.is_char_boundary(*end))?;
    let mut rest = text.get(start..end)?;
    while let Some(at) = rest.find("ERR") {
        let word = rest.get(at..)?;
        let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let (code, after) = word.split_at_checked(word.bytes().take(LONGEST_CODE).take_while(is_part).count())?;
        if is_of_the_service(code) {
            return Some(code);
        }
        rest = after;
    }
    None
}

/// `ERROAUTH4024`, `ERRPLT10001`
fn is_of_the_service(code: &str) -> bool {
    let rest = code.strip_prefix("ERR").unwrap_or_default();
    let letters = rest.bytes().take_while(u8::is_ascii_uppercase).count();
    let number = rest.get(letters..).unwrap_or_default();
    letters > 0 && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells of an entry that came to nothing before `end`, if it has a name: prose has none.
fn lost(text: &str, header: Option<Header>, end: usize, broken: &mut Vec<(usize, &str)>, unread: &mut Vec<String>) {
    let Some(header) = header.filter(|header| header.status >= 300) else { return };
    let gap = text.get(header.end..end).unwrap_or_default();
    let mut start: String = gap.trim_start().chars().take(LONGEST_HEADER).take_while(|end| *end != '{').collect();
    let mut names = words(&start);
    if names.len() > MOST_WORDS {
        // Without JSON the page goes on with something else.
        start.truncate(start.find('\n').unwrap_or(start.len()));
        names = words(&start);
    }
    if let Some(word) = best(&names).filter(|word| names.len() <= MOST_WORDS && is_camel(word)) {
        unread.push(word.clone());
        // It is told once, not by its code as well.
        while broken.pop_if(|(at, _)| *at >= header.end).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Document {
        Document { text: text.to_owned(), is_markdown: true }
    }

    fn rows(text: &str) -> Vec<Found> {
        read(&page(text), &mut Vec::new()).unwrap_or_default()
    }

    fn row(code: &str, status: Option<u16>, name: Option<&str>, message: &str) -> Found {
        let text = |text: &str| Some(text.to_owned());
        Found { code: text(code), status, name: name.and_then(text), message: text(message) }
    }

    #[test]
    fn an_entry_is_read_in_every_layout() {
        let wanted = [row("ERROAUTH4033", Some(400), Some("ErrScopeNotMatch"), "scope tidak sesuai")];
        let json = r#"{"code": "ERROAUTH4033", "message": "scope tidak sesuai", "success": false}"#;
        let numbered = "1{\n2  \"code\": \"ERROAUTH4033\",\n3  \"message\": \"scope tidak sesuai\",\n4  \"success\": false\n5}";
        let cases = [
            format!("  • Response 400 Bad Request ErrScopeNotMatch\n    {numbered}\n"),
            format!("- Response 400 Bad Request ErrScopeNotMatch\n\n  ```json\n  {json}\n  ```\n"),
            format!("Response 400 Bad Request ErrScopeNotMatch {json}"),
            format!("Response 400 Bad Request ErrScopeNotMatch\n{}", numbered.replace('\n', " ")),
            format!("Response 400 Bad RequestErrScopeNotMatch{}", numbered.replace(['\n', ' '], "").replace("scopetidaksesuai", "scope tidak sesuai")),
            format!("Response400Bad RequestErrScopeNotMatch{numbered}"),
            format!("### **Response 400** Bad Request `ErrScopeNotMatch`\n\nCopy\n\n{json}"),
            format!("Response: 400 ErrScopeNotMatch\n1\n{{\n2\n{}", json.trim_start_matches('{')),
            format!("RESPONSE\u{A0}400 BAD REQUEST\n\nErrScopeNotMatch\n\nJSON\n{json}"),
            format!("Response 400 Permintaan Buruk ErrScopeNotMatch {json}"),
            "Response 400 Bad Request ErrScopeNotMatch\n{\"success\": false, \"data\": null, \"message\": \"scope tidak sesuai\", \"code\": \"ERROAUTH4033\"}".to_owned(),
        ];
        for text in cases {
            assert_eq!(rows(&text), wanted, "{text}");
            assert_eq!(rows(&format!("Response 200 OK {{}} {text} 6 {text}")), wanted, "{text}");
        }
    }

    #[test]
    fn a_header_gives_status_and_name_as_far_as_they_are_there() {
        let cases = [
            ("Response 404 Not Found", Some(404), None),
            ("Response 404 NotFoundContextUserId", Some(404), Some("NotFoundContextUserId")),
            ("Response 404 Not FoundNotFoundContextUserId", Some(404), Some("NotFoundContextUserId")),
            ("Response 401 UnauthorizedClient", Some(401), Some("UnauthorizedClient")),
            ("Response 401 Unauthorized ErrToken1", Some(401), Some("ErrToken1")),
            ("Response 401 UnauthorizedErrToken", Some(401), Some("ErrToken")),
            ("Response 400 Bad Request\n\ninvalid_request\n\nJSON\nCopy\n1\n", Some(400), Some("invalid_request")),
            ("Response 500", Some(500), None),
            ("Response 400 Bad Request invalid\\_request", Some(400), Some("invalid_request")),
            ("Response 400 of the kind ErrToken", Some(400), Some("ErrToken")),
            ("Response 400 is what comes if something in the request is wrong ErrToken", None, None),
            ("400 Bad Request ErrToken", Some(400), Some("ErrToken")),
            ("x\n  \u{2022} **400 Bad Request** ErrToken", Some(400), Some("ErrToken")),
            ("x 400 Bad Request ErrToken", None, None),
            ("Response (422 Unprocessable Entity) ErrToken", Some(422), Some("ErrToken")),
            ("HTTP 400 Bad Request ErrToken", Some(400), Some("ErrToken")),
            ("HTTP/1.1 400 Bad Request ErrToken", Some(400), Some("ErrToken")),
            ("https://400.example", None, None),
            ("Response Status: 400 ErrToken", Some(400), Some("ErrToken")),
            ("Response Status Code: `400` ErrToken", Some(400), Some("ErrToken")),
            ("Response [400] ErrToken", Some(400), Some("ErrToken")),
            ("Respons 400 ErrToken", Some(400), Some("ErrToken")),
            // A word of prose is no name.
            ("Response 400 Bad Request Contoh:", Some(400), None),
            ("Response 400 Bad Request Example", Some(400), None),
            ("Response 400 Body", Some(400), None),
            ("Response 400 Bad Request\njavascript", Some(400), None),
            ("Response 400 Bad Request JavaScript", Some(400), None),
            ("Response 400 Bad Request Copied!", Some(400), None),
            ("Response 403 Terlarang", Some(403), None),
            ("Response 400 Bad Request GrantType ErrToken Contoh", Some(400), Some("ErrToken")),
            ("Response 4000 ErrToken", None, None),
            ("Response 700 ErrToken", None, None),
            ("", None, None),
        ];
        for (header, status, name) in cases {
            let text = format!("{header} {{\"code\": \"ERRPLT10001\", \"message\": \"x\"}}");
            assert_eq!(rows(&text), [row("ERRPLT10001", status, name, "x")], "{text}");
        }
        // Where no line has a number, a 1 at the end is the name's.
        let glued = rows("Response 401 Unauthorized ErrToken1{\"code\": \"ERRX1\"}");
        assert_eq!(glued[0].name.as_deref(), Some("ErrToken1"));
        let json = "{\n\"code\": \"ERRX1\",\n\"message\": \"x\",\n\"success\": false\n}";
        for numbers in ["12345", "\n12345\n", "\n1\n2\n3\n4\n5\n"] {
            let found = rows(&format!("Response 400 Bad Request ErrScopeNotMatch{numbers}{json}"));
            assert_eq!(found, [row("ERRX1", Some(400), Some("ErrScopeNotMatch"), "x")]);
        }
        let long = format!("Response 400 {} {{\"code\": \"ERRX1\"}}", "ErrX".repeat(LONGEST_NAME / 4 + 1));
        assert_eq!(rows(&long)[0].name, None);
        let without_message = rows("Response 400 Bad Request {\"code\": \"ERRX1\"}");
        assert_eq!(without_message[0].message, None);
    }

    #[test]
    fn what_is_no_error_of_the_service_is_left_out() {
        let others = [
            r#"--data '{ 4 "code": "CODE" 5}'"#,
            r#"{"code": "ERR"} {"code": "ERR4024"} {"code": "ERRAUTH"} {"code": "errauth1"} {"code": "XERRAUTH1"}"#,
            r#"Response 200 OK 1{ 2 "errorCode": "0", 3 "code": "ERROAUTH4033" 4}"#,
            r#"Response 400 Bad Request ErrX {"errorCode": "0"}"#,
            r#"Response 400 Bad Request ErrX {"code": ""}"#,
            r#"Response 400 Bad Request ErrX {"code": "two words"}"#,
            r#"Response 400 Bad Request ErrX {"data": {"code": "ERROAUTH4033"}}"#,
            "response.data {}",
            "Response: 400, 401, 500\nRequest body\n{ \"code\": \"CODE\" }",
            "Response 400 Bad Request ErrX {\"code\": 400, \"message\": \"x\"}",
            "Response 400 Bad Request ErrX {\"code\": \"4001\", \"message\": \"x\"}",
        ];
        for text in others {
            assert_eq!(rows(text), [], "{text}");
        }
        let code = "E".repeat(LONGEST_CODE + 1);
        assert_eq!(rows(&format!("Response 400 {{\"code\": \"{code}\"}}")), []);
        let error = read(&page("nothing"), &mut Vec::new()).unwrap_err();
        assert!(error.contains("Create Token"), "{error}");
        let error = read(&page(&"Response 400 ".repeat(MOST_HEADERS + 1)), &mut Vec::new()).unwrap_err();
        assert!(error.starts_with("more than 20000 responses"), "{error}");
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_told_of() {
        let text = "Response 400 Bad Request ErrFirst {\"code\": \"ERRX1\"}\n\
            Response 400 Bad Request ErrBroken {\"code\": E2}\n\
            Response 400 is said in prose\nResponse 200 OtherName\n\
            Response 400 Bad Request ErrCodeless {\"message\": \"x\"}\n\
            Response 400 Bad Request ErrCut\n1{\n2  \"co";
        let mut unread = Vec::new();
        assert_eq!(read(&page(text), &mut unread).unwrap().len(), 1);
        assert_eq!(unread, ["ErrBroken", "ErrCodeless", "ErrCut"]);
        let cases = [
            ("Response 400 Permintaan Buruk ErrNewOne {\"code\": x}", "ErrNewOne"),
            ("- **Response 400** `ErrNewOne` Bad Request\n{'code': 'ERRX2'}", "ErrNewOne"),
            ("Response 400 Bad Request\n\nErrNewOne\n\n{'code': 'ERRX2'}", "ErrNewOne"),
            ("Response 400 Bad Request\n{'code': 'ERRX2'}", "ERRX2"),
            ("{'code': 'ERRX2', 'message': 'ERRX1'}", "ERRX2"),
            ("{'data': {'code': 'ERRX2'}}", "ERRX2"),
            ("{\"data\": null, \"code\": \"ERRX2\", broken}", "ERRX2"),
        ];
        for (entry, wanted) in cases {
            let mut unread = Vec::new();
            read(&page(&format!("{text}{entry}").replace("ErrCut\n1{\n2  \"co", "\n")), &mut unread).unwrap();
            assert_eq!(unread, ["ErrBroken", "ErrCodeless", wanted], "{entry}");
        }
        // What is read after all is not unread.
        let mut unread = Vec::new();
        let text = "try {\n x({\"ts\": 1.5e3, \"code\": \"ERRX1\", \"message\": \"x\"})";
        assert_eq!(read(&page(text), &mut unread).unwrap(), [row("ERRX1", None, None, "x")]);
        assert_eq!(unread, [""; 0]);
    }

    #[test]
    fn one_code_with_two_names_is_an_error_that_tells_both() {
        let entry = |name: &str| format!("Response 400 Bad Request {name} {{\"code\": \"E1\", \"message\": \"x\"}}\n");
        let error = read(&page(&format!("{}{}", entry("ErrA"), entry("ErrB"))), &mut Vec::new()).unwrap_err();
        assert!(error.contains("400, ErrA, \"x\"\n  400, ErrB, \"x\"\n"), "{error}");
        assert_eq!(rows(&format!("{}{}", entry("ErrA"), entry("ErrA"))).len(), 1);
    }
}
