//! Reads the test cases of a bundle, `cases/*.toml`: the input of a plugin, and the expected answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::time::parse_time;
use postdate_core::use_case::toml_to_json;
use serde::Deserialize;
use serde_json::Value;

use crate::canned::{CannedAnswer, Exchange};

/// `now` of a case without one.
const DEFAULT_NOW: &str = "2027-01-01T00:00:00Z";

/// A valid test case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The file's name without `.toml`.
    pub name: String,
    pub description: String,
    pub call: Role,
    /// Time at which the request was received, or the job was due.
    pub now: DateTime<Utc>,
    pub target: Option<String>,
    /// Values by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    pub secrets: BTreeMap<String, String>,
    /// JSON text, or any other text to pass to the plugin.
    pub body: String,
    /// Expected requests of a processor, in order, and their answers.
    pub http: Vec<Exchange>,
    pub expect: Expected,
}

/// The expected answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    Accepted(ExpectedAcceptance),
    /// Exactly these problems, in any order.
    Problems(Vec<ExpectedProblem>),
    /// A string: the same text. A table: a subset of the result's JSON.
    Result(Value),
    Failure(ExpectedFailure),
    /// The host ends the call, with this word of [`ERRORS`].
    Error(String),
}

/// The values of `error`: those of `Stopped::code`, and `refused` for a plugin that a host does not load.
pub const ERRORS: [&str; 7] = ["trap", "timeout", "memory", "output", "limit", "not-started", "refused"];

/// A `None` matches any value.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectedAcceptance {
    #[serde(default, deserialize_with = "json")]
    pub body: Option<Value>,
    pub target: Option<String>,
    pub trigger_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectedProblem {
    pub pointer: String,
    pub code: String,
    pub message: Option<String>,
}

/// A `None` matches any value.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectedFailure {
    pub retry: Option<bool>,
    pub retry_after_seconds: Option<u64>,
    pub message_contains: Option<String>,
}

/// The TOML of a test case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    description: String,
    call: Role,
    now: Option<toml::Value>,
    target: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    attempt: Option<u32>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    body: toml::Value,
    #[serde(default)]
    http: Vec<FileExchange>,
    expect: FileExpect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileExchange {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    status: Option<u16>,
    error: Option<String>,
    #[serde(default)]
    answer_headers: BTreeMap<String, String>,
    answer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileExpect {
    accepted: Option<ExpectedAcceptance>,
    problems: Option<Vec<ExpectedProblem>>,
    #[serde(default, deserialize_with = "json")]
    result: Option<Value>,
    failure: Option<ExpectedFailure>,
    error: Option<String>,
}

/// Directory of the test cases in a bundle.
pub const DIR: &str = "cases";

/// Reads the test cases of a directory, sorted by name. A missing directory has none. Fails if a case is not valid.
pub fn read_dir(dir: &Path) -> anyhow::Result<Vec<Case>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", dir.display())),
    };
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.with_context(|| format!("cannot read {}", dir.display()))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| read_file(path)).collect()
}

/// Reads the test cases among a bundle's files, sorted by name. Fails if a case is not valid.
pub fn of_bundle(source: &BundleSource) -> anyhow::Result<Vec<Case>> {
    let files = source.files.iter().filter_map(|(name, content)| Some((name, name.strip_prefix(DIR)?.strip_prefix('/')?, content)));
    let read = |(file, name, content): (&String, &str, &Bytes)| {
        let text = std::str::from_utf8(content).with_context(|| format!("{file} is not UTF-8"))?;
        parse(name.trim_end_matches(".toml"), text).with_context(|| format!("{file} is not a test case"))
    };
    files.map(read).collect()
}

fn read_file(path: &Path) -> anyhow::Result<Case> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&name, &text).with_context(|| format!("{} is not a test case", path.display()))
}

/// Reads a test case. The error does not name the file; the caller adds it.
pub fn parse(name: &str, text: &str) -> anyhow::Result<Case> {
    let file: File = toml::from_str(text)?;
    let now = match &file.now {
        None => DEFAULT_NOW.to_owned(),
        Some(toml::Value::String(text)) => text.clone(),
        // A time without quotes is a TOML date, in the same format.
        Some(toml::Value::Datetime(at)) => at.to_string(),
        Some(_) => bail!("now: must be an RFC 3339 time"),
    };
    match file.call {
        Role::Validate if file.attempt.is_some() || !file.http.is_empty() => {
            bail!("attempt and [[http]] are for call = \"process\": a validator has no attempts and no network")
        }
        Role::Process if !file.headers.is_empty() => bail!("headers are for call = \"validate\": a processor gets no headers"),
        _ => {}
    }
    if file.attempt == Some(0) {
        bail!("attempt: the first attempt is 1");
    }
    let http: Result<Vec<Exchange>, _> = file.http.into_iter().enumerate().map(|(index, exchange)| exchange.checked(index)).collect();
    Ok(Case {
        name: name.to_owned(),
        description: file.description,
        call: file.call,
        now: parse_time(&now).context("now")?,
        target: file.target,
        headers: file.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        attempt: file.attempt.unwrap_or(1),
        secrets: file.secrets,
        body: body_text(file.body)?,
        http: http?,
        expect: file.expect.checked(file.call)?,
    })
}

/// Converts a table to JSON. A string is the text itself, so that a case can pass text that is no JSON.
fn body_text(body: toml::Value) -> anyhow::Result<String> {
    match body {
        toml::Value::String(text) => Ok(text),
        toml::Value::Table(_) => Ok(toml_to_json(body).map_err(anyhow::Error::msg)?.to_string()),
        _ => bail!("body: must be a table, or a string with the JSON text"),
    }
}

impl FileExchange {
    fn checked(self, index: usize) -> anyhow::Result<Exchange> {
        let answer = match (self.status, self.error) {
            (Some(status), None) => CannedAnswer::Response { status, headers: self.answer_headers, body: self.answer.unwrap_or_default() },
            (None, Some(error)) if self.answer.is_none() && self.answer_headers.is_empty() => CannedAnswer::Error(error),
            _ => bail!("http[{index}]: needs either status (with optional answer and answer-headers) or error"),
        };
        Ok(Exchange { method: self.method, url: self.url, headers: self.headers, body: self.body, answer })
    }
}

impl FileExpect {
    fn checked(self, call: Role) -> anyhow::Result<Expected> {
        let error = match self.error {
            Some(error) if !ERRORS.contains(&error.as_str()) => bail!("expect.error: {error:?} is not one of {}", ERRORS.join(", ")),
            error => error.map(Expected::Error),
        };
        let (own, own_words) = match call {
            Role::Validate => ([self.accepted.map(Expected::Accepted), self.problems.map(Expected::Problems)], "accepted, problems"),
            Role::Process => ([self.result.map(Expected::Result), self.failure.map(Expected::Failure)], "result, failure"),
        };
        let mut given: Vec<Expected> = own.into_iter().chain([error]).flatten().collect();
        match (given.pop(), given.is_empty()) {
            (Some(expected), true) => Ok(expected),
            _ => bail!("expect: a {call} case needs exactly one of {own_words}, error"),
        }
    }
}

fn json<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    toml_to_json(value).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests;
