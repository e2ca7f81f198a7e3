use super::*;

const ORDERS: &str = r#"
name = "orders"
[validate]
plugin = "validate.wasm"
memory = "32MiB"
timeout = "200ms"
headers = ["x-signature"]
[process]
plugin = "process.wasm"
allow-http = ["https://api.example.com", "http://127.0.0.1:9000"]
config = { currency = "EUR", limits = { max = 5 } }
secrets = ["ORDERS_API_KEY"]
[schedule]
max-ahead = "30d"
version = "latest"
expire-after = "1h"
[retry]
max-attempts = 3
backoff = { initial = "1s", factor = 2, max = "1m" }
[targets]
default = "here"
here = { kind = "plugin" }
hook = { kind = "http", url = "http://localhost:1/x" }
[on]
failure = "hook"
"#;

#[test]
fn each_key_of_a_manifest_is_read() {
    let use_case = UseCase::parse(ORDERS).unwrap();
    let validate = use_case.validate.as_ref().unwrap();
    assert_eq!((validate.memory, validate.timeout(Role::Validate)), (32 << 20, Duration::from_millis(200)));
    let process = use_case.process.as_ref().unwrap();
    assert_eq!((process.memory, process.timeout(Role::Process)), (64 << 20, Duration::from_secs(10)));
    assert_eq!(process.config["limits"], r#"{"max":5}"#);
    assert_eq!(process.config["currency"], "EUR");
    assert_eq!(use_case.schedule.version, VersionPolicy::Latest);
    assert_eq!(use_case.schedule.expire_after, Some(Duration::from_hours(1)));
    assert_eq!(use_case.target(None).unwrap().0, "here");
    assert_eq!(use_case.target(Some("hook")).unwrap().0, "hook");
    assert!(use_case.target(Some("nowhere")).is_none());
}

#[track_caller]
fn check_fault(change: (&str, &str), expected: &str) {
    assert!(ORDERS.contains(change.0), "the sample has no {:?}", change.0);
    let message = UseCase::parse(&ORDERS.replace(change.0, change.1)).unwrap_err().to_string();
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
}

#[test]
fn an_error_names_its_key() {
    check_fault(("\"orders\"", "\"Orders\""), "name: \"Orders\" is not a name");
    check_fault(("32MiB", "32 megs"), "\"32 megs\" is not a size");
    check_fault(("32MiB", "2GiB"), "validate.memory: must be");
    check_fault(("200ms", "fast"), "\"fast\" is not a duration");
    check_fault(("200ms", "1ms"), "validate.timeout: must be from 10ms to 15m");
    check_fault(("200ms", "31s"), "validate.timeout: must be from 10ms to 30s");
    check_fault(("secrets = ", "timeout = '16m'\nsecrets = "), "process.timeout: must be from 10ms to 15m");
    check_fault(("factor = 2", "factor = 2, jitter = 1.1"), "retry.backoff.jitter: must be from 0 to 1");
    check_fault(("factor = 2", "factor = 2, jitter = nan"), "retry.backoff.jitter: must be from 0 to 1");
    check_fault(("\"1h\"", "\"999ms\""), "schedule.expire-after: must be from 1s to 100 years");
    check_fault(("\"validate.wasm\"", "\"../validate.wasm\""), "validate.plugin: \"../validate.wasm\" is not the name of a file");
    check_fault(("x-signature", "X-Signature"), "validate.headers: write \"X-Signature\" in lower case");
    check_fault(("headers = ", "allow-http = "), "validate.allow-http: a validator has no network");
    check_fault(("https://api.example.com", "https://api.example.com/v1"), "process.allow-http[0]");
    check_fault(("https://api.example.com", "https://user@api.example.com"), "process.allow-http[0]");
    check_fault(("\"ORDERS_API_KEY\"", "\"currency\""), "\"currency\" is given twice");
    check_fault(("\"ORDERS_API_KEY\"", "\"../other/KEY\""), "process.secrets[0]: \"../other/KEY\" is not the name of a secret");
    check_fault(("\"ORDERS_API_KEY\"", &"\"A\",".repeat(21)), "process.secrets: a plugin may have at most 20");
    check_fault(("30d", "0s"), "schedule.max-ahead");
    check_fault(("max-attempts = 3", "max-attempts = 0"), "retry.max-attempts");
    check_fault(("factor = 2", "factor = 0.5"), "retry.backoff.factor");
    check_fault(("default = \"here\"", "default = \"there\""), "targets.default: \"there\" is not among the targets: here, hook");
    check_fault(("default = \"here\"", ""), "targets.default is missing");
    check_fault(("kind = \"plugin\"", "kind = \"fax\""), "targets.here: unknown variant `fax`");
    check_fault(("http://localhost:1/x", "ftp://localhost"), "targets.hook.url: is not an http:// or https:// URL");
    check_fault(("http://localhost:1/x", "http://a:b@localhost/x"), "targets.hook.url: carries a user name or password");
    let aws = |rest: &str| format!("here = {{ kind = \"plugin\" }}\naws = {{ {rest} }}");
    let check_aws = |rest: &str, expected| check_fault(("here = { kind = \"plugin\" }", &aws(rest)), expected);
    check_aws("kind = 'sqs', arn = 'orders'", "targets.aws.arn: \"orders\" is not an ARN of the service sqs");
    check_aws("kind = 'sqs', arn = 'arn:aws:sns:eu-west-1:123456789012:t'", "is not an ARN of the service sqs");
    check_aws(
        "kind = 'kinesis', arn = 'arn:aws:kinesis:eu-west-1:123456789012:stream/s'",
        "targets.aws.direct: a target of the kind kinesis must be",
    );
    check_aws(
        "kind = 'step-functions', direct = true, arn = 'arn:aws:states:eu-west-1:123456789012:stateMachine:m'",
        "targets.aws.role: is missing",
    );
    check_aws(
        "kind = 'lambda', arn = 'arn:aws:lambda:eu-west-1:123456789012:function:f', group = 'g'",
        "targets.aws.group: a target of the kind lambda has no such key",
    );
    check_aws("kind = 'lambda', arn = 'arn:aws:lambda:eu-west-1:123456789012:function:f', colour = 'red'", "unknown field `colour`");
    check_aws("kind = 'plugin', host = 'Big'", "targets.aws.host: \"Big\" is not a name");
    check_fault(("failure = \"hook\"", "failure = \"here\""), "on.failure: \"here\" is a plugin");
    check_fault(("failure = \"hook\"", "failure = \"x\""), "on.failure: \"x\" is not among the targets");
    let long = UseCase::parse(&format!("name = 'a'\ndescription = '{}'\n[process]\nplugin = 'p.wasm'", "d".repeat(1001)));
    assert!(long.unwrap_err().to_string().contains("description: has 1001 characters"));
    let target = |n| format!("t{n} = {{ kind = 'http', url = 'https://example.com/' }}");
    let targets = |count| (0..count).map(target).collect::<Vec<_>>().join("\n");
    let with_targets = |count| UseCase::parse(&format!("name = 'a'\n[targets]\ndefault = 't0'\n{}", targets(count)));
    assert!(with_targets(64).is_ok());
    assert!(with_targets(65).unwrap_err().to_string().contains("targets: has 65 targets; the limit is 64"));
    check_fault(("max-ahead", "max-behind"), "unknown field `max-behind`");
    check_fault(("[retry]", "[retry"), "line ");
}

fn with_hook(rest: &str) -> Result<UseCase, String> {
    let hook = "url = \"http://localhost:1/x\"";
    UseCase::parse(&ORDERS.replace(hook, &format!("{hook}, {rest}"))).map_err(|error| error.to_string())
}

#[test]
fn an_http_target_takes_headers_with_secrets_and_names_of_signing_secrets() {
    let secrets = |rest: &str| with_hook(rest).unwrap().target(Some("hook")).unwrap().1.secrets();
    assert_eq!(secrets("headers = { authorization = 'Bearer ${secret:TOKEN}', accept = 'text/plain' }"), ["TOKEN"]);
    assert_eq!(secrets("headers = { x-key = '${secret:A}:${secret:B}' }, sign = 'A'"), ["A", "B"]);
    assert_eq!(secrets("sign = ['NEW', 'OLD']"), ["NEW", "OLD"]);
    assert_eq!(secrets("timeout = '1s'"), [""; 0]);
}

#[test]
fn headers_that_break_the_protocol_or_belong_to_the_host_are_refused() {
    #[track_caller]
    fn refused(rest: &str, expected: &str) {
        let error = with_hook(rest).unwrap_err();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error:?} does not say {expected:?}");
    }
    for name in ["host", "content-length", "connection", "transfer-encoding", "te", "upgrade", "expect"] {
        refused(&format!("headers = {{ {name} = 'hunter2' }}"), &format!("targets.hook.headers.{name}: belongs to the protocol"));
    }
    refused("headers = { idempotency-key = 'hunter2' }", "targets.hook.headers.idempotency-key: is a header of every delivery");
    refused("headers = { traceparent = 'mine' }", "targets.hook.headers.traceparent: is a header of every delivery");
    refused("headers = { webhook-signature = 'hunter2' }", "targets.hook.headers.webhook-signature: is a header of the signature");
    refused("headers = { Authorization = 'hunter2' }", "targets.hook.headers.Authorization: write the name in lower case");
    refused("headers = { 'a b' = 'hunter2' }", "targets.hook.headers.a b: is not the name of a header");
    refused("headers = { a = \"hunter2\\r\\nhost: b\" }", "targets.hook.headers.a: has a character");
    refused("headers = { a = 'hunter2 ${TOKEN}' }", "targets.hook.headers.a: `${` must begin `${secret:NAME}`");
    refused("headers = { a = '${secret:../x}' }", "targets.hook.headers.a: \"../x\" is not the name of a secret");
    refused("sign = ['A', 'B', 'C']", "targets.hook.sign: takes the name of one secret");
    refused("sign = ['A', 'A']", "targets.hook.sign: takes the name of one secret");
    refused("sign = 'a b'", "targets.hook.sign: \"a b\" is not the name of a secret");
    refused("sign = 7", "a text or a list of texts is expected");
}

