//! The AWS tools for the template: cfn-lint, sam, the SAM translator, moto.

use std::process::{Command, Output};
use std::sync::OnceLock;

use postdate_tests::tools::{root, tool};
use serde_json::Value;

/// Returns a command for a program of the Python environment: `target/aws-tools`, or the directory in `POSTDATE_AWS_TOOLS`.
fn program(name: &str) -> Command {
    let mut command = Command::new(tool(name));
    // The checks are local: no profile, no telemetry.
    command.current_dir(root()).env("AWS_DEFAULT_REGION", "us-east-1").env("SAM_CLI_TELEMETRY", "0").env_remove("AWS_PROFILE");
    command
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    output
}

#[track_caller]
fn json(command: &mut Command) -> Value {
    serde_json::from_slice(&run(command).stdout).expect("a JSON document")
}

/// Returns the template after the SAM transform.
pub fn translated() -> &'static Value {
    static TRANSLATED: OnceLock<Value> = OnceLock::new();
    TRANSLATED.get_or_init(|| json(program("python").args(["infra/checks/translate.py", "infra/template.yaml"])))
}

/// Returns resources, locals and variables of `infra/terraform`.
pub fn terraform() -> &'static Value {
    static TERRAFORM: OnceLock<Value> = OnceLock::new();
    TERRAFORM.get_or_init(|| json(program("python").args(["infra/checks/terraform.py", "infra/terraform"])))
}

/// Returns the alert rules of `infra/observability`.
pub fn alert_rules() -> Value {
    json(program("python").args(["infra/checks/alert_rules.py", "infra/observability/alerts.yaml"]))
}

/// Creates the stack in moto with these parameters, each as `Name=value`. Returns a report of the stack.
#[track_caller]
pub fn created(parameters: &[&str]) -> Value {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), translated().to_string()).expect("the translated template");
    json(program("python").arg("infra/checks/create_in_moto.py").arg(file.path()).args(parameters))
}

#[test]
fn cfn_lint_reports_nothing_on_the_template() {
    let output = run(program("cfn-lint").args(["--non-zero-exit-code", "informational", "infra/template.yaml"]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn sam_finds_the_template_valid() {
    let output = run(program("sam").args(["validate", "--lint", "--template", "infra/template.yaml"]));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is a valid SAM Template"), "{output:?}");
}
