//! Files that only their owner may read or write: secrets, keys of the API, and the audit log.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
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
    check(&metadata)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|_| "is not UTF-8 text".to_owned())?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    Ok(text)
}

/// Opens the file to write at its end, and creates it if it is missing. Fails if others may read or write it, or if it belongs to another
/// user. A character device, such as a terminal, is not checked, since it keeps nothing. An error continues the sentence "the file PATH …".
pub fn append(path: &Path) -> Result<File, String> {
    let unusable = |error: std::io::Error| format!("cannot be opened ({error})");
    let file = File::options().create(true).append(true).mode(0o600).open(path).map_err(unusable)?;
    let metadata = file.metadata().map_err(unusable)?;
    if !metadata.file_type().is_char_device() {
        check(&metadata)?;
    }
    Ok(file)
}

/// Fails if others may read or write the file, or if it belongs to another user.
fn check(metadata: &Metadata) -> Result<(), String> {
    if metadata.mode() & OTHERS != 0 {
        return Err(format!("may be read or written by others (mode {:03o}): chmod 600 it", metadata.mode() & 0o777));
    }
    if ![ROOT, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
        return Err("belongs to another user: chown it to the one that the server runs as".to_owned());
    }
    Ok(())
}

/// Returns the line, from 1, at which an error of `text` begins.
pub fn line_of(error: &toml::de::Error, text: &str) -> usize {
    error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1)
}
