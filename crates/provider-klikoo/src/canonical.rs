//! JSON with sorted keys, as Go writes a map.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use token_core::json::{JsonError, Value};

/// Writes a JSON body as Go's `json.Marshal` writes it after decoding it into a map: keys sorted by their bytes, no blanks, `<`, `>`, `&`, U+2028 and U+2029 as `\u003c` and so on, numbers as the shortest text of a `float64`.
///
/// It is for a body that is *sent* like this. Which bytes the service checks a signature over is not known: those that came, or its own writing of them. Such a body fits both.
/// A signature over other bytes than those that are sent fits one of the two at most, so give the result to the HTTP client.
///
/// ```
/// let body = provider_klikoo::canonical_json(br#"{ "bank_code": "000", "account_number": true }"#)?;
/// assert_eq!(body, br#"{"account_number":true,"bank_code":"000"}"#);
/// # Ok::<(), provider_klikoo::CanonicalJsonError>(())
/// ```
///
/// # Errors
///
/// It is not JSON, repeats a key or nests too deep; or a number would not keep its value. Nothing is rounded in silence.
pub fn canonical_json(body: &[u8]) -> Result<Vec<u8>, CanonicalJsonError> {
    // The strict reading: doubled keys and deep nesting end here.
    Value::parse(body)?;
    // Each number by its text, as an `f64` does not tell whether it was rounded.
    let value: &RawValue = read(body)?;
    // Room for all of it but a few odd numbers.
    let escaped = body.iter().filter(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)).count();
    let mut written = Vec::with_capacity(body.len() + 5 * escaped);
    write_value(value, &mut written)?;
    Ok(written)
}

/// Why a body has no canonical form. It quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalJsonError {
    /// A number that a `float64` does not hold exactly, so that the service would read another: an account number, most often.
    #[error("a number has more digits than a float64 holds: write it as a text")]
    InexactNumber,
    /// Not JSON, a doubled key, or nested too deep.
    #[error("the body is no strict JSON")]
    Json(#[from] JsonError),
}

fn read<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, JsonError> {
    // Its error is dropped: the text of one of serde_json may quote a value.
    serde_json::from_slice(text).map_err(|error| JsonError::Malformed { line: error.line(), column: error.column() })
}

/// Not deep: the strict reading came before.
fn write_value(value: &RawValue, to: &mut Vec<u8>) -> Result<(), CanonicalJsonError> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            // Sorted by bytes, as Go sorts.
            let fields: BTreeMap<String, &RawValue> = read(text.as_bytes())?;
            to.push(b'{');
            for (index, (name, value)) in fields.iter().enumerate() {
                separate(index, to);
                write_text(name, to);
                to.push(b':');
                write_value(value, to)?;
            }
            to.push(b'}');
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = read(text.as_bytes())?;
            to.push(b'[');
            for (index, value) in values.iter().enumerate() {
                separate(index, to);
                write_value(value, to)?;
            }
            to.push(b']');
        }
        Some(b'"') => write_text(&Zeroizing::new(read::<String>(text.as_bytes())?), to),
        Some(b'-' | b'0'..=b'9') => {
            let number = go_number(text.parse().map_err(|_| CanonicalJsonError::InexactNumber)?);
            if decimal(text) != decimal(&number) {
                return Err(CanonicalJsonError::InexactNumber);
            }
            to.extend_from_slice(number.as_bytes());
        }
        // `true`, `false` and `null`.
        _ => to.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

fn separate(index: usize, to: &mut Vec<u8>) {
    if index > 0 {
        to.push(b',');
    }
}

