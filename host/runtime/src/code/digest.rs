//! The digest of files in a bundle, and of machine code.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::thread;

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt as _, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};

/// Large enough that the system calls do not count, small enough to stay in the processor's cache.
const BUFFER_BYTES: usize = 256 << 10;
/// A part that is not worth a thread of its own.
const SMALL_BYTES: u64 = 2 << 20;
/// A file is in as many branches as two halvings make: four. Halves are not of the same size, and quarters even that out.
const HALVINGS: u32 = 2;

/// The digest of these bytes, as `artifacts.json` and `bundle.json` have it: `blake3:` and 64 hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    text(blake3::hash(bytes))
}

/// The same of the first `length` bytes of a file, by several threads: machine code of tens of megabytes is hashed at each cold start.
///
/// # Errors
/// Where the file cannot be read, or is shorter.
pub(crate) fn digest_of(file: &File, length: u64) -> io::Result<String> {
    let whole = 0..length;
    if length <= SMALL_BYTES {
        return Ok(text(hashed(file, &whole)?.finalize()));
    }
    let (left, right) = halves(file, &whole, HALVINGS)?;
    Ok(text(merge_subtrees_root(&left, &right, Mode::Hash)))
}

fn text(hash: blake3::Hash) -> String {
    format!("blake3:{}", hash.to_hex())
}

/// The two branches that BLAKE3 makes of a part of a file, each hashed by itself.
fn halves(file: &File, range: &Range<u64>, halvings: u32) -> io::Result<(ChainingValue, ChainingValue)> {
    let middle = range.start + left_subtree_len(range.end - range.start);
    thread::scope(|scope| {
        let left = scope.spawn(|| part(file, &(range.start..middle), halvings - 1));
        let right = part(file, &(middle..range.end), halvings - 1)?;
        let left = left.join().map_err(|_| io::Error::other("hashing was cut off"))??;
        Ok((left, right))
    })
}

/// Not that of the whole file, which is made another way.
fn part(file: &File, range: &Range<u64>, halvings: u32) -> io::Result<ChainingValue> {
    if halvings == 0 || range.end - range.start <= SMALL_BYTES {
        return Ok(hashed(file, range)?.finalize_non_root());
    }
    let (left, right) = halves(file, range, halvings)?;
    Ok(merge_subtrees_non_root(&left, &right, Mode::Hash))
}

fn hashed(file: &File, range: &Range<u64>) -> io::Result<Hasher> {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(range.start);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut position = range.start;
    while position < range.end {
        let most = usize::try_from(range.end - position).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
        file.read_exact_at(&mut buffer[..most], position)?;
        hasher.update(&buffer[..most]);
        position += most as u64;
    }
    Ok(hasher)
}

#[cfg(test)]
mod tests;
