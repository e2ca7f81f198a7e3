//! One row of the results: a measured value, its baselines, its target.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

/// One measured value. In `summary.json`:
///
/// - `id`: stable, for programs that compare runs.
/// - `value`: a number, in `unit`.
/// - `baseline`: the baseline's value in the same run and unit: null, a number, or an object of numbers by name if there are several.
/// - `target`: a number in the same unit, or null. A minimum if the unit is `/s`, else a maximum.
/// - `met`: true if the value meets the target; null without a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: &'static str,
    /// Short description.
    pub measure: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// Values by name. The ratio is to the first one.
    pub baseline: Vec<(&'static str, f64)>,
    pub target: Option<Target>,
}

/// The target of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// At most this multiple of the first baseline.
    TimesBaseline(f64),
}

impl Row {
    /// Returns the value divided by the first baseline, or `None` without a baseline above zero.
    pub fn ratio(&self) -> Option<f64> {
        self.baseline.first().filter(|(_, baseline)| *baseline > 0.0).map(|(_, baseline)| self.value / baseline)
    }

    /// Returns the target in the unit of the value.
    pub fn target_value(&self) -> Option<f64> {
        match self.target? {
            Target::AtMost(most) => Some(most),
            Target::AtLeast(least) => Some(least),
            Target::TimesBaseline(times) => self.baseline.first().map(|(_, baseline)| baseline * times),
        }
    }

    /// Returns `true` if the value meets the target, or `None` without a target.
    pub fn met(&self) -> Option<bool> {
        let target = self.target_value()?;
        Some(match self.target? {
            Target::AtLeast(_) => self.value >= target,
            Target::AtMost(_) | Target::TimesBaseline(_) => self.value <= target,
        })
    }

    /// Returns the target as text.
    pub fn target_text(&self) -> String {
        match self.target {
            None => "-".to_owned(),
            Some(Target::AtMost(most)) => format!("≤ {}", number(most)),
            Some(Target::AtLeast(least)) => format!("≥ {}", number(least)),
            Some(Target::TimesBaseline(times)) => format!("≤ {times} ×"),
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let baseline = match self.baseline.as_slice() {
            [] => Value::Null,
            [(_, only)] => json!(rounded(*only)),
            several => {
                Value::Object(several.iter().map(|(name, value)| ((*name).to_owned(), json!(rounded(*value)))).collect::<Map<_, _>>())
            }
        };
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("value", &rounded(self.value))?;
        map.serialize_entry("unit", self.unit)?;
        map.serialize_entry("baseline", &baseline)?;
        map.serialize_entry("target", &self.target_value().map(rounded))?;
        map.serialize_entry("met", &self.met())?;
        map.end()
    }
}

/// Returns a value with about three significant digits; more would be noise.
pub fn number(value: f64) -> String {
    if value == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
