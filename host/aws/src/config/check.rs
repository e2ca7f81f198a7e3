//! What each variable should look like. A check gives the value, or the end of a sentence that begins with the
//! variable's name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use postdate_core::use_case::is_use_case_name;
use postdate_runtime::Lifetime;
use postdate_runtime::trust::Trust;
use tracing_subscriber::filter::Targets;

use super::{Backend, Config, ConfigError, ConfigErrors, HostAddress, Place, SERVICES, SecretPlace};

/// Most hours that EventBridge tries to deliver an event (`MaximumEventAgeInSeconds`: 60 to 86,400).
const MAX_EVENT_AGE_HOURS: u64 = 24;

/// Reads variables and collects what is wrong with them.
pub struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<ConfigError>,
}

type Check<T> = fn(&str) -> Result<T, String>;

impl<'a> Reader<'a> {
    pub fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get, errors: Vec::new() }
    }

    pub fn optional<T>(&mut self, variable: &str, check: Check<T>) -> Option<T> {
        // Templates set a variable to nothing more easily than they leave it out.
        let value = (self.get)(variable).filter(|value| !value.is_empty())?;
        check(&value).map_err(|problem| self.fault(variable, &format!("is {value:?}; {problem}"))).ok()
    }

    /// The default stands in only where there is an error, and then nobody gets to see it.
    pub fn required<T: Default>(&mut self, variable: &str, check: Check<T>) -> T {
        if (self.get)(variable).is_none_or(|value| value.is_empty()) {
            let expected = check("").err().unwrap_or_default();
            self.fault(variable, &format!("is not set; {expected}"));
            return T::default();
        }
        self.optional(variable, check).unwrap_or_default()
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
        let schedules = self.optional("POSTDATE_SCHEDULER", scheduler).unwrap_or(false);
        let group = self.optional("POSTDATE_SCHEDULE_GROUP", group);
        if !schedules {
            return Backend::Rules;
        }
        let role_arn = self.required("POSTDATE_SCHEDULER_ROLE_ARN", role_arn);
        Backend::Schedules { group: group.unwrap_or_else(|| "postdate".to_owned()), role_arn }
    }

    pub fn finish(self, config: Config) -> Result<Config, ConfigErrors> {
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }

    fn fault(&mut self, variable: &str, problem: &str) {
        self.errors.push(ConfigError { variable: variable.to_owned(), problem: problem.to_owned() });
    }
}

fn demand(good: bool, value: &str, expected: &str) -> Result<String, String> {
    if good { Ok(value.to_owned()) } else { Err(format!("it should be {expected}")) }
}

fn is_of(value: &str, lengths: std::ops::RangeInclusive<usize>, others: &str) -> bool {
    lengths.contains(&value.len()) && value.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

pub fn region(value: &str) -> Result<String, String> {
    demand(is_of(value, 1..=64, "-"), value, "a region such as eu-west-1")
}

fn url(value: &str) -> Result<String, String> {
    let good = value.parse::<http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    demand(good, value, "a URL such as http://127.0.0.1:5000")
}

pub fn table(value: &str) -> Result<String, String> {
    demand(is_of(value, 3..=255, "_.-"), value, "the name of a DynamoDB table, 3 to 255 of [A-Za-z0-9_.-]")
}

pub fn place(value: &str) -> Result<Place, String> {
    let expected = "s3://bucket/prefix, or a directory as an absolute path";
    if let Some(rest) = value.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        demand(is_of(bucket, 3..=63, ".-"), value, expected)?;
        return Ok(Place::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() });
    }
    let path = PathBuf::from(value);
    demand(path.is_absolute(), value, expected)?;
    Ok(Place::Directory(path))
}

pub fn use_case_names(value: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    let good = names.iter().all(|name| is_use_case_name(name));
    demand(good, value, "names of use cases, each 1 to 32 of [a-z0-9-], with commas between them")?;
    Ok(names)
}

pub fn trusted_keys(value: &str) -> Result<Trust, String> {
    Trust::parse(value).map_err(|error| format!("it should be public keys with commas between them: {error}"))
}

/// `arn:{partition}:{service}:{region}:{account}:{resource}`.
fn is_arn(value: &str, service: &str, resource: &str) -> bool {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let [arn, partition, of, _region, account, rest] = parts[..] else { return false };
    let named = rest.strip_prefix(resource).is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace));
    let account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    arn == "arn" && partition.starts_with("aws") && of == service && account && named
}

/// Names of FIFO queues and topics end so, and no others.
fn is_fifo(name: &str) -> bool {
    name.strip_suffix(".fifo").is_some()
}

pub fn function_arn(value: &str) -> Result<String, String> {
    let expected = "the ARN of a Lambda function or alias, such as arn:aws:lambda:eu-west-1:123456789012:function:postdate-target:live";
    demand(is_arn(value, "lambda", "function:"), value, expected)
}

