//! One line of the outcome: what was measured, beside what, against which target.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

/// One measured value. In `summary.json`:
///
/// - `id`: stable, for programs that compare runs.
/// - `value`: a number, of `unit`.
/// - `baseline`: the same measure of the plain thing, taken in the same run and of the same unit: null, a number, or,
///   where there are several, an object of numbers by name.
/// - `target`: a number of the same unit, or null where the row only informs. A floor where the unit is `/s`, else a ceiling.
/// - `met`: whether the value keeps the target; null where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: &'static str,
    /// What it is, in a few words.
    pub measure: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// By name. Where there are several, the first is the one that the ratio is of.
    pub baseline: Vec<(&'static str, f64)>,
    pub target: Option<Target>,
}

/// What a value is held to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// At most so many times the baseline.
    TimesBaseline(f64),
}

impl Row {
    /// Value over baseline, where there is one that is not zero.
    pub fn ratio(&self) -> Option<f64> {
        self.baseline.first().filter(|(_, baseline)| *baseline > 0.0).map(|(_, baseline)| self.value / baseline)
    }

    /// The target in the unit of the value.
    pub fn target_value(&self) -> Option<f64> {
        match self.target? {
            Target::AtMost(most) => Some(most),
            Target::AtLeast(least) => Some(least),
            Target::TimesBaseline(times) => self.baseline.first().map(|(_, baseline)| baseline * times),
        }
    }

    pub fn met(&self) -> Option<bool> {
        let target = self.target_value()?;
        Some(match self.target? {
            Target::AtLeast(_) => self.value >= target,
            Target::AtMost(_) | Target::TimesBaseline(_) => self.value <= target,
        })
    }

    /// The target as people read it.
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

/// As many digits as a measurement on a shared machine deserves.
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
