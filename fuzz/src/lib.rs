//! Fuzz targets as functions. For any bytes the host must either return an error with a message, or load them and keep its limits.
//!
//! `cargo xtask fuzz` runs the targets with libFuzzer. `corpus/` keeps the inputs that were found; the tests run each of them.

use std::sync::LazyLock;
use std::time::Duration;

use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Job;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_runtime::inspect::inspect;
use postdate_runtime::{CallOptions, Options, Runtime, Secrets};

const MANIFEST: &str = "name = 'x'\n[process]\nplugin = 'p.wasm'\ntimeout = '50ms'\nmemory = '1MiB'\n";

/// Inspects a plugin file, loads it and calls it. Panics if a plugin loads in which the inspection found a
/// problem, or if the compiler panics.
pub fn component(bytes: &[u8]) {
    static HOST: LazyLock<(tokio::runtime::Runtime, Runtime)> = LazyLock::new(|| {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
        (threads, Runtime::new(Options { slots: 1, ..Options::default() }).expect("a host"))
    });
    let problems = inspect(bytes).problems(None);
    assert!(problems.iter().all(|problem| !problem.is_empty()), "a problem has no text");
    let mut source = BundleSource::default();
    source.files.insert(MANIFEST_FILE.into(), MANIFEST.into());
    source.files.insert("p.wasm".into(), bytes.to_vec().into());
    let (threads, host) = &*HOST;
    threads.block_on(async {
        match host.load(&source, &Secrets::none()).await {
            Ok(plugin) => {
                assert!(problems.is_empty(), "the plugin loads, but the inspection found {problems:?}");
                let options = CallOptions { deadline: Some(Duration::from_millis(50)), ..CallOptions::default() };
                let _ = plugin.call_process(job(), options).await;
            }
            Err(error) => assert!(!error.to_string().contains("made the compiler panic"), "{error}"),
        }
    });
}

/// Parses a manifest. Panics if an error has no text or a very long one, or if the same text parses differently again.
pub fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match UseCase::parse(&text) {
        Ok(use_case) => assert_eq!(UseCase::parse(&text).ok().map(|again| again.name), Some(use_case.name)),
        Err(error) => assert!((1..10_000).contains(&error.to_string().len()), "an error has no text, or 10,000 bytes or more"),
    }
}

fn job() -> Job {
    Job {
        id: "0190a0a0-0000-7000-8000-000000000000".into(),
        use_case: "x".into(),
        target: "here".into(),
        attempt: 1,
        scheduled_for: "2027-01-02T00:00:00Z".into(),
        body: "{}".into(),
        trace: None,
    }
}

#[cfg(test)]
mod tests;
