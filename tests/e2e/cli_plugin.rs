//! `postdate plugin check`, `plugin test` and `plugin run`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::harness::{PUPPET, Receiver, SECRET, UseCases, cli, cli_with, guest, slow};

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[tokio::test]
async fn check_lists_the_exports_imports_and_grants_of_a_plugin() {
    let good = cli(&["plugin", "check", path(&guest("minimal-validate"))]).await.expect(0);
    good.says(&["postdate:plugin/validate@1.0.0"]);
    let both = cli(&["plugin", "check", path(&guest("puppet"))]).await.expect(0);
    both.says(&["validate", "process", "wasi:http/outgoing-handler", "allow-http", "wasi:config/store"]);
}

#[tokio::test]
async fn check_refuses_a_file_that_cannot_be_loaded_and_names_the_reason() {
    let wrong = cli(&["plugin", "check", path(&guest("wrong-version"))]).await.expect(1);
    let said = format!("{}{}", wrong.stdout, wrong.stderr);
    assert!(said.contains("2.0.0") && said.contains("1.0.0"), "{said}");

    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [("text.wasm", &b"not wasm"[..]), ("empty.wasm", b""), ("module.wasm", b"\0asm\x01\0\0\0")] {
        let file = directory.path().join(name);
        std::fs::write(&file, content).unwrap();
        let refused = cli(&["plugin", "check", path(&file)]).await.expect(1);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("component") || said.contains("WebAssembly"), "{name}: {said}");
    }
    cli(&["plugin", "check", path(&directory.path().join("nothing.wasm"))]).await.expect(1).complains(&["nothing.wasm"]);
}

/// Returns use cases with the bundle `puppet` and these test cases: name without `.toml`, text.
fn bundle(cases: &[(&str, &str)]) -> UseCases {
    let use_cases = UseCases::new();
    use_cases.write("puppet", PUPPET);
    let directory = use_cases.bundle("puppet").join("cases");
    std::fs::create_dir(&directory).unwrap();
    for (name, text) in cases {
        std::fs::write(directory.join(format!("{name}.toml")), text).unwrap();
    }
    use_cases
}

const GOOD: &str = "call = 'process'\nbody = '{\"process\":{\"do\":\"succeed\",\"result\":\"ok\"}}'\n[expect]\nresult = 'ok'\n";
const BAD: &str = "call = 'process'\nbody = '{\"process\":{\"do\":\"fail\",\"message\":\"<no> & never\"}}'\n[expect]\nresult = 'ok'\n";
const TRAP: &str = "call = 'validate'\nbody = '{\"validate\":{\"do\":\"trap\"}}'\n[expect]\nerror = 'trap'\n";

#[tokio::test]
async fn the_cases_of_the_sample_bundles_pass() {
    for sample in ["orders", "webhook"] {
        let run = cli(&["plugin", "test", &format!("use-cases/{sample}")]).await.expect(0);
        run.says(&["... ok", "test result: ok.", "0 failed"]);
    }
}

#[tokio::test]
async fn a_failed_case_is_explained_and_fails_the_run() {
    let use_cases = bundle(&[("good", GOOD), ("bad", BAD), ("trap", TRAP)]);
    let directory = use_cases.bundle("puppet");
    let run = cli(&["plugin", "test", path(&directory)]).await.expect(1);
    run.says(&["test good ... ok", "test trap ... ok", "test bad ... FAILED", "<no> & never", "test result: FAILED. 2 passed; 1 failed"]);
    run.says(&["  --- expected\n", "  -  \"outcome\": \"result\"", "  +  \"outcome\": \"failure\""]);
    cli(&["plugin", "test", path(&directory), "good"]).await.expect(0).says(&["1 passed", "2 filtered out"]);
}

#[tokio::test]
async fn a_junit_report_is_well_formed_and_counts_the_failures() {
    let use_cases = bundle(&[("good", GOOD), ("bad", BAD)]);
    let report = use_cases.path().join("report.xml");
    cli(&["plugin", "test", path(&use_cases.bundle("puppet")), "--junit", path(&report)]).await.expect(1);
    let xml = std::fs::read_to_string(&report).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("2"), Some("1")));
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).expect("a failure");
    assert_eq!(failure.parent().and_then(|case| case.attribute("name")), Some("bad"));
    assert!(failure.attribute("message").unwrap().contains("<no> & never"), "{xml}");
}

