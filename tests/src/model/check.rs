//! Compares an input with its shape.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use regex::Regex;
use serde_json::Value;

use super::Model;

/// Adds a problem for each part of `value` that breaks the shape. `place` names the value.
pub fn check(model: &Model, shape: &Value, place: &str, value: &Value, found: &mut Vec<String>) {
    match (shape["type"].as_str().unwrap_or_default(), value) {
        ("structure", Value::Object(members)) => structure(model, shape, place, members, found),
        ("list", Value::Array(items)) => {
            range(shape, place, items.len(), "elements", found);
            for (index, item) in items.iter().enumerate() {
                check(model, model.shape_of(&shape["member"]), &format!("{place}[{index}]"), item, found);
            }
        }
        ("map", Value::Object(entries)) => {
            range(shape, place, entries.len(), "entries", found);
            for (key, item) in entries {
                check(model, model.shape_of(&shape["key"]), &format!("a key of {place}"), &Value::from(key.as_str()), found);
                check(model, model.shape_of(&shape["value"]), &format!("{place}.{key}"), item, found);
            }
        }
        ("string", Value::String(text)) => string(shape, place, text, found),
        ("integer" | "long", Value::Number(number)) if number.is_i64() || number.is_u64() => {
            let (min, max) = (shape["min"].as_f64(), shape["max"].as_f64());
            let number = number.as_f64().unwrap_or_default();
            if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                found.push(format!("{place} is {number}: {} to {} are allowed", bound(&shape["min"]), bound(&shape["max"])));
            }
        }
        ("boolean", Value::Bool(_)) | ("float" | "double" | "timestamp", Value::Number(_)) | ("timestamp" | "blob", Value::String(_)) => {}
        (kind, other) => found.push(format!("{place} must be a {kind}: {other}")),
    }
}

/// Returns the name that a nested member has in a body.
pub fn wire_name<'a>(name: &'a str, member: &'a Value) -> &'a str {
    member["locationName"].as_str().unwrap_or(name)
}

fn structure(model: &Model, shape: &Value, place: &str, given: &serde_json::Map<String, Value>, found: &mut Vec<String>) {
    let within = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    let members = shape["members"].as_object().cloned().unwrap_or_default();
    let names: HashMap<&str, &Value> = members.iter().map(|(name, member)| (wire_name(name, member), member)).collect();
    // AWS reads a null as a member that is not there.
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        match names.get(name.as_str()) {
            Some(member) => check(model, model.shape_of(member), &within(name), value, found),
            None => found.push(format!("there is no member {}", within(name))),
        }
    }
    for name in shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let name = wire_name(name, &members[name]);
        if given.get(name).is_none_or(Value::is_null) {
            found.push(format!("{} is required", within(name)));
        }
    }
    let set = given.values().filter(|value| !value.is_null()).count();
    if shape["union"] == true && set != 1 {
        found.push(format!("{place} has {set} members: exactly one is allowed"));
    }
}

fn string(shape: &Value, place: &str, text: &str, found: &mut Vec<String>) {
    range(shape, place, text.chars().count(), "characters", found);
    if let Some(allowed) = shape["enum"].as_array()
        && !allowed.iter().any(|one| one == text)
    {
        found.push(format!("{place} is `{text}`, and none of {}", shape["enum"]));
    }
    if let Some(pattern) = shape["pattern"].as_str()
        && let Some(regex) = compiled(pattern)
        && !regex.is_match(text)
    {
        found.push(format!("{place} `{text}` must match {pattern}"));
    }
}

/// Returns a pattern that must match a whole text, as AWS applies it. `None` for a pattern with look-ahead.
pub fn compiled(pattern: &str) -> Option<Regex> {
    static COMPILED: Mutex<Option<HashMap<String, Option<Regex>>>> = Mutex::new(None);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let all = compiled.get_or_insert_default();
    all.entry(pattern.to_owned()).or_insert_with(|| Regex::new(&format!(r"\A(?:{pattern})\z")).ok()).clone()
}

fn range(shape: &Value, place: &str, length: usize, unit: &str, found: &mut Vec<String>) {
    let allowed = |bound: &Value| bound.as_u64().and_then(|bound| usize::try_from(bound).ok());
    if allowed(&shape["min"]).is_some_and(|min| length < min) || allowed(&shape["max"]).is_some_and(|max| length > max) {
        found.push(format!("{place} has {length} {unit}: {} to {} are allowed", bound(&shape["min"]), bound(&shape["max"])));
    }
}

fn bound(value: &Value) -> String {
    if value.is_null() { "any".to_owned() } else { value.to_string() }
}
