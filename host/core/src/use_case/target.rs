//! Targets of requests. The manifest gives each an alias; a request can name an alias, but never an address.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use super::header_value::{self, Part};
use super::values;
use crate::limits::{Limits, MAX_CONCURRENCY};

/// One target.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// The use case's processor runs the request.
    Plugin {
        /// Name of another deployed target host, in which the processor runs; none for the default host.
        #[serde(default)]
        host: Option<String>,
    },
    /// The host posts the accepted body unchanged to a URL, if the operator allows the URL's address.
    Http {
        url: String,
        #[serde(default = "values::default_http_timeout", deserialize_with = "values::duration")]
        timeout: Duration,
        /// Further headers: names in lower case, and values, in which `${secret:NAME}` stands for a secret. See
        /// [`header_value`](super::header_value).
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Names of the secrets that sign the request after Standard Webhooks; at most two.
        #[serde(default, deserialize_with = "values::one_or_more")]
        sign: Vec<String>,
    },
    /// A function, invoked with the body as its event. The function's answer is the request's result.
    Lambda(AwsTarget),
    /// A queue, standard or FIFO, gets the body as one message.
    Sqs(AwsTarget),
    /// A topic, standard or FIFO, gets the body as one message.
    Sns(AwsTarget),
    /// An event bus gets one event with the body as `detail`.
    EventBus(AwsTarget),
    /// A state machine gets one execution, named after the request, with the body as input.
    StepFunctions(AwsTarget),
    /// A stream; only with `direct`.
    Kinesis(AwsTarget),
    /// A task; only with `direct`.
    EcsTask(AwsTarget),
    /// An API destination; only with `direct`.
    ApiDestination(AwsTarget),
}

/// A target with an Amazon Resource Name. The check of the manifest refuses keys that the target's kind does not take.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AwsTarget {
    pub arn: String,
    #[serde(default = "values::default_http_timeout", deserialize_with = "values::duration")]
    pub timeout: Duration,
    /// True if the rule points at the ARN itself. No host sees the request when it is due, so neither the use case's retry policy nor
    /// a result applies.
    #[serde(default)]
    pub direct: bool,
    /// ARN of the role that EventBridge assumes to reach a direct target whose service has no resource policy.
    #[serde(default)]
    pub role: Option<String>,
    /// Message group of a FIFO queue or topic; by default the use case's name.
    #[serde(default)]
    pub group: Option<String>,
    /// Source of the event on an event bus; by default `postdate`.
    #[serde(default)]
    pub source: Option<String>,
    /// Detail type of the event on an event bus; by default the use case's name.
    #[serde(default)]
    pub detail_type: Option<String>,
    /// ARN of the ECS task definition; `arn` is the cluster's.
    #[serde(default)]
    pub task_definition: Option<String>,
    /// Subnets of an ECS task. With subnets the task runs on Fargate; without them the cluster chooses the launch type.
    #[serde(default)]
    pub subnets: Vec<String>,
}

impl Target {
    /// Returns the kind as a manifest writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Plugin { .. } => "plugin",
            Self::Http { .. } => "http",
            Self::Lambda(_) => "lambda",
            Self::Sqs(_) => "sqs",
            Self::Sns(_) => "sns",
            Self::EventBus(_) => "event-bus",
            Self::StepFunctions(_) => "step-functions",
            Self::Kinesis(_) => "kinesis",
            Self::EcsTask(_) => "ecs-task",
            Self::ApiDestination(_) => "api-destination",
        }
    }

    /// Returns the AWS part of the target; `None` for the kinds `plugin` and `http`.
    pub fn aws(&self) -> Option<&AwsTarget> {
        match self {
            Self::Plugin { .. } | Self::Http { .. } => None,
            Self::Lambda(aws)
            | Self::Sqs(aws)
            | Self::Sns(aws)
            | Self::EventBus(aws)
            | Self::StepFunctions(aws)
            | Self::Kinesis(aws)
            | Self::EcsTask(aws)
            | Self::ApiDestination(aws) => Some(aws),
        }
    }

    /// Returns the names of the secrets that the host needs to deliver to the target, each once. Empty for a kind other than `http`.
    pub fn secrets(&self) -> Vec<String> {
        let Self::Http { headers, sign, .. } = self else { return Vec::new() };
        let in_headers = headers.values().flat_map(|text| header_value::parse(text).unwrap_or_default()).filter_map(|part| match part {
            Part::Secret(name) => Some(name.to_owned()),
            Part::Text(_) => None,
        });
        let names: BTreeSet<String> = in_headers.chain(sign.iter().cloned()).collect();
        names.into_iter().collect()
    }

    /// Returns true if the schedule reaches the target itself, without a host.
    pub fn is_direct(&self) -> bool {
        self.aws().is_some_and(|aws| aws.direct)
    }
}

