//! One run: requests that nobody works on any more, then rules that nobody needs any more.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::arm::is_direct;
use postdate_core::fire::FireError;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes, Claims, Clock, Deliver, LedgerError, Requests, UseCases};
use postdate_core::request::{Request, Status};
use serde_json::json;

use crate::firing::Firing;
use crate::ports::{Backlog, LeftRule, Notify, Timing};

/// How long after its time a request is left to the rule or the message that is on its way.
const PATIENCE: TimeDelta = TimeDelta::minutes(3);
/// Where a rule's time is past by the longest age of its event and so much more, nothing comes of it.
const AFTER_EVENT: TimeDelta = TimeDelta::minutes(5);

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
pub struct Sweep<'a, U, L, S, D, N, C> {
    pub host: &'a Firing<U, L, S, D, N, C>,
    pub limits: Limits,
}

impl<U, L, S, D, N, C> Sweep<'_, U, L, S, D, N, C>
where
    U: UseCases,
    L: Claims + Requests + Changes + Backlog,
    S: Timing,
    D: Deliver,
    N: Notify,
    C: Clock,
{
    /// Goes on past what fails: one request that cannot be mended does not keep the others waiting.
    pub async fn run(&self) -> Report {
        let mut report = Report::default();
        let now = self.host.clock.now();
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
        // The index may be a moment behind the table, so the table decides.
        let Some((request, _)) = self.host.ledger.find(id).await? else { return Ok(()) };
        match request.status {
            Status::Running if request.lease_until.is_none_or(|until| until <= now) => {
                self.host.with(&self.host.aftercare(None)).release(&request, "its lease ran out").await?;
                report.released += 1;
                if let Some((request, _)) = self.host.ledger.find(id).await?
                    && request.status == Status::Scheduled
                {
                    // Only its settling claims a direct one: it has been delivered.
                    if self.is_direct(&request).await? {
                        self.settle(&request, now, report).await?;
                    } else {
                        self.rearm(&request).await?;
                    }
                }
                Ok(())
            }
            Status::Scheduled if request.due_at <= now - PATIENCE => match self.is_direct(&request).await? {
                true if now - request.due_at < self.event_age() => Ok(()),
                true => self.settle(&request, now, report).await.map_err(FireError::from),
                false => {
                    self.rearm(&request).await?;
                    report.rearmed += 1;
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    /// Fires it now, at the host that it is for. The claim keeps it from running twice.
    async fn rearm(&self, request: &Request) -> Result<(), FireError> {
        tracing::warn!(correlation_id = %request.id, due_at = %request.due_at, "overdue: fired again");
        self.host.arm(request).await
    }

    async fn is_direct(&self, request: &Request) -> Result<bool, FireError> {
        Ok(is_direct(&self.host.use_cases, request).await?)
    }

    fn event_age(&self) -> TimeDelta {
        TimeDelta::from_std(self.limits.max_event_age).unwrap_or(TimeDelta::days(1)) + AFTER_EVENT
    }

    /// The end of a request that no host of ours sees: handed over, and what came of it is not known here.
    async fn settle(&self, request: &Request, now: DateTime<Utc>, report: &mut Report) -> Result<(), LedgerError> {
        let (changed, _) = self.host.ledger.claim(request.id, |request| request.lease, now).await?;
        let Changed::Done(claimed) = changed else { return Ok(()) };
        let result = json!({ "delivery": "direct", "outcome": "unknown: the rule pointed at the target itself" }).to_string();
        let outcome = Outcome::Succeeded { result: Some(result), notice: None };
        self.host.ledger.change(request.id, Change::Finish { claim: claimed.claim(), outcome }, now).await?;
        report.settled += 1;
        Ok(())
    }

    async fn clean_rules(&self, now: DateTime<Utc>, report: &mut Report) -> anyhow::Result<()> {
        let mut rules = self.host.scheduler.left_rules().await?;
        report.rules = rules.len();
        rules.sort_by(|one, other| one.name.cmp(&other.name));
        // From where the last run stopped, round to there again.
        let cursor = self.host.ledger.cursor().await?;
        let start = rules.partition_point(|rule| rule.name <= cursor);
        rules.rotate_left(start);
        let mut last = "";
        for (seen, rule) in rules.iter().enumerate() {
            if seen >= self.limits.rules || self.is_over() {
                report.more = true;
                break;
            }
            last = &rule.name;
            match self.is_left_over(rule, now).await {
                Ok(false) => {}
                Ok(true) => self.remove(rule, report).await,
                Err(error) => {
                    tracing::error!(rule = rule.name, %error, "cannot tell whether the rule is still needed");
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
    async fn is_left_over(&self, rule: &LeftRule, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        let (Some(id), Some(at)) = (rule.id, rule.at) else { return Ok(false) };
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

    async fn remove(&self, rule: &LeftRule, report: &mut Report) {
        match self.host.scheduler.clean_rule(&rule.name).await {
            Ok(()) => {
                tracing::info!(rule = rule.name, "cleaned");
                report.cleaned += 1;
            }
            Err(error) => {
                tracing::error!(rule = rule.name, %error, "cannot clean the rule");
                report.not_cleaned += 1;
                if let Err(error) = self.host.notifier.rule_not_cleaned(rule, &error.to_string()).await {
                    tracing::error!(rule = rule.name, error, "cannot notify of a rule that is left over");
                }
            }
        }
    }
}
