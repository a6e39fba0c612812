//! JSON from a service, read strictly: no doubled keys, bounded depth, and errors that quote no value.
//!
//! A tree of our own rather than `serde_json::Value`, because another crate of the program can switch on serde_json's
//! `arbitrary_precision` or `preserve_order` and so change what that type holds. Texts are wiped on drop.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// How deep arrays and objects may nest. No documented answer nests deeper than 4.
const DEEPEST: usize = 32;

/// The key under which serde_json hands over a number when `arbitrary_precision` is on.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// A JSON value.
#[derive(Clone)]
pub enum Value {
    /// `[...]`
    Array(Vec<Value>),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
    /// A number.
    Number(Number),
    /// `{...}`
    Object(Object),
    /// `"..."`
    Text(Zeroizing<String>),
}

/// A JSON number: a whole one exactly, any other as the nearest `f64`. It is always finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// With a fraction or an exponent, or too large for the others.
    Float(f64),
    /// Below zero.
    Negative(i64),
    /// Zero or above.
    Unsigned(u64),
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(number) => number.fmt(formatter),
            Self::Negative(number) => number.fmt(formatter),
            Self::Unsigned(number) => number.fmt(formatter),
        }
    }
}

/// A JSON object. A field that is `null` counts as absent.
#[derive(Clone, Default)]
pub struct Object(BTreeMap<String, Value>);

impl Value {
    /// Reads `body`, which must hold one value and nothing after it.
    ///
    /// # Errors
    ///
    /// It is not JSON, repeats a key, or nests too deep.
    pub fn parse(body: &[u8]) -> Result<Self, JsonError> {
        let fault = Cell::new(None);
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        ValueSeed { fault: &fault, depth: 0 }
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value))
            .map_err(|error| {
                // The library's error quotes what it found, so only its place is kept.
                fault.get().unwrap_or(JsonError::Malformed { line: error.line(), column: error.column() })
            })
    }

    /// The object, or an error that says what was found in its place.
    ///
    /// # Errors
    ///
    /// It is another kind of value.
    pub fn as_object(&self) -> Result<&Object, FieldError> {
        match self {
            Self::Object(object) => Ok(object),
            _ => Err(self.unwanted("the answer", "an object")),
        }
    }

    /// Adds each token in it, by the names that services give one. A shorter one would be a part of many a word.
    pub(crate) fn gather_tokens<'v>(&'v self, tokens: &mut Vec<&'v str>) {
        const NAMES: [&str; 5] = ["access_token", "accessToken", "id_token", "refresh_token", "refreshToken"];
        match self {
            Self::Array(values) => values.iter().for_each(|value| value.gather_tokens(tokens)),
            Self::Object(Object(fields)) => {
                for (name, value) in fields {
                    match value {
                        Self::Text(text) if NAMES.contains(&name.as_str()) && text.len() >= 8 => tokens.push(text),
                        value => value.gather_tokens(tokens),
                    }
                }
            }
            _ => {}
        }
    }

    fn unwanted(&self, field: &'static str, wanted: &'static str) -> FieldError {
        FieldError { field, wanted, found: self.kind() }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Array(_) => "an array",
            Self::Bool(_) => "true or false",
            Self::Null => "nothing",
            Self::Number(_) => "a number",
            Self::Object(_) => "an object",
            Self::Text(_) => "a text",
        }
    }
}

/// Shows the kind, never the value: it may be a token.
impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Value({})", self.kind())
    }
}

/// Shows the number of fields, never their values.
impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Object({} fields)", self.0.len())
    }
}

impl Object {
    /// The field, if it is there and not `null`.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !matches!(value, Value::Null))
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// The field is absent or of another kind.
    pub fn text(&self, field: &'static str) -> Result<&str, FieldError> {
        self.optional_text(field)?.ok_or(FieldError { field, wanted: "a text", found: "nothing" })
    }

    /// A text that may be absent.
    ///
    /// # Errors
    ///
    /// The field is of another kind.
    pub fn optional_text(&self, field: &'static str) -> Result<Option<&str>, FieldError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(other.unwanted(field, "a text")),
        }
    }

    /// A text, or a number by its text.
    ///
    /// # Errors
    ///
    /// The field is absent or of another kind.
    pub fn text_or_number(&self, field: &'static str) -> Result<Zeroizing<String>, FieldError> {
        match self.get(field) {
            Some(Value::Text(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(Zeroizing::new(number.to_string())),
            other => Err(other.unwrap_or(&Value::Null).unwanted(field, "a text or a number")),
        }
    }

    /// An object.
    ///
    /// # Errors
    ///
    /// The field is absent or of another kind.
    pub fn object(&self, field: &'static str) -> Result<&Object, FieldError> {
        self.optional_object(field)?.ok_or(FieldError { field, wanted: "an object", found: "nothing" })
    }

    /// An object that may be absent.
    ///
    /// # Errors
    ///
    /// The field is of another kind.
    pub fn optional_object(&self, field: &'static str) -> Result<Option<&Object>, FieldError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(other.unwanted(field, "an object")),
        }
    }

    /// `true` or `false`, if the field is there and is one of them.
    #[must_use]
    pub fn bool(&self, field: &str) -> Option<bool> {
        match self.get(field) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }
}

