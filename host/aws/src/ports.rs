//! The ports that the target host and the janitor need beyond the core's.

use chrono::{DateTime, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::Change;
use postdate_core::limits::places::{Manner, Waiter};
use postdate_core::limits::{Rate, RateSlot};
use postdate_core::ports::{Changed, LedgerError, ScheduleError, Scheduler};
use postdate_core::request::Request;

use crate::aws_error::AwsError;

/// The scheduler as the target host and the janitor use it.
pub trait Timing: Scheduler {
    /// Sends the envelope to the delay queue, which delivers it at `due`. Returns false if there is no queue, or if `due` is further
    /// away than the queue's longest delay.
    fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>)
    -> impl Future<Output = Result<bool, ScheduleError>> + Send;

    /// Returns whether there is a delay queue.
    fn parks(&self) -> bool;

    /// Deletes a rule with its targets; idempotent.
    fn clean_rule(&self, name: &str) -> impl Future<Output = Result<(), ScheduleError>> + Send;

    /// Returns whether the event of a direct request was sent, or may be sent at any moment. Its rule or schedule shows it, which must
    /// therefore stay until the request has ended.
    fn was_sent(&self, request: &Request, now: DateTime<Utc>) -> impl Future<Output = Result<bool, ScheduleError>> + Send;

    /// Lists the rules of this deployment's prefix that no AWS service manages. Schedules of requests that hosts run delete themselves.
    fn left_rules(&self) -> impl Future<Output = Result<Vec<LeftRule>, ScheduleError>> + Send;
}

/// A rule whose name begins with the deployment's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRule {
    pub name: String,
    /// The request that the rule fires. `None` if the name does not contain a correlation id; the janitor never deletes such a rule.
    pub id: Option<CorrelationId>,
    /// Time at which the rule fires or fired. `None` if its schedule expression cannot be parsed.
    pub at: Option<DateTime<Utc>>,
}

/// Notifies operators.
pub trait Notify: Send + Sync {
    /// Publishes that a request has failed for good or expired.
    fn request_failed(&self, request: &Request) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// Puts a request that has failed for good or expired into the dead-letter queue, from which it can be redriven.
    fn dead_letter(&self, envelope: &Envelope, request: &Request) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// Publishes that a rule could not be deleted.
    fn rule_not_cleaned(&self, rule: &LeftRule, reason: &str) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// The notifications of a request's failure or expiry that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notified {
    /// [`Notify::request_failed`]
    pub topic: bool,
    /// [`Notify::dead_letter`]
    pub letter: bool,
}

impl Notified {
    pub const ALL: Self = Self { topic: true, letter: true };
}

/// The place of an open request in the index that the janitor reads: the time from which the request needs a look, then its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wake {
    pub at: DateTime<Utc>,
    pub id: CorrelationId,
}

/// The ledger's open requests: those that have not ended, and those whose failure or expiry operators were not notified of.
pub trait Backlog: Send + Sync {
    /// Returns the notifications that were sent since the request failed or expired; all of them for any other request.
    fn notified(&self, id: CorrelationId) -> impl Future<Output = Result<Notified, LedgerError>> + Send;

    /// Records the notifications that were sent of this failure. With all of them the request is no longer open. Does nothing if the
    /// request was retried since.
    fn set_notified(&self, failed: &Request, notified: Notified) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Returns up to `limit` open requests whose wake time is before `before`, oldest first; only those after `after`, if given. A
    /// scheduled request wakes at its `due_at`. A claim moves the wake time only if the lease ends before it, so that a claim writes no
    /// index: a running request is found before its lease ends, and the caller postpones it. The index lags behind the table.
    fn overdue(
        &self,
        before: DateTime<Utc>,
        after: Option<Wake>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Wake>, LedgerError>> + Send;

    /// Moves the wake time of an open request from `seen` to `to`, so that requests behind it are found first, and changes nothing else.
    /// Returns false, without a write, if the request has another wake time by now, or has ended. A change of the request sets its own
    /// wake time, also after this.
    fn postpone_wake(&self, seen: Wake, to: DateTime<Utc>) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Returns the name of the last rule that the previous run examined; empty before the first run.
    fn cursor(&self) -> impl Future<Output = Result<String, LedgerError>> + Send;
    fn set_cursor(&self, cursor: &str) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// A request, its body if the same read has it, and the request as it was read.
pub type Read<Snapshot> = (Request, Option<String>, Snapshot);

/// The ledger's reads for a change that depends on the request.
pub trait Snapshots: Send + Sync {
    /// A request as it was read.
    type Snapshot: Send;

    /// Returns `None` for an unknown request.
    fn snapshot(&self, id: CorrelationId) -> impl Future<Output = Result<Option<Read<Self::Snapshot>>, LedgerError>> + Send;

    /// Makes a change as [`Changes::change`](postdate_core::ports::Changes::change) does, without a read if the request is still as in the
    /// snapshot.
    fn change_snapshot(
        &self,
        snapshot: Self::Snapshot,
        change: Change,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Changed, LedgerError>> + Send;
}

/// One of the places of a target's `concurrency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPlace {
    pub name: String,
    /// Number of the target's places, when this one was taken.
    pub of: u32,
}

/// A request that asks for a place.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    pub waiter: Waiter,
    /// Number of the target's places.
    pub places: u32,
    /// End of the place's lease.
    pub until: DateTime<Utc>,
    pub manner: Manner,
}

/// A request that a place was handed over to. It must be woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Woken {
    pub id: CorrelationId,
    /// The place, which is kept for the request for some seconds.
    pub place: TargetPlace,
}

/// The answer to a request that asks for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub place: Option<TargetPlace>,
    /// Without a place: the request is in the line, so it is woken when a place is free.
    pub in_line: bool,
    pub woken: Vec<Woken>,
}

/// The counts of limited targets, which all functions share.
pub trait Counters: Send + Sync {
    /// Reserves the first free slot of a target's rate from `now` on. No two calls return the same one. Returns `None`, and reserves
    /// nothing, if that slot does not begin before `until`.
    fn reserve(
        &self,
        use_case: &str,
        target: &str,
        rate: Rate,
        now: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    ) -> impl Future<Output = Result<Option<RateSlot>, LedgerError>> + Send;

    /// Takes one of a target's places for a request, and hands other free places over to the requests that were due before it.
    fn take_place(
        &self,
        use_case: &str,
        target: &str,
        asking: Asking,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Answered, LedgerError>> + Send;

    /// Takes the place that is kept for a request, until `until`. Returns `None` if it is kept no longer.
    fn take_kept(
        &self,
        use_case: &str,
        target: &str,
        kept: &TargetPlace,
        until: DateTime<Utc>,
    ) -> impl Future<Output = Result<Option<TargetPlace>, LedgerError>> + Send;

    /// Gives a place back; idempotent. Hands it over to the first request of the line, which is returned.
    fn leave_place(
        &self,
        use_case: &str,
        target: &str,
        place: &TargetPlace,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<Woken>, LedgerError>> + Send;
}
