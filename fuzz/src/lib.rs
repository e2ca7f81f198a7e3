//! The fuzz targets, as functions: whatever the bytes are, the host says no in words, or takes them and keeps its limits.
//!
//! `cargo xtask fuzz` runs them under libFuzzer. What was found once stays in `corpus/`, which the tests here go through.

use std::sync::LazyLock;
use std::time::Duration;

use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Job;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_runtime::inspect::inspect;
use postdate_runtime::{CallOptions, Options, Runtime, Secrets};

const MANIFEST: &str = "name = 'x'\n[process]\nplugin = 'p.wasm'\ntimeout = '50ms'\nmemory = '1MiB'\n";

/// A plugin file: looked at, and where nothing is wrong with it, compiled, linked and called.
pub fn component(bytes: &[u8]) {
    static HOST: LazyLock<(tokio::runtime::Runtime, Runtime)> = LazyLock::new(|| {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
        (threads, Runtime::new(Options { slots: 1, ..Options::default() }).expect("a host"))
    });
    let problems = inspect(bytes).problems(None);
    assert!(problems.iter().all(|problem| !problem.is_empty()), "a problem without words");
    let mut source = BundleSource::default();
    source.files.insert(MANIFEST_FILE.into(), MANIFEST.into());
    source.files.insert("p.wasm".into(), bytes.to_vec().into());
    let (threads, host) = &*HOST;
    threads.block_on(async {
        match host.load(&source, &Secrets::none()).await {
            Ok(plugin) => {
                assert!(problems.is_empty(), "it loads, and has {problems:?}");
                let options = CallOptions { deadline: Some(Duration::from_millis(50)), ..CallOptions::default() };
                let _ = plugin.call_process(job(), options).await;
            }
            Err(error) => assert!(!error.to_string().contains("made the compiler panic"), "{error}"),
        }
    });
}

/// A manifest: an error has words, and what is taken is taken again.
pub fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match UseCase::parse(&text) {
        Ok(use_case) => assert_eq!(UseCase::parse(&text).ok().map(|again| again.name), Some(use_case.name)),
        Err(error) => assert!((1..10_000).contains(&error.to_string().len()), "an error of no or endless words"),
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
    }
}

#[cfg(test)]
mod tests;