/// Why a body could not be read as JSON. It quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// An object has the same key twice.
    #[error("an object has the same key twice")]
    DoubledKey,
    /// Not JSON.
    #[error("not JSON from line {line}, column {column} on")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 at the end of the text.
        column: usize,
    },
    /// Nested deeper than any answer needs.
    #[error("arrays and objects nest too deep")]
    TooDeep,
}

/// A field that is not what it should be: its name, what was wanted, what kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: wanted {wanted}, found {found}")]
pub struct FieldError {
    field: &'static str,
    wanted: &'static str,
    found: &'static str,
}

impl FieldError {
    /// Makes one, as `FieldError::new("expires_in", "a number", "a text")`.
    #[must_use]
    pub const fn new(field: &'static str, wanted: &'static str, found: &'static str) -> Self {
        Self { field, wanted, found }
    }
}

#[derive(Clone, Copy)]
struct ValueSeed<'a> {
    fault: &'a Cell<Option<JsonError>>,
    depth: usize,
}

impl ValueSeed<'_> {
    fn fail<E: serde::de::Error>(self, fault: JsonError) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            return Err(self.fail(JsonError::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(u64::try_from(value).map_or(Number::Negative(value), Number::Unsigned)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(Number::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            if key == NUMBER_KEY && fields.is_empty() {
                let text = access.next_value::<String>()?;
                return number_from_text(&text).ok_or_else(|| A::Error::custom("number out of range"));
            }
            let value = access.next_value_seed(inner)?;
            if fields.insert(key, value).is_some() {
                return Err(self.fail(JsonError::DoubledKey));
            }
        }
        Ok(Value::Object(Object(fields)))
    }
}

/// The same reading of a number's text as serde_json makes without `arbitrary_precision`.
fn number_from_text(text: &str) -> Option<Value> {
    let number = if let Ok(number) = text.parse() {
        Number::Unsigned(number)
    } else if let Ok(number) = text.parse() {
        Number::Negative(number)
    } else {
        Number::Float(text.parse().ok().filter(|number: &f64| number.is_finite())?)
    };
    Some(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_strict_json_is_refused_without_a_quotation() {
        let deep = "[".repeat(DEEPEST + 1) + &"]".repeat(DEEPEST + 1);
        let cases = [
            (r#"{"a":1,"a":2}"#, JsonError::DoubledKey),
            (r#"[{"canary":{"b":1,"b":1}}]"#, JsonError::DoubledKey),
            (deep.as_str(), JsonError::TooDeep),
            ("", JsonError::Malformed { line: 1, column: 0 }),
            ("<html>canary", JsonError::Malformed { line: 1, column: 1 }),
            (r#"{"a":"canary"#, JsonError::Malformed { line: 1, column: 12 }),
            (r#"{"a":1} canary"#, JsonError::Malformed { line: 1, column: 9 }),
            ("1e999", JsonError::Malformed { line: 1, column: 5 }),
        ];
        for (text, fault) in cases {
            let found = Value::parse(text.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(found, fault, "{text}");
            assert!(!format!("{found} {found:?}").contains("canary"));
        }
        assert!(Value::parse(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
        assert!(Value::parse(&[b'['; 100_000]).is_err(), "very deep");
    }

    #[test]
    fn numbers_keep_their_value() {
        let cases = [
            ("900", Number::Unsigned(900)),
            ("18446744073709551615", Number::Unsigned(u64::MAX)),
            ("-1", Number::Negative(-1)),
            ("3599.5", Number::Float(3599.5)),
            ("1e308", Number::Float(1e308)),
            ("18446744073709551616", Number::Float(18_446_744_073_709_551_616.0)),
        ];
        for (text, number) in cases {
            assert!(matches!(Value::parse(text.as_bytes()), Ok(Value::Number(found)) if found == number), "{text}");
            // As serde_json hands it over when another crate switched `arbitrary_precision` on.
            assert!(matches!(number_from_text(text), Some(Value::Number(found)) if found == number), "{text}");
        }
        assert!(number_from_text("1e999").is_none());
    }

    #[test]
    fn a_wrong_field_is_named_with_what_was_found() {
        let value = Value::parse(br#"{"number":7,"object":{},"nothing":null,"text":"canary"}"#).unwrap();
        let object = value.as_object().unwrap();
        assert_eq!(object.text("object").unwrap_err().to_string(), "field `object`: wanted a text, found an object");
        assert_eq!(object.text("nothing").unwrap_err().to_string(), "field `nothing`: wanted a text, found nothing");
        assert_eq!(object.text_or_number("number").map(|text| text.to_string()).as_deref(), Ok("7"));
        assert_eq!(object.text("text"), Ok("canary"));
        assert!(object.object("object").is_ok());
        assert_eq!(object.object("nothing").unwrap_err().to_string(), "field `nothing`: wanted an object, found nothing");
        assert!(!format!("{value:?} {object:?}").contains("canary"));
        assert_eq!(
            Value::parse(b"[]").unwrap().as_object().unwrap_err().to_string(),
            "field `the answer`: wanted an object, found an array"
        );
    }
}
