//! Loads bundles: a damaged plugin, config and secrets.

use postdate_core::plugin::{Job, JobResult};
use postdate_core::ports::Bundle;
use serde_json::json;

use super::*;
use crate::Secrets;
use crate::testing::{bundle, guest, job, runtime};

fn asks_config(key: &str) -> Job {
    job(&json!({ "process": { "do": "config", "key": key } }).to_string())
}

async fn config_of(bundle: &LoadedBundle, key: &str) -> JobResult {
    bundle.process(asks_config(key), None).await.unwrap()
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
