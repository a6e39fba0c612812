//! Answers that are no token: each for a check of its own, and all for the checks that every answer must pass.

use crate::answer::Answer;
use crate::expiries::http_date;
use crate::run::{ACCESS_TOKEN, Case, Draft};
use crate::subject::{Subject, json_object, json_text};

/// The limit on a body.
const LONGEST_BODY: usize = 64 * 1024;

/// Every answer of this file, and what the subject says of its errors.
pub(super) fn bad(subject: &dyn Subject) -> Vec<Case> {
    let mut cases: Vec<_> = subject
        .documented_errors()
        .into_iter()
        .enumerate()
        .map(|(number, documented)| Case::new(documented_name(number, &documented.code, &documented.answer), documented.answer))
        .collect();
    cases.push(Case::new(
        "an undocumented code",
        subject.refusal(subject.unknown_code().unwrap_or_default(), "a message for test only"),
    ));
    cases.extend(malformed(subject));
    cases.extend(doubled_keys(subject));
    cases.extend(deep(subject));
    cases.extend(oversized(subject));
    cases.extend(pages());
    cases.extend(unusable_tokens(subject));
    cases.extend(unknown_token_types(subject));
    cases.extend(refusals(&[400, 401, 403, 404, 429]));
    cases.extend(service_faults());
    cases.extend(broken(subject));
    cases.push(Case::unending("no answer", Answer::silence()));
    for status in [301, 302, 303, 307, 308] {
        cases.push(Case::new(format!("redirect {status} to itself"), Answer::redirect(status, "/elsewhere")));
    }
    cases
}

pub(super) fn documented_name(number: usize, code: &Option<String>, answer: &Answer) -> String {
    let code = code.as_ref().map(|code| format!(" `{code}`")).unwrap_or_default();
    format!("documented error {}{code}, HTTP {}", number + 1, answer.status())
}

