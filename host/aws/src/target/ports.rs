//! What firing needs beyond the core's ports.

use chrono::{DateTime, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::id::CorrelationId;
use postdate_core::ports::{Changed, LedgerError, ScheduleError};
use postdate_core::request::Request;

/// The ledger, as who runs a request sees it.
pub trait Claims: Send + Sync {
    /// [`postdate_core::lifecycle::Change::Claim`], with the body in the same read where there is one.
    fn claim(&self, id: CorrelationId, now: DateTime<Utc>) -> impl Future<Output = Result<(Changed, Option<String>), LedgerError>> + Send;
}

/// The scheduler, as who is fired by it sees it.
pub trait Timing: Send + Sync {
    /// Has the envelope delivered again at `due`, from the delay queue. False where there is no queue, or `due` is
    /// further away than the queue can hold a message.
    fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>)
    -> impl Future<Output = Result<bool, ScheduleError>> + Send;

    /// Deletes a rule with its targets; one that is not there is deleted already.
    fn clean_rule(&self, name: &str) -> impl Future<Output = Result<(), ScheduleError>> + Send;
}

/// Tells people.
pub trait Notify: Send + Sync {
    /// A request has failed for good. The error is for the log: nothing else hangs on it.
    fn request_failed(&self, request: &Request) -> impl Future<Output = Result<(), String>> + Send;

    /// Puts what failed for good where operators look for it, and from where it can be sent again.
    fn dead_letter(&self, envelope: &Envelope, request: &Request) -> impl Future<Output = Result<(), String>> + Send;
}
