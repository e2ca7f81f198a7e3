//! Where an accepted request goes at its time: aliases that the operator named, never an address from a request.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::values;

/// One target.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// The use case's process plugin.
    Plugin {
        /// Another deployed target host, by the name that the operator gave it; none: the default one.
        #[serde(default)]
        host: Option<String>,
    },
    /// The accepted body, as it is, posted to one URL by the host. Loopback and private addresses included: the
    /// operator named it.
    Http {
        url: String,
        #[serde(default = "values::default_http_timeout", deserialize_with = "values::duration")]
        timeout: Duration,
    },
    /// Invoked with the body as its event; its answer is the request's result.
    Lambda(AwsTarget),
    /// The body as one message; a FIFO queue's needs no more than its ARN.
    Sqs(AwsTarget),
    Sns(AwsTarget),
    /// The body as the `detail` of one event.
    EventBus(AwsTarget),
    /// The body as the input of one execution, named after the request.
    StepFunctions(AwsTarget),
    /// Only `direct`, as are the two that follow.
    Kinesis(AwsTarget),
    EcsTask(AwsTarget),
    ApiDestination(AwsTarget),
}

/// A target by its Amazon Resource Name. Which of the optional keys a kind takes is checked with the manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AwsTarget {
    pub arn: String,
    #[serde(default = "values::default_http_timeout", deserialize_with = "values::duration")]
    pub timeout: Duration,
    /// The rule points at the ARN itself: no host of ours sees the request at its time, so there is neither a retry
    /// policy of ours nor a result.
    #[serde(default)]
    pub direct: bool,
    /// ARN of the role that EventBridge assumes for a direct target that has no resource policy.
    #[serde(default)]
    pub role: Option<String>,
    /// FIFO queues and topics: message group; by default the use case's name.
    #[serde(default)]
    pub group: Option<String>,
    /// Event buses: the event's source; by default `postdate`.
    #[serde(default)]
    pub source: Option<String>,
    /// Event buses: the event's detail type; by default the use case's name.
    #[serde(default)]
    pub detail_type: Option<String>,
    /// ECS tasks: ARN of the task definition, where `arn` is the cluster's.
    #[serde(default)]
    pub task_definition: Option<String>,
    /// ECS tasks on Fargate: subnets of the task.
    #[serde(default)]
    pub subnets: Vec<String>,
}

impl Target {
    /// The kind as a manifest writes it.
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

    /// What it is on AWS; none for a plugin and for HTTP.
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

    /// Whether the schedule itself reaches it, past every host of ours.
    pub fn is_direct(&self) -> bool {
        self.aws().is_some_and(|aws| aws.direct)
    }
}

/// The table `[targets]`: aliases, and which of them is the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    pub default: String,
    aliases: BTreeMap<String, Target>,
}

/// The process plugin, under the alias `here`.
impl Default for Targets {
    fn default() -> Self {
        Self { default: "here".to_owned(), aliases: BTreeMap::from([("here".to_owned(), Target::Plugin { host: None })]) }
    }
}

impl Targets {
    pub fn get<'a>(&'a self, alias: &str) -> Option<(&'a str, &'a Target)> {
        self.aliases.get_key_value(alias).map(|(name, target)| (name.as_str(), target))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Target)> {
        self.aliases.iter().map(|(alias, target)| (alias.as_str(), target))
    }

    /// The known aliases, for an error that lists them.
    pub fn aliases(&self) -> Vec<String> {
        self.aliases.keys().cloned().collect()
    }
}

impl<'de> Deserialize<'de> for Targets {
    /// `default` is a key among the aliases, which serde's derived forms cannot say with good messages.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut table = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let default = match table.remove("default") {
            Some(serde_json::Value::String(alias)) => Some(alias),
            Some(_) => return Err(D::Error::custom("targets.default must be the alias of a target, as text")),
            None => None,
        };
        let mut aliases = BTreeMap::new();
        for (alias, value) in table {
            let target = serde_json::from_value(value).map_err(|error| D::Error::custom(format!("targets.{alias}: {error}")))?;
            aliases.insert(alias, target);
        }
        let default = match default {
            Some(alias) => alias,
            None if aliases.is_empty() => return Ok(Self::default()),
            None if aliases.len() == 1 => aliases.keys().next().cloned().unwrap_or_default(),
            None => return Err(D::Error::custom("targets.default is missing: say which alias a request goes to when it names none")),
        };
        Ok(Self { default, aliases })
    }
}
