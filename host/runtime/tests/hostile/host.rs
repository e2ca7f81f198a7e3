//! The runtimes of both deployments, and the checks after each hostile guest: named error, successful next call, no leaked memory.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::{Job, JobResult, PluginError};
use postdate_core::use_case::MANIFEST_FILE;
use postdate_egress::{Egress, Network};
use postdate_runtime::artifacts::{ARTIFACTS_DIR, Arch};
use postdate_runtime::{CallOptions, LoadedBundle, Options, Report, Runtime, Secrets, read_precompiled_dir, write_artifacts};
use tokio::sync::{Mutex, MutexGuard};

use crate::guest::{GOOD, Guest};

/// Longest wait for a call or a load, far above every timeout here. A call that takes longer has escaped its limits.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that allocators may retain after a call that used tens or hundreds of MiB.
const KEPT_BYTES: u64 = 48 << 20;

/// A runtime that every test of the suite shares, so that it has run many hostile guests before.
pub struct Host {
    pub name: &'static str,
    pub runtime: Runtime,
    /// True for the host as on AWS, which loads machine code that was compiled ahead of time, and compiles nothing.
    ahead: bool,
}

static HOSTS: LazyLock<[Host; 2]> = LazyLock::new(|| {
    // The tests' servers are on loopback.
    let network = || Network::new(Egress::laptop(), Vec::new());
    let runtime = || Runtime::new(Options { slots: 2, network: network(), ..Options::default() }).expect("a runtime");
    [Host { name: "one machine", runtime: runtime(), ahead: false }, Host { name: "AWS", runtime: runtime(), ahead: true }]
});

/// Serializes the tests, because each measures the memory of the whole process.
static TURN: Mutex<()> = Mutex::const_new(());

pub async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// Returns the hosts of both deployments.
pub fn hosts() -> &'static [Host; 2] {
    &HOSTS
}

/// Returns a bundle of the use case `hostile` with this processor and these `lines` in `[process]`.
pub fn bundle(lines: &str, wasm: impl Into<Bytes>) -> BundleSource {
    let mut source = BundleSource::default();
    source.files.insert(MANIFEST_FILE.into(), format!("name = 'hostile'\n[process]\nplugin = 'p.wasm'\n{lines}").into());
    source.files.insert("p.wasm".into(), wasm.into());
    source
}

impl Host {
    pub async fn load(&self, source: &BundleSource) -> Result<LoadedBundle, String> {
        let none = Secrets::none();
        if !self.ahead {
            return self.runtime.load(source, &none).await.map_err(|error| error.to_string());
        }
        let arch = Arch::HERE.expect("an architecture of ours");
        let use_case = source.use_case().map_err(|error| error.to_string())?;
        let dir = tempfile::tempdir().expect("a directory");
        let code = self.runtime.precompile(source, &use_case, arch).await.map_err(|error| error.to_string())?;
        write_artifacts(&dir.path().join(ARTIFACTS_DIR), source, &use_case, &code, None).expect("the artifacts");
        for (name, content) in source.files.iter().filter(|(name, _)| *name != "p.wasm") {
            std::fs::write(dir.path().join(name), content).expect("a file");
        }
        let bundle = read_precompiled_dir(dir.path(), &postdate_runtime::trust::Trust::default()).map_err(|error| error.to_string())?;
        self.runtime.load_precompiled(&bundle, &none).await.map_err(|error| error.to_string())
    }

    /// Loads the guest, which must succeed, and calls it.
    pub async fn call(&self, lines: &str, guest: &Guest<'_>) -> Report<JobResult> {
        let loaded = self.load(&bundle(lines, guest.wasm())).await;
        let loaded = loaded.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        run(&loaded, "{}").await
    }

    /// Fails unless the host loads and calls a harmless plugin.
    pub async fn serves(&self) {
        let report = self.call("", &GOOD).await;
        assert_eq!(report.result.unwrap_or_else(|error| panic!("{}: {error}", self.name)), Ok(None));
    }
}

pub async fn run(loaded: &LoadedBundle, body: &str) -> Report<JobResult> {
    let job = Job {
        id: "0190a0a0-0000-7000-8000-000000000000".into(),
        use_case: "hostile".into(),
        target: "here".into(),
        attempt: 1,
        scheduled_for: "2027-01-02T00:00:00Z".into(),
        body: body.into(),
        trace: None,
    };
    let call = tokio::time::timeout(PATIENCE, loaded.call_process(job, CallOptions::default()));
    call.await.unwrap_or_else(|_| panic!("the call did not end within {PATIENCE:?}"))
}

/// Calls the guest three times on each host. Each call must end within `within`, with an error of this code whose text contains
/// `says`. After each, the host must serve a harmless plugin, and in the end the memory must be released.
pub async fn stopped(lines: &str, guest: Guest<'_>, within: Duration, code: &str, says: &str) {
    let _turn = turn().await;
    for host in hosts() {
        let loaded = host.load(&bundle(lines, guest.wasm())).await.unwrap_or_else(|error| panic!("{}: {error}", host.name));
        let before = resident();
        for _ in 0..3 {
            let started = Instant::now();
            let error = unanswered(host, run(&loaded, "{}").await);
            let took = started.elapsed();
            println!("{}: {code} after {took:?}: {error}", host.name);
            assert_eq!(error.reason.code(), code, "{}: {error}", host.name);
            assert!(error.to_string().contains(says), "{}: {says:?} is not in: {error}", host.name);
            assert!(took < within, "{}: it took {took:?}", host.name);
            host.serves().await;
        }
        let kept = resident().saturating_sub(before);
        assert!(kept < KEPT_BYTES, "{}: {} MiB were not released", host.name, kept >> 20);
    }
}

/// Fails unless each host refuses to load the component, with an error that contains `says`, and then serves a harmless plugin.
pub async fn refused(wasm: impl Into<Bytes>, says: &str) {
    let wasm = wasm.into();
    let _turn = turn().await;
    for host in hosts() {
        let before = resident();
        let started = Instant::now();
        let error = host.load(&bundle("", wasm.clone())).await.expect_err("the host loaded a hostile component");
        println!("{}: refused after {:?}: {error}", host.name, started.elapsed());
        assert!(error.contains(says), "{}: {says:?} is not in: {error}", host.name);
        assert!(started.elapsed() < PATIENCE, "{}: it took {:?}", host.name, started.elapsed());
        host.serves().await;
        let kept = resident().saturating_sub(before);
        assert!(kept < KEPT_BYTES, "{}: {} MiB were not released", host.name, kept >> 20);
    }
}

/// Returns the error of a call. Panics if the call succeeded.
pub fn unanswered(host: &Host, report: Report<JobResult>) -> PluginError {
    report.result.expect_err(host.name)
}

/// Returns this process's resident memory in bytes.
pub fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.expect("the second field of /proc/self/statm") * rustix::param::page_size() as u64
}
