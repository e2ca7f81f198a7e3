//! Helpers for this crate's tests: bundles of the guests that `cargo xtask plugins` builds.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::{Job, Role, ValidateInput};
use postdate_core::use_case::MANIFEST_FILE;
use postdate_egress::{Egress, Network};

use crate::call::logs::Identity;
use crate::{LoadError, LoadedBundle, Options, Runtime, Secrets};

/// Returns the bytes of a test guest. Panics with the command to run if the guest is not built.
#[track_caller]
pub fn guest(name: &str) -> Vec<u8> {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/components");
    let dir = std::env::var_os("POSTDATE_GUESTS").map_or_else(built, PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins` first", path.display()))
}

/// Returns a runtime whose compile cache all tests of this process share.
pub fn runtime() -> Runtime {
    static CACHE: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let cache = Some(CACHE.path().join("compiled"));
    // Tests have their servers on loopback.
    let network = Network::new(Egress::laptop(), Vec::new());
    Runtime::new(Options { slots: 4, cache, network, ..Options::default() }).unwrap()
}

/// Returns a bundle of these guests, each as `NAME.wasm`. `manifest` is the manifest without its `name`.
pub fn bundle(manifest: &str, guests: &[&str]) -> BundleSource {
    let mut source = BundleSource::default();
    source.files.insert(MANIFEST_FILE.into(), format!("name = \"tested\"\n{manifest}").into());
    for name in guests {
        source.files.insert(format!("{name}.wasm"), Bytes::from(guest(name)));
    }
    source
}

pub async fn load(manifest: &str, guests: &[&str]) -> Result<LoadedBundle, LoadError> {
    runtime().load(&bundle(manifest, guests), &Secrets::none()).await
}

/// Waits for a future in a test that is not async, or in a function that an async test calls.
pub fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || tokio::runtime::Runtime::new().unwrap().block_on(work);
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// Returns the identity of a plugin with a log limit of its own.
pub fn identity(use_case: &str, role: Role) -> Identity {
    Identity { use_case: use_case.to_owned(), role, rate: Arc::default() }
}

pub fn input(body: &str) -> ValidateInput {
    ValidateInput {
        id: "0190a0a0-0000-7000-8000-000000000000".into(),
        use_case: "tested".into(),
        received_at: "2027-01-01T00:00:00Z".into(),
        trigger_at: "2027-01-02T00:00:00Z".into(),
        target: None,
        caller: vec![("sub".into(), "me".into())],
        headers: vec![("x-a".into(), "b".into())],
        body: body.into(),
    }
}

pub fn job(body: &str) -> Job {
    Job {
        id: "0190a0a0-0000-7000-8000-000000000000".into(),
        use_case: "tested".into(),
        target: "here".into(),
        attempt: 1,
        scheduled_for: "2027-01-02T00:00:00Z".into(),
        body: body.into(),
        trace: None,
    }
}
