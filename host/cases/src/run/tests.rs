use std::path::PathBuf;

use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::Options;

use super::*;
use crate::cases;

#[tokio::test]
async fn a_case_needs_exactly_the_secrets_of_its_plugin() {
    let use_case = UseCase::parse("name = 'a'\n[process]\nplugin = 'p.wasm'\nsecrets = ['KEY']").unwrap();
    let case = |secrets: &str| {
        cases::parse("c", &format!("call = 'process'\nbody = '{{}}'\nsecrets = {secrets}\n[expect]\nresult = {{}}")).unwrap()
    };
    let secrets = secrets_of(&use_case, &case("{ KEY = 'v' }")).unwrap();
    let values = secrets.get("a", &["KEY".to_owned()]).await.unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&*values["KEY"]), "v");
    let error = |secrets| secrets_of(&use_case, &case(secrets)).err().unwrap().to_string();
    assert!(error("{}").contains("secrets = { KEY = \"...\" }"), "{}", error("{}"));
    assert!(error("{ KEY = 'v', OTHER = 'x' }").contains("OTHER is not granted"));
}

/// Returns a bundle with a test guest, which the body controls.
fn bundle(guest: &str) -> BundleSource {
    let dir = std::env::var_os("POSTDATE_GUESTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/components"), PathBuf::from);
    let path = dir.join(format!("{guest}.wasm"));
    let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins` first", path.display()));
    let manifest = "name = 'a'
[validate]
plugin = 'p.wasm'
timeout = '200ms'
memory = '16MiB'
[process]
plugin = 'p.wasm'
memory = '16MiB'
allow-http = ['http://127.0.0.1:9']
[targets]
here = { kind = 'plugin' }
";
    let files = [(MANIFEST_FILE, manifest.as_bytes().to_vec()), ("p.wasm", wasm)];
    BundleSource { files: files.map(|(name, content)| (name.to_owned(), content.into())).into() }
}

async fn run_texts(guest: &str, texts: &[&str]) -> Vec<Ran> {
    let source = bundle(guest);
    let use_case = source.use_case().unwrap();
    let cases: Vec<Case> = texts.iter().map(|text| cases::parse("c", text).unwrap()).collect();
    let runtime = Runtime::new(Options { slots: 1, ..Options::default() }).unwrap();
    let loaded = load(&runtime, &source, &cases).await.unwrap();
    run_all(&loaded, &use_case, &cases).await
}

#[tokio::test]
async fn a_case_with_the_expected_answer_passes() {
    let ran = run_texts(
        "puppet",
        &[
            "call = 'validate'\nbody = '{}'\n[expect]\naccepted = {}",
            "call = 'validate'\n[body.validate]\ndo = 'target'\nvalue = 'here'\n[expect]\naccepted = { target = 'here' }",
            "call = 'validate'\n[body.validate]\ndo = 'trap'\n[expect]\nerror = 'trap'",
            "call = 'validate'\n[body.validate]\ndo = 'loop'\n[expect]\nerror = 'timeout'",
            "call = 'validate'\n[body.validate]\ndo = 'memory'\nmib = 64\n[expect]\nerror = 'memory'",
            "call = 'process'\n[body.process]\ndo = 'retry'\nretryAfterSeconds = 7\n[expect]\nfailure = { retry = true, retry-after-seconds = 7 }",
            "call = 'process'\n[body.process]\ndo = 'http'\nurl = 'http://127.0.0.1:9/x'\n[[http]]\nmethod = 'GET'\nurl = 'http://127.0.0.1:9/x'\nstatus = 200\nanswer = 'hi'\n[expect]\nresult = {}",
        ],
    )
    .await;
    let complaints: Vec<_> = ran.iter().map(|case| &case.complaints).collect();
    assert!(complaints.iter().all(|complaints| complaints.is_empty()), "{complaints:#?}");
}

#[tokio::test]
async fn a_case_with_another_answer_has_a_complaint() {
    let ran = run_texts(
        "puppet",
        &[
            "call = 'validate'\nbody = '{}'\n[expect]\nproblems = []",
            "call = 'validate'\n[body.validate]\ndo = 'target'\nvalue = 'nowhere'\n[expect]\naccepted = {}",
            "call = 'validate'\ntarget = 'nowhere'\nbody = '{}'\n[expect]\naccepted = {}",
            "call = 'validate'\nheaders = { x-a = '1' }\nbody = '{}'\n[expect]\naccepted = {}",
            "call = 'validate'\nbody = '[]'\n[expect]\naccepted = {}",
            "call = 'process'\nbody = '{}'\n[[http]]\nurl = 'http://127.0.0.1:9/x'\nstatus = 200\n[expect]\nresult = {}",
        ],
    )
    .await;
    let expected = [
        "expected a rejection, got {",
        "a host would refuse the validator's answer: target that cannot be used: \"nowhere\" is not a target of this use case",
        "target: \"nowhere\" is not among the targets of the use case: here",
        "add it to validate.headers",
        "the body must be a JSON object",
        "was not requested",
    ];
    for (case, expected) in ran.iter().zip(expected) {
        assert!(case.complaints.len() == 1 && case.complaints[0].contains(expected), "{:?} does not say {expected:?}", case.complaints);
        // Only the first answer differs; the other complaints are about the case or the host's rules.
        assert_eq!(case.compared.is_some(), expected.starts_with("expected a rejection"), "{expected}");
    }
}

#[tokio::test]
async fn a_refused_plugin_is_an_answer_only_if_a_case_expects_it() {
    let refused = "call = 'validate'\nbody = '{}'\n[expect]\nerror = 'refused'";
    assert_eq!(run_texts("wrong-version", &[refused]).await[0].complaints, Vec::<String>::new());
    let source = bundle("wrong-version");
    let case = cases::parse("c", "call = 'validate'\nbody = '{}'\n[expect]\naccepted = {}").unwrap();
    let runtime = Runtime::new(Options { slots: 1, ..Options::default() }).unwrap();
    let error = load(&runtime, &source, &[case]).await.unwrap_err().to_string();
    assert!(error.contains("this host speaks 1.0.0"), "{error}");
}
