//! Compares the AWS calls in the code of each function with the actions that its role allows. The calls are read from the source:
//! `.put_rule()` in a module that `bin/processor.rs` reaches counts as a call of the processor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::policy::allowed;
use super::source::{Source, reachable, read};
use crate::harness::root;

const FUNCTIONS: [&str; 3] = ["processor", "target", "janitor"];

/// Calls that only the listed functions make, although other functions reach the file: file, action or `*`, functions, reason.
const ONLY: [(&str, &str, &[&str], &str); 5] = [
    ("deliver.rs", "*", &["target"], "the janitor shares the adapters and delivers nothing"),
    ("ledger/labels.rs", "dynamodb:BatchGetItem", &["processor"], "target and janitor list nothing by label"),
    ("secrets/parameters.rs", "*", &["processor", "target"], "the janitor loads no plugin, and so no secret"),
    ("secrets/secrets_manager.rs", "*", &["processor", "target"], "the janitor loads no plugin, and so no secret"),
    ("schedule/rules.rs", "events:ListRules", &["janitor"], "processor and target schedule, and list nothing"),
];

/// Actions that AWS performs with the function's role, or requires beside a call. The code has no call for them.
const WITHOUT_CALL: [(&str, &str); 11] = [
    ("iam:PassRole", "checked by EventBridge when a rule or schedule names a role"),
    ("kms:Decrypt", "services decrypt secrets and encrypted data under this role, and by way of them only"),
    ("kms:GenerateDataKey", "SQS, SNS and CloudWatch Logs make data keys under this role, and by way of them only"),
    ("logs:CreateLogStream", "Lambda writes the log"),
    ("logs:PutLogEvents", "Lambda writes the log"),
    ("xray:PutTraceSegments", "Lambda sends traces"),
    ("xray:PutTelemetryRecords", "Lambda sends traces"),
    ("sqs:ReceiveMessage", "Lambda polls the delay queue"),
    ("sqs:DeleteMessage", "Lambda polls the delay queue"),
    ("sqs:GetQueueAttributes", "Lambda polls the delay queue"),
    ("s3:ListBucket", "without it, a missing object is 403 and not 404"),
];

/// SDK crate, and the prefix of its actions in IAM.
const SERVICES: [(&str, &str); 10] = [
    ("aws-sdk-dynamodb", "dynamodb"),
    ("aws-sdk-eventbridge", "events"),
    ("aws-sdk-lambda", "lambda"),
    ("aws-sdk-s3", "s3"),
    ("aws-sdk-scheduler", "scheduler"),
    ("aws-sdk-secretsmanager", "secretsmanager"),
    ("aws-sdk-sfn", "states"),
    ("aws-sdk-sns", "sns"),
    ("aws-sdk-sqs", "sqs"),
    ("aws-sdk-ssm", "ssm"),
];

/// Returns the IAM actions that an SDK operation needs. Most actions have the name of the operation.
/// Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/>.
fn actions(service: &str, operation: &str) -> Vec<String> {
    let named: &[&str] = match (service, operation) {
        // One action per kind of item. Our transactions put, update, delete and check.
        ("dynamodb", "transact_write_items") => &["PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"],
        ("dynamodb", "transact_get_items") => &["GetItem"],
        ("lambda", "invoke") => &["InvokeFunction"],
        ("s3", "list_objects_v2" | "head_bucket") => &["ListBucket"],
        ("s3", "head_object") => &["GetObject"],
        ("sqs", "send_message_batch") => &["SendMessage"],
        ("sqs", "delete_message_batch") => &["DeleteMessage"],
        ("sns", "publish_batch") => &["Publish"],
        _ => return vec![format!("{service}:{}", camel_case(operation))],
    };
    named.iter().map(|name| format!("{service}:{name}")).collect()
}

fn camel_case(operation: &str) -> String {
    operation.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// Returns the operations of each SDK crate in use, by the name of the client's method.
fn operations() -> &'static BTreeMap<&'static str, BTreeSet<String>> {
    static OPERATIONS: OnceLock<BTreeMap<&str, BTreeSet<String>>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        // Offline, only the crates for this platform are downloaded.
        let arguments = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &host()];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let packages = metadata["packages"].as_array().expect("packages");
        let found = packages.iter().filter_map(|package| {
            let (name, _) = SERVICES.iter().find(|(name, _)| package["name"] == *name)?;
            let clients = Path::new(package["manifest_path"].as_str()?).with_file_name("src/client");
            Some((*name, methods(&clients)))
        });
        found.collect()
    })
}

