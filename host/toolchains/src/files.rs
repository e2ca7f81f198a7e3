//! Build outputs as files: whether one is up to date, and how one is replaced.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};

/// Returns `true` if `output` exists and is newer than every input. A directory counts with all files below it.
pub fn is_current(output: &Path, inputs: impl IntoIterator<Item = impl AsRef<Path>>) -> bool {
    let Some(output) = modified(output) else { return false };
    inputs.into_iter().all(|input| newest(input.as_ref()).is_some_and(|input| input < output))
}

/// Copies `from` to `to` in one step, if the contents differ. Returns `true` if it copied. A server or `--watch` that watches
/// `to` sees a change only where there is one, and never a part of the file.
pub fn copy_if_changed(from: &Path, to: &Path) -> Result<bool> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|existing| existing == content) {
        return Ok(false);
    }
    let temporary = temporary(to);
    fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))
        .and_then(|()| fs::write(&temporary, content))
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    replace(&temporary, to)?;
    Ok(true)
}

/// Returns the path of the file that is written before it replaces `to`.
pub(crate) fn temporary(to: &Path) -> PathBuf {
    to.with_extension("wasm.tmp")
}

/// Renames [`temporary`] to the final name.
pub(crate) fn replace(temporary: &Path, to: &Path) -> Result<()> {
    fs::rename(temporary, to).with_context(|| format!("cannot write {}", to.display()))
}

/// Returns the latest modification time of a file, or of a directory with all files below it. `None` if a part of it cannot
/// be read.
fn newest(path: &Path) -> Option<SystemTime> {
    let mut newest = modified(path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path).ok()? {
            newest = newest.max(self::newest(&entry.ok()?.path())?);
        }
    }
    Some(newest)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

#[cfg(test)]
mod tests;