#[tokio::test]
async fn a_bundle_without_cases_or_with_a_broken_one_fails() {
    let none = bundle(&[]);
    let run = cli(&["plugin", "test", path(&none.bundle("puppet"))]).await;
    assert_eq!(run.code, 1, "{run:#?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("cases"), "{run:#?}");
    let broken = bundle(&[("odd", "call = 'sing'\n")]);
    let run = cli(&["plugin", "test", path(&broken.bundle("puppet"))]).await;
    assert_eq!(run.code, 1, "{run:#?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("odd"), "{run:#?}");
}

/// Returns the files with machine code in a directory, with the times at which they were written.
fn cached(dir: &Path) -> Vec<(PathBuf, SystemTime)> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let code = paths.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"));
    let mut all: Vec<_> = code.map(|path| (path.clone(), std::fs::metadata(path).unwrap().modified().unwrap())).collect();
    all.sort();
    all
}

#[tokio::test]
async fn test_run_and_push_compile_a_component_once() {
    let (use_cases, place) = (bundle(&[("good", GOOD)]), tempfile::tempdir().unwrap());
    let (directory, cache, store) = (use_cases.bundle("puppet"), place.path().join("made/cache"), place.path().join("store"));
    let variables = [("POSTDATE_COMPILE_CACHE", path(&cache))];
    let run = |arguments: Vec<String>| async move {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cli_with(&variables, &arguments).await.expect(0)
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    run(words(&["plugin", "test", path(&directory)])).await;
    let compiled = cached(&cache);
    assert_eq!(compiled.len(), 1, "one component is both plugins");
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    run(words(&["plugin", "run", "process", path(&directory), "--body", r#"{"process":{"do":"succeed"}}"#])).await;
    run(words(&["use-case", "push", path(&directory), "--to", path(&store)])).await.says(&["cases      1 passed (", "serves"]);
    assert_eq!(cached(&cache), compiled, "compiled again");
    // Counting code is another component for the cache.
    run(words(&["plugin", "run", "process", path(&directory), "--instructions", "--body", r#"{"process":{"do":"succeed"}}"#])).await;
    assert_eq!(cached(&cache).len(), 2);
}

#[tokio::test]
async fn the_cache_of_the_commands_is_bounded_and_may_be_unusable() {
    let (use_cases, place) = (bundle(&[("good", GOOD)]), tempfile::tempdir().unwrap());
    let (directory, cache) = (use_cases.bundle("puppet"), place.path().join("cache"));
    let small = [("POSTDATE_COMPILE_CACHE", path(&cache)), ("POSTDATE_COMPILE_CACHE_QUOTA", "1KiB")];
    for component in [guest("minimal-validate"), guest("minimal-process")] {
        cli_with(&small, &["plugin", "check", path(&component)]).await.expect(0);
        assert_eq!(cached(&cache).len(), 1, "only the newest code is kept beyond the quota");
    }
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    for unusable in [file.join("below"), file] {
        let run = cli_with(&[("POSTDATE_COMPILE_CACHE", path(&unusable))], &["plugin", "test", path(&directory)]).await.expect(0);
        run.complains(&["warning: the cache directory", "compiled each time"]);
        run.says(&["1 passed"]);
    }
}

#[tokio::test]
async fn progress_is_written_every_five_seconds_without_a_terminal() {
    let place = tempfile::tempdir().unwrap();
    let component = place.path().join("slow.wasm");
    // Minutes of work, which the limit of processor time ends after eight seconds on an idle machine.
    std::fs::write(&component, slow("puppet", 400)).unwrap();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let limit = format!("{}s", 8 * processors);
    let run = cli_with(&[("POSTDATE_COMPILE_TIME", &limit)], &["plugin", "check", path(&component)]).await.expect(1);
    run.complains(&["compiling ", "… 5 s\n"]);
}

#[tokio::test]
async fn run_calls_a_plugin_once_and_shows_time_memory_and_instructions() {
    let body = r#"{"item":"book","quantity":2}"#;
    let run = ["plugin", "run", "validate", "use-cases/orders", "--body", body];
    let accepted = cli(&run).await.expect(0);
    accepted.says(&["accepted", "\"total\": 2500", "took", "peak memory"]);
    assert!(!accepted.stdout.contains("instructions"), "{accepted:#?}");
    cli(&[&run[..], &["--instructions"]].concat()).await.expect(0).says(&["peak memory", " instructions\n"]);
    let rejected = cli(&["plugin", "run", "validate", "use-cases/orders", "--body", r#"{"item":"tank","quantity":1}"#]).await.expect(1);
    rejected.says(&["rejected", "/item", "unknown-item"]);
    let placed = r#"{"total":2500,"currency":"EUR"}"#;
    let json = cli(&["plugin", "run", "process", "use-cases/orders", "--body", placed, "--attempt", "3", "--json", "--instructions"])
        .await
        .expect(0);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["outcome"], "result");
    assert!(document["instructions"].as_u64() > Some(1000), "{document}");
    assert!(document["peakMemoryBytes"].as_u64() > Some(0) && document["log"].to_string().contains("attempt 3"), "{document}");
}

#[tokio::test]
async fn run_sends_real_http_requests_within_the_grants_and_takes_secrets_from_the_environment() {
    let receiver = Receiver::accepting().await;
    let use_cases = UseCases::new();
    use_cases.copy_sample("webhook", receiver.port);
    let bundle = use_cases.bundle("webhook");
    let arguments = ["plugin", "run", "process", path(&bundle), "--body", r#"{"event":"e","data":{}}"#];
    let secret = format!("whsec_{SECRET}");
    cli_with(&[("SECRET_WEBHOOK", &secret)], &arguments).await.expect(0).says(&["succeeded", "done"]);
    assert_eq!((receiver.count(), receiver.deliveries()[0].path.as_str()), (1, "/hooks/e"));
    cli(&arguments).await.expect(1).complains(&["SECRET_WEBHOOK"]);
    assert_eq!(receiver.count(), 1);
}
