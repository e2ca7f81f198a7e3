//! Runs an action again whenever files change.
//!
//! The files are polled, because a poll of a few files is cheap, and network file systems and some containers report no change
//! to the kernel's watchers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::output::{counted, err, error_text, out};

const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Length in bytes and modification time of each file.
type Snapshot = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Runs the action, and again after each change of a file directly inside one of the directories, until Ctrl-C ends the
/// process. Prints an error and goes on, since the next change may correct it.
pub async fn run_on_changes(directories: &[PathBuf], mut act: impl AsyncFnMut() -> anyhow::Result<()>) -> Infallible {
    loop {
        // Before the action, so that a change during the action counts.
        let seen = snapshot(directories);
        if let Err(error) = act().await {
            err(&error_text(&error));
        }
        out(&format!("watching {}; Ctrl-C ends\n", counted(seen.len(), "file")));
        let now = changed(directories, &seen).await;
        out(&format!("\nchanged: {}\n", names(&seen, &now).join(", ")));
    }
}

/// Waits until the files differ from `seen`, and then stay the same for one interval.
async fn changed(directories: &[PathBuf], seen: &Snapshot) -> Snapshot {
    let mut last = snapshot(directories);
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let now = snapshot(directories);
        if now != *seen && now == last {
            return now;
        }
        last = now;
    }
}

/// Leaves out files that cannot be read: the action reports them.
fn snapshot(directories: &[PathBuf]) -> Snapshot {
    let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    entries
        .filter_map(|entry| {
            let file = std::fs::metadata(entry.path()).ok().filter(std::fs::Metadata::is_file)?;
            (!is_temporary(&entry.path())).then(|| (entry.path(), (file.len(), file.modified().ok())))
        })
        .collect()
}

/// Returns `true` for files that builds and editors write beside the real one.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".tmp") || name.ends_with(".swp")
}

/// Returns the files that were added, changed or removed.
fn names(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let added_or_changed = after.iter().filter(|(path, file)| before.get(*path) != Some(*file));
    let removed = before.iter().filter(|(path, _)| !after.contains_key(*path));
    added_or_changed.chain(removed).map(|(path, _)| path.display().to_string()).collect()
}

#[cfg(test)]
mod tests;