#[test]
fn an_error_about_a_url_does_not_contain_it() {
    for url in ["http://user:hunter2@h/x", "ftp://h/hunter2", "http://h/a b?hunter2", "hunter2"] {
        let error = UseCase::parse(&ORDERS.replace("http://localhost:1/x", url)).unwrap_err().to_string();
        assert!(error.contains("targets.hook.url: ") && !error.contains("hunter2"), "{error}");
        let error = UseCase::parse(&ORDERS.replace("https://api.example.com", url)).unwrap_err().to_string();
        assert!(error.contains("process.allow-http[0]: ") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_new_manifest_cannot_ask_for_credentials_and_a_stored_one_still_loads() {
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-amz-security-token",
        "x-api-key",
        "x-amzn-oidc-accesstoken",
        "x-amzn-oidc-data",
    ] {
        check_fault(("\"x-signature\"", &format!("\"x-signature\", {name:?}")), &format!("validate.headers: {name:?} carries credentials"));
        let stored = ORDERS.replace("x-signature", name);
        assert_eq!(UseCase::parse_stored(&stored).unwrap().validate.unwrap().headers, [name]);
    }
}

#[test]
fn the_smallest_manifest_has_a_name_and_a_processor_or_a_target() {
    let least = UseCase::parse("name = 'a'\n[process]\nplugin = 'p.wasm'").unwrap();
    assert_eq!((least.targets.default.as_str(), least.retry.max_attempts), ("here", 5));
    assert!(UseCase::parse("name = 'a'").unwrap_err().to_string().contains("process: is missing: requests go to its plugin"));
    let plugin = UseCase::parse("name = 'a'\n[targets]\nthere = { kind = 'plugin' }").unwrap_err().to_string();
    assert!(plugin.contains("targets.there: is a plugin target, and there is no [process]"), "{plugin}");
    assert!(UseCase::parse("name = 'a'\n[targets]\nout = { kind = 'http', url = 'http://h/' }").is_ok());
}

#[test]
fn config_arrives_as_text_or_json() {
    let config = |value: &str| {
        let use_case = UseCase::parse(&format!("name = 'a'\n[process]\nplugin = 'p.wasm'\nconfig = {{ k = {value} }}"));
        use_case.map(|use_case| use_case.process.unwrap().config["k"].clone()).map_err(|error| error.to_string())
    };
    for (value, text) in [
        ("'a \"b\"'", "a \"b\""),
        ("5", "5"),
        ("0.5", "0.5"),
        ("true", "true"),
        ("[1, 'x']", r#"[1,"x"]"#),
        ("2027-03-01T09:00:00+01:00", "2027-03-01T09:00:00+01:00"),
        ("2027-03-01", "2027-03-01"),
        ("{ from = 09:00:00, days = [2027-03-01] }", r#"{"days":["2027-03-01"],"from":"09:00:00"}"#),
    ] {
        assert_eq!(config(value).as_deref(), Ok(text), "{value}");
    }
    let error = config("{ rate = inf }").unwrap_err();
    assert!(error.contains("config.k: inf cannot be written in JSON"), "{error}");
}

#[test]
fn a_stored_validator_with_a_longer_timeout_gets_30_seconds() {
    let stored = UseCase::parse_stored(&ORDERS.replace("200ms", "5m")).unwrap();
    assert_eq!(stored.validate.unwrap().timeout(Role::Validate), Duration::from_secs(30));
}

#[test]
fn request_for_a_direct_target_does_not_expire() {
    let manifest = "name = 'a'\n[schedule]\nexpire-after = '1h'\n[targets]\ndefault = 'hook'\n\
         hook = { kind = 'http', url = 'http://h/' }\n\
         queue = { kind = 'sqs', direct = true, arn = 'arn:aws:sqs:eu-west-1:123456789012:q' }\n";
    let use_case = UseCase::parse(manifest).unwrap();
    assert_eq!((use_case.expire_after("hook"), use_case.expire_after("queue")), (Some(Duration::from_hours(1)), None));
}
