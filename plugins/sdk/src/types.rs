//! Methods that read and build the contract's records.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Acceptance, Failure, Job, Problem, Request};

impl Request {
    /// Parses the body as `T`. Ignores unknown members unless `T` denies them.
    ///
    /// # Errors
    /// A problem with the code `invalid` and a pointer to the member that does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse(&self.body).map_err(|(pointer, message)| Problem::new(pointer, "invalid", message))
    }
}

impl Job {
    /// Parses the accepted body as `T`.
    ///
    /// # Errors
    /// A permanent failure: the next attempt would have the same body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        parse(&self.body).map_err(|(pointer, message)| Failure::permanent(format!("body at `{pointer}`: {message}")))
    }
}

/// Parses JSON. An error is a JSON Pointer to the wrong member, and a message.
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
    /// Creates a problem. `pointer` is a JSON Pointer (RFC 6901) into the body, `code` a stable word for programs, `message` a
    /// sentence for people.
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Makes `?` end a validator with one problem.
impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}

impl Acceptance {
    /// Accepts the request without a change.
    pub fn unchanged() -> Self {
        Self::default()
    }

    /// Replaces the body that the processor gets.
    #[must_use]
    pub fn with_body(mut self, body: &impl Serialize) -> Self {
        // Fails only for a type that JSON cannot express, such as a map whose keys are not strings: a bug in the plugin.
        self.body = Some(serde_json::to_string(body).expect("a body that is JSON"));
        self
    }

    /// Sends the request to this target, given by its alias in the use case.
    #[must_use]
    pub fn with_target(mut self, alias: impl Into<String>) -> Self {
        self.target = Some(alias.into());
        self
    }

    /// Moves the request to this time, in RFC 3339 with an explicit offset.
    #[must_use]
    pub fn with_trigger_at(mut self, trigger_at: impl Into<String>) -> Self {
        self.trigger_at = Some(trigger_at.into());
        self
    }
}

impl Failure {
    /// Creates a failure that no further attempt can mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: false, retry_after_seconds: None }
    }

    /// Creates a failure that another attempt may mend, after the use case's back-off.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: true, retry_after_seconds: None }
    }

    /// Asks the host to wait at least `seconds` before the next attempt.
    #[must_use]
    pub fn after_seconds(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

#[cfg(test)]
mod tests;
