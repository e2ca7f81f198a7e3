//! Compiled plugins, passed on from one test's server to the next: compiling the reference validator takes seconds, and
//! what a plugin compiles to is the same for all. Keys and digests of the server's cache keep it from taking a wrong one.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use postdate_tests::tools::scratch;

fn store() -> PathBuf {
    scratch().join("compiled")
}

/// Gives a new data directory what other servers have compiled.
pub fn lend(data: &Path) {
    let place = data.join("compiled");
    // As the server makes it: it refuses one that others can write.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&place).expect("the cache's directory");
    pass_on(&store(), &place);
}

/// Keeps what a server has compiled.
pub fn keep(data: &Path) {
    fs::create_dir_all(store()).expect("the store's directory");
    pass_on(&data.join("compiled"), &store());
}

fn pass_on(from: &Path, to: &Path) {
    static DRAFTS: AtomicU32 = AtomicU32::new(0);
    let Ok(entries) = fs::read_dir(from) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let place = to.join(&name);
        if name.to_string_lossy().starts_with('.') || place.exists() {
            continue;
        }
        // Through another name, since tests of this and of other processes copy at the same time.
        let draft = to.join(format!(".{}-{}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
        fs::copy(entry.path(), &draft).and_then(|_| fs::rename(&draft, &place)).expect("a copy of a compiled plugin");
    }
}
