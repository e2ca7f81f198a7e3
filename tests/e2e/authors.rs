//! The commands of a plugin author, in each language: create, build, check and test a project, read an exception, watch.

use std::path::{Path, PathBuf};
use std::process::Command;

use postdate_tests::process::{Lines, Process};
use postdate_tests::tools::plugin_tools as tools;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Delivery, Receiver, Reply, Run, UseCases, cli, cli_with, eventually, guest, host, root, scratch};

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Returns the target directory of the tests' guests. Sharing it saves a second build of the standard library.
fn guests_target() -> PathBuf {
    guest("puppet").ancestors().nth(2).expect("the guests' target directory").to_owned()
}

/// Runs `plugin new`, `plugin build` and `plugin test` in an empty directory, and expects that many passing cases.
async fn template_with_passing_cases(lang: &str, template: &str, cases: usize) {
    let place = tempfile::tempdir().unwrap();
    let project = place.path().join("events");
    let dir = path(&project);
    cli(&["plugin", "new", "events", "--lang", lang, "--template", template, "--dir", dir]).await.expect(0);
    let (tools, target) = (tools(), guests_target());
    let variables = [("POSTDATE_PLUGIN_TOOLS", path(&tools)), ("CARGO_TARGET_DIR", path(&target))];
    cli_with(&variables, &["plugin", "build", dir]).await.expect(0);
    cli(&["plugin", "test", dir]).await.expect(0).says(&[&format!("test result: ok. {cases} passed; 0 failed")]);
}

#[tokio::test]
async fn the_webhook_with_auth_builds_in_rust_and_its_cases_pass() {
    template_with_passing_cases("rust", "webhook-with-auth", 8).await;
}

#[tokio::test]
async fn the_webhook_with_auth_builds_in_javascript_and_its_cases_pass() {
    template_with_passing_cases("js", "webhook-with-auth", 8).await;
}

#[tokio::test]
async fn the_webhook_with_auth_builds_in_python_and_its_cases_pass() {
    template_with_passing_cases("python", "webhook-with-auth", 8).await;
}

#[tokio::test]
async fn the_reference_pair_builds_from_its_template_and_its_cases_pass() {
    template_with_passing_cases("rust", "json-schema", 4).await;
    let place = tempfile::tempdir().unwrap();
    let refused = ["plugin", "new", "events", "--lang", "js", "--template", "json-schema", "--dir", path(place.path())];
    cli(&refused).await.expect(1).complains(&["add --lang rust"]);
}

#[tokio::test]
async fn the_blank_template_builds_in_every_language_and_its_cases_pass() {
    for lang in ["rust", "js", "python"] {
        template_with_passing_cases(lang, "blank", 2).await;
    }
}

/// Runs `plugin new`, `plugin build`, `plugin check` and `plugin test` in an empty directory. Returns the test run.
async fn from_nothing_to_passing_cases(lang: &str) -> Run {
    let place = tempfile::tempdir().unwrap();
    let project = place.path().join("reminders");
    let dir = path(&project);
    cli(&["plugin", "new", "reminders", "--lang", lang, "--dir", dir]).await.expect(0).says(&["plugin build"]);
    let (tools, target) = (tools(), guests_target());
    let variables = [("POSTDATE_PLUGIN_TOOLS", path(&tools)), ("CARGO_TARGET_DIR", path(&target))];
    cli_with(&variables, &["plugin", "build", dir]).await.expect(0).says(&["built ", "plugin.wasm: ", "plugin test"]);
    let checked = cli(&["plugin", "check", dir]).await.expect(0);
    checked.says(&["the validate plugin", "the process plugin", "wasi:config/store", "use case reminders", "has 5 cases"]);
    // The project's `.gitignore` excludes the build output.
    let ignored = std::fs::read_to_string(project.join(".gitignore")).unwrap();
    assert!(ignored.contains("*.wasm") && project.join("schemas/case.schema.json").is_file());
    let run = cli(&["plugin", "test", dir]).await.expect(0);
    run.says(&["test result: ok. 5 passed"]);

    // A second `plugin new` refuses to overwrite the files, and a second build changes none.
    let again = cli(&["plugin", "new", "reminders", "--lang", lang, "--dir", dir]).await.expect(1);
    again.complains(&["is not empty, and no file is overwritten"]);
    let built = std::fs::metadata(project.join("plugin.wasm")).unwrap().modified().unwrap();
    let again = cli_with(&variables, &["plugin", "build", dir, "--json"]).await.expect(0).document();
    let component = std::fs::metadata(project.join("plugin.wasm")).unwrap();
    let components = json!([{ "file": project.join("plugin.wasm"), "bytes": component.len() }]);
    assert_eq!(again, json!({ "useCase": "reminders", "components": components }));
    assert_eq!(std::fs::metadata(project.join("plugin.wasm")).unwrap().modified().unwrap(), built);
    run
}

