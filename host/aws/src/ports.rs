//! What firing and cleaning need beyond the core's ports.

use chrono::{DateTime, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::id::CorrelationId;
use postdate_core::ports::{LedgerError, ScheduleError, Scheduler};
use postdate_core::request::Request;

/// The scheduler, as the host sees it that is fired by it.
pub trait Timing: Scheduler {
    /// Has the envelope delivered again at `due`, from the delay queue. Returns false where there is no queue, or `due` is further away
    /// than the queue can hold a message.
    fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>)
    -> impl Future<Output = Result<bool, ScheduleError>> + Send;

    /// Deletes a rule with its targets; idempotent.
    fn clean_rule(&self, name: &str) -> impl Future<Output = Result<(), ScheduleError>> + Send;

    /// Lists the rules of this deployment's prefix that no AWS service manages. Schedules delete themselves.
    fn left_rules(&self) -> impl Future<Output = Result<Vec<LeftRule>, ScheduleError>> + Send;
}

/// A rule whose name has our prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRule {
    pub name: String,
    /// The request that it is for; none where the name only looks like ours, in which case the rule is left alone.
    pub id: Option<CorrelationId>,
    /// When it fires, or fired; none where its expression cannot be read.
    pub at: Option<DateTime<Utc>>,
}

/// Notifies operators. An error is for the log: nothing depends on it.
pub trait Notify: Send + Sync {
    /// Publishes that a request has failed for good.
    fn request_failed(&self, request: &Request) -> impl Future<Output = Result<(), String>> + Send;

    /// Puts a request that has failed for good into the dead-letter queue, from where it can be sent again.
    fn dead_letter(&self, envelope: &Envelope, request: &Request) -> impl Future<Output = Result<(), String>> + Send;

    /// Publishes that a rule could not be deleted.
    fn rule_not_cleaned(&self, rule: &LeftRule, reason: &str) -> impl Future<Output = Result<(), String>> + Send;
}

/// The ledger as the janitor sees it.
pub trait Backlog: Send + Sync {
    /// Returns scheduled requests that were due, and running ones whose lease ended, before `before`: oldest first.
    fn overdue(&self, before: DateTime<Utc>, limit: usize) -> impl Future<Output = Result<Vec<CorrelationId>, LedgerError>> + Send;

    /// Returns where the last run stopped among the rules; empty at the beginning.
    fn cursor(&self) -> impl Future<Output = Result<String, LedgerError>> + Send;
    fn set_cursor(&self, cursor: &str) -> impl Future<Output = Result<(), LedgerError>> + Send;
}
