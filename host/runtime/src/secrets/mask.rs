//! Hides a plugin's secrets in its log and in the messages of its errors. Results and bodies stay as they are: they belong to the use
//! case.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::SecretValues;

/// Shortest line of a secret that is hidden, in bytes. Shorter lines occur in any text.
const LEAST_BYTES: usize = 6;

/// The secrets of one call.
#[derive(Debug, Default)]
pub struct Mask(Vec<(String, Arc<SecretString>)>);

impl Mask {
    pub fn new(secrets: &SecretValues) -> Self {
        let mut all: Vec<_> = secrets.iter().map(|(name, value)| (name.clone(), Arc::clone(value))).collect();
        // A secret that contains another one is replaced first; otherwise its rest would stay readable.
        all.sort_by_key(|(_, value)| std::cmp::Reverse(value.expose_secret().len()));
        Self(all)
    }

    /// Replaces each secret by `[secret NAME]`. A log has lines, so each line of a secret is replaced separately.
    pub fn apply(&self, text: &mut String) {
        for (name, value) in &self.0 {
            for line in value.expose_secret().lines().map(str::trim).filter(|line| line.len() >= LEAST_BYTES) {
                if text.contains(line) {
                    *text = text.replace(line, &format!("[secret {name}]"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
