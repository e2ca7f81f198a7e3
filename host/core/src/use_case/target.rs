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
    Plugin {},
    /// The accepted body, as it is, posted to one URL by the host. Loopback and private addresses included: the
    /// operator named it.
    Http {
        url: String,
        #[serde(default = "values::default_http_timeout", deserialize_with = "values::duration")]
        timeout: Duration,
    },
}

/// The table `[targets]`: aliases, and which of them is the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    pub default: String,
    aliases: BTreeMap<String, Target>,
}

impl Default for Targets {
    fn default() -> Self {
        Self { default: "here".to_owned(), aliases: BTreeMap::from([("here".to_owned(), Target::Plugin {})]) }
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
