//! The schemas are written by hand, for what they say to a person in an editor. Here they are held to the types: the same
//! keys in each table, the samples accepted, and what the types refuse refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use postdate_core::use_case::UseCase;
use serde_json::{Value, json};

use super::*;
use postdate_cases::cases;

fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn validator(text: &str) -> jsonschema::Validator {
    jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema(text)).unwrap()
}

/// TOML as an editor sees it.
fn document(toml: &str) -> Value {
    serde_json::to_value(toml.parse::<toml::Table>().unwrap()).unwrap()
}

/// Every `*.toml` below a directory whose name passes.
fn files(directory: &str, wanted: fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules") {
                directories.push(path);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_manifest_and_case_of_the_repository_fits() {
    let is_manifest = |path: &Path| path.file_name().is_some_and(|name| name == "use-case.toml");
    let is_case =
        |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("cases")) && path.extension().is_some_and(|e| e == "toml");
    for (text, wanted, least) in [(USE_CASE, is_manifest as fn(&Path) -> bool, 4), (CASE, is_case, 12)] {
        let validator = validator(text);
        let found: Vec<PathBuf> =
            ["use-cases", "plugins/examples", "host/cli/templates"].iter().flat_map(|place| files(place, wanted)).collect();
        assert!(found.len() >= least, "{found:?}");
        for path in found {
            let toml = std::fs::read_to_string(&path).unwrap().replace("{{name}}", "name").replace("{{limits}}", "");
            let errors: Vec<String> = validator.iter_errors(&document(&toml)).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        }
    }
}

