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

/// What a site puts above a sample of JSON.
const NOISE: &[&str] = &["copy", "js", "json", "salin", "text"];

const REASONS: &[&str] = &[
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

/// Reads the entries, and tells of those that have a name and no JSON that can be read.
pub(super) fn read(document: &Document, unread: &mut Vec<String>) -> Result<Vec<Found>, String> {
    let text = document.text.as_str();
    let mut rows = Rows::default();
    let mut header: Option<Header> = None;
    let mut headers = 0;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        at += 1;
        match byte {
            b'R' | b'r' => {
                if let Some(next) = header_at(text, at - 1) {
                    headers += 1;
                    if headers > MOST_HEADERS {
                        return Err(format!("more than {MOST_HEADERS} responses: is this the right page?"));
                    }
                    let start = at - 1;
                    at = next.end;
                    lost(text, header.replace(next), start, unread);
                }
            }
            b'{' => {
                let start = at - 1;
                let reading = json::object(text, start);
                at = reading.end;
                let Some(object) = reading.object else { continue };
                let name = header.as_ref().map(|header| name(text.get(header.end..start).unwrap_or_default(), text, start));
                match (header.take(), name) {
                    (Some(header), Some(Ok(name))) => match code(&object) {
                        // The answer of a success has a code too: `"errorCode": "0"`.
                        _ if header.status < 300 => {}
                        Some(code) => rows.add(found(code, Some(header.status), name, &object))?,
                        None => lost(text, Some(header), start, unread),
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
    lost(text, header, text.len(), unread);
    rows.all(LOOKED_FOR)
}

fn found(code: &str, status: Option<u16>, name: Option<String>, object: &Object) -> Found {
    Found { code: Some(code.to_owned()), status, name, message: object.first("message").map(str::to_owned) }
}

/// `Response 400`, with any marks or none between the two.
fn header_at(text: &str, start: usize) -> Option<Header> {
    let word = text.get(start..start + "Response".len())?;
    if !word.eq_ignore_ascii_case("response") {
        return None;
    }
    let rest = text.get(start + word.len()..)?;
    let marks: usize = rest.chars().take(8).take_while(|mark| is_mark(*mark)).map(char::len_utf8).sum();
    let rest = rest.get(marks..)?;
    let status = rest.get(..3).filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_longer = rest.get(3..)?.starts_with(|next: char| next.is_ascii_digit());
    let status = status.parse().ok().filter(|status| (100..600).contains(status) && !is_longer)?;
    Some(Header { status, end: start + word.len() + marks + 3 })
}

fn is_mark(mark: char) -> bool {
    mark.is_whitespace() || matches!(mark, '*' | '`' | ':' | '-' | '_' | '#')
}

/// The name in what stands between a header's status and the `{` at `start`; an error if that is no header but prose.
fn name(gap: &str, text: &str, start: usize) -> Result<Option<String>, ()> {
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
    }
    words.retain(|word| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        !is_number && !NOISE.iter().any(|noise| noise.eq_ignore_ascii_case(word))
    });
    match words.as_slice() {
        [word] if is_name(word) => Ok(Some(word.clone())),
        words if words.len() > MOST_WORDS => Err(()),
        words => Ok(words.iter().find(|word| is_camel(word)).cloned()),
    }
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

/// `ERROAUTH4024`, `ERRPLT10001`
fn is_of_the_service(code: &str) -> bool {
    let rest = code.strip_prefix("ERR").unwrap_or_default();
    let letters = rest.bytes().take_while(u8::is_ascii_uppercase).count();
    let number = rest.get(letters..).unwrap_or_default();
    letters > 0 && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells of an entry that came to nothing before `end`, if it has a name: prose has none.
fn lost(text: &str, header: Option<Header>, end: usize, unread: &mut Vec<String>) {
    let Some(header) = header.filter(|header| header.status >= 300) else { return };
    let gap = text.get(header.end..end).unwrap_or_default();
    let line: String = gap.trim_start().chars().take(LONGEST_HEADER).take_while(|end| !matches!(end, '\n' | '{')).collect();
    if let [word] = words(&line).as_slice()
        && is_camel(word)
    {
        unread.push(word.clone());
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
            ("Response 4000 ErrToken", None, None),
            ("Response 700 ErrToken", None, None),
            ("", None, None),
        ];
        for (header, status, name) in cases {
            let text = format!("{header} {{\"code\": \"ERRPLT10001\", \"message\": \"x\"}}");
            assert_eq!(rows(&text), [row("ERRPLT10001", status, name, "x")], "{text}");
        }
        // Where no line has a number, a 1 at the end is the name's.
        let glued = rows("Response 401 Unauthorized ErrToken1{\"code\": \"E1\"}");
        assert_eq!(glued[0].name.as_deref(), Some("ErrToken1"));
        let long = format!("Response 400 {} {{\"code\": \"E1\"}}", "E".repeat(LONGEST_NAME + 1));
        assert_eq!(rows(&long)[0].name, None);
        let without_message = rows("Response 400 Bad Request {\"code\": \"E1\"}");
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
        let text = "Response 400 Bad Request ErrFirst {\"code\": \"E1\"}\n\
            Response 400 Bad Request ErrBroken {\"code\": E2}\n\
            Response 400 is said in prose\nResponse 200 OtherName\n\
            Response 400 Bad Request ErrCodeless {\"message\": \"x\"}\n\
            Response 400 Bad Request ErrCut\n1{\n2  \"co";
        let mut unread = Vec::new();
        assert_eq!(read(&page(text), &mut unread).unwrap().len(), 1);
        assert_eq!(unread, ["ErrBroken", "ErrCodeless", "ErrCut"]);
    }

    #[test]
    fn one_code_with_two_names_is_an_error_that_tells_both() {
        let entry = |name: &str| format!("Response 400 Bad Request {name} {{\"code\": \"E1\", \"message\": \"x\"}}\n");
        let error = read(&page(&format!("{}{}", entry("ErrA"), entry("ErrB"))), &mut Vec::new()).unwrap_err();
        assert!(error.contains("400, ErrA, \"x\"\n  400, ErrB, \"x\"\n"), "{error}");
        assert_eq!(rows(&format!("{}{}", entry("ErrA"), entry("ErrA"))).len(), 1);
    }
}
