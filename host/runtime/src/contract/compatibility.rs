//! Tests that every later host loads and calls a plugin that was built against version 1.0.0 of the contract.

use std::path::Path;

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::{Acceptance, JobFailure, Problem};
use postdate_core::ports::Bundle as _;
use postdate_core::use_case::MANIFEST_FILE;

use crate::code::artifacts::{ARTIFACTS_DIR, Arch};
use crate::testing::{input, job, runtime};
use crate::trust::Trust;
use crate::{LoadedBundle, Secrets, read_precompiled_dir, write_artifacts};

const MANIFEST: &str = "name = 'tested'
[validate]
plugin = 'validate.wasm'
config = { key = 'value' }
[process]
plugin = 'process.wasm'
config = { key = 'value' }
[targets]
here = { kind = 'plugin' }
";

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/contract-1.0.0");

/// Returns the fixtures as loaded by both kinds of host: compiled at load, and precompiled.
async fn hosts() -> [LoadedBundle; 2] {
    let mut source = BundleSource::default();
    source.files.insert(MANIFEST_FILE.into(), MANIFEST.into());
    for name in ["validate.wasm", "process.wasm"] {
        source.files.insert(name.into(), Bytes::from(std::fs::read(Path::new(FIXTURES).join(name)).unwrap()));
    }
    let (runtime, secrets) = (runtime(), Secrets::none());
    let here = runtime.load(&source, &secrets).await.unwrap();

    let (dir, use_case) = (tempfile::tempdir().unwrap(), source.use_case().unwrap());
    for (name, content) in &source.files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let code = runtime.precompile(&source, &use_case, Arch::HERE.unwrap()).await.unwrap();
    write_artifacts(&dir.path().join(ARTIFACTS_DIR), &source, &use_case, &code, None).unwrap();
    let ahead = runtime.load_precompiled(&read_precompiled_dir(dir.path(), &Trust::default()).unwrap(), &secrets).await.unwrap();
    [here, ahead]
}

#[tokio::test]
async fn a_plugin_of_contract_1_0_0_gets_all_input_and_returns_every_answer() {
    let id = "0190a0a0-0000-7000-8000-000000000000";
    let request = format!("{id}|tested|2027-01-01T00:00:00Z|2027-01-02T00:00:00Z|-|sub=me|x-a=b|value");
    let told = format!("{id}|tested|here|1|2027-01-02T00:00:00Z|value");
    for host in hosts().await {
        let answer = async |answer: &str| host.validate(input(&format!("{{\"answer\":\"{answer}\"}}"))).await.unwrap();
        assert_eq!(answer("unchanged").await, Ok(Acceptance::default()));
        let changed =
            Acceptance { body: Some(request.clone()), target: Some("other".into()), trigger_at: Some("2027-02-01T00:00:00Z".into()) };
        assert_eq!(answer("changed").await, Ok(changed));
        let problem =
            |pointer: &str, code: &str, message: &str| Problem { pointer: pointer.into(), code: code.into(), message: message.into() };
        let problems = vec![problem("/answer", "first", &request), problem("", "second", "{\"answer\":\"no\"}")];
        assert_eq!(answer("no").await, Err(problems));

        let answer = async |answer: &str| host.process(job(&format!("{{\"answer\":\"{answer}\"}}")), None).await.unwrap();
        assert_eq!(answer("nothing").await, Ok(None));
        assert_eq!(answer("text").await, Ok(Some(told.clone())));
        let later = JobFailure { message: told.clone(), retry: true, retry_after: Some(std::time::Duration::from_secs(7)) };
        assert_eq!(answer("later").await, Err(later));
        assert_eq!(answer("no").await, Err(JobFailure { message: told.clone(), retry: false, retry_after: None }));
    }
}
