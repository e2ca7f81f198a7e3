//! The number of rules on the event bus. moto accepts any number.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// EventBridge's default quota "Rules: 300 per event bus".
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>.
const RULES: usize = 300;

/// Names of the rules that an account has on its default bus.
#[derive(Default)]
pub struct Bus(Mutex<BTreeSet<String>>);

impl Bus {
    /// Returns `true` for a `PutRule` that would exceed the quota. Replacing an existing rule needs no place.
    pub fn is_full_for(&self, action: &str, body: &Value) -> bool {
        let rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        action == "PutRule" && !rules.contains(name(body)) && rules.len() >= RULES
    }

    /// Records a call that took effect.
    pub fn done(&self, action: &str, body: &Value) {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match action {
            "PutRule" => drop(rules.insert(name(body).to_owned())),
            "DeleteRule" => drop(rules.remove(name(body))),
            _ => {}
        }
    }
}

fn name(body: &Value) -> &str {
    body["Name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
