//! The job's body as a template's value. Objects and lists keep the text that the client wrote, and numbers that a template cannot
//! hold keep theirs, so that the payload arrives unchanged.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr},
};
use postdate_plugin::serde_json::{self, value::RawValue};

/// Returns the value of a JSON text, nested no deeper than `serde_json` reads. Fails if the text is not JSON.
pub fn value(text: &str) -> Result<Value, serde_json::Error> {
    let whole: Arc<str> = text.into();
    convert(&whole, serde_json::from_str(&whole)?)
}

/// Returns the text of a value as the client wrote it, if the value keeps it.
pub fn text(value: &Value) -> Option<&str> {
    value.downcast_object_ref::<Node>().map(Node::text).or_else(|| value.downcast_object_ref::<Number>().map(|number| &*number.0))
}

/// Returns true if the value is or contains a [`Number`].
pub fn has_number(value: &Value) -> bool {
    if let Some(node) = value.downcast_object_ref::<Node>() {
        return match &node.items {
            Items::Map(map) => map.values().any(has_number),
            Items::Seq(list) => list.iter().any(has_number),
        };
    }
    if value.downcast_object_ref::<Number>().is_some() {
        return true;
    }
    let Some(object) = value.as_object() else { return false };
    match object.repr() {
        ObjectRepr::Map => object.try_iter_pairs().is_some_and(|mut pairs| pairs.any(|(_, value)| has_number(&value))),
        ObjectRepr::Seq | ObjectRepr::Iterable => object.try_iter().is_some_and(|mut values| values.any(|value| has_number(&value))),
        _ => false,
    }
}

/// `raw` is a part of `whole`.
fn convert(whole: &Arc<str>, raw: &RawValue) -> Result<Value, serde_json::Error> {
    let text = raw.get();
    let items = match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            let convert = |(name, raw)| Ok((name, convert(whole, raw)?));
            Items::Map(members.into_iter().map(convert).collect::<Result<_, serde_json::Error>>()?)
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            Items::Seq(elements.into_iter().map(|raw| convert(whole, raw)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => return Ok(Value::from(serde_json::from_str::<String>(text)?)),
        Some(b't') => return Ok(Value::from(true)),
        Some(b'f') => return Ok(Value::from(false)),
        Some(b'n') => return Ok(Value::from(())),
        _ => return Ok(number(text)),
    };
    // The text is not copied: copies at each depth would add up.
    let start = text.as_ptr() as usize - whole.as_ptr() as usize;
    Ok(Value::from_object(Node { whole: Arc::clone(whole), start, end: start + text.len(), items }))
}

/// Returns a number of the template language if that is exactly the number of the text, so that templates can count and compare.
fn number(text: &str) -> Value {
    if let Ok(integer) = text.parse::<i128>() {
        return Value::from(integer);
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() && decimal(&float.to_string()) == decimal(text) => Value::from(float),
        _ => Value::from_object(Number(text.into())),
    }
}

/// Splits a JSON number into sign, digits and power of ten, in one form for each number.
fn decimal(text: &str) -> (bool, String, i64) {
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - kept.len()).unwrap_or_default() - i64::try_from(fraction.len()).unwrap_or_default();
    let power = power.parse::<i64>().unwrap_or(i64::MAX).saturating_add(zeros);
    let digits = kept.trim_start_matches('0').to_owned();
    let is_zero = digits.is_empty();
    (text.starts_with('-'), digits, if is_zero { 0 } else { power })
}

/// An object or a list of the body.
struct Node {
    whole: Arc<str>,
    start: usize,
    end: usize,
    items: Items,
}

enum Items {
    Map(BTreeMap<String, Value>),
    Seq(Vec<Value>),
}

impl Node {
    fn text(&self) -> &str {
        &self.whole[self.start..self.end]
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Object for Node {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.items {
            Items::Map(_) => ObjectRepr::Map,
            Items::Seq(_) => ObjectRepr::Seq,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match &self.items {
            Items::Map(map) => map.get(key.as_str()?).cloned(),
            Items::Seq(list) => list.get(key.as_usize()?).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.items {
            Items::Map(map) => Enumerator::Values(map.keys().map(|name| Value::from(name.as_str())).collect()),
            Items::Seq(list) => Enumerator::Seq(list.len()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A number that no type of the template language holds exactly, such as one of 40 digits.
struct Number(Box<str>);

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Object for Number {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

#[cfg(test)]
mod tests;
