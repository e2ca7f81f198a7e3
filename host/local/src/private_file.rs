//! Files that only their owner may read or write: secrets, and keys of the API.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const MAX_FILE_BYTES: u64 = 1 << 20;
/// Permission bits of the group and of others.
const OTHERS: u32 = 0o077;
/// The superuser. Service managers provide secrets in files that belong to it.
const ROOT: u32 = 0;

/// Returns the text of the file. Fails if others may read or write it, if it belongs to another user, or if it has more than 1 MiB. An
/// error continues the sentence "the file PATH …".
pub fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read ({error})");
    let file = File::open(path).map_err(unreadable)?;
    // Taken from the open file, so that the checked file is the one that is read.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(format!("may be read or written by others (mode {:03o}): chmod 600 it", metadata.mode() & 0o777));
    }
    if ![ROOT, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
        return Err("belongs to another user: chown it to the one that the server runs as".to_owned());
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|_| "is not UTF-8 text".to_owned())?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    Ok(text)
}

/// Returns the line, from 1, at which an error of `text` begins.
pub fn line_of(error: &toml::de::Error, text: &str) -> usize {
    error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1)
}