/// The table `[targets]`: targets by alias, their limits, and the default alias.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    pub default: String,
    aliases: BTreeMap<String, Target>,
    /// Only of targets that have some.
    limits: BTreeMap<String, Limits>,
}

/// The processor, with the alias `here`.
impl Default for Targets {
    fn default() -> Self {
        Self {
            default: "here".to_owned(),
            aliases: BTreeMap::from([("here".to_owned(), Target::Plugin { host: None })]),
            limits: BTreeMap::new(),
        }
    }
}

impl Targets {
    pub fn get<'a>(&'a self, alias: &str) -> Option<(&'a str, &'a Target)> {
        self.aliases.get_key_value(alias).map(|(name, target)| (name.as_str(), target))
    }

    /// Returns the limits of a target; none for an alias that does not exist.
    pub fn limits(&self, alias: &str) -> Limits {
        self.limits.get(alias).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Target)> {
        self.aliases.iter().map(|(alias, target)| (alias.as_str(), target))
    }

    /// Returns all aliases.
    pub fn aliases(&self) -> Vec<String> {
        self.aliases.keys().cloned().collect()
    }
}

impl<'de> Deserialize<'de> for Targets {
    /// Written by hand: `default` is a key beside the aliases, and serde's derived code gives poor messages for such a table.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut table = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let default = match table.remove("default") {
            Some(serde_json::Value::String(alias)) => Some(alias),
            Some(_) => return Err(D::Error::custom("targets.default must be the alias of a target, as text")),
            None => None,
        };
        let (mut aliases, mut limits) = (BTreeMap::new(), BTreeMap::new());
        for (alias, mut value) in table {
            let of_target = take_limits(&mut value).map_err(|error| D::Error::custom(format!("targets.{alias}.{error}")))?;
            if !of_target.is_none() {
                limits.insert(alias.clone(), of_target);
            }
            let target = serde_json::from_value(value).map_err(|error| D::Error::custom(format!("targets.{alias}: {error}")))?;
            aliases.insert(alias, target);
        }
        let default = match default {
            Some(alias) => alias,
            None if aliases.is_empty() => return Ok(Self::default()),
            None if aliases.len() == 1 => aliases.keys().next().cloned().unwrap_or_default(),
            None => return Err(D::Error::custom("targets.default is missing: name the alias for requests that name no target")),
        };
        Ok(Self { default, aliases, limits })
    }
}

/// Takes the limits out of the table of a target: every kind has the same.
fn take_limits(target: &mut serde_json::Value) -> Result<Limits, String> {
    let Some(table) = target.as_object_mut() else { return Ok(Limits::default()) };
    let concurrency = match table.remove("concurrency") {
        None => None,
        Some(value) => {
            let places = value.as_u64().and_then(|places| u32::try_from(places).ok());
            let places = places.filter(|places| (1..=MAX_CONCURRENCY).contains(places));
            Some(places.ok_or_else(|| format!("concurrency: {value} is not a number from 1 to {MAX_CONCURRENCY}"))?)
        }
    };
    let rate = match table.remove("rate") {
        None => None,
        Some(serde_json::Value::String(text)) => Some(text.parse().map_err(|error| format!("rate: {error}"))?),
        Some(value) => return Err(format!("rate: {value} is not a rate: write it as text, \"50/s\"")),
    };
    Ok(Limits { concurrency, rate })
}