/// The keys that a type takes, from serde's message about one that it does not.
fn keys_of(error: &str) -> BTreeSet<String> {
    let (_, list) = error.split_once("expected ").unwrap_or_else(|| panic!("no list of keys: {error}"));
    let list = list.lines().next().unwrap_or_default();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[track_caller]
fn check_keys(text: &str, pointer: &str, error: &str) {
    assert!(error.contains("unknown field `x`"), "{error}");
    let schema = schema(text);
    let table = schema.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
    assert_eq!(table["additionalProperties"], json!(false), "{pointer}");
    // Every kind of target takes these, so they are not of the types of the kinds.
    let common = ["kind", "concurrency", "rate"];
    let of_type = |key: &&String| !(pointer.ends_with("-target") && common.contains(&key.as_str()));
    let properties = table["properties"].as_object().unwrap().keys().filter(of_type).cloned().collect::<BTreeSet<_>>();
    assert_eq!(properties, keys_of(error), "{pointer}");
}

#[test]
fn every_table_of_the_manifest_has_the_keys_of_its_type() {
    let arn = "arn = 'arn:aws:sqs:eu-central-1:1:q'";
    let aws = format!("targets = {{ a = {{ kind = 'sqs', {arn}, x = 1 }} }}");
    for (pointer, toml) in [
        ("", "x = 1"),
        ("/$defs/validate", "validate = { plugin = 'p', x = 1 }"),
        ("/$defs/process", "process = { plugin = 'p', x = 1 }"),
        ("/$defs/schedule", "schedule = { x = 1 }"),
        ("/$defs/retry", "retry = { x = 1 }"),
        ("/$defs/retry/properties/backoff", "retry = { backoff = { x = 1 } }"),
        ("/$defs/on", "on = { x = 'a' }"),
        ("/$defs/plugin-target", "targets = { a = { kind = 'plugin', x = 1 } }"),
        ("/$defs/http-target", "targets = { a = { kind = 'http', url = 'http://h', x = 1 } }"),
        ("/$defs/aws-target", &aws),
    ] {
        let toml = format!("name = 'a'\n{toml}\n");
        check_keys(USE_CASE, pointer, &UseCase::parse(&toml).unwrap_err().to_string());
        assert!(!validator(USE_CASE).is_valid(&document(&toml)), "{toml}");
    }
}

#[test]
fn every_table_of_a_case_has_the_keys_of_its_type() {
    for (pointer, toml) in [
        ("", "x = 1\n[expect]\nresult = ''"),
        ("/$defs/exchange", "http = [{ status = 200, x = 1 }]\n[expect]\nresult = ''"),
        ("/$defs/expect", "expect = { x = 1 }"),
        ("/$defs/accepted", "expect = { accepted = { x = 1 } }"),
        ("/$defs/problem", "expect = { problems = [{ pointer = '', code = 'c', x = 1 }] }"),
        ("/$defs/failure", "expect = { failure = { x = 1 } }"),
    ] {
        let toml = format!("call = 'process'\nbody = '{{}}'\n{toml}\n");
        check_keys(CASE, pointer, &format!("{:#}", cases::parse("a", &toml).unwrap_err()));
        assert!(!validator(CASE).is_valid(&document(&toml)), "{toml}");
    }
}

#[test]
fn the_kinds_and_words_are_those_of_the_types() {
    let error = UseCase::parse("name = 'a'\ntargets = { a = { kind = 'x' } }").unwrap_err().to_string();
    let named = |pointer: &str, text: &str| {
        let schema = schema(text);
        let words = schema.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("nothing at {pointer}"));
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(named("/$defs/target/properties/kind/enum", USE_CASE), keys_of(&error));
    assert_eq!(named("/$defs/expect/properties/error/enum", CASE), cases::ERRORS.map(str::to_owned).into());
}

#[track_caller]
fn check_manifest(toml: &str, good: bool) {
    let toml = format!("name = 'a'\n{toml}\n");
    assert_eq!(UseCase::parse(&toml).is_ok(), good, "the types: {toml}");
    assert_eq!(validator(USE_CASE).is_valid(&document(&toml)), good, "the schema: {toml}");
}

#[test]
fn types_and_schema_agree_on_values() {
    let plugin = |rest: &str| format!("[process]\nplugin = 'p.wasm'\n{rest}");
    check_manifest(&format!("description = '{}'\n{}", "d".repeat(1000), plugin("")), true);
    check_manifest(&format!("description = '{}'\n{}", "d".repeat(1001), plugin("")), false);
    for memory in ["32MiB", "512 KiB", "1GiB"] {
        check_manifest(&plugin(&format!("memory = '{memory}'")), true);
    }
    for memory in ["32", "32MB", "1.5GiB", "-1MiB", ""] {
        check_manifest(&plugin(&format!("memory = '{memory}'")), false);
    }
    for timeout in ["200ms", "1m 30s", "1m30s", "10s", "1.5s", "20000µs", "2 mins"] {
        check_manifest(&plugin(&format!("timeout = '{timeout}'")), true);
    }
    for timeout in ["'10'", "10", "'soon'", "''", "'-1s'", "'5 x'"] {
        check_manifest(&plugin(&format!("timeout = {timeout}")), false);
    }
    check_manifest(&plugin("allow-http = ['https://api.example.com', 'http://127.0.0.1:9000']"), true);
    for origin in ["https://h/", "ftp://h", "https://u@h", "h"] {
        check_manifest(&plugin(&format!("allow-http = ['{origin}']")), false);
    }
    check_manifest(&plugin("config = { a = 'b', c = 1, d = { e = [true] } }\nconfig-files = { s = 's.json' }\nsecrets = ['K']"), true);
    check_manifest(&plugin("[retry]\nbackoff = { initial = '0' }"), true);
    check_manifest(&plugin("config-files = { s = '../s.json' }"), false);
    for file in ["bundle.json", "compiled", "cases"] {
        check_manifest(&format!("process = {{ plugin = '{file}' }}"), false);
    }
    check_manifest(&plugin("secrets = ['a/b']"), false);
    check_manifest(&plugin("secrets = ['K', 'K']"), false);
    for (count, good) in [(20, true), (21, false)] {
        let names: Vec<String> = (0..count).map(|n| format!("'S{n}'")).collect();
        check_manifest(&plugin(&format!("secrets = [{}]", names.join(","))), good);
    }
    check_manifest(&plugin("headers = ['x-a']"), false);
    for (name, good) in [("x-a", true), ("X-A", false), ("authorization", false), ("cookie", false), ("x-api-key", false)] {
        check_manifest(&format!("[validate]\nplugin = 'p'\nheaders = ['{name}']\n[process]\nplugin = 'p'"), good);
    }
    check_manifest("[validate]\nplugin = 'p'\nallow-http = ['https://h']\n[process]\nplugin = 'p'", false);
    check_manifest("[process]\nplugin = 'a/b.wasm'", false);
    check_manifest("[targets]\nA = { kind = 'http', url = 'http://h/' }", false);
    check_manifest("[targets]\na = { kind = 'http' }", false);
    check_manifest("[targets]\na = { kind = 'http', url = 'https://h/x', timeout = '2s' }", true);
    let hook = |rest: &str| format!("[targets]\na = {{ kind = 'http', url = 'https://h/x?a=@', {rest} }}");
    for value in ["Bearer ${secret:A_1}", "${secret:A}:${secret:B}", "$ {text} $5 $", "$${secret:A}", ""] {
        check_manifest(&hook(&format!("headers = {{ authorization = '{value}' }}")), true);
    }
    for value in ["${A}", "${secret:}", "${secret:A", "${secret:a b}", "ä", "${env:A}"] {
        check_manifest(&hook(&format!("headers = {{ authorization = '{value}' }}")), false);
    }
    for name in ["Authorization", "host", "content-length", "idempotency-key", "webhook-id", "'a b'", "''"] {
        check_manifest(&hook(&format!("headers = {{ {name} = 'a' }}")), false);
    }
    for (sign, good) in [("'A'", true), ("['A', 'B']", true), ("['A', 'A']", false), ("['A', 'B', 'C']", false), ("'a b'", false)] {
        check_manifest(&hook(&format!("sign = {sign}")), good);
    }
    for (limits, good) in [
        ("concurrency = 1", true),
        ("concurrency = 1000, rate = '100000/h'", true),
        ("concurrency = 0", false),
        ("concurrency = 1001", false),
        ("concurrency = '5'", false),
        ("concurrency = 1.5", false),
        ("rate = '007/m'", true),
        ("rate = '0/s'", false),
        ("rate = '100001/s'", false),
        ("rate = '5/d'", false),
        ("rate = '+5/s'", false),
        ("rate = 5", false),
    ] {
        check_manifest(&hook(limits), good);
        check_manifest(&plugin(&format!("[targets]\na = {{ kind = 'plugin', {limits} }}")), good);
    }
    for (labels, good) in [
        ("a = '/a/0/b~1c~0'", true),
        ("a = 'a'", false),
        ("a = ''", false),
        ("a = '/~2'", false),
        ("a = '/x~'", false),
        ("A = '/a'", false),
        ("a = 1", false),
        ("a = '/1'\nb = '/2'\nc = '/3'\nd = '/4'\ne = '/5'", true),
        ("a = '/1'\nb = '/2'\nc = '/3'\nd = '/4'\ne = '/5'\nf = '/6'", false),
    ] {
        check_manifest(&plugin(&format!("[labels]\n{labels}")), good);
    }
    check_manifest("[targets]\na = { kind = 'http', url = 'https://user:password@h/x' }", false);
    check_manifest("[targets]\na = { kind = 'sqs', arn = 'q' }", false);
    check_manifest("[targets]\na = { url = 'http://h/' }", false);
    check_manifest(&plugin("[schedule]\nversion = 'newest'"), false);
    check_manifest(&plugin("[schedule]\nexpire-after = '1h'"), true);
    check_manifest(&plugin("[schedule]\nexpire-after = 'never'"), false);
    check_manifest(&plugin("[retry]\nmax-attempts = 0"), false);
    check_manifest(&plugin("[retry]\nbackoff = { factor = 11 }"), false);
    for (jitter, good) in [("0", true), ("0.5", true), ("1", true), ("1.1", false), ("-0.1", false), ("'0.2'", false)] {
        check_manifest(&plugin(&format!("[retry]\nbackoff = {{ jitter = {jitter} }}")), good);
    }
    check_manifest("[schedule]\nmax-ahead = '1y'\n[targets]\na = { kind = 'http', url = 'http://h/' }", true);
}

#[test]
fn types_and_schema_agree_on_targets_in_aws() {
    let role = "role = 'arn:aws:iam::111122223333:role/r'";
    let check = |kind: &str, service: &str, rest: &str, good| {
        let arn = format!("arn = 'arn:aws:{service}:eu-central-1:111122223333:x'");
        check_manifest(&format!("[targets]\na = {{ kind = '{kind}', {arn}{rest} }}"), good);
    };
    let kinds = [("lambda", "lambda"), ("sqs", "sqs"), ("sns", "sns"), ("event-bus", "events"), ("step-functions", "states")];
    for (kind, service) in kinds {
        check(kind, service, "", true);
        check(kind, "s3", "", false);
        check(kind, service, &format!(", {role}"), false);
        check(kind, service, &format!(", direct = false, {role}"), false);
        check(kind, service, &format!(", direct = true, {role}"), true);
        check(kind, service, ", direct = true", !matches!(kind, "event-bus" | "step-functions"));
        check(kind, service, ", group = 'g'", false);
        check(kind, service, ", concurrency = 5, rate = '5/s'", true);
        check(kind, service, &format!(", direct = true, {role}, rate = '5/s'"), false);
        let fifo =
            |rest: &str| format!("[targets]\na = {{ kind = '{kind}', arn = 'arn:aws:{service}:eu-central-1:111122223333:x.fifo'{rest} }}");
        check_manifest(&fifo(", group = 'g'"), matches!(kind, "sqs" | "sns"));
        check_manifest(&fifo(", group = 'g h'"), false);
        check_manifest(&fifo(", direct = true"), matches!(kind, "lambda" | "sqs"));
        check(kind, service, ", source = 's'", kind == "event-bus");
        check(kind, service, ", source = 'aws.s'", false);
        check(kind, service, ", source = ''", false);
        check(kind, service, ", detail-type = 'd'", kind == "event-bus");
        check(kind, service, &format!(", detail-type = '{}'", "d".repeat(129)), false);
        check(kind, service, &format!(", direct = true, source = 's', {role}"), false);
        check(kind, service, ", subnets = ['subnet-1']", false);
        check(kind, service, ", subnets = []", true);
    }
    for (kind, service) in [("kinesis", "kinesis"), ("api-destination", "events")] {
        check(kind, service, "", false);
        check(kind, service, ", direct = true", false);
        check(kind, service, &format!(", direct = true, {role}"), true);
        check(kind, service, &format!(", direct = true, {role}, group = 'g'"), false);
    }
    let task = "task-definition = 'arn:aws:ecs:eu-central-1:111122223333:task-definition/t:1'";
    check("ecs-task", "ecs", &format!(", direct = true, {role}"), false);
    check("ecs-task", "ecs", &format!(", {role}, {task}"), false);
    check("ecs-task", "ecs", &format!(", direct = true, {role}, {task}, subnets = ['subnet-1']"), true);
}

#[track_caller]
fn check_case(toml: &str, good: bool) {
    assert_eq!(cases::parse("a", toml).is_ok(), good, "the types: {toml}");
    assert_eq!(validator(CASE).is_valid(&document(toml)), good, "the schema: {toml}");
}

#[test]
fn types_and_schema_agree_on_cases() {
    let process = |rest: &str| format!("call = 'process'\n{rest}");
    let validate = |rest: &str| format!("call = 'validate'\n{rest}");
    check_case(&process("body = '{}'\nattempt = 2\nnow = 2027-01-01T00:00:00Z\n[expect]\nresult = 'x'"), true);
    check_case(&process("body = {}\nnow = '2027-01-01T00:00:00Z'\n[expect]\nresult = { a = 1 }"), true);
    check_case(&process("body = 1\n[expect]\nresult = 'x'"), false);
    check_case(&process("body = '{}'\nattempt = 0\n[expect]\nresult = 'x'"), false);
    check_case(&process("body = '{}'\nheaders = { a = 'b' }\n[expect]\nresult = 'x'"), false);
    check_case(&process("body = '{}'\n[expect]\nproblems = []"), false);
    check_case(&process("body = '{}'\n[expect]\nresult = 'x'\nerror = 'trap'"), false);
    check_case(&process("body = '{}'\n[expect]"), false);
    check_case(&process("body = '{}'"), false);
    check_case(&process("body = '{}'\n[expect]\nerror = 'bang'"), false);
    check_case(&process("body = '{}'\nhttp = [{ status = 200, answer = 'a' }, { error = 'dns-error' }]\n[expect]\nerror = 'trap'"), true);
    check_case(&process("body = '{}'\nhttp = [{ url = 'http://h' }]\n[expect]\nerror = 'trap'"), false);
    check_case(&process("body = '{}'\nhttp = [{ status = 200, error = 'dns-error' }]\n[expect]\nerror = 'trap'"), false);
    check_case(&process("body = '{}'\nhttp = [{ error = 'dns-error', answer = 'a' }]\n[expect]\nerror = 'trap'"), false);
    check_case(&validate("body = '{}'\nheaders = { a = 'b' }\n[expect]\naccepted = {}"), true);
    check_case(&validate("body = '{}'\n[expect]\nproblems = [{ pointer = '/a' }]"), false);
    check_case(&validate("body = '{}'\nattempt = 1\n[expect]\naccepted = {}"), false);
    check_case(&validate("body = '{}'\nhttp = [{ status = 200 }]\n[expect]\naccepted = {}"), false);
    check_case(&validate("body = '{}'\n[expect]\nfailure = {}"), false);
}
