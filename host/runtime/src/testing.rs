//! For this crate's own tests: the guests that `cargo xtask plugins` builds.

use std::path::PathBuf;

/// The bytes of a test guest. Fails, and says how to get there, where it has not been built.
#[track_caller]
pub fn guest(name: &str) -> Vec<u8> {
    let dir = std::env::var_os("POSTDATE_GUESTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/components"), PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins` first", path.display()))
}
