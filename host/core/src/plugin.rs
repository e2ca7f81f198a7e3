//! What host and plugins say to each other: the types of `wit/postdate.wit`, and how a call can go wrong.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host_fault::HostFault;

/// A request as a validator sees it. Times are RFC 3339 in UTC.
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

/// A validator's yes; each `None` keeps what the request said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    pub body: Option<String>,
    pub target: Option<String>,
    pub trigger_at: Option<String>,
}

/// One reason for a validator's no; also the shape in which the API returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// A stable word for programs.
    pub code: String,
    pub message: String,
}

/// An accepted request at its time, as a processor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    pub use_case: String,
    pub target: String,
    /// From 1.
    pub attempt: u32,
    /// RFC 3339, UTC.
    pub scheduled_for: String,
    pub body: String,
}

/// A processor's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    pub message: String,
    pub retry: bool,
    pub retry_after: Option<Duration>,
}

/// What a validator answered.
pub type Verdict = Result<Acceptance, Vec<Problem>>;
/// What a processor answered: the request's result, if any.
pub type JobResult = Result<Option<String>, JobFailure>;

/// Which of a use case's two plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// A call that the plugin did not answer: the host stopped it, or it stopped itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {role} plugin of use case {use_case} (version {version}) {reason}")]
pub struct PluginError {
    pub use_case: String,
    pub role: Role,
    /// Version of the bundle: see [`crate::bundle::BundleSource::version`].
    pub version: String,
    pub reason: Stopped,
    /// The last lines that the guest wrote to stderr, oldest first: where a panic's message is.
    pub stderr: Vec<String>,
}

/// Why a call ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The guest trapped: a panic, an unreachable instruction, a stack overflow.
    #[error("trapped: {0}")]
    Trap(String),
    #[error("did not answer within its timeout of {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// Asked for more memory than the use case grants, in bytes.
    #[error("needed more memory than its limit of {} MiB", .0 / (1 << 20))]
    Memory(u64),
    /// Answered with more bytes than the host takes.
    #[error("answered with {size} bytes, more than the {limit} that are taken")]
    Output { size: u64, limit: u64 },
    /// Used up something else of which each call has a bound; `what` reads on after the number.
    #[error("used more than its limit of {limit} {what}")]
    Limit { what: &'static str, limit: u64 },
    /// The host could not start the call at all: every slot is busy, a secret is out of reach, or the machine is out of memory.
    #[error("could not be started: {0}")]
    NotStarted(Box<HostFault>),
}

impl Stopped {
    /// A stable word for programs, as in the `error` of a plugin test case.
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
    /// The guest's last words: the message and the place of a panic or an exception, where its language's runtime printed
    /// them, else the last line.
    pub fn panic_message(&self) -> Option<String> {
        let lines = &self.stderr;
        // Rust prints the place of a panic on one line and its message on the next. Where the message is componentize-py's, the
        // panic is not the cause, but what its runtime makes of a Python exception.
        let place = lines.iter().position(|line| line.contains("panicked at"));
        let of_python = |place: usize| lines.get(place + 1).is_some_and(|message| message.contains("Python function threw"));
        if let Some(place) = place.filter(|place| !of_python(*place)) {
            return Some(lines[place..].iter().take(2).map(|line| line.trim()).collect::<Vec<_>>().join(" "));
        }
        let last = lines.iter().rfind(|line| !line.trim().is_empty())?;
        // Python: a traceback, the innermost frame last, and then the exception; the frame's source, if shown, is indented.
        if let Some(frame) = lines.iter().rposition(|line| is_python_frame(line)) {
            let exception = lines[frame + 1..].iter().find(|line| !line.is_empty() && !line.starts_with(' ')).unwrap_or(last);
            return Some(format!("{}: {}", lines[frame].trim(), exception.trim()));
        }
        // JavaScript: the exception, and then the stack, the innermost frame first.
        if let Some(frame) = lines.iter().position(|line| is_javascript_frame(line)) {
            let message = lines[..frame].iter().rfind(|line| !matches!(line.trim(), "" | "Stack:"));
            return Some([message, Some(&lines[frame])].into_iter().flatten().map(|line| line.trim()).collect::<Vec<_>>().join(" "));
        }
        Some(last.clone())
    }
}

/// `  File "app.py", line 12, in process`
fn is_python_frame(line: &str) -> bool {
    line.trim_start().starts_with("File \"") && line.contains(", line ")
}

/// `    at process (app.js:3:9)` or `process@app.js:3:9`
fn is_javascript_frame(line: &str) -> bool {
    let line = line.trim();
    let mut parts = line.trim_end_matches(')').rsplitn(3, ':');
    let mut number = || parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    (line.starts_with("at ") || line.contains('@')) && number() && number()
}

#[cfg(test)]
mod tests;