pub fn queue_arn(value: &str) -> Result<String, String> {
    // EventBridge: "only standard queues" as dead-letter queues.
    let good = is_arn(value, "sqs", "") && !is_fifo(value);
    demand(good, value, "the ARN of a standard SQS queue, such as arn:aws:sqs:eu-west-1:123456789012:postdate-dead-letters")
}

pub fn topic_arn(value: &str) -> Result<String, String> {
    let good = is_arn(value, "sns", "") && !is_fifo(value);
    demand(good, value, "the ARN of a standard SNS topic, such as arn:aws:sns:eu-west-1:123456789012:postdate-notifications")
}

fn role_arn(value: &str) -> Result<String, String> {
    demand(is_arn(value, "iam", "role/"), value, "the ARN of a role, such as arn:aws:iam::123456789012:role/postdate-scheduler")
}

pub fn queue_url(value: &str) -> Result<String, String> {
    // A FIFO queue delays all of its messages alike.
    let good = url(value).is_ok() && !is_fifo(value);
    demand(good, value, "the URL of a standard SQS queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/postdate-delay")
}

pub fn hosts(value: &str) -> Result<BTreeMap<String, HostAddress>, String> {
    let expected = r#"it should be JSON such as {"big":{"arn":"arn:aws:lambda:…","queueUrl":"https://…"}}"#;
    let hosts: BTreeMap<String, HostAddress> = serde_json::from_str(value).map_err(|error| format!("{expected} ({error})"))?;
    for (name, host) in &hosts {
        function_arn(&host.arn).map_err(|problem| format!("{expected}; of {name:?}, arn is {:?}: {problem}", host.arn))?;
        if let Some(queue) = &host.queue_url {
            queue_url(queue).map_err(|problem| format!("{expected}; of {name:?}, queueUrl is {queue:?}: {problem}"))?;
        }
    }
    Ok(hosts)
}

/// True for EventBridge Scheduler.
fn scheduler(value: &str) -> Result<bool, String> {
    match value {
        "rules" => Ok(false),
        "scheduler" => Ok(true),
        _ => Err("it should be rules or scheduler".to_owned()),
    }
}

fn group(value: &str) -> Result<String, String> {
    demand(is_of(value, 1..=64, "_.-"), value, "the name of a schedule group, 1 to 64 of [A-Za-z0-9_.-]")
}

pub fn prefix(value: &str) -> Result<String, String> {
    demand(is_of(value, 1..=20, "._-"), value, "1 to 20 of [A-Za-z0-9._-]")
}

fn duration(value: &str, least: Duration, most: Duration, expected: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(value).ok().filter(|duration| (least..=most).contains(duration));
    parsed.ok_or_else(|| format!("it should be {expected}"))
}

pub fn max_event_age(value: &str) -> Result<Duration, String> {
    duration(value, Duration::from_mins(1), Duration::from_hours(MAX_EVENT_AGE_HOURS), "a duration from 60s to 24h")
}

pub fn retention(value: &str) -> Result<Duration, String> {
    duration(value, Duration::from_hours(1), Duration::from_hours(3650 * 24), "a duration from 1h to 3650d, such as 30d")
}

pub fn secrets(value: &str) -> Result<SecretPlace, String> {
    // A prefix that does not end at a slash would reach into the names of others.
    let good = |prefix: &str| is_of(prefix, 2..=512, "_.-/") && prefix.ends_with('/') && !prefix.contains("//");
    match value.split_once(':') {
        None if value == "env" => Ok(SecretPlace::Environment),
        Some(("ssm", prefix)) if good(prefix) && prefix.starts_with('/') => Ok(SecretPlace::Parameters { prefix: prefix.to_owned() }),
        Some(("secretsmanager", prefix)) if good(prefix) && !prefix.starts_with('/') => {
            Ok(SecretPlace::SecretsManager { prefix: prefix.to_owned() })
        }
        _ => Err("it should be env, ssm:/some/prefix/, or secretsmanager:some/prefix/".to_owned()),
    }
}

pub fn secrets_lifetime(value: &str) -> Result<Duration, String> {
    duration(value, *Lifetime::FRESH.start(), *Lifetime::FRESH.end(), "a duration from 1s to 24h, such as 5m")
}

pub fn base_path(value: &str) -> Result<String, String> {
    let path = value.strip_suffix('/').unwrap_or(value);
    let good = path.is_empty() || (path.starts_with('/') && !path.contains("//") && is_of(path, 2..=255, "/-._~"));
    demand(good, path, "a path such as /v1, or / for none")
}

pub fn log_filter(value: &str) -> Result<String, String> {
    // The parser takes an empty target for one.
    let has_target = |part: &str| is_of(part.split('=').next().unwrap_or_default(), 1..=200, "_:");
    let good = value.parse::<Targets>().is_ok() && value.split(',').all(|part| has_target(part.trim()));
    demand(good, value, "a filter such as info, or warn,postdate_aws=debug")
}
