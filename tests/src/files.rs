//! Reads and copies directories.

use std::path::{Path, PathBuf};

/// Returns all files below a directory, in the order of their paths.
#[track_caller]
pub fn below(directory: &Path) -> Vec<PathBuf> {
    let (mut files, mut directories) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Returns the text of each file below a directory that has one of these extensions.
#[track_caller]
pub fn texts(directory: &Path, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let files = below(directory).into_iter().filter(|path| path.extension().is_some_and(|has| extensions.iter().any(|one| has == *one)));
    files.map(|path| std::fs::read_to_string(&path).map(|text| (path, text)).expect("UTF-8")).collect()
}

/// Copies a directory and everything below it.
#[track_caller]
pub fn copy(from: &Path, to: &Path) {
    for file in below(from) {
        let copied = to.join(file.strip_prefix(from).expect("a path below"));
        std::fs::create_dir_all(copied.parent().expect("a directory")).expect("the copy's directory");
        std::fs::copy(&file, copied).expect("a copy");
    }
}
