//! Names of the files of a bundle.

use std::path::Path;

/// Directory of a bundle's test cases: `cases/*.toml`.
pub const CASES_DIR: &str = "cases";

/// Returns true if a file of [`CASES_DIR`] is a test case: `*.toml`, not hidden.
pub fn is_case_file(name: &str) -> bool {
    !name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension == "toml")
}

/// Returns true for the name of a file beside the manifest or of a test case. Such a name cannot lead out of the bundle.
pub fn is_file_name(name: &str) -> bool {
    let plain = |name: &str| {
        !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains(['/', '\\', '\0']) && !name.chars().any(char::is_control)
    };
    match name.split_once('/') {
        None => plain(name),
        Some((directory, case)) => directory == CASES_DIR && plain(case) && is_case_file(case),
    }
}
