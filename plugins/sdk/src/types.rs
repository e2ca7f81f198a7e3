//! Constructors and parsers for the records of the contract.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Acceptance, Failure, Job, Problem, Request};

impl Request {
    /// Parses the body. Ignores unknown members, unless `T` denies them.
    ///
    /// # Errors
    /// A problem with code `invalid` and the pointer of the invalid member.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse(&self.body).map_err(|(pointer, message)| Problem::new(pointer, "invalid", message))
    }
}

impl Job {
    /// Parses the accepted body.
    ///
    /// # Errors
    /// A permanent failure, since another attempt has the same body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        parse(&self.body).map_err(|(pointer, message)| Failure::permanent(format!("body at `{pointer}`: {message}")))
    }
}

/// Parses a body. `Err` has a JSON Pointer and a message.
fn parse<T: DeserializeOwned>(body: &str) -> Result<T, (String, String)> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| (pointer(error.path()), error.inner().to_string()))
}

/// Converts a path of member names and indexes to a JSON Pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Escapes one token of a JSON Pointer.
fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

impl Problem {
    /// Returns a problem. `pointer` is a JSON Pointer (RFC 6901) into the body, `code` a stable word for programs, `message` a
    /// text for people.
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Lets a validator return one problem with `?`.
impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}

impl Acceptance {
    /// Accepts the request unchanged.
    pub fn unchanged() -> Self {
        Self::default()
    }

    /// Replaces the body that the processor gets.
    #[must_use]
    pub fn with_body(mut self, body: &impl Serialize) -> Self {
        // Fails only for a map whose keys are not strings, which is a bug of the plugin.
        self.body = Some(serde_json::to_string(body).expect("the body is serializable as JSON"));
        self
    }

    /// Replaces the target with another alias of the use case.
    #[must_use]
    pub fn with_target(mut self, alias: impl Into<String>) -> Self {
        self.target = Some(alias.into());
        self
    }

    /// Replaces the trigger time: RFC 3339 with an offset.
    #[must_use]
    pub fn with_trigger_at(mut self, trigger_at: impl Into<String>) -> Self {
        self.trigger_at = Some(trigger_at.into());
        self
    }
}

impl Failure {
    /// Returns a failure without another attempt.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: false, retry_after_seconds: None }
    }

    /// Returns a failure with another attempt after the use case's back-off.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: true, retry_after_seconds: None }
    }

    /// Makes the host wait at least this long before the next attempt.
    #[must_use]
    pub fn after_seconds(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

#[cfg(test)]
mod tests;
