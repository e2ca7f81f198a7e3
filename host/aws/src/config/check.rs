//! The expected form of each variable.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use postdate_core::arn::{Arn, is_fifo};
use postdate_core::use_case::is_use_case_name;
use postdate_egress::Egress;
use postdate_logging::LogFilter;
use postdate_runtime::trust::Trust;
use postdate_runtime::{Lifetime, SecretName};
use postdate_store::StoreLocation;

use super::{Backend, Config, ConfigError, ConfigErrors, ExpectedForm, HostAddress, SERVICES, ScheduleService, SecretLocation};

/// Longest time for which EventBridge tries to deliver an event, in hours (`MaximumEventAgeInSeconds`: 60 to 86,400).
const MAX_EVENT_AGE_HOURS: u64 = 24;

/// Reads variables and collects the errors.
pub struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<ConfigError>,
}

type Check<T> = fn(&str) -> Result<T, ExpectedForm>;

/// The value of `POSTDATE_SCHEDULER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Auto,
    Rules,
    Schedules,
}

impl<'a> Reader<'a> {
    pub fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get, errors: Vec::new() }
    }

    pub fn optional<T>(&mut self, variable: &str, check: Check<T>) -> Option<T> {
        let value = self.value(variable)?;
        check(&value).map_err(|expected| self.error(variable, Some(value), expected)).ok()
    }

    /// Returns a default value after an error; [`finish`](Self::finish) then fails.
    pub fn required<T: Default>(&mut self, variable: &str, check: Check<T>) -> T {
        if self.value(variable).is_none()
            && let Err(expected) = check("")
        {
            self.error(variable, None, expected);
        }
        self.optional(variable, check).unwrap_or_default()
    }

    fn value(&self, variable: &str) -> Option<String> {
        // An empty variable counts as not set: a template can set a variable to nothing more easily than leave it out.
        (self.get)(variable).filter(|value| !value.is_empty())
    }

    pub fn endpoints(&mut self) -> BTreeMap<&'static str, String> {
        let all = self.optional("AWS_ENDPOINT_URL", url);
        let mut endpoints = BTreeMap::new();
        for service in SERVICES {
            if let Some(endpoint) = self.optional(&format!("AWS_ENDPOINT_URL_{service}"), url).or_else(|| all.clone()) {
                endpoints.insert(service, endpoint);
            }
        }
        endpoints
    }

    pub fn backend(&mut self) -> Backend {
        const ROLE: &str = "POSTDATE_SCHEDULER_ROLE_ARN";
        let chosen = self.optional("POSTDATE_SCHEDULER", scheduler);
        let group = self.optional("POSTDATE_SCHEDULE_GROUP", group).unwrap_or_else(|| "postdate".to_owned());
        // Without a choice, `auto` where its role is configured: a deployment from before `auto` need not have one.
        let role_arn = if chosen.is_some_and(|chosen| chosen != Choice::Rules) {
            Some(self.required(ROLE, role_arn))
        } else {
            self.optional(ROLE, role_arn)
        };
        let service = role_arn.map(|role_arn| ScheduleService { group, role_arn });
        match (chosen.unwrap_or(Choice::Auto), service) {
            (Choice::Rules, service) => Backend::Rules(service),
            (_, None) => Backend::Rules(None),
            (Choice::Schedules, Some(service)) => Backend::Schedules(service),
            (Choice::Auto, Some(service)) => Backend::Auto(service),
        }
    }

    pub fn finish(self, config: Config) -> Result<Config, ConfigErrors> {
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }

    fn error(&mut self, variable: &str, value: Option<String>, expected: ExpectedForm) {
        self.errors.push(ConfigError { variable: variable.to_owned(), value, expected });
    }
}

fn expected(form: &'static str) -> ExpectedForm {
    ExpectedForm { form, detail: None }
}

fn demand(good: bool, value: &str, form: &'static str) -> Result<String, ExpectedForm> {
    if good { Ok(value.to_owned()) } else { Err(expected(form)) }
}

