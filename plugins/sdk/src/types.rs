//! Short ways to read and make the contract's records.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Acceptance, Failure, Job, Problem, Request};

impl Request {
    /// The body as `T`; unknown members are ignored unless `T` says otherwise.
    ///
    /// # Errors
    /// A problem with code `invalid` that points at the member that does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse(&self.body).map_err(|(pointer, message)| Problem::new(pointer, "invalid", message))
    }
}

impl Job {
    /// The accepted body as `T`.
    ///
    /// # Errors
    /// A permanent failure: the same body will not parse at another attempt either.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        parse(&self.body).map_err(|(pointer, message)| Failure::permanent(format!("body at `{pointer}`: {message}")))
    }
}

/// `Err` is a JSON Pointer and a sentence.
fn parse<T: DeserializeOwned>(body: &str) -> Result<T, (String, String)> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| (pointer(error.path()), error.inner().to_string()))
}

/// A path of member names and indexes as a JSON Pointer (RFC 6901).
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

/// One token of a JSON Pointer.
fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

impl Problem {
    /// `pointer` is a JSON Pointer (RFC 6901) into the body, `code` a stable word, `message` a sentence.
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Lets `?` end a validator with one problem.
impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}

impl Acceptance {
    /// Yes, to just what the request said.
    pub fn unchanged() -> Self {
        Self::default()
    }

    /// Yes, but the processor sees this body.
    #[must_use]
    pub fn with_body(mut self, body: &impl Serialize) -> Self {
        // Cannot fail for what plugins build: it does for a map whose keys are no strings, and that is a bug to see.
        self.body = Some(serde_json::to_string(body).expect("a body that is JSON"));
        self
    }

    /// Yes, but send it to this target: an alias of the use case.
    #[must_use]
    pub fn with_target(mut self, alias: impl Into<String>) -> Self {
        self.target = Some(alias.into());
        self
    }

    /// Yes, but at this time: RFC 3339 with an explicit offset.
    #[must_use]
    pub fn with_trigger_at(mut self, trigger_at: impl Into<String>) -> Self {
        self.trigger_at = Some(trigger_at.into());
        self
    }
}

impl Failure {
    /// Trying again would not help.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: false, retry_after_seconds: None }
    }

    /// Trying again may help, after the use case's back-off.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: true, retry_after_seconds: None }
    }

    /// Asks the host to wait that long at the least.
    #[must_use]
    pub fn after_seconds(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

#[cfg(test)]
mod tests;
