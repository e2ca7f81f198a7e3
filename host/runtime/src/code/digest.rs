//! The digest of files in a bundle, and of machine code.

use std::fs::File;
use std::io;

use blake3::{Hash, Hasher};

use super::deserialize::path_of;

/// Returns the digest of these bytes in the form of `artifacts.json` and `bundle.json`: `blake3:` and 64 hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    text(blake3::hash(bytes))
}

/// Returns the digest of a file. Uses all processors, because tens of megabytes of machine code are hashed at each cold start. Fails if
/// the file cannot be read.
pub fn digest_of(file: &File) -> io::Result<String> {
    Ok(text(Hasher::new().update_mmap_rayon(path_of(file))?.finalize()))
}

fn text(hash: Hash) -> String {
    format!("blake3:{}", hash.to_hex())
}

#[cfg(test)]
mod tests;
