use std::collections::BTreeMap;

use super::*;

const TARGET: &str = "arn:aws:lambda:eu-west-1:123456789012:function:postdate-target:live";
const LEAST: [(&str, &str); 4] = [
    ("AWS_REGION", "eu-west-1"),
    ("POSTDATE_TABLE", "postdate"),
    ("POSTDATE_TARGET_ARN", TARGET),
    ("POSTDATE_DEAD_LETTER_ARN", "arn:aws:sqs:eu-west-1:123456789012:dead"),
];

fn read(more: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let variables: BTreeMap<&str, &str> = LEAST.iter().chain(more).copied().collect();
    Config::from_env(|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[track_caller]
fn check_error(variable: &str, value: &str, expected: &str) {
    let ConfigErrors(errors) = read(&[(variable, value)]).expect_err("the configuration was accepted");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].variable, variable);
    assert!(errors[0].expected.to_string().contains(expected), "{}", errors[0]);
}

#[test]
fn optional_variables_have_the_documented_defaults() {
    let config = read(&[]).unwrap();
    let expected = Config {
        region: "eu-west-1".into(),
        endpoints: BTreeMap::new(),
        table: "postdate".into(),
        use_cases: default_location(),
        prefetch: Vec::new(),
        secrets: SecretLocation::Environment,
        secrets_lifetime: Duration::from_mins(5),
        allow_secret: Vec::new(),
        allow_egress: Egress::default(),
        ca_files: Vec::new(),
        target_arn: TARGET.into(),
        queue_url: None,
        hosts: BTreeMap::new(),
        delivery_targets: Vec::new(),
        scheduler: Backend::Rules(None),
        prefix: "postdate-".into(),
        trust: Trust::default(),
        dead_letter_arn: "arn:aws:sqs:eu-west-1:123456789012:dead".into(),
        topic_arn: None,
        max_event_age: Duration::from_hours(1),
        retention: Duration::from_hours(720),
        base_path: None,
        claims: CallerClaims::default(),
        log: "info".parse().unwrap(),
        function_memory: None,
    };
    assert_eq!(config, expected);
    assert_eq!(read(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")]).unwrap().function_memory, Some(512 << 20));
    let all_empty: Vec<(&str, &str)> = [
        "POSTDATE_USE_CASES",
        "POSTDATE_TRUSTED_KEYS",
        "POSTDATE_PREFETCH",
        "POSTDATE_SECRETS",
        "POSTDATE_SECRETS_LIFETIME",
        "POSTDATE_ALLOW_SECRET",
        "POSTDATE_ALLOW_EGRESS",
        "POSTDATE_CA_FILE",
        "POSTDATE_QUEUE_URL",
        "POSTDATE_HOSTS",
        "POSTDATE_DELIVERY_TARGETS",
        "POSTDATE_SCHEDULER",
        "POSTDATE_SCHEDULE_GROUP",
        "POSTDATE_SCHEDULER_ROLE_ARN",
        "POSTDATE_PREFIX",
        "POSTDATE_TOPIC_ARN",
        "POSTDATE_MAX_EVENT_AGE",
        "POSTDATE_OWNER_CLAIM",
        "POSTDATE_SCOPE_CLAIM",
        "POSTDATE_RETENTION",
        "POSTDATE_BASE_PATH",
        "POSTDATE_LOG",
        "AWS_ENDPOINT_URL",
    ]
    .map(|name| (name, ""))
    .into();
    assert_eq!(read(&all_empty).unwrap(), expected);
}

#[test]
fn every_variable_sets_its_field() {
    let config = read(&[
        ("POSTDATE_USE_CASES", "s3://my-bucket/use-cases/"),
        ("POSTDATE_PREFETCH", "orders, webhook"),
        ("POSTDATE_SECRETS", "ssm:/postdate/secrets/"),
        ("POSTDATE_SECRETS_LIFETIME", "1m"),
        ("POSTDATE_ALLOW_EGRESS", "public,10.0.0.0/8"),
        ("POSTDATE_CA_FILE", "/opt/ca.pem,/opt/other.pem"),
        ("POSTDATE_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/delay"),
        ("POSTDATE_HOSTS", r#"{"big":{"arn":"arn:aws:lambda:eu-west-1:123456789012:function:big"}}"#),
        ("POSTDATE_DELIVERY_TARGETS", "arn:aws:sqs:eu-west-1:123456789012:orders, arn:aws:sns:*:123456789012:*"),
        ("POSTDATE_SCHEDULER", "scheduler"),
        ("POSTDATE_SCHEDULER_ROLE_ARN", "arn:aws:iam::123456789012:role/postdate"),
        ("POSTDATE_MAX_EVENT_AGE", "2h"),
        ("POSTDATE_RETENTION", "7d"),
        ("POSTDATE_BASE_PATH", "/v1/"),
        ("POSTDATE_OWNER_CLAIM", "iam:userArn"),
        ("POSTDATE_SCOPE_CLAIM", "scope"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:5001"),
    ])
    .unwrap();
    assert_eq!(config.use_cases, StoreLocation::S3 { bucket: "my-bucket".into(), prefix: "use-cases".into() });
    assert_eq!(config.prefetch, ["orders", "webhook"]);
    assert_eq!(config.secrets, SecretLocation::Parameters { prefix: "/postdate/secrets/".into() });
    assert_eq!(config.secrets_lifetime, Duration::from_mins(1));
    let in_manager = read(&[("POSTDATE_SECRETS", "secretsmanager:postdate/")]).unwrap();
    assert_eq!(in_manager.secrets, SecretLocation::SecretsManager { prefix: "postdate/".into() });
    assert_eq!(config.allow_egress.to_string(), "public,10.0.0.0/8");
    assert_eq!(config.ca_files, [PathBuf::from("/opt/ca.pem"), PathBuf::from("/opt/other.pem")]);
    assert_eq!(config.hosts["big"].queue_url, None);
    assert_eq!(config.delivery_targets, ["arn:aws:sqs:eu-west-1:123456789012:orders", "arn:aws:sns:*:123456789012:*"]);
    assert_eq!((config.max_event_age, config.retention), (Duration::from_hours(2), Duration::from_hours(168)));
    assert_eq!(config.base_path.as_deref(), Some("/v1"));
    assert_eq!(config.claims, CallerClaims { owner: Some("iam:userArn".into()), scopes: Some("scope".into()) });
    assert_eq!((config.endpoints["S3"].as_str(), config.endpoints["SQS"].as_str()), ("http://127.0.0.1:5001", "http://127.0.0.1:5000"));
    assert_eq!(read(&[("POSTDATE_BASE_PATH", "/")]).unwrap().base_path.as_deref(), Some(""));
    assert_eq!(
        read(&[("POSTDATE_USE_CASES", "s3://bucket")]).unwrap().use_cases,
        StoreLocation::S3 { bucket: "bucket".into(), prefix: String::new() }
    );
}

#[test]
fn each_error_names_its_variable_and_the_expected_form() {
    for (variable, value, expected) in [
        ("AWS_REGION", "eu west", "a region such as"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:5000", "a URL such as"),
        ("AWS_ENDPOINT_URL_SQS", "ftp://x", "a URL such as"),
        ("POSTDATE_TABLE", "a", "3 to 255"),
        ("POSTDATE_USE_CASES", "use-cases", "absolute path"),
        ("POSTDATE_USE_CASES", "s3://", "s3://bucket/prefix"),
        ("POSTDATE_TRUSTED_KEYS", ",", "names no key"),
        ("POSTDATE_TRUSTED_KEYS", "ed25519:AAAA", "postdate key show"),
        ("POSTDATE_PREFETCH", "Orders", "names of use cases"),
        ("POSTDATE_PREFETCH", "orders,,webhook", "names of use cases"),
        ("POSTDATE_SECRETS", "vault:postdate/", "env, ssm:/some/prefix/, or secretsmanager:"),
        ("POSTDATE_SECRETS", "ssm:postdate/", "ssm:/some/prefix/"),
        ("POSTDATE_SECRETS", "ssm:/postdate", "ssm:/some/prefix/"),
        ("POSTDATE_SECRETS", "ssm:/", "ssm:/some/prefix/"),
        ("POSTDATE_SECRETS", "secretsmanager:/postdate/", "secretsmanager:some/prefix/"),
        ("POSTDATE_SECRETS", "secretsmanager:post*/", "secretsmanager:some/prefix/"),
        ("POSTDATE_SECRETS_LIFETIME", "0s", "from 1s to 24h"),
        ("POSTDATE_SECRETS_LIFETIME", "25h", "from 1s to 24h"),
        ("POSTDATE_ALLOW_SECRET", "A,AWS_SECRET_ACCESS_KEY", "the host's own"),
        ("POSTDATE_ALLOW_EGRESS", "vpc", "\"vpc\" is no network"),
        ("POSTDATE_CA_FILE", "ca.pem", "absolute paths"),
        ("POSTDATE_TARGET_ARN", "postdate-target", "the ARN of a Lambda function"),
        ("POSTDATE_TARGET_ARN", "arn:aws:sqs:eu-west-1:123456789012:target", "the ARN of a Lambda function"),
        ("POSTDATE_TARGET_ARN", "arn:aws:lambda:eu-west-1:1:function:x", "the ARN of a Lambda function"),
        ("POSTDATE_QUEUE_URL", "postdate-delay", "the URL of a standard SQS queue"),
        ("POSTDATE_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/delay.fifo", "standard"),
        ("POSTDATE_HOSTS", "big", "JSON such as"),
        ("POSTDATE_HOSTS", r#"{"big":{"arn":"x"}}"#, "arn is \"x\""),
        ("POSTDATE_HOSTS", r#"{"big":{"arn":"arn:aws:lambda:eu-west-1:123456789012:function:big","queue":"q"}}"#, "unknown field"),
        ("POSTDATE_SCHEDULER", "cron", "auto, rules or scheduler"),
        ("POSTDATE_DELIVERY_TARGETS", "arn:aws:sqs:eu-west-1:123456789012:orders,orders", "ARNs with commas"),
        ("POSTDATE_DELIVERY_TARGETS", "*", "arn:aws:sqs:*:*:*"),
        ("POSTDATE_DELIVERY_TARGETS", "arn:aws:*:*:*:*", "after the service"),
        ("POSTDATE_SCHEDULE_GROUP", "a/b", "1 to 64"),
        ("POSTDATE_PREFIX", "this-prefix-is-too-long", "1 to 20"),
        ("POSTDATE_PREFIX", "a/", "1 to 20"),
        ("POSTDATE_DEAD_LETTER_ARN", "arn:aws:sqs:eu-west-1:123456789012:dead.fifo", "standard SQS queue"),
        ("POSTDATE_TOPIC_ARN", "arn:aws:sqs:eu-west-1:123456789012:dead", "SNS topic"),
        ("POSTDATE_MAX_EVENT_AGE", "59s", "from 60s to 24h"),
        ("POSTDATE_MAX_EVENT_AGE", "25h", "from 60s to 24h"),
        ("POSTDATE_RETENTION", "30", "such as 30d"),
        ("POSTDATE_BASE_PATH", "v1", "a path such as /v1"),
        ("POSTDATE_OWNER_CLAIM", "a b", "the name of a claim"),
        ("POSTDATE_LOG", "info,=", "a filter such as"),
    ] {
        check_error(variable, value, expected);
    }
}

#[test]
fn eventbridge_scheduler_requires_a_role() {
    for choice in ["scheduler", "auto"] {
        let ConfigErrors(errors) = read(&[("POSTDATE_SCHEDULER", choice)]).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.variable.as_str()).collect::<Vec<_>>(), ["POSTDATE_SCHEDULER_ROLE_ARN"]);
    }
}

#[test]
fn the_scheduler_is_auto_unless_another_is_chosen_or_the_role_is_missing() {
    let role_arn = "arn:aws:iam::123456789012:role/postdate";
    let service = || ScheduleService { group: "postdate".into(), role_arn: role_arn.into() };
    for (choice, role, expected) in [
        ("", "", Backend::Rules(None)),
        ("", role_arn, Backend::Auto(service())),
        ("auto", role_arn, Backend::Auto(service())),
        ("scheduler", role_arn, Backend::Schedules(service())),
        ("rules", role_arn, Backend::Rules(Some(service()))),
        ("rules", "", Backend::Rules(None)),
    ] {
        let config = read(&[("POSTDATE_SCHEDULER", choice), ("POSTDATE_SCHEDULER_ROLE_ARN", role)]).unwrap();
        assert_eq!(config.scheduler, expected, "{choice:?} {role:?}");
    }
}

#[test]
fn all_errors_are_reported_together() {
    let error = Config::from_env(|name| (name == "POSTDATE_RETENTION").then(|| "soon".to_owned())).unwrap_err();
    let names: Vec<&str> = error.0.iter().map(|error| error.variable.as_str()).collect();
    assert_eq!(names, ["AWS_REGION", "POSTDATE_TABLE", "POSTDATE_TARGET_ARN", "POSTDATE_DEAD_LETTER_ARN", "POSTDATE_RETENTION"]);
    let text = error.to_string();
    assert!(text.contains("POSTDATE_TABLE is not set; it should be the name of a DynamoDB table"), "{text}");
    assert!(text.contains("POSTDATE_RETENTION is \"soon\"; it should be a duration"), "{text}");
}
