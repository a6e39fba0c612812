//! Known mistakes in a digital signature, found out by making each of them: what a person who is puzzled wants to know.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::PREFIX;
use super::signature::{Signed, body_hash};
use crate::random::to_hex;

/// A call whose signature does not match.
pub(super) struct Call<'a> {
    /// What should have been signed.
    pub(super) signed: Signed<'a>,
    pub(super) query: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// As it came.
    pub(super) signature: &'a str,
}

/// The texts that a mistake makes of a call; none where it would change nothing.
type Texts = fn(&Call<'_>) -> Vec<String>;

/// Each mistake and what to say of it. The first that explains a signature is told, so the simpler ones stand before.
const MISTAKES: &[(Texts, &str)] = &[
    (with_prefix, "the path was signed with /klikoo-b2b: sign it without"),
    (with_query, "the path was signed with the query: sign it without"),
    (lower_case_method, "the method was signed in lower case: sign it as it is sent"),
    (braces_for_nothing, "the hash of {} was signed for an empty body: sign that of nothing"),
    (without_blanks, "the hash of the body without its blanks was signed: sign that of the bytes that are sent"),
    (sorted, "the hash of the body with sorted keys was signed: sign that of the bytes that are sent"),
    (upper_case_hash, "the hash was signed in upper case: sign it in lower case"),
    (without_token, "the token was left out of what is signed"),
    (with_bearer, "the token was signed with the word Bearer: sign it without"),
    (other_timestamp, "another form of the timestamp was signed: sign the header's very text"),
];

/// Where nothing is wrong with the text.
const HEXADECIMAL: &str = "the signature is in hexadecimal: send its bytes in Base64";

/// What was done wrong, in a short sentence, if it is a known mistake and no other beside it.
pub(super) fn explain(client_secret: &str, call: &Call<'_>) -> Option<&'static str> {
    let key = hmac::Key::new(hmac::HMAC_SHA512, client_secret.as_bytes());
    let decoded = BASE64_STANDARD.decode(call.signature).unwrap_or_default();
    let right = to_hex(hmac::sign(&key, call.signed.text().as_bytes()).as_ref());
    // The digits themselves, or their Base64.
    if [call.signature.as_bytes(), &decoded].iter().any(|text| text.eq_ignore_ascii_case(right.as_bytes())) {
        return Some(HEXADECIMAL);
    }
    let is_signed = |text: &String| hmac::verify(&key, text.as_bytes(), &decoded).is_ok();
    MISTAKES.iter().find(|(texts, _)| texts(call).iter().any(is_signed)).map(|(_, says)| *says)
}

fn with_prefix(call: &Call<'_>) -> Vec<String> {
    vec![Signed { path: &format!("{PREFIX}{}", call.signed.path), ..call.signed }.text()]
}

fn with_query(call: &Call<'_>) -> Vec<String> {
    let query = call.query.into_iter();
    query.map(|query| Signed { path: &format!("{}?{query}", call.signed.path), ..call.signed }.text()).collect()
}

fn lower_case_method(call: &Call<'_>) -> Vec<String> {
    vec![Signed { method: &call.signed.method.to_ascii_lowercase(), ..call.signed }.text()]
}

fn braces_for_nothing(call: &Call<'_>) -> Vec<String> {
    if call.body.is_empty() { vec![with_body(call, "{}")] } else { Vec::new() }
}

fn without_blanks(call: &Call<'_>) -> Vec<String> {
    let (mut is_text, mut is_escaped) = (false, false);
    let mut kept = call.body.to_vec();
    kept.retain(|byte| {
        let is_kept = is_text || !byte.is_ascii_whitespace();
        match byte {
            b'"' if !is_escaped => is_text = !is_text,
            _ => {}
        }
        is_escaped = is_text && !is_escaped && *byte == b'\\';
        is_kept
    });
    vec![Signed { hash: &body_hash(&kept), ..call.signed }.text()]
}

/// In the two ways to write what HTML knows: as it is, and as Go does.
fn sorted(call: &Call<'_>) -> Vec<String> {
    let Ok(mut value) = serde_json::from_slice::<Value>(call.body) else { return Vec::new() };
    // They are sorted anyway, unless another crate switched serde_json's `preserve_order` on.
    value.sort_all_objects();
    let plain = value.to_string();
    let escaped = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    vec![with_body(call, &plain), with_body(call, &escaped)]
}

fn with_body(call: &Call<'_>, body: &str) -> String {
    Signed { hash: &body_hash(body.as_bytes()), ..call.signed }.text()
}

fn upper_case_hash(call: &Call<'_>) -> Vec<String> {
    vec![Signed { hash: &call.signed.hash.to_ascii_uppercase(), ..call.signed }.text()]
}

/// With its colon and without.
fn without_token(call: &Call<'_>) -> Vec<String> {
    let Signed { method, path, hash, timestamp, .. } = call.signed;
    vec![Signed { token: "", ..call.signed }.text(), format!("{method}:{path}:{hash}:{timestamp}")]
}

fn with_bearer(call: &Call<'_>) -> Vec<String> {
    vec![Signed { token: &format!("Bearer {}", call.signed.token), ..call.signed }.text()]
}

/// The same instant as another program would write it.
fn other_timestamp(call: &Call<'_>) -> Vec<String> {
    let Ok(time) = call.signed.timestamp.parse::<Timestamp>() else { return Vec::new() };
    let local = time.display_with_offset(jiff::tz::Offset::constant(7));
    let forms = [
        format!("{local:.0}"),
        format!("{local:.3}"),
        format!("{local:.0}").replace("+07:00", "+0700"),
        format!("{time:.0}"),
        format!("{time:.3}"),
        time.as_second().to_string(),
        time.as_millisecond().to_string(),
    ];
    forms.iter().map(|form| Signed { timestamp: form, ..call.signed }.text()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "secret-test-only";
    const TIME: &str = "2022-03-21T10:11:40+07:00";

    fn tag(text: &str) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes()), text.as_bytes())
    }

    /// What is told of a signature over `text`, where that over the other arguments is wanted.
    fn told(method: &str, query: Option<&str>, body: &str, timestamp: &str, signature: &str) -> Option<&'static str> {
        let hash = body_hash(body.as_bytes());
        let signed = Signed { method, path: "/v1/x", token: "token-test-only", hash: &hash, timestamp };
        explain(SECRET, &Call { signed, query, body: body.as_bytes(), signature })
    }

    #[test]
    fn each_known_mistake_is_told_by_its_own_sentence() {
        let body = "{ \"b\": \"a \\\" b <\",\n\"a\":\t[1, 2] }";
        let (blanks, sorted, go) =
            (r#"{"b":"a \" b <","a":[1,2]}"#, r#"{"a":[1,2],"b":"a \" b <"}"#, r#"{"a":[1,2],"b":"a \" b \u003c"}"#);
        let hash = |body: &str| body_hash(body.as_bytes());
        let (sent, nothing) = (hash(body), hash(""));
        let token = "token-test-only";
        let with = |path: &str, time: &str| format!("POST:{path}:{token}:{sent}:{time}");
        let with_hash = |hash: &str| format!("POST:/v1/x:{token}:{hash}:{TIME}");
        let post = [
            (with("/klikoo-b2b/v1/x", TIME), "with /klikoo-b2b"),
            (with("/v1/x?y=z", TIME), "with the query"),
            (with("/v1/x", TIME).replace("POST", "post"), "in lower case: sign it as it is sent"),
            (with_hash(&hash(blanks)), "without its blanks"),
            (with_hash(&hash(sorted)), "with sorted keys"),
            (with_hash(&hash(go)), "with sorted keys"),
            (with_hash(&sent.to_ascii_uppercase()), "in upper case"),
            (format!("POST:/v1/x::{sent}:{TIME}"), "token was left out"),
            (format!("POST:/v1/x:{sent}:{TIME}"), "token was left out"),
            (format!("POST:/v1/x:Bearer {token}:{sent}:{TIME}"), "with the word Bearer"),
            (with("/v1/x", "2022-03-21T10:11:40.000+07:00"), "another form of the timestamp"),
            (with("/v1/x", "2022-03-21T10:11:40+0700"), "another form of the timestamp"),
            (with("/v1/x", "2022-03-21T03:11:40Z"), "another form of the timestamp"),
            (with("/v1/x", "2022-03-21T03:11:40.000Z"), "another form of the timestamp"),
            (with("/v1/x", "1647832300"), "another form of the timestamp"),
            (with("/v1/x", "1647832300000"), "another form of the timestamp"),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (text, words) in &post {
            let says = told("POST", Some("y=z"), body, TIME, &BASE64_STANDARD.encode(tag(text)));
            assert!(says.is_some_and(|says| says.contains(words)), "{words}: {says:?}");
            seen.extend(says);
        }

        let braces = BASE64_STANDARD.encode(tag(&format!("GET:/v1/x:{token}:{}:{TIME}", hash("{}"))));
        let says = told("GET", None, "", TIME, &braces);
        assert!(says.is_some_and(|says| says.contains("the hash of {}")), "{says:?}");
        seen.extend(says);

        let long = "2022-03-21T10:11:40.007+07:00";
        let short = BASE64_STANDARD.encode(tag(&format!("GET:/v1/x:{token}:{nothing}:{TIME}")));
        let says = told("GET", None, "", long, &short);
        assert!(says.is_some_and(|says| says.contains("another form of the timestamp")), "{says:?}");

        let digits = to_hex(tag(&with("/v1/x", TIME)).as_ref());
        for digits in [digits.to_ascii_uppercase(), BASE64_STANDARD.encode(&digits), digits] {
            assert_eq!(told("POST", None, body, TIME, &digits), Some(HEXADECIMAL), "{digits}");
        }
        assert_eq!(seen.len(), MISTAKES.len(), "a mistake without a test: {seen:?}");
    }

    #[test]
    fn what_is_no_known_mistake_is_not_explained() {
        for signature in ["", "not Base64!", &BASE64_STANDARD.encode(tag("something else"))] {
            assert_eq!(told("POST", Some("y=z"), r#"{"a":1}"#, TIME, signature), None, "{signature}");
        }
    }

    #[test]
    fn the_sentences_fit_into_a_header() {
        for says in MISTAKES.iter().map(|(_, says)| *says).chain([HEXADECIMAL]) {
            assert!(says.len() <= 100 && says.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{says}");
        }
    }
}
