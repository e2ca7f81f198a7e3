//! Reads JSON that a client or a plugin sends, and refuses what two readers could understand differently.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// UTF-8's byte order mark, and UTF-16's in both orders.
const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
/// Characters of a repeated key that an error quotes.
const QUOTED: usize = 64;

/// The reason why a text is not used as a JSON object. Reads as a predicate: "the body …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("is not JSON: {0}")]
    Malformed(String),
    #[error("begins with a byte order mark: send UTF-8 without one")]
    ByteOrderMark,
    /// One object has a key twice: readers take the first value, the last one, or fail.
    #[error("{0}")]
    DuplicateKey(String),
    #[error("must be a JSON object")]
    NotAnObject,
}

/// Parses a JSON object in UTF-8, to a depth of 127 arrays and objects. Fails for a key that is there twice at any depth, a byte order
/// mark, a number beyond a double's range, and half of a surrogate pair.
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    if MARKS.iter().any(|mark| text.starts_with(mark)) {
        return Err(JsonError::ByteOrderMark);
    }
    let duplicate = Cell::new(false);
    let mut json = serde_json::Deserializer::from_slice(text);
    let parsed = Unique(&duplicate).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    match parsed {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(error) if duplicate.get() => Err(JsonError::DuplicateKey(error.to_string())),
        Err(error) => Err(JsonError::Malformed(error.to_string())),
    }
}

/// Returns a JSON text with U+FFFE and U+FFFF escaped, which no message may contain (SQS, `SendMessage`: "#x9 | #xA | #xD | #x20 to #xD7FF
/// | #xE000 to #xFFFD | #x10000 to #x10FFFF"). JSON allows no other character that is missing there.
pub fn for_messages(json: &str) -> Cow<'_, str> {
    if json.contains(['\u{FFFE}', '\u{FFFF}']) {
        // In a JSON text both stand within strings only.
        Cow::Owned(json.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff"))
    } else {
        Cow::Borrowed(json)
    }
}

/// Builds a [`Value`]. Fails at the second occurrence of a key, and sets the flag.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if fields.contains_key(&key) {
                self.0.set(true);
                let quoted: String = key.chars().take(QUOTED).collect();
                return Err(A::Error::custom(format!("has the key {quoted:?} twice in one object")));
            }
            let value = entries.next_value_seed(self)?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests;
