//! A cache of compiled plugins that the tests' servers share, since the reference validator takes seconds to compile. A server
//! finds the right entry by the keys of its own cache, and checks the digests.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use postdate_tests::tools::scratch;
use tokio::sync::{Mutex, MutexGuard};

fn store() -> PathBuf {
    scratch().join("compiled")
}

/// Returns after all earlier callers have dropped their guards: one test compiles a sample, which takes seconds of every core, and the
/// others find its machine code.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// Copies the shared cache into a new data directory.
pub fn lend(data: &Path) {
    let place = data.join("compiled");
    // The server refuses a cache directory that other users can write.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&place).expect("the cache's directory");
    pass_on(&store(), &place);
}

/// Copies a server's compiled plugins into the shared cache.
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
        // Written under a unique name and renamed: other tests and processes copy at the same time.
        let draft = to.join(format!(".{}-{}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
        fs::copy(entry.path(), &draft).and_then(|_| fs::rename(&draft, &place)).expect("a copy of a compiled plugin");
    }
}