#[tokio::test]
async fn a_new_project_in_rust_builds_and_its_cases_pass() {
    from_nothing_to_passing_cases("rust").await;
}

#[tokio::test]
async fn a_new_project_in_javascript_builds_and_its_cases_pass() {
    from_nothing_to_passing_cases("js").await;
}

#[tokio::test]
async fn a_new_project_in_python_builds_and_its_cases_pass() {
    from_nothing_to_passing_cases("python").await;
}

/// An origin that refuses connections.
const NOBODY: &str = "http://127.0.0.1:1";

/// Creates and builds a project whose processor, from `source`, makes HTTP calls. The manifest grants it the returned receiver
/// and `NOBODY`. `more` is added to the manifest.
async fn calling_out(lang: &str, extension: &str, source: &str, more: &str) -> (tempfile::TempDir, Receiver) {
    let answers = |delivery: &Delivery, _| match delivery.path.as_str() {
        "/cut" => Reply::ok("ok").header("content-length", "100").broken_off(),
        "/long" => Reply::ok("longer"),
        _ => Reply::ok("done"),
    };
    let (place, receiver) = (tempfile::tempdir().unwrap(), Receiver::start(answers).await);
    let project = place.path().join("caller");
    cli(&["plugin", "new", "caller", "--lang", lang, "--dir", path(&project)]).await.expect(0);
    std::fs::remove_dir_all(project.join("cases")).unwrap();
    let manifest =
        format!("name = 'caller'\n{more}[process]\nplugin = 'process.wasm'\nallow-http = ['{}', '{NOBODY}']\n", receiver.url(""));
    std::fs::write(project.join("use-case.toml"), manifest).unwrap();
    std::fs::write(project.join(format!("src/process.{extension}")), source).unwrap();
    let tools = tools();
    let built = cli_with(&[("POSTDATE_PLUGIN_TOOLS", path(&tools))], &["plugin", "build", path(&project)]).await.expect(0);
    built.says(&["built ", "process.wasm: "]);
    (place, receiver)
}

/// Runs the processor on a POST to `url` and expects the exit code `code`.
async fn calls(place: &tempfile::TempDir, url: &str, code: i32) -> Run {
    let project = place.path().join("caller");
    let body = serde_json::json!({ "url": url }).to_string();
    cli(&["plugin", "run", "process", path(&project), "--body", &body]).await.expect(code)
}

