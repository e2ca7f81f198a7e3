//! Loaded versions, bounded by their bytes. Beyond the bound, the version that was used least recently goes.

use std::collections::HashMap;

use postdate_core::use_case::NameAndVersion;

/// A version counts at least this many bytes, so that the number of versions is bounded as well.
const LEAST_BYTES: u64 = 4 << 20;

pub struct VersionCache<T> {
    versions: HashMap<NameAndVersion, Cached<T>>,
    /// Number of uses so far, which orders them.
    uses: u64,
    /// Most bytes of all versions together.
    most: u64,
}

struct Cached<T> {
    value: T,
    bytes: u64,
    used: u64,
}

impl<T: Clone> VersionCache<T> {
    pub fn new(most: u64) -> Self {
        Self { versions: HashMap::new(), uses: 0, most }
    }

    /// Returns a version, which counts as a use.
    pub fn get(&mut self, name: &str, version: &str) -> Option<T> {
        self.uses += 1;
        let cached = self.versions.get_mut(&(name.to_owned(), version.to_owned()))?;
        cached.used = self.uses;
        Some(cached.value.clone())
    }

    /// Adds a version. Removes and returns others until the rest is within the bound; the new one stays, however large it is.
    pub fn insert(&mut self, name: &str, version: &str, value: T, bytes: u64) -> Vec<NameAndVersion> {
        self.uses += 1;
        let new = (name.to_owned(), version.to_owned());
        self.versions.insert(new.clone(), Cached { value, bytes: bytes.max(LEAST_BYTES), used: self.uses });
        let mut removed = Vec::new();
        while self.versions.values().fold(0, |sum: u64, cached| sum.saturating_add(cached.bytes)) > self.most {
            let others = self.versions.iter().filter(|(key, _)| **key != new);
            let Some(oldest) = others.min_by_key(|(_, cached)| cached.used).map(|(key, _)| key.clone()) else { break };
            self.versions.remove(&oldest);
            removed.push(oldest);
        }
        removed
    }
}

#[cfg(test)]
mod tests;
