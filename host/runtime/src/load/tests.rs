//! Loads bundles: refused plugins with their errors, config and secrets, the compile cache.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use postdate_core::plugin::{Job, JobResult};
use postdate_core::ports::Bundle;
use serde_json::json;

use super::bundle_dir::MAX_FILE_BYTES;
use super::*;
use crate::testing::{bundle, guest, job, load, runtime};
use crate::{Options, Progress, Runtime, Secrets};

async fn refused(manifest: &str, guests: &[&str]) -> String {
    load(manifest, guests).await.expect_err("the bundle was loaded").to_string()
}

fn asks_config(key: &str) -> Job {
    job(&json!({ "process": { "do": "config", "key": key } }).to_string())
}

async fn config_of(bundle: &LoadedBundle, key: &str) -> JobResult {
    bundle.process(asks_config(key), None).await.unwrap()
}

#[tokio::test]
async fn a_plugin_of_another_role_or_contract_version_is_refused() {
    let swapped = refused("[process]\nplugin = 'minimal-validate.wasm'\n", &["minimal-validate"]).await;
    assert!(
        swapped.starts_with("the process plugin of use case tested (minimal-validate.wasm) does not export postdate:plugin/process@1.0.0"),
        "{swapped}"
    );
    let version = refused(
        "[process]\nplugin = 'minimal-process.wasm'\n[validate]\nplugin = 'wrong-version.wasm'\n",
        &["minimal-process", "wrong-version"],
    )
    .await;
    assert!(version.contains("exports postdate:plugin/validate@2.0.0; this host speaks 1.0.0"), "{version}");
}

#[tokio::test]
async fn a_file_that_is_not_a_component_is_refused() {
    let whole = guest("puppet");
    for (content, expected) in [
        (Vec::new(), "is empty"),
        (b"\0asm\x01\0\0\0".to_vec(), "is a core WebAssembly module"),
        (b"#!/bin/sh\n".to_vec(), "is not WebAssembly"),
        (whole[..whole.len() / 2].to_vec(), "is damaged or cut short"),
        (vec![0; usize::try_from(MAX_FILE_BYTES).unwrap() + 1], "more than the"),
    ] {
        let mut source = bundle("[process]\nplugin = 'p.wasm'\n", &[]);
        source.files.insert("p.wasm".into(), content.into());
        let error = runtime().load(&source, &Secrets::none()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[tokio::test]
async fn damaged_code_is_refused_by_the_compiler() {
    let mut code = guest("minimal-process");
    // The damage is in a function's body, which inspection does not read.
    let at = code.windows(4).position(|bytes| bytes == b"\0asm").unwrap() + code.len() / 3;
    code[at..at + 64].fill(0xff);
    let mut source = bundle("[process]\nplugin = 'p.wasm'\n", &[]);
    source.files.insert("p.wasm".into(), code.into());
    let error = runtime().load(&source, &Secrets::none()).await.unwrap_err().to_string();
    assert!(error.contains("is not valid") || error.contains("is damaged"), "{error}");
}

#[tokio::test]
async fn only_the_plugin_sees_its_config_files_and_secrets() {
    let manifest = "[process]\nplugin = 'puppet.wasm'\nsecrets = ['API_KEY']\nconfig-files = { schema = 's.json' }\n\
                    config = { currency = 'EUR', limits = { max = 3 } }\n";
    let mut source = bundle(manifest, &["puppet"]);
    source.files.insert("s.json".into(), "{}".into());
    let loaded = runtime().load(&source, &Secrets::of(|name| (name == "API_KEY").then(|| "hush".to_owned()))).await.unwrap();
    for (key, value) in [("currency", "EUR"), ("limits", r#"{"max":3}"#), ("schema", "{}"), ("API_KEY", "hush")] {
        assert_eq!(config_of(&loaded, key).await.unwrap().as_deref(), Some(value), "{key}");
    }
    assert!(config_of(&loaded, "PATH").await.is_err());
    assert!(!format!("{loaded:?}").contains("hush"));

    let other = loaded.with_secrets(&Secrets::of(|_| Some("other".to_owned()))).await.unwrap();
    assert_eq!(config_of(&other, "API_KEY").await.unwrap().as_deref(), Some("other"));
    assert_eq!(config_of(&other, "currency").await.unwrap().as_deref(), Some("EUR"));
    assert_eq!(config_of(&loaded, "API_KEY").await.unwrap().as_deref(), Some("hush"), "the first bundle keeps its own secret");
}

#[tokio::test]
async fn the_error_names_a_missing_secret() {
    let error = refused("[process]\nplugin = 'minimal-process.wasm'\nsecrets = ['API_KEY']\n", &["minimal-process"]).await;
    assert_eq!(error, "use case tested: process.secrets names API_KEY, which is not set: give it a value");
}

#[tokio::test]
async fn a_manifest_that_requests_more_memory_than_the_hosts_limit_is_refused() {
    let runtime = Runtime::new(Options { slots: 1, max_memory: 32 << 20, ..Options::default() }).unwrap();
    let source = bundle("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]);
    let error = runtime.load(&source, &Secrets::none()).await.unwrap_err().to_string();
    assert!(error.contains("asks for 64 MiB of memory, and this host gives 32 MiB"), "{error}");
}

#[tokio::test]
async fn a_second_start_uses_the_compile_cache_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let options = Options { slots: 1, cache: Some(cache.clone()), ..Options::default() };
    let source = bundle("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]);
    let files = || {
        let entries = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<_> = entries.map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap())).collect();
        files.sort();
        files
    };

    let first = Runtime::new(options.clone()).unwrap();
    first.load(&source, &Secrets::none()).await.unwrap();
    let written = files();
    assert_eq!(written.len(), 2, "the code and its digest: {written:?}");

    let second = Runtime::new(options).unwrap();
    let loaded = second.load(&source, &Secrets::none()).await.unwrap();
    assert!(loaded.process(job("{}"), None).await.unwrap().is_ok());
    assert_eq!(files(), written, "nothing was compiled again");

    let code = written.iter().find(|(path, _)| path.extension().unwrap() == "cwasm").unwrap();
    fs::write(&code.0, "damaged").unwrap();
    let loaded = second.load(&source, &Secrets::none()).await.unwrap();
    assert!(loaded.process(job("{}"), None).await.unwrap().is_ok());
    assert!(fs::metadata(&code.0).unwrap().len() > 1000, "the plugin was compiled again");
}

#[tokio::test]
async fn a_component_that_is_both_plugins_is_compiled_once_without_a_cache() {
    let compiled = Arc::new(AtomicUsize::new(0));
    let progress = {
        let compiled = Arc::clone(&compiled);
        Progress::to(move |compiling| {
            compiled.fetch_add(usize::from(compiling.ended), Ordering::Relaxed);
        })
    };
    let runtime = Runtime::new(Options { slots: 1, progress, ..Options::default() }).unwrap();
    let both = bundle("[validate]\nplugin = 'puppet.wasm'\n[process]\nplugin = 'puppet.wasm'\n", &["puppet"]);
    let loaded = runtime.load(&both, &Secrets::none()).await.unwrap();
    assert!(loaded.validate.is_some() && loaded.process.is_some());
    assert_eq!(compiled.load(Ordering::Relaxed), 1);
    let two = bundle(
        "[validate]\nplugin = 'minimal-validate.wasm'\n[process]\nplugin = 'minimal-process.wasm'\n",
        &["minimal-validate", "minimal-process"],
    );
    runtime.load(&two, &Secrets::none()).await.unwrap();
    assert_eq!(compiled.load(Ordering::Relaxed), 3);
}
