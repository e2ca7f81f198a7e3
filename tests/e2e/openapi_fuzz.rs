//! Schemathesis calls each deployment in ways that the description of the API allows, and in many that it does not. It fails if an answer
//! is not described, a wrong call is accepted, a right one is refused, or a server fails.
//!
//! The seed is fixed. `POSTDATE_API_SECONDS` makes each test go on for so many seconds, with another seed in each run.

use std::path::Path;
use std::process::{Command, Stdio};

use postdate_tests::stack::Options;
use postdate_tests::tools::api_tool;

use crate::aws::scene::Scene;
use crate::harness::{PUPPET, Server, root};

/// The use case of the description's examples, with a plugin that takes every body.
const ORDERS: &str = "
[process]
plugin = 'puppet.wasm'
[targets]
default = 'here'
here = { kind = 'plugin' }
heavy = { kind = 'plugin' }
";
const KEY: &str = "key-of-the-fuzzer";

/// Calls a deployment at `url` by the description in `schema`. Panics with the report if an answer differs.
async fn fuzz(schema: &Path, url: &str, examples: u32, arguments: &[&str]) {
    let sources = root().join("tests/api-fuzz");
    let report = tempfile::tempdir().expect("a directory");
    let mut run = Command::new(api_tool("schemathesis"));
    // Hypothesis keeps what it has found in the working directory.
    run.current_dir(report.path()).env("SCHEMATHESIS_HOOKS", sources.join("hooks.py")).stdin(Stdio::null());
    run.arg("--config-file").arg(sources.join("schemathesis.toml")).arg("run").arg(schema).args(["--url", url]);
    run.args(["--max-examples", &examples.to_string(), "--continue-on-failure", "--warnings", "off", "--no-color"]);
    // A busy machine, or the bench for AWS, takes longer than the default of 10 s.
    run.args(["--request-timeout", "120"]);
    // The stream of events has no end.
    run.args(["--exclude-operation-id", "events"]).args(arguments);
    match std::env::var("POSTDATE_API_SECONDS") {
        Ok(seconds) => run.args(["--max-time", &seconds]),
        Err(_) => run.args(["--seed", "1"]),
    };
    let output = tokio::task::spawn_blocking(move || run.output()).await.unwrap().expect("schemathesis starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{url}: {}\n{text}", output.status);
    assert!(text.contains("test cases") || text.contains("generated"), "{text}");
    println!("{text}");
}

fn schema() -> std::path::PathBuf {
    root().join("schemas/openapi.json")
}

#[tokio::test]
async fn a_server_answers_every_call_as_described() {
    let server = Server::builder().use_case("orders", ORDERS).key(KEY).start().await;
    let key = format!("authorization: Bearer {KEY}");
    fuzz(&schema(), &server.api.url, 40, &["--header", &key]).await;
}

#[tokio::test]
async fn a_server_with_a_test_clock_answers_its_calls_as_described() {
    let server = Server::puppet().await;
    fuzz(&schema(), &server.api.url, 40, &["--include-path", "/test-clock", "--phases", "examples,coverage,fuzzing"]).await;
}

/// Calls that only one machine has. On AWS their paths answer 404 to every method.
const OF_ONE_MACHINE: &str = "^/(metrics|events|test-clock|use-cases/\\{name\\})$";

#[tokio::test]
async fn the_functions_answer_every_call_as_described() {
    let scene = Scene::of(&format!("{PUPPET}[retry]\nmax-attempts = 1\n"), Options::default()).await;
    let directory = tempfile::tempdir().expect("a directory");
    let renamed = directory.path().join("openapi.json");
    let description = std::fs::read_to_string(schema()).expect("the description");
    std::fs::write(&renamed, description.replace("\"orders\"", "\"puppet\"")).expect("a copy of the description");
    // The bench's HTTP server fails on a body that is not UTF-8, and its table on a busy machine does not answer in time (503).
    let bench = ["--mode", "positive", "--exclude-checks", "not_a_server_error"];
    let calls = ["--exclude-path-regex", OF_ONE_MACHINE, "--phases", "examples,fuzzing"];
    fuzz(&renamed, &scene.api.url, 1, &[bench, calls].concat()).await;
}