/// Returns the host's target triple, from `rustc -vV`.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").current_dir(root()).output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

/// Returns the operations of an SDK crate, which has one file for each in `src/client`, beside `customize.rs`.
fn methods(clients: &PathBuf) -> BTreeSet<String> {
    let files = std::fs::read_dir(clients).unwrap_or_else(|error| panic!("{}: {error}", clients.display()));
    let names = files.map(|file| file.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned());
    names.filter(|name| name != "customize").collect()
}

/// Returns the actions that the calls in a source file need. A source file writes crate names with `_`.
fn needed(text: &str) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for (name, service) in SERVICES {
        if !text.contains(&name.replace('-', "_")) {
            continue;
        }
        let called = operations()[name].iter().filter(|operation| text.contains(&format!(".{operation}()")));
        needed.extend(called.flat_map(|operation| actions(service, operation)));
    }
    needed
}

/// Returns the actions that a function needs, each with the files that need it.
fn needed_by(function: &str, sources: &[Source]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in reachable(&format!("bin/{function}.rs"), sources) {
        for action in needed(&source.text) {
            let only = ONLY.iter().find(|(path, only, ..)| *path == source.path && [action.as_str(), "*"].contains(only));
            if only.is_none_or(|(_, _, functions, _)| functions.contains(&function)) {
                all.entry(action).or_default().push(source.path.clone());
            }
        }
    }
    all
}

/// Returns the sources of `host/aws`. The reading half of the store's S3 adapter counts as part of the file that reads use cases from
/// a bucket; `no_function_writes_to_a_store` covers the writing half.
fn hosts() -> Vec<Source> {
    let mut sources = read(&root().join("host/aws/src"));
    let store = read(&root().join("host/store/src"));
    let reading = store.into_iter().find(|source| source.path == "s3.rs").expect("the store's S3");
    let loader = sources.iter_mut().find(|source| source.path == "use_cases/version_loader.rs").expect("the loader of use cases");
    let (before, writing) = reading.text.split_once("    async fn put(").expect("the method that writes");
    let (_, after) = writing.split_once("impl S3 {").expect("the end of the port's methods");
    loader.text.push_str(before);
    loader.text.push_str(after);
    sources
}

#[test]
fn no_function_writes_to_a_store() {
    let writing = [
        "versions.publish(",
        ".publish_as(",
        ".publish_precompiled(",
        ".move_current(",
        ".roll_back(",
        ".objects().put(",
        ".objects().delete(",
    ];
    for source in read(&root().join("host/aws/src")) {
        for call in writing {
            assert!(!source.text.contains(call), "{} calls {call}…)", source.path);
        }
    }
}

#[test]
fn every_call_is_allowed_by_the_role_of_its_function() {
    let sources = hosts();
    for function in FUNCTIONS {
        let allowed = allowed(function);
        for (action, files) in needed_by(function, &sources) {
            assert!(allowed.contains(&action), "{function} calls {action} in {files:?}: allow it in the role, or remove the call");
        }
    }
}

#[test]
fn every_allowed_action_is_called_or_listed_with_a_reason() {
    let sources = hosts();
    for function in FUNCTIONS {
        let needed = needed_by(function, &sources);
        for action in allowed(function) {
            let needed = needed.contains_key(&action) || WITHOUT_CALL.iter().any(|(known, _)| *known == action);
            assert!(needed, "{function} never calls {action}: remove it from the role, or state it in WITHOUT_CALL");
        }
    }
}

#[test]
fn operations_are_found_in_chains_and_named_as_iam_names_them() {
    let text = "use aws_sdk_dynamodb::Client;\nclient\n    .transact_write_items()\n    .send();\nuri.publish();\n";
    let found: Vec<String> = needed(text).into_iter().collect();
    assert_eq!(found, ["dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]);
    assert_eq!(needed("aws_sdk_s3 .list_objects_v2() aws_sdk_sfn .start_execution()").len(), 2);
    assert_eq!(actions("events", "list_targets_by_rule"), ["events:ListTargetsByRule"]);
    assert!(needed("client.put_rule()").is_empty(), "a method of a crate that the file does not use is no call");
}
