//! Doing something again whenever files change.
//!
//! The files are looked at a few times a second: they are few, and so it works where the kernel tells of no changes, such as
//! on network file systems and in some containers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::output::{err, error_text, out};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is seen of each file: length in bytes, and when it was written.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Does it, and again whenever the files right inside these directories have changed; Ctrl-C ends the process. An error is
/// told, and changes nothing: the next change may mend it.
pub async fn again_and_again(places: &[PathBuf], mut act: impl AsyncFnMut() -> anyhow::Result<()>) -> Infallible {
    loop {
        // Before it acts, so that a change in the meantime is a change.
        let seen = look(places);
        if let Err(error) = act().await {
            err(&error_text(&error));
        }
        out(&format!("watching {} files; Ctrl-C ends\n", seen.len()));
        let now = changed(places, &seen).await;
        out(&format!("\nchanged: {}\n", names(&seen, &now).join(", ")));
    }
}

/// Waits until the files differ from what was seen, and then until whoever changes them has come to an end.
async fn changed(places: &[PathBuf], seen: &Seen) -> Seen {
    let mut last = look(places);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = look(places);
        if now != *seen && now == last {
            return now;
        }
        last = now;
    }
}

/// What cannot be read is not seen; who reads it next says why.
fn look(places: &[PathBuf]) -> Seen {
    let entries = places.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
    entries
        .filter_map(|entry| {
            let file = std::fs::metadata(entry.path()).ok().filter(std::fs::Metadata::is_file)?;
            (!is_passing(&entry.path())).then(|| (entry.path(), (file.len(), file.modified().ok())))
        })
        .collect()
}

/// Files that builds and editors write beside the real one.
fn is_passing(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".tmp") || name.ends_with(".swp")
}

/// The files that came, went or changed.
fn names(before: &Seen, after: &Seen) -> Vec<String> {
    let came_or_changed = after.iter().filter(|(path, file)| before.get(*path) != Some(*file));
    let gone = before.iter().filter(|(path, _)| !after.contains_key(*path));
    came_or_changed.chain(gone).map(|(path, _)| path.display().to_string()).collect()
}

#[cfg(test)]
mod tests;
