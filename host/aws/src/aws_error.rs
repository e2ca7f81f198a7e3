//! A call to an AWS service that failed, classified by what the caller can do about it.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;
use postdate_core::ports::{LedgerError, ScheduleError};

/// Longest part of a service's message that is kept, in characters.
const MAX_MESSAGE_CHARACTERS: usize = 300;
/// `Retry-After` of an answer after a used-up quota. The janitor deletes rules every few minutes, which frees the quota.
const FULL_RETRY_AFTER: Duration = Duration::from_mins(1);

/// The kinds of failure, by what the caller can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again soon: throttled, a 5xx, a broken connection, a time-out, two writers at once. The call may have succeeded.
    Again,
    /// Try again much later: this process's credentials have expired, and only a new process gets new ones.
    Later,
    /// A quota is used up.
    Full,
    /// The named resource does not exist.
    Missing,
    /// The call is not allowed or not valid; a repetition would be refused too.
    Refused,
}

/// A failed call: the API action, and the service's code and message, without the content that the call carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The API action, such as `PutRule`.
    pub call: &'static str,
    pub class: Class,
    pub code: String,
    pub message: String,
}

impl AwsError {
    /// Describes the failure of a whole call.
    pub fn of<E: ProvideErrorMetadata>(call: &'static str, error: &SdkError<E, HttpResponse>) -> Self {
        let own = |class, code: &str, message: &str| Self { call, class, code: code.to_owned(), message: message.to_owned() };
        match error {
            SdkError::TimeoutError(_) => own(Class::Again, "timeout", "no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => own(Class::Again, "timeout", "no connection in time"),
            SdkError::DispatchFailure(_) => own(Class::Again, "connection", "the service could not be reached"),
            SdkError::ResponseError(_) => own(Class::Again, "connection", "the answer could not be read"),
            SdkError::ServiceError(_) => {
                let status = error.raw_response().map_or(0, |response| response.status().as_u16());
                // An error of a proxy has no code.
                let code = error.code().map_or_else(|| format!("HTTP {status}"), str::to_owned);
                let class = classify(&code, status);
                Self { call, class, code, message: presentable(error.message().unwrap_or_default()) }
            }
            // Credentials are missing, or the arguments do not form a request.
            _ => own(Class::Refused, "client", "the call could not be made: check credentials and configuration"),
        }
    }

    /// Describes arguments from which the SDK cannot build a call.
    pub fn invalid(call: &'static str, error: &BuildError) -> Self {
        Self { call, class: Class::Refused, code: "client".to_owned(), message: error.to_string() }
    }

    /// Returns whether the service refused the call because too many arrive.
    pub fn is_throttled(&self) -> bool {
        self.class == Class::Again && is_rate(&self.code)
    }

    /// Describes one failed entry of a call that otherwise succeeded.
    pub fn of_entry(call: &'static str, code: Option<&str>, message: Option<&str>) -> Self {
        let code = code.unwrap_or("no code");
        Self { call, class: classify(code, 200), code: code.to_owned(), message: presentable(message.unwrap_or_default()) }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.code)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl std::error::Error for AwsError {}

impl From<AwsError> for ScheduleError {
    fn from(error: AwsError) -> Self {
        let message = error.to_string();
        match error.class {
            Class::Again | Class::Later => Self::Unavailable { message, retry_after: None },
            Class::Full => Self::Unavailable { message, retry_after: Some(FULL_RETRY_AFTER) },
            Class::Missing | Class::Refused => Self::Failed(message),
        }
    }
}

impl From<AwsError> for LedgerError {
    fn from(error: AwsError) -> Self {
        match error.class {
            Class::Again | Class::Later => Self::Unavailable(error.to_string()),
            Class::Full | Class::Missing | Class::Refused => Self::Failed(error.to_string()),
        }
    }
}

#[expect(clippy::match_same_arms, reason = "each line is a kind of failure of its own")]
fn classify(code: &str, status: u16) -> Class {
    // The query protocol puts the service in front: `AWS.SimpleQueueService.NonExistentQueue`.
    let name = code.rsplit('.').next().unwrap_or(code);
    match name {
        "ConcurrentModificationException" | "ConcurrentAccess" | "ConcurrentAccessException" => Class::Again,
        "ProvisionedThroughputExceededException" | "TransactionConflictException" | "TransactionInProgressException" => Class::Again,
        // Lambda makes a function inactive after weeks without a call; the next call reactivates it.
        "ResourceConflictException" | "SnapStartNotReadyException" | "SnapStartTimeoutException" | "EFSMountTimeoutException" => {
            Class::Again
        }
        // The names resemble those of used-up quotas below, but a rate recovers by itself.
        _ if is_rate(name) => Class::Again,
        "SlowDown" | "RequestTimeout" | "RequestTimeoutException" => Class::Again,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Class::Later,
        "LimitExceededException" | "ServiceQuotaExceededException" | "ExecutionLimitExceeded" | "OverLimit" => Class::Full,
        "ResourceNotFoundException"
        | "NonExistentQueue"
        | "QueueDoesNotExist"
        | "NotFound"
        | "NotFoundException"
        | "StateMachineDoesNotExist" => Class::Missing,
        "InternalException"
        | "InternalFailure"
        | "InternalError"
        | "InternalErrorException"
        | "InternalServerException"
        | "InternalServerError"
        | "ServiceException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Class::Again,
        _ if status == 429 || status >= 500 => Class::Again,
        _ => Class::Refused,
    }
}

fn is_rate(code: &str) -> bool {
    code.contains("Throttl") || matches!(code, "RequestLimitExceeded" | "TooManyRequestsException" | "HTTP 429")
}

/// Returns the message on one line of bounded length. Leaves out the value that a validation error quotes, which may be
/// the payload, and ARNs, which name account, roles and tables: clients read the message.
fn presentable(message: &str) -> String {
    let shown = |word: &str| match word.find("arn:") {
        Some(start) => format!("{}…", &word[..start]),
        None => word.to_owned(),
    };
    let mut text: String = message.split_whitespace().map(shown).collect::<Vec<_>>().join(" ");
    if let (Some(start), Some(end)) = (text.find("Value '"), text.rfind("' at '"))
        && start + "Value '".len() <= end
    {
        text.replace_range(start + "Value '".len()..end, "…");
    }
    match text.char_indices().nth(MAX_MESSAGE_CHARACTERS) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