#[tokio::test]
async fn a_processor_in_javascript_reaches_granted_origins_only() {
    let source = "
        import { guarded } from './guarded.js';
        import { read } from './http.js';
        export const process = { process: guarded(run) };
        async function run(job) {
          const answer = await fetch(JSON.parse(job.body).url, { method: 'POST', body: 'from JavaScript' });
          return JSON.stringify({ status: answer.status, ...await read(answer, 4) });
        }";
    let (place, receiver) = calling_out("js", "js", source, "").await;
    let answers =
        |status, body, truncated| [format!("\"status\": {status}"), format!("\"body\": \"{body}\""), format!("\"truncated\": {truncated}")];
    let says = |run: Run, texts: [String; 3]| run.says(&texts.each_ref().map(String::as_str));
    says(calls(&place, &receiver.url("/in?x=1"), 0).await, answers(200, "done", false));
    says(calls(&place, &receiver.url("/long"), 0).await, answers(200, "long", true));
    says(calls(&place, &receiver.url("/cut"), 0).await, answers(200, "ok", true));
    let delivery = &receiver.deliveries()[0];
    assert_eq!((delivery.path.as_str(), delivery.body.as_str()), ("/in?x=1", "from JavaScript"));
    let other = Receiver::accepting().await;
    // Nobody catches the exception of `fetch`: the failure has the cause all the same.
    let failed = "the last HTTP request before that failed:";
    let grant = format!("add \"http://127.0.0.1:{}\" to process.allow-http", other.port);
    calls(&place, &other.url("/"), 1).await.says(&["no answer (trap)", failed, &grant]);
    assert_eq!((receiver.count(), other.count()), (3, 0));
    calls(&place, NOBODY, 1).await.says(&[&format!("{failed} cannot connect to {NOBODY}: Connection refused")]);
}

