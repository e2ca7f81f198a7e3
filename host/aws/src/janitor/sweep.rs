//! One run: requests that nobody works on any more, then rules that nobody needs any more.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::accept::{ArmError, arm, is_direct};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes, Deliver, Intake, LedgerError, Requests, ScheduleError, Scheduler, UseCases};
use postdate_core::request::{Request, Status};
use serde_json::json;

use crate::target::{Claims, FireError, Firing, Notify, Timing};

/// How long after its time a request is left to the rule or the message that is on its way.
const PATIENCE: TimeDelta = TimeDelta::minutes(3);
/// Where a rule's time is past by the longest age of its event and so much more, nothing comes of it.
const AFTER_EVENT: TimeDelta = TimeDelta::minutes(5);

/// The ledger, as who looks for what was left behind sees it.
pub trait Book: Send + Sync {
    /// Scheduled requests that were due, and running ones whose lease ended, before `before`: oldest first.
    fn overdue(&self, before: DateTime<Utc>, limit: usize) -> impl Future<Output = Result<Vec<CorrelationId>, LedgerError>> + Send;

    /// Where the last run stopped among the rules; empty at the beginning.
    fn cursor(&self) -> impl Future<Output = Result<String, LedgerError>> + Send;
    fn set_cursor(&self, cursor: &str) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// A rule, or a schedule, whose name has our prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub name: String,
    /// The request that it is for; none where the name only looks like ours, which is left alone.
    pub id: Option<CorrelationId>,
    /// When it fires, or fired; none where that cannot be read.
    pub at: Option<DateTime<Utc>>,
}

/// The rules and schedules of our prefix; never a managed one.
pub trait Timers: Send + Sync {
    fn list(&self) -> impl Future<Output = Result<Vec<Timer>, ScheduleError>> + Send;
    fn remove(&self, timer: &Timer) -> impl Future<Output = Result<(), ScheduleError>> + Send;
    /// Tells people of a rule that is still there.
    fn not_cleaned(&self, timer: &Timer, reason: &str) -> impl Future<Output = Result<(), String>> + Send;
}

/// What bounds a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub requests: usize,
    pub rules: usize,
    pub deadline: Instant,
    /// How long EventBridge tries to deliver an event.
    pub max_event_age: Duration,
}

/// What a run has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Rules there were, of our prefix.
    pub rules: usize,
    pub cleaned: usize,
    pub not_cleaned: usize,
    /// Requests whose lease had run out.
    pub released: usize,
    /// Requests that were due and had not been fired.
    pub rearmed: usize,
    /// Requests of direct targets whose time is over.
    pub settled: usize,
    /// Requests and rules that could not be looked at.
    pub errors: usize,
    /// There was more to do than one run does; the next one goes on.
    pub more: bool,
}

/// One run over the ports of a host.
pub struct Sweep<'a, U, L, S, D, N> {
    pub host: &'a Firing<U, L, S, D, N>,
    pub limits: Limits,
}