/// As Go's `encoding/json` from 1.22 on: older ones write `\b` and `\f` as `\u0008` and `\u000c`.
fn write_text(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    for character in text.chars() {
        match character {
            '"' => to.extend_from_slice(b"\\\""),
            '\\' => to.extend_from_slice(b"\\\\"),
            '\n' => to.extend_from_slice(b"\\n"),
            '\r' => to.extend_from_slice(b"\\r"),
            '\t' => to.extend_from_slice(b"\\t"),
            '\u{8}' => to.extend_from_slice(b"\\b"),
            '\u{c}' => to.extend_from_slice(b"\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a vector cannot fail.
                let _ = write!(to, "\\u{:04x}", u32::from(character));
            }
            _ => to.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    to.push(b'"');
}

/// The shortest digits that give the number back, with an exponent only where Go writes one: `1e-7`, `1e+21`.
fn go_number(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    if text.contains("e-") { text } else { text.replace('e', "e+") }
}

/// A decimal number by its value: whether it is negative, its digits without zeros at either end, and the power of ten of the last one.
/// `None` for an exponent that no number of any use has.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let digits = all.trim_end_matches('0');
    let (places, zeros) = (i64::try_from(fraction.len()).ok()?, i64::try_from(all.len() - digits.len()).ok()?);
    let power = exponent.parse::<i64>().ok()?.checked_sub(places)?.checked_add(zeros)?;
    let digits = digits.trim_start_matches('0');
    Some((is_negative, digits.to_owned(), if digits.is_empty() { 0 } else { power }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(body: &str) -> Result<String, CanonicalJsonError> {
        canonical_json(body.as_bytes()).map(|written| String::from_utf8(written).unwrap())
    }

    #[test]
    fn a_body_is_written_as_go_writes_a_map() {
        let cases = [
            // The body of the documented digest, in the order in which the page prints it.
            ("{\n\t\"bank_code\": \"000\",\n\t\"account_number\": true\n}", r#"{"account_number":true,"bank_code":"000"}"#),
            ("{}", "{}"),
            (" [ ] ", "[]"),
            ("null", "null"),
            (r#"{"b":null,"a":[false,{"d":1,"c":{}}]}"#, r#"{"a":[false,{"c":{},"d":1}],"b":null}"#),
            // By bytes: capitals first, and what is beyond U+FFFF last, though not in UTF-16.
            (
                r#"{"a":1,"B":2,"":3,"é":4,"aa":5,"\ud83d\ude00":6,"\uffee":7}"#,
                "{\"\":3,\"B\":2,\"a\":1,\"aa\":5,\"é\":4,\"\u{ffee}\":7,\"\u{1f600}\":6}",
            ),
            (r#"{"<k>&":"<a> & b"}"#, r#"{"\u003ck\u003e\u0026":"\u003ca\u003e \u0026 b"}"#),
            ("\"\u{2028}\u{2029}\u{2027}\u{7f}é\"", "\"\\u2028\\u2029\u{2027}\u{7f}é\""),
            (r#""\"\\\/\n\r\t\b\f\u0000\u001F\u000b\u0041""#, r#""\"\\/\n\r\t\b\f\u0000\u001f\u000bA""#),
        ];
        for (body, expected) in cases {
            assert_eq!(canonical(body).as_deref(), Ok(expected), "{body}");
            assert_eq!(canonical(expected).as_deref(), Ok(expected), "written anew, it stays the same");
        }
    }

    #[test]
    fn numbers_are_written_as_go_writes_a_float64() {
        let cases = [
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0", "-0"),
            ("0e5", "0"),
            ("1.0", "1"),
            ("10000.50", "10000.5"),
            ("1E3", "1000"),
            ("12.5e-1", "1.25"),
            ("0.1", "0.1"),
            ("-7", "-7"),
            ("9007199254740992", "9007199254740992"),
            ("90071992547409940.00", "90071992547409940"),
            ("1e20", "100000000000000000000"),
            ("123456789012345680000", "123456789012345680000"),
            ("1e21", "1e+21"),
            ("-1.5e300", "-1.5e+300"),
            ("1000000000000000000000", "1e+21"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1.5E-10", "1.5e-10"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            // One that a hasty reader gets wrong in its last bit.
            ("8.533e+68", "8.533e+68"),
            ("123456789012345e-314", "1.23456789012345e-300"),
        ];
        for (number, expected) in cases {
            assert_eq!(canonical(&format!("{{\"n\":{number}}}")), Ok(format!("{{\"n\":{expected}}}")), "{number}");
        }
    }

    #[test]
    fn a_number_that_would_change_is_an_error() {
        let lost = [
            "9007199254740993",
            "-9007199254740993",
            "9007199254740993.0e1",
            "18446744073709551615",
            // Held exactly by a float64, and written by Go with other digits.
            "18446744073709551616",
            "123456789012345678901234567890",
            "1.00000000000000000001",
            "0.1000000000000000055511151231257827",
            "4e-324",
            "1e-400",
            "-1e-99999999999999999999",
        ];
        for number in lost {
            let error = canonical(&format!("[{number}]")).unwrap_err();
            assert_eq!(error, CanonicalJsonError::InexactNumber, "{number}");
            assert!(!format!("{error} {error:?}").contains(number));
        }
    }

    #[test]
    fn what_is_no_strict_json_is_an_error_that_quotes_nothing() {
        let deep = "[".repeat(40) + &"]".repeat(40);
        let cases = [
            (r#"{"canary":1,"canary":2}"#, JsonError::DoubledKey),
            (r#"[{"canary":1,"\u0063anary":2}]"#, JsonError::DoubledKey),
            (deep.as_str(), JsonError::TooDeep),
            ("", JsonError::Malformed { line: 1, column: 0 }),
            ("{'canary':1}", JsonError::Malformed { line: 1, column: 2 }),
            (r#"{"canary":1} canary"#, JsonError::Malformed { line: 1, column: 14 }),
            ("1e999", JsonError::Malformed { line: 1, column: 5 }),
        ];
        for (body, fault) in cases {
            let error = canonical(body).unwrap_err();
            assert_eq!(error, CanonicalJsonError::Json(fault), "{body}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        for body in [b"\"\xff\"".as_slice(), br#""\ud800""#, b"\"\n\"", b"01", b"NaN"] {
            assert!(matches!(canonical_json(body), Err(CanonicalJsonError::Json(_))), "{body:?}");
        }
    }
}
