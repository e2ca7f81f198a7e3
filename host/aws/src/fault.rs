//! What an AWS service, or the way to it, said no with; sorted by what is to be done about it.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Characters of a service's message that are kept.
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// What is to be done about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again soon: throttled, a 5xx, a connection that broke, a time-out, two writers at once. It may have been done.
    Again,
    /// Try again much later: this process's credentials have run out, and only another one has new ones.
    Later,
    /// A quota is used up.
    Full,
    /// What was named is not there.
    Missing,
    /// It would be refused again: not allowed, not valid.
    Refused,
}

/// A call that failed. Says the call, and the service's code and message, without what the call carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The API action, such as `PutRule`.
    pub call: &'static str,
    pub class: Class,
    pub code: String,
    pub message: String,
}

impl Fault {
    /// Of the answer to a whole call.
    pub fn of<E: ProvideErrorMetadata>(call: &'static str, error: &SdkError<E, HttpResponse>) -> Self {
        let own = |class, code: &str, message: &str| Self { call, class, code: code.to_owned(), message: message.to_owned() };
        match error {
            SdkError::TimeoutError(_) => own(Class::Again, "timeout", "no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => own(Class::Again, "timeout", "no connection in time"),
            SdkError::DispatchFailure(_) => own(Class::Again, "connection", "the service could not be reached"),
            SdkError::ResponseError(_) => own(Class::Again, "connection", "the answer could not be read"),
            SdkError::ServiceError(_) => {
                let status = error.raw_response().map_or(0, |response| response.status().as_u16());
                // Errors made by something between here and the service have no code.
                let code = error.code().map_or_else(|| format!("HTTP {status}"), str::to_owned);
                let class = classify(&code, status);
                Self { call, class, code, message: presentable(error.message().unwrap_or_default()) }
            }
            // Credentials that are not there, or arguments that make no request.
            _ => own(Class::Refused, "client", "the call could not be made: check credentials and configuration"),
        }
    }

    /// Of one entry of a call that otherwise succeeded.
    pub fn of_entry(call: &'static str, code: Option<&str>, message: Option<&str>) -> Self {
        let code = code.unwrap_or("no code");
        Self { call, class: classify(code, 200), code: code.to_owned(), message: presentable(message.unwrap_or_default()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.code)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl std::error::Error for Fault {}

#[expect(clippy::match_same_arms, reason = "each line is a kind of fault of its own")]
fn classify(code: &str, status: u16) -> Class {
    // The query protocol's codes have the service in front: `AWS.SimpleQueueService.NonExistentQueue`.
    let name = code.rsplit('.').next().unwrap_or(code);
    match name {
        "ConcurrentModificationException" | "ConcurrentAccess" | "ConcurrentAccessException" => Class::Again,
        // A function that has not been called for weeks wakes up first.
        "ResourceConflictException" | "SnapStartNotReadyException" | "SnapStartTimeoutException" | "EFSMountTimeoutException" => {
            Class::Again
        }
        // Kept apart from throttling, whose names are much alike: a rate recovers by itself.
        "RequestLimitExceeded" | "SlowDown" | "RequestTimeout" | "RequestTimeoutException" | "TooManyRequestsException" => Class::Again,
        _ if name.contains("Throttl") => Class::Again,
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

/// One line of bounded length; without the value that a validation error quotes, since that may be the payload, and
/// without ARNs: clients read it, and what is refused names account, roles and tables.
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