impl<U, L, S, D, N> Sweep<'_, U, L, S, D, N>
where
    U: UseCases,
    L: Claims + Intake + Requests + Changes + Book,
    S: Scheduler + Timing + Timers,
    D: Deliver,
    N: Notify,
{
    /// Goes on past what fails: one request that cannot be mended does not keep the others waiting.
    pub async fn run(&self) -> Report {
        let mut report = Report::default();
        let now = (self.host.now)();
        match self.host.ledger.overdue(now - PATIENCE, self.limits.requests).await {
            Ok(ids) => {
                report.more |= ids.len() >= self.limits.requests;
                for id in ids {
                    if self.is_over() {
                        report.more = true;
                        break;
                    }
                    if let Err(error) = self.mend(id, now, &mut report).await {
                        tracing::error!(correlation_id = %id, %error, "cannot mend the request");
                        report.errors += 1;
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "cannot look for overdue requests");
                report.errors += 1;
            }
        }
        if let Err(error) = self.clean_rules(now, &mut report).await {
            tracing::error!(%error, "cannot look for rules that are left over");
            report.errors += 1;
        }
        report
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.limits.deadline
    }

    async fn mend(&self, id: CorrelationId, now: DateTime<Utc>, report: &mut Report) -> Result<(), FireError> {
        let failed = |source| FireError::Ledger { id, source };
        // The index may be a moment behind the table, so the table decides.
        let Some((request, _)) = self.host.ledger.find(id).await.map_err(failed)? else { return Ok(()) };
        match request.status {
            Status::Running if request.lease_until.is_none_or(|until| until <= now) => {
                self.host.release(&request, now).await?;
                report.released += 1;
                if let Some((request, _)) = self.host.ledger.find(id).await.map_err(failed)?
                    && request.status == Status::Scheduled
                {
                    // Only its settling claims a direct one: it has been delivered.
                    if self.is_direct(&request).await? {
                        self.settle(&request, now, report).await.map_err(failed)?;
                    } else {
                        self.rearm(&request).await?;
                    }
                }
                Ok(())
            }
            Status::Scheduled if request.due_at <= now - PATIENCE => match self.is_direct(&request).await? {
                true if now - request.due_at < self.event_age() => Ok(()),
                true => self.settle(&request, now, report).await.map_err(failed),
                false => {
                    self.rearm(&request).await?;
                    report.rearmed += 1;
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    /// Fires it now, at the host that it is for; that it may be fired twice so is what claims are for.
    async fn rearm(&self, request: &Request) -> Result<(), FireError> {
        let id = request.id;
        tracing::warn!(correlation_id = %id, due_at = %request.due_at, "overdue: fired again");
        arm(&self.host.use_cases, &self.host.ledger, &self.host.scheduler, request).await.map_err(|error| match error {
            ArmError::Ledger(source) => FireError::Ledger { id, source },
            ArmError::Schedule(source) => FireError::Schedule { id, source },
        })
    }

    async fn is_direct(&self, request: &Request) -> Result<bool, FireError> {
        is_direct(&self.host.use_cases, request).await.map_err(|source| FireError::Schedule { id: request.id, source })
    }

    fn event_age(&self) -> TimeDelta {
        TimeDelta::from_std(self.limits.max_event_age).unwrap_or(TimeDelta::days(1)) + AFTER_EVENT
    }

    /// The end of a request that no host of ours sees: handed over, and what came of it is not known here.
    async fn settle(&self, request: &Request, now: DateTime<Utc>, report: &mut Report) -> Result<(), LedgerError> {
        let (changed, _) = self.host.ledger.claim(request.id, now).await?;
        let Changed::Done(claimed) = changed else { return Ok(()) };
        let result = json!({ "delivery": "direct", "outcome": "unknown: the rule pointed at the target itself" }).to_string();
        let outcome = Outcome::Succeeded { result: Some(result), notice: None };
        self.host.ledger.change(request.id, Change::Finish { attempt: claimed.attempts, outcome }, now).await?;
        report.settled += 1;
        Ok(())
    }

    async fn clean_rules(&self, now: DateTime<Utc>, report: &mut Report) -> anyhow::Result<()> {
        let mut timers = self.host.scheduler.list().await?;
        report.rules = timers.len();
        timers.sort_by(|one, other| one.name.cmp(&other.name));
        // From where the last run stopped, round to there again.
        let cursor = self.host.ledger.cursor().await?;
        let start = timers.partition_point(|timer| timer.name <= cursor);
        timers.rotate_left(start);
        let mut last = "";
        for (seen, timer) in timers.iter().enumerate() {
            if seen >= self.limits.rules || self.is_over() {
                report.more = true;
                break;
            }
            last = &timer.name;
            match self.is_left_over(timer, now).await {
                Ok(false) => {}
                Ok(true) => self.remove(timer, report).await,
                Err(error) => {
                    tracing::error!(rule = timer.name, %error, "cannot tell whether the rule is still needed");
                    report.errors += 1;
                }
            }
        }
        if last != cursor {
            self.host.ledger.set_cursor(last).await?;
        }
        Ok(())
    }

    /// Its request is over; or its own time is.
    async fn is_left_over(&self, timer: &Timer, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        let (Some(id), Some(at)) = (timer.id, timer.at) else { return Ok(false) };
        if at + self.event_age() < now {
            return Ok(true);
        }
        match self.host.ledger.find(id).await? {
            Some((request, _)) => Ok(!matches!(request.status, Status::Scheduled | Status::Running)),
            // The rule comes after the ledger's entry, so this one's entry has expired; or it is that of another deployment,
            // whose prefix begins with ours, and is not ours to remove before it has fired.
            None => Ok(at + PATIENCE < now),
        }
    }

    async fn remove(&self, timer: &Timer, report: &mut Report) {
        match self.host.scheduler.remove(timer).await {
            Ok(()) => {
                tracing::info!(rule = timer.name, "cleaned");
                report.cleaned += 1;
            }
            Err(error) => {
                tracing::error!(rule = timer.name, %error, "cannot clean the rule");
                report.not_cleaned += 1;
                if let Err(error) = self.host.scheduler.not_cleaned(timer, &error.to_string()).await {
                    tracing::error!(rule = timer.name, error, "cannot notify of a rule that is left over");
                }
            }
        }
    }
}