fn is_of(value: &str, lengths: std::ops::RangeInclusive<usize>, others: &str) -> bool {
    lengths.contains(&value.len()) && value.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

pub fn region(value: &str) -> Result<String, ExpectedForm> {
    demand(is_of(value, 1..=64, "-"), value, "a region such as eu-west-1")
}

fn url(value: &str) -> Result<String, ExpectedForm> {
    let good = value.parse::<http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    demand(good, value, "a URL such as http://127.0.0.1:5000")
}

pub fn egress(value: &str) -> Result<Egress, ExpectedForm> {
    let form = "networks and addresses, separated by commas, and \"public\" for all public ones";
    value.parse().map_err(|error: postdate_egress::EgressError| ExpectedForm { form, detail: Some(error.to_string()) })
}

/// Returns a number of MiB in bytes.
pub fn mebibytes(value: &str) -> Result<u64, ExpectedForm> {
    value.parse::<u32>().map(|number| u64::from(number) << 20).map_err(|_| expected("a whole number of MB"))
}

pub fn files(value: &str) -> Result<Vec<PathBuf>, ExpectedForm> {
    let files: Vec<PathBuf> = value.split(',').map(|path| PathBuf::from(path.trim())).collect();
    if files.iter().all(|path| path.is_absolute()) { Ok(files) } else { Err(expected("absolute paths of files, separated by commas")) }
}

pub fn secret_names(value: &str) -> Result<Vec<SecretName>, ExpectedForm> {
    let form = "names of variables, separated by commas";
    value.split(',').map(|name| name.parse().map_err(|detail| ExpectedForm { form, detail: Some(detail) })).collect()
}

pub fn table(value: &str) -> Result<String, ExpectedForm> {
    demand(is_of(value, 3..=255, "_.-"), value, "the name of a DynamoDB table, 3 to 255 of [A-Za-z0-9_.-]")
}

pub fn store_location(value: &str) -> Result<StoreLocation, ExpectedForm> {
    let form = "s3://bucket/prefix, or a directory as an absolute path";
    let location: StoreLocation = value.parse().map_err(|_| expected(form))?;
    let good = match &location {
        StoreLocation::Directory(path) => path.is_absolute(),
        StoreLocation::S3 { bucket, .. } => is_of(bucket, 3..=63, ".-"),
    };
    if good { Ok(location) } else { Err(expected(form)) }
}

pub fn use_case_names(value: &str) -> Result<Vec<String>, ExpectedForm> {
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    let good = names.iter().all(|name| is_use_case_name(name));
    demand(good, value, "names of use cases, each 1 to 32 of [a-z0-9-], with commas between them")?;
    Ok(names)
}

pub fn trusted_keys(value: &str) -> Result<Trust, ExpectedForm> {
    let form = "public keys with commas between them";
    Trust::parse(value).map_err(|error| ExpectedForm { form, detail: Some(error.to_string()) })
}

/// Returns whether the value is the ARN of a `service`'s resource in an account, with a name after the prefix `resource`.
fn is_arn(value: &str, service: &str, resource: &str) -> bool {
    Arn::parse(value).is_some_and(|arn| {
        let account = arn.account.len() == 12 && arn.account.bytes().all(|byte| byte.is_ascii_digit());
        let name = arn.resource.strip_prefix(resource);
        arn.service == service && account && name.is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace))
    })
}

pub fn function_arn(value: &str) -> Result<String, ExpectedForm> {
    let form = "the ARN of a Lambda function or alias, such as arn:aws:lambda:eu-west-1:123456789012:function:postdate-target:live";
    demand(is_arn(value, "lambda", "function:"), value, form)
}

pub fn queue_arn(value: &str) -> Result<String, ExpectedForm> {
    // EventBridge supports only standard queues as dead-letter queues.
    let good = is_arn(value, "sqs", "") && !is_fifo(value);
    demand(good, value, "the ARN of a standard SQS queue, such as arn:aws:sqs:eu-west-1:123456789012:postdate-dead-letters")
}

pub fn topic_arn(value: &str) -> Result<String, ExpectedForm> {
    let good = is_arn(value, "sns", "") && !is_fifo(value);
    demand(good, value, "the ARN of a standard SNS topic, such as arn:aws:sns:eu-west-1:123456789012:postdate-notifications")
}

fn role_arn(value: &str) -> Result<String, ExpectedForm> {
    demand(is_arn(value, "iam", "role/"), value, "the ARN of a role, such as arn:aws:iam::123456789012:role/postdate-scheduler")
}

pub fn queue_url(value: &str) -> Result<String, ExpectedForm> {
    // A FIFO queue has one delay for all messages.
    let good = url(value).is_ok() && !is_fifo(value);
    demand(good, value, "the URL of a standard SQS queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/postdate-delay")
}

