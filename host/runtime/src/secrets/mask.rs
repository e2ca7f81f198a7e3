//! A plugin may write what it was given: into its log, or into the message of an error. There its secrets are blotted out. Not in
//! results and bodies, which are the use case's own business.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::SecretValues;

/// Shorter ones are found in any text.
const LEAST_BYTES: usize = 6;

/// The secrets of one call.
#[derive(Debug, Default)]
pub struct Mask(Vec<(String, Arc<SecretString>)>);

impl Mask {
    pub fn new(secrets: &SecretValues) -> Self {
        let mut all: Vec<_> = secrets.iter().map(|(name, value)| (name.clone(), Arc::clone(value))).collect();
        // One that holds another goes first, or its rest would stay.
        all.sort_by_key(|(_, value)| std::cmp::Reverse(value.expose_secret().len()));
        Self(all)
    }

    /// The text with `[secret NAME]` for each secret. A log has lines, so each line of a secret is one.
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
