//! The clone that a development command or a test runs in.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A file that only the repository's root has.
const MARK: &str = "xtask/Cargo.toml";

/// Returns the repository's root, which is found at run time: a clone that was copied with its `target` finds itself, not its original.
///
/// Cargo sets `CARGO_MANIFEST_DIR` for a program that it runs. The search for a program that is started directly begins at the working
/// directory.
///
/// # Panics
/// If neither directory is inside a clone.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let starts = [env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from), env::current_dir().ok()];
        let root = starts.iter().flatten().find_map(|start| above(start));
        root.expect("the working directory is not inside a clone of the repository").to_owned()
    });
    &ROOT
}

fn above(start: &Path) -> Option<&Path> {
    start.ancestors().find(|directory| directory.join(MARK).is_file())
}

#[cfg(test)]
mod tests;