/// Not what the service documents, with status 200.
pub(super) fn malformed(subject: &dyn Subject) -> Vec<Case> {
    let good = Draft::good(subject).answer(subject);
    let whole = good.body_bytes();
    let truncated = whole.get(..whole.len().saturating_sub(1)).unwrap_or_default();
    let not_utf8 = Draft { access_token: Some(format!("\"{ACCESS_TOKEN}\u{1}\"")), ..Draft::good(subject) }.answer(subject);
    let not_utf8: Vec<_> = not_utf8.body_bytes().iter().map(|byte| if *byte == 1 { 0xff } else { *byte }).collect();
    let mut cases = vec![
        ("an empty body", Vec::new()),
        ("a body of white space", b" \r\n".to_vec()),
        ("a body that ends too early", truncated.to_vec()),
        ("a body that is not UTF-8", not_utf8),
        ("a body with something after it", [whole, b" and more"].concat()),
        ("an empty array", b"[]".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("the text of a token alone", json_text(ACCESS_TOKEN).into_bytes()),
        ("null", b"null".to_vec()),
        ("plain text", b"OK".to_vec()),
        ("a form", format!("access_token={ACCESS_TOKEN}&token_type=Bearer").into_bytes()),
    ];
    cases.push(("an array around the answer", [b"[", whole, b"]"].concat()));
    cases.into_iter().map(|(name, body)| Case::new(name, Answer::json(200, body))).collect()
}

/// The good answer with a key twice: that of the token, one beside it, one at the top.
pub(super) fn doubled_keys(subject: &dyn Subject) -> Vec<Case> {
    let good = Draft::good(subject);
    let beside = Draft { access_token: Some(format!("{},\"x_kit\":1,\"x_kit\":2", json_text(ACCESS_TOKEN))), ..good.clone() };
    let answer = good.answer(subject);
    let text = String::from_utf8_lossy(answer.body_bytes()).into_owned();
    let mut cases = vec![
        Case::new("a key twice beside the token", beside.answer(subject)),
        Case::new("a key twice at the top", Answer::json(200, text.replacen('{', r#"{"x_kit":1,"x_kit":2,"#, 1))),
    ];
    if let Some(key) = key_of_token(&text) {
        let twice = format!("{},{key}:{}", json_text("another-token-for-test-only"), json_text(ACCESS_TOKEN));
        let twice = Draft { access_token: Some(twice), ..good };
        cases.push(Case::new(format!("the key {key} twice"), twice.answer(subject)));
    }
    cases
}

/// The key before the token, in quotation marks.
fn key_of_token(text: &str) -> Option<String> {
    let before = text.get(..text.find(&json_text(ACCESS_TOKEN))?)?;
    let before = before.trim_end().strip_suffix(':')?.trim_end().strip_suffix('"')?;
    Some(format!("\"{}\"", before.get(before.rfind('"')? + 1..)?))
}

/// Arrays and objects in each other, beside the token.
pub(super) fn deep(subject: &dyn Subject) -> Vec<Case> {
    let nested = |open: &str, close: &str| {
        let token = format!("{},\"x_kit\":{}1{}", json_text(ACCESS_TOKEN), open.repeat(4_000), close.repeat(4_000));
        Draft { access_token: Some(token), ..Draft::good(subject) }.answer(subject)
    };
    vec![
        Case::new("4,000 arrays in each other", nested("[", "]")),
        Case::new("4,000 objects in each other", nested("{\"a\":", "}")),
        Case::new("60,000 brackets", Answer::json(200, "[".repeat(60_000))),
    ]
}

/// Over 64 KiB.
pub(super) fn oversized(subject: &dyn Subject) -> Vec<Case> {
    let good = Draft::good(subject).answer(subject);
    let long = [good.body_bytes(), &vec![b' '; LONGEST_BODY]].concat();
    vec![
        Case::new("a good answer with 64 KiB of white space", Answer::json(200, long.clone())),
        Case::new("the same in a chunk", Answer::json(200, long.clone()).chunked()),
        Case::new("an announced length of 10 GB", Answer::json(200, long.clone()).announcing(10_000_000_000)),
        Case::new("a body without end", Answer::json(200, " ".repeat(1_000)).endless()),
        Case::new("an error's body without end", Answer::json(401, " ".repeat(1_000)).endless()),
    ]
}

/// Pages of firewalls, proxies and login portals.
pub(super) fn pages() -> Vec<Case> {
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>for people</body></html>";
    vec![
        Case::new("an HTML page with status 200", Answer::html(200, page)),
        Case::new("an HTML page with status 200 that says it is JSON", Answer::json(200, page)),
        Case::new("an HTML page with status 403", Answer::html(403, page)),
        Case::new("an HTML page with status 401", Answer::html(401, page)),
    ]
}

/// Tokens that no header can hold, or that are none.
pub(super) fn unusable_tokens(subject: &dyn Subject) -> Vec<Case> {
    let with = |name: &str, token: Option<String>| {
        Case::new(name, Draft { access_token: token, ..Draft::good(subject) }.answer(subject))
    };
    let text = |inside: &str| Some(json_text(&format!("{ACCESS_TOKEN}{inside}end")));
    vec![
        with("no token", None),
        with("token null", Some("null".to_owned())),
        with("an empty token", Some(r#""""#.to_owned())),
        with("a token of a space", Some(r#"" ""#.to_owned())),
        with("token true", Some("true".to_owned())),
        with("a token in an array", Some(format!("[{}]", json_text(ACCESS_TOKEN)))),
        with("a token in an object", Some(json_object(&[("value", Some(&json_text(ACCESS_TOKEN)))]))),
        with("a token with a space", text(" ")),
        with("a token with a tab", text("\t")),
        with("a token with a line end", text("\r\nx-header: ")),
        with("a token with NUL", text("\0")),
        with("a token with DEL", text("\u{7f}")),
        with("a token with a letter that is not ASCII", text("\u{e9}")),
        with("a token with a line separator", text("\u{2028}")),
        with("a token of 16,385 bytes", Some(json_text(&"x".repeat(16_385)))),
        with("a token of 1 MB", Some(json_text(&"x".repeat(1_000_000)))),
    ]
}

/// Types other than bearer, for a service that states one.
pub(super) fn unknown_token_types(subject: &dyn Subject) -> Vec<Case> {
    if subject.token_type().is_none() {
        return Vec::new();
    }
    let names = ["mac", "DPoP", "N_A", "Bearer mac"];
    let with = |token_type: &str| {
        let draft = Draft { token_type: Some(json_text(token_type)), ..Draft::good(subject) };
        Case::new(format!("token type `{token_type}`"), draft.answer(subject))
    };
    names.into_iter().map(with).collect()
}

/// 4xx in none of the service's shapes.
pub(super) fn refusals(statuses: &[u16]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &status in statuses {
        cases.push(Case::new(format!("HTTP {status} with an empty body"), Answer::new(status)));
        cases.push(Case::new(format!("HTTP {status} with plain text"), Answer::text(status, "Unauthorized")));
        cases.push(Case::new(format!("HTTP {status} with an empty object"), Answer::json(status, "{}")));
        cases.push(Case::new(format!("HTTP {status} with another's JSON"), Answer::json(status, r#"{"detail":["no"]}"#)));
        cases.push(Case::new(format!("HTTP {status} with a page"), Answer::html(status, "<html>no</html>")));
    }
    cases
}

/// 5xx of a gateway.
pub(super) fn service_faults() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in [500, 502, 503, 504] {
        cases.push(Case::new(format!("HTTP {status} with plain text"), Answer::text(status, "Gateway Timeout")));
        cases.push(Case::new(format!("HTTP {status} with a page"), Answer::html(status, "<html>Bad Gateway</html>")));
        cases.push(Case::new(format!("HTTP {status} with an empty body"), Answer::new(status)));
    }
    let (soon, past) = (http_date(120), http_date(-120));
    for after in ["120", &soon, &past, "0", "-5", "1.5", "soon", "", "99999999999999999999999"] {
        let answer = Answer::text(503, "busy").header("retry-after", after);
        cases.push(Case::new(format!("HTTP 503 with `retry-after: {after}`"), answer));
    }
    cases
}

/// Connections that end before the answer does.
pub(super) fn broken(subject: &dyn Subject) -> Vec<Case> {
    let good = Draft::good(subject).answer(subject);
    let length = u64::try_from(good.body_bytes().len()).unwrap_or(u64::MAX);
    vec![
        Case::new("closed before any byte", Answer::hang_up()),
        Case::new("closed within the status line", Answer::raw("HTTP/1.1 2")),
        Case::new("closed within the headers", Answer::raw("HTTP/1.1 200 OK\r\ncontent-type: appl")),
        Case::new("closed half-way through the body", good.clone().cut_off()),
        Case::new("closed a byte before the announced length", good.announcing(length.saturating_add(1))),
        Case::new("not HTTP", Answer::raw("SSH-2.0-OpenSSH_9.9\r\n")),
    ]
}