pub fn hosts(value: &str) -> Result<BTreeMap<String, HostAddress>, ExpectedForm> {
    let expected = |detail| ExpectedForm {
        form: r#"JSON such as {"big":{"arn":"arn:aws:lambda:…","queueUrl":"https://…"}}"#,
        detail: Some(detail),
    };
    let hosts: BTreeMap<String, HostAddress> = serde_json::from_str(value).map_err(|error| expected(error.to_string()))?;
    for (name, host) in &hosts {
        let wrong = |key, value, should: ExpectedForm| expected(format!("host {name:?}: {key} is {value:?}; it should be {should}"));
        function_arn(&host.arn).map_err(|should| wrong("arn", &host.arn, should))?;
        if let Some(queue) = &host.queue_url {
            queue_url(queue).map_err(|should| wrong("queueUrl", queue, should))?;
        }
    }
    Ok(hosts)
}

/// Returns patterns of ARNs that IAM takes both as a resource and with `ArnLike`, since the roles carry the same list. `ArnLike` compares
/// each of the six parts (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>), so
/// `*` alone is the pattern of no ARN. A resource has no wildcard in the part that names the service
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>).
pub fn delivery_targets(value: &str) -> Result<Vec<String>, ExpectedForm> {
    let patterns: Vec<String> = value.split(',').map(|pattern| pattern.trim().to_owned()).collect();
    let good = patterns.iter().all(|pattern| Arn::parse(pattern).is_some_and(|arn| !arn.service.contains(['*', '?'])));
    demand(good, value, "ARNs with commas between them, in which * and ? stand for other characters after the service: arn:aws:sqs:*:*:*")?;
    Ok(patterns)
}

fn scheduler(value: &str) -> Result<Choice, ExpectedForm> {
    match value {
        "auto" => Ok(Choice::Auto),
        "rules" => Ok(Choice::Rules),
        "scheduler" => Ok(Choice::Schedules),
        _ => Err(expected("auto, rules or scheduler")),
    }
}

fn group(value: &str) -> Result<String, ExpectedForm> {
    demand(is_of(value, 1..=64, "_.-"), value, "the name of a schedule group, 1 to 64 of [A-Za-z0-9_.-]")
}

pub fn prefix(value: &str) -> Result<String, ExpectedForm> {
    demand(is_of(value, 1..=20, "._-"), value, "1 to 20 of [A-Za-z0-9._-]")
}

fn duration(value: &str, least: Duration, most: Duration, form: &'static str) -> Result<Duration, ExpectedForm> {
    let parsed = humantime::parse_duration(value).ok().filter(|duration| (least..=most).contains(duration));
    parsed.ok_or_else(|| expected(form))
}

pub fn max_event_age(value: &str) -> Result<Duration, ExpectedForm> {
    duration(value, Duration::from_mins(1), Duration::from_hours(MAX_EVENT_AGE_HOURS), "a duration from 60s to 24h")
}

pub fn retention(value: &str) -> Result<Duration, ExpectedForm> {
    duration(value, Duration::from_hours(1), Duration::from_hours(3650 * 24), "a duration from 1h to 3650d, such as 30d")
}

pub fn secrets(value: &str) -> Result<SecretLocation, ExpectedForm> {
    // Without a slash at its end, the prefix would also match the secrets of other prefixes that begin with it.
    let good = |prefix: &str| is_of(prefix, 2..=512, "_.-/") && prefix.ends_with('/') && !prefix.contains("//");
    match value.split_once(':') {
        None if value == "env" => Ok(SecretLocation::Environment),
        Some(("ssm", prefix)) if good(prefix) && prefix.starts_with('/') => Ok(SecretLocation::Parameters { prefix: prefix.to_owned() }),
        Some(("secretsmanager", prefix)) if good(prefix) && !prefix.starts_with('/') => {
            Ok(SecretLocation::SecretsManager { prefix: prefix.to_owned() })
        }
        _ => Err(expected("env, ssm:/some/prefix/, or secretsmanager:some/prefix/")),
    }
}

pub fn secrets_lifetime(value: &str) -> Result<Duration, ExpectedForm> {
    duration(value, *Lifetime::FRESH.start(), *Lifetime::FRESH.end(), "a duration from 1s to 24h, such as 5m")
}

pub fn base_path(value: &str) -> Result<String, ExpectedForm> {
    let path = value.strip_suffix('/').unwrap_or(value);
    let good = path.is_empty() || (path.starts_with('/') && !path.contains("//") && is_of(path, 2..=255, "/-._~"));
    demand(good, path, "a path such as /v1, or / for none")
}

pub fn claim(value: &str) -> Result<String, ExpectedForm> {
    let good = (1..=128).contains(&value.len()) && value.chars().all(|c| c.is_ascii_graphic());
    demand(good, value, "the name of a claim, such as sub, scope or iam:userArn")
}

pub fn log_filter(value: &str) -> Result<LogFilter, ExpectedForm> {
    value.parse().map_err(|_| expected("a filter such as info, or warn,postdate_aws=debug"))
}
