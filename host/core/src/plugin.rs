//! The contract of host and plugins: the types of `wit/postdate.wit`, and the errors of a call.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host_fault::HostFault;
use crate::trace::TraceParent;

/// A request as a validator gets it. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidateInput {
    pub id: String,
    pub use_case: String,
    pub received_at: String,
    pub trigger_at: String,
    /// Alias that the client asked for.
    pub target: Option<String>,
    /// Claims of the authorizer, name and value.
    pub caller: Vec<(String, String)>,
    /// The headers that the use case lists, lower-case name and value.
    pub headers: Vec<(String, String)>,
    /// JSON text, always an object.
    pub body: String,
}

/// The answer of a validator that accepts. `None` keeps the value of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    pub body: Option<String>,
    pub target: Option<String>,
    pub trigger_at: Option<String>,
}

/// One reason why a validator rejects a request. The API returns it in the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RejectionReason"))]
pub struct Problem {
    /// JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// A stable word for programs.
    pub code: String,
    pub message: String,
}

/// An accepted request at its due time, as a processor gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    pub use_case: String,
    pub target: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// RFC 3339, UTC.
    pub scheduled_for: String,
    pub body: String,
    /// Not part of the contract: the host sends it with the plugin's HTTP requests.
    pub trace: Option<TraceParent>,
}

/// The answer of a processor or a target that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    pub message: String,
    pub retry: bool,
    pub retry_after: Option<Duration>,
}

impl JobFailure {
    /// Returns a failure after which another attempt can succeed.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: true, retry_after: None }
    }

    /// Returns a failure that each further attempt would repeat.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { retry: false, ..Self::retry(message) }
    }
}

/// The answer of a validator.
pub type Verdict = Result<Acceptance, Vec<Problem>>;
/// The answer of a processor or a target: the request's result, if any.
pub type JobResult = Result<Option<String>, JobFailure>;

/// One of the two plugins of a use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Validate,
    Process,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Validate => "validate",
            Self::Process => "process",
        })
    }
}

/// A call without an answer: the host stopped the plugin, or the plugin trapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {role} plugin of use case {use_case} (version {version}) {reason}")]
pub struct PluginError {
    pub use_case: String,
    pub role: Role,
    /// Version of the bundle; see [`crate::bundle::BundleSource::version`].
    pub version: String,
    pub reason: Stopped,
    /// The last lines that the guest wrote to stderr, oldest first. They have the message of a panic.
    pub stderr: Vec<String>,
}

/// The reason why a call ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The guest trapped: a panic, an unreachable instruction, a stack overflow.
    #[error("trapped: {0}")]
    Trap(String),
    #[error("did not answer within its timeout of {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The guest asked for more memory than the use case grants, in bytes.
    #[error("needed more memory than its limit of {} MiB", .0 / (1 << 20))]
    Memory(u64),
    /// The answer has more bytes than the host takes.
    #[error("answered with {size} bytes, more than the {limit} that are taken")]
    Output { size: u64, limit: u64 },
    /// The guest used more than another limit of a call. `what` is the noun after the number in the message.
    #[error("used more than its limit of {limit} {what}")]
    Limit { what: &'static str, limit: u64 },
    /// The host could not start the call: every slot is busy, a secret is out of reach, or the machine is out of memory.
    #[error("could not be started: {0}")]
    NotStarted(Box<HostFault>),
}

impl Stopped {
    /// Returns a stable word for programs, as in the `error` of a plugin test case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Timeout(_) => "timeout",
            Self::Memory(_) => "memory",
            Self::Output { .. } => "output",
            Self::Limit { .. } => "limit",
            Self::NotStarted(_) => "not-started",
        }
    }
}

impl PluginError {
    /// Returns the message and the place of a panic or an exception, if the language's runtime printed them to stderr; else the last
    /// line of stderr.
    pub fn panic_message(&self) -> Option<String> {
        let lines = &self.stderr;
        // Rust prints the place of a panic on one line and its message on the next. The runtime of componentize-py panics after a
        // Python exception; the exception is the cause.
        let place = lines.iter().position(|line| line.contains("panicked at"));
        let of_python = |place: usize| lines.get(place + 1).is_some_and(|message| message.contains("Python function threw"));
        if let Some(place) = place.filter(|place| !of_python(*place)) {
            return Some(lines[place..].iter().take(2).map(|line| line.trim()).collect::<Vec<_>>().join(" "));
        }
        let last = lines.iter().rfind(|line| !line.trim().is_empty())?;
        // Python: a traceback with the innermost frame last, then the exception. The source line of a frame is indented.
        if let Some(frame) = lines.iter().rposition(|line| is_python_frame(line)) {
            let exception = lines[frame + 1..].iter().find(|line| !line.is_empty() && !line.starts_with(' ')).unwrap_or(last);
            return Some(format!("{}: {}", lines[frame].trim(), exception.trim()));
        }
        // JavaScript: the exception, then the stack with the innermost frame first.
        if let Some(frame) = lines.iter().position(|line| is_javascript_frame(line)) {
            let message = lines[..frame].iter().rfind(|line| !matches!(line.trim(), "" | "Stack:"));
            return Some([message, Some(&lines[frame])].into_iter().flatten().map(|line| line.trim()).collect::<Vec<_>>().join(" "));
        }
        Some(last.clone())
    }
}

/// Matches `  File "app.py", line 12, in process`.
fn is_python_frame(line: &str) -> bool {
    line.trim_start().starts_with("File \"") && line.contains(", line ")
}

/// Matches `    at process (app.js:3:9)` and `process@app.js:3:9`.
fn is_javascript_frame(line: &str) -> bool {
    let line = line.trim();
    let mut parts = line.trim_end_matches(')').rsplitn(3, ':');
    let mut number = || parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    (line.starts_with("at ") || line.contains('@')) && number() && number()
}

#[cfg(test)]
mod tests;
