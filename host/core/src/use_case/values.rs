//! Parses the values of a manifest: durations (`200ms`), sizes (`32MiB`), and config, which is text or any TOML value.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

const MIB: u64 = 1 << 20;

pub fn default_memory() -> u64 {
    64 * MIB
}

pub fn default_http_timeout() -> Duration {
    Duration::from_secs(10)
}

pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| D::Error::custom(format!("{text:?} is not a duration ({error}); write it as \"200ms\", \"30s\", \"365d\"")))
}

pub fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// Reads a list of texts, or one text as a list of one.
pub fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts is expected")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    })
}

pub fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_memory(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a size; write it as \"512KiB\", \"32MiB\" or \"1GiB\"")))
}

/// Parses a size such as `512KiB`, `32MiB` or `1GiB`. Returns the number of bytes, or `None` if the text is not a size.
pub fn parse_memory(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match text[digits..].trim_start() {
        "KiB" => 1 << 10,
        "MiB" => MIB,
        "GiB" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

pub fn config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, toml::Value>::deserialize(deserializer)?;
    let text = |(key, value)| match toml_to_json(value) {
        Ok(Value::String(text)) => Ok((key, text)),
        Ok(other) => Ok((key, other.to_string())),
        Err(error) => Err(D::Error::custom(format!("config.{key}: {error}"))),
    };
    values.into_iter().map(text).collect()
}

/// Converts a TOML value to JSON; a date becomes text. Fails for the numbers `inf` and `nan`, which JSON does not have.
pub fn toml_to_json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(number) => return Err(format!("{number} cannot be written in JSON")),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(values) => Value::Array(values.into_iter().map(toml_to_json).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| Ok((key, toml_to_json(value)?))).collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests;