#[tokio::test]
async fn a_processor_in_python_reaches_granted_origins_only() {
    let source = "
import json
from componentize_py_types import Err
from postdate_http import HttpError, send
from wit_world import exports
from wit_world.imports.types import Failure, Job

class Process(exports.Process):
    def process(self, job: Job) -> str | None:
        try:
            answer = send('POST', json.loads(job.body)['url'], {'x-job': job.id}, b'from Python', limit=3)
        except HttpError as error:
            raise Err(Failure(str(error), not error.refused, None))
        return json.dumps({'status': answer.status, 'body': answer.body.decode(), 'truncated': answer.truncated})
";
    // The validator is the template's, built as a second component.
    let (place, receiver) = calling_out("python", "py", source, "[validate]\nplugin = 'validate.wasm'\nconfig = { longest = 9 }\n").await;
    calls(&place, &receiver.url("/in?x=1"), 0).await.says(&["\"status\": 200", "\"body\": \"don\"", "\"truncated\": true"]);
    calls(&place, &receiver.url("/cut"), 0).await.says(&["\"status\": 200", "\"body\": \"ok\"", "\"truncated\": true"]);
    let delivery = &receiver.deliveries()[0];
    assert_eq!((delivery.path.as_str(), delivery.body.as_str()), ("/in?x=1", "from Python"));
    let other = Receiver::accepting().await;
    calls(&place, &other.url("/"), 1).await.says(&[
        "the host refused the request: http-request-denied",
        "permanent",
        &format!("add \"http://127.0.0.1:{}\" to process.allow-http", other.port),
    ]);
    assert_eq!((receiver.count(), other.count()), (2, 0));
    calls(&place, NOBODY, 1).await.says(&["no answer: connection-refused", "a host would retry it"]);

    let project = place.path().join("caller");
    let validated = cli(&["plugin", "run", "validate", path(&project), "--body", r#"{"message":"too long for it"}"#]).await.expect(1);
    validated.says(&["/message  maximum  at most 9 characters"]);
}

const ORDERS_JS: &str = "plugins/examples/orders-js";
const ORDERS_PYTHON: &str = "plugins/examples/orders-python";

#[tokio::test]
async fn the_cases_of_the_orders_sample_pass_in_javascript_and_in_python() {
    let all = std::fs::read_dir(root().join("use-cases/orders/cases")).unwrap().count();
    for example in [ORDERS_JS, ORDERS_PYTHON] {
        let run = cli(&["plugin", "test", example, "--cases", "use-cases/orders/cases"]).await.expect(0);
        run.says(&[&format!("test result: ok. {all} passed; 0 failed; 0 filtered out")]);
    }
}

/// Returns a copy of an example without its config, whose validator therefore throws an exception.
fn without_config(example: &str) -> UseCases {
    let use_cases = UseCases::new();
    let bundle = use_cases.bundle("orders");
    std::fs::create_dir(&bundle).unwrap();
    std::fs::copy(root().join(example).join("plugin.wasm"), bundle.join("plugin.wasm"))
        .expect("the example is built: run cargo xtask test");
    let manifest = std::fs::read_to_string(root().join(example).join("use-case.toml")).unwrap();
    use_cases.write_file("orders", "use-case.toml", manifest.replace("config = { currency = \"EUR\" }", ""));
    use_cases
}

async fn exception(example: &str) -> Run {
    let use_cases = without_config(example);
    let body = r#"{"item":"book","quantity":2}"#;
    cli(&["plugin", "run", "validate", path(&use_cases.bundle("orders")), "--body", body]).await.expect(1)
}

/// Returns the number, from 1, of the first line of `source` that contains `part`.
fn line_of(source: &str, part: &str) -> usize {
    let text = std::fs::read_to_string(root().join(source)).unwrap();
    text.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part:?} is not in {source}")) + 1
}

#[tokio::test]
async fn an_exception_in_javascript_is_reported_with_message_file_and_line() {
    let run = exception(ORDERS_JS).await;
    let line = line_of("plugins/examples/orders-js/src/validate.js", "throw new Error(");
    run.says(&["no answer (trap)", "config `currency` is missing: set it in use-case.toml", &format!("validate.js:{line}:")]);
}

#[tokio::test]
async fn a_value_that_is_no_answer_is_a_fault_of_a_plugin_in_javascript() {
    let place = tempfile::tempdir().unwrap();
    let project = place.path().join("thrower");
    cli(&["plugin", "new", "thrower", "--lang", "js", "--dir", path(&project)]).await.expect(0);
    let source = "export function NAME(input) { throw JSON.parse(input.body).thrown; }";
    for name in ["validate", "process"] {
        std::fs::write(project.join(format!("src/{name}.js")), source.replace("NAME", name)).unwrap();
    }
    let tools = tools();
    cli_with(&[("POSTDATE_PLUGIN_TOOLS", path(&tools))], &["plugin", "build", path(&project)]).await.expect(0);
    let problem = r#"[{"pointer":"/x","code":"required","message":"which x?"}]"#;
    let failure = r#"{"message":"out of stock","retry":false}"#;
    for (role, thrown, said) in [
        ("validate", problem, "/x  required  which x?"),
        ("process", failure, "out of stock"),
        ("validate", "[]", "no answer (trap)"),
        ("validate", "\"text\"", "no answer (trap)"),
        ("validate", "null", "no answer (trap)"),
        ("validate", failure, "no answer (trap)"),
        ("process", problem, "no answer (trap)"),
        ("process", "\"text\"", "no answer (trap)"),
    ] {
        let body = format!("{{\"thrown\":{thrown}}}");
        cli(&["plugin", "run", role, path(&project), "--body", &body]).await.expect(1).says(&[said]);
    }
}

#[tokio::test]
async fn an_exception_in_python_is_reported_with_message_file_and_line() {
    let run = exception(ORDERS_PYTHON).await;
    let line = line_of("plugins/examples/orders-python/src/validate.py", "raise LookupError(");
    run.says(&[
        "no answer (trap)",
        "LookupError: config `currency` is missing: set it in use-case.toml",
        &format!("validate.py\", line {line}"),
    ]);
}

#[tokio::test]
async fn a_build_names_a_missing_tool_and_how_to_install_it() {
    let place = tempfile::tempdir().unwrap();
    let nothing = place.path().join("bin");
    std::fs::create_dir(&nothing).unwrap();
    for (lang, missing) in [
        ("rust", &["`cargo` cannot be started", "https://rustup.rs", "rustup target add wasm32-wasip2", "cargo-web rustc-web"][..]),
        ("js", &["`node` cannot be started", "https://nodejs.org", "apt-get install"]),
        ("python", &["Python 3.10 or later", "apt-get install", "python3-venv"]),
    ] {
        let project = place.path().join(lang);
        cli(&["plugin", "new", "reminders", "--lang", lang, "--dir", path(&project)]).await.expect(0);
        let nowhere = place.path().join("no-such-cargo");
        let variables = [("PATH", path(&nothing)), ("CARGO", path(&nowhere)), ("PYTHON", "python3")];
        cli_with(&variables, &["plugin", "build", path(&project)]).await.expect(1).complains(missing);
    }
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    cli(&["plugin", "build", path(&empty)]).await.expect(1).complains(&["use-case.toml", "plugin new"]);
    std::fs::write(empty.join("use-case.toml"), "name = 'a'\n[process]\nplugin = 'p.wasm'\n").unwrap();
    cli(&["plugin", "build", path(&empty)]).await.expect(1).complains(&["none of Cargo.toml, package.json, requirements.txt"]);
}

#[tokio::test]
async fn the_printed_schemas_equal_the_files_in_the_repository() {
    for of in ["use-case", "case"] {
        let run = cli(&["schema", of]).await.expect(0);
        assert_eq!(run.stdout, std::fs::read_to_string(root().join(format!("schemas/{of}.schema.json"))).unwrap());
    }
}

/// A child process whose stdout is read line by line; killed when dropped.
struct Watched {
    process: Process,
    lines: Lines,
    seen: usize,
}

impl Watched {
    fn start(arguments: &[&str]) -> Self {
        let lines = Lines::default();
        // A background job of a shell ignores SIGINT, and a child inherits that. `env` restores the default action.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(host()).args(arguments).current_dir(root()).env("XDG_CACHE_HOME", scratch());
        Self { process: Process::start(&mut command, &lines), lines, seen: 0 }
    }

    /// Returns all output up to and including the first line that contains `part`. Panics after `PATIENCE`.
    async fn until(&mut self, part: &str) -> String {
        let (lines, seen) = (&self.lines, self.seen);
        let (all, more) = eventually(&format!("a line with {part:?}"), async || {
            let all = lines.all();
            let at = all[seen..].iter().position(|line| line.contains(part))?;
            Some((all, at + 1))
        })
        .await;
        self.seen += more;
        all[seen..self.seen].join("\n")
    }
}

#[tokio::test]
async fn watching_runs_the_cases_again_when_a_case_or_the_bundle_changes() {
    let use_cases = UseCases::new();
    use_cases.copy_sample("orders", 1);
    let bundle = use_cases.bundle("orders");
    let mut watched = Watched::start(&["plugin", "test", path(&bundle), "--watch"]);
    assert!(watched.until("watching").await.contains("test result: ok. 6 passed"));

    let case = bundle.join("cases/accepts-an-order.toml");
    let good = std::fs::read_to_string(&case).unwrap();
    std::fs::write(&case, good.replace("total = 2500", "total = 1")).unwrap();
    let said = watched.until("watching").await;
    assert!(said.contains("changed: ") && said.contains("accepts-an-order.toml"), "{said}");
    assert!(said.contains("5 passed; 1 failed") && said.contains("body.total: expected 1, got 2500"), "{said}");

    // An invalid case does not end the watch.
    std::fs::write(&case, "call = ").unwrap();
    assert!(!watched.until("watching").await.contains("test result"));
    std::fs::write(&case, good).unwrap();
    assert!(watched.until("watching").await.contains("test result: ok. 6 passed"));

    let manifest = std::fs::read_to_string(bundle.join("use-case.toml")).unwrap();
    use_cases.write_file("orders", "use-case.toml", manifest.replace("EUR", "USD"));
    let said = watched.until("watching").await;
    assert!(said.contains("use-case.toml") && said.contains("5 passed; 1 failed"), "{said}");
    // The watch goes on until SIGINT ends it.
    assert!(watched.process.exited().is_none());
    // Ctrl-C.
    watched.process.signal(Signal::INT);
    let ended = eventually("the end of the command", async || watched.process.exited()).await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(2), "{ended}");
}
