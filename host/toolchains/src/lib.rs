//! What builds plugins: the toolchains of Rust, JavaScript and Python, for `postdate plugin build` and for `cargo xtask`.
//!
//! Nothing is installed outside a directory that the caller names, but for [`rust::Toolchain::find_or_install`], which
//! `cargo xtask` alone calls.

pub mod javascript;
pub mod python;
pub mod repository;
pub mod rust;
pub mod step;
pub mod wit;

use std::path::Path;
use std::time::SystemTime;

/// Whether a file that was made is there, and younger than all that it was made of; directories are looked through.
pub fn is_current(made: &Path, inputs: &[&Path]) -> bool {
    let Some(made) = modified(made) else { return false };
    inputs.iter().all(|input| newest(input).is_some_and(|input| input < made))
}

/// None where something cannot be read: then nobody knows.
fn newest(path: &Path) -> Option<SystemTime> {
    if !path.is_dir() {
        return modified(path);
    }
    let mut newest = modified(path)?;
    for entry in std::fs::read_dir(path).ok()? {
        newest = newest.max(self::newest(&entry.ok()?.path())?);
    }
    Some(newest)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// Replaces a file in one step: who watches it sees the old one or the new one, never a part.
pub(crate) fn rename_into(temporary: &Path, to: &Path) -> anyhow::Result<()> {
    use anyhow::Context as _;
    std::fs::rename(temporary, to).with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests;
