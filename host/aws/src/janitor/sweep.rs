//! One run of the janitor: first the overdue requests, then the orphaned rules.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::arm::is_direct;
use postdate_core::fire::FireError;
use postdate_core::ports::{Changed, Changes, Claims, Clock, Deliver, LedgerError, Requests, UseCases};
use postdate_core::request::{DELIVERED_TO_BUS, Request, Status};
use postdate_core::time::rfc3339;

use crate::firing::{FiringPorts, reason};
use crate::ports::{Backlog, LeftRule, Notify, Timing, Wake};

/// Time after `due_at` in which a rule or a message may still deliver the request. The janitor waits that long.
const PATIENCE: TimeDelta = TimeDelta::minutes(3);
/// Margin that is added to the longest age of an event. After both, EventBridge can no longer deliver the event.
const AFTER_EVENT: TimeDelta = TimeDelta::minutes(5);
/// Bounds of the time until the janitor looks at a request again that it scheduled again or could not mend: as long as the request is late
/// already, within these bounds. Until then the request is not in the way of others.
const AGAIN: (TimeDelta, TimeDelta) = (TimeDelta::minutes(5), TimeDelta::hours(1));
/// The part of a run's time, in quarters, that is for requests. The rest is for rules, which would otherwise fill the bus.
const QUARTERS_FOR_REQUESTS: u32 = 3;

/// The bounds of a run.
#[derive(Debug, Clone, Copy)]
pub struct SweepLimits {
    /// Requests in one page of overdue ones. A run reads page after page.
    pub page: usize,
    /// Most rules that a run examines.
    pub rules: usize,
    /// A run begins nothing new after this time.
    pub deadline: Instant,
    /// Longest time for which EventBridge tries to deliver an event.
    pub max_event_age: Duration,
}

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// Rules with the deployment's prefix, examined or not.
    pub rules: usize,
    pub cleaned: usize,
    pub not_cleaned: usize,
    /// Running requests that were released because their lease had run out.
    pub released: usize,
    /// Overdue requests that were ended, because no attempt began in time.
    pub expired: usize,
    /// Overdue requests that were scheduled again.
    pub rearmed: usize,
    /// Requests of direct targets that were ended, because their event can no longer be delivered.
    pub settled: usize,
    /// Failed or expired requests of which operators were notified late.
    pub notified: usize,
    /// Requests that could not be mended, by reason. They are looked at again later.
    pub not_mended: BTreeMap<&'static str, usize>,
    /// Failures that concern no single request: pages of overdue requests, and rules, that could not be examined.
    pub errors: usize,
    /// The run reached a limit before it was done; the next run continues.
    pub more: bool,
}

/// The result of a look at an overdue request.
enum Look {
    /// The request was changed, which set its wake time.
    Done,
    /// Nothing is to be done before this time.
    Until(DateTime<Utc>),
}

/// Failure of a direct request whose delivery nothing shows.
const NOT_SENT: &str = "no rule or schedule shows that EventBridge sent the event, or its redrive was interrupted: redrive the letter if the target has not got it";

/// The reason why a request could not be mended.
#[derive(Debug, thiserror::Error)]
enum NotMended {
    #[error(transparent)]
    Fire(#[from] FireError),
    #[error("operators could not be notified of the end of the request")]
    NotNotified,
}

impl From<LedgerError> for NotMended {
    fn from(error: LedgerError) -> Self {
        Self::Fire(error.into())
    }
}

impl NotMended {
    /// Returns a stable word.
    fn reason(&self) -> &'static str {
        match self {
            Self::Fire(error) => reason(error),
            Self::NotNotified => "operators-not-notified",
        }
    }
}

/// One run of the janitor over the ports of `host`.
pub struct Sweep<'a, U, L, S, D, N, C> {
    pub host: &'a FiringPorts<U, L, S, D, N, C>,
    pub limits: SweepLimits,
}

impl<U: UseCases, L: Claims + Requests + Changes + Backlog, S: Timing, D: Deliver, N: Notify, C: Clock> Sweep<'_, U, L, S, D, N, C> {
    /// Runs once. Logs and counts an error and continues, so that one broken request does not block the others.
    pub async fn run(&self) -> SweepReport {
        let mut report = SweepReport::default();
        let now = self.host.clock.now();
        if let Err(error) = self.mend_all(now, &mut report).await {
            tracing::error!(%error, "cannot list the overdue requests");
            report.errors += 1;
        }
        if let Err(error) = self.clean_rules(now, &mut report).await {
            tracing::error!(%error, "cannot clean up the orphaned rules");
            report.errors += 1;
        }
        report
    }

    /// Looks at the overdue requests, oldest first, until the time for requests is over.
    async fn mend_all(&self, now: DateTime<Utc>, report: &mut SweepReport) -> Result<(), LedgerError> {
        let begun = Instant::now();
        let end = begun + self.limits.deadline.saturating_duration_since(begun) / 4 * QUARTERS_FOR_REQUESTS;
        let mut after = None;
        loop {
            let page = self.host.ledger.overdue(now - PATIENCE, after, self.limits.page).await?;
            for wake in &page {
                if Instant::now() >= end {
                    report.more = true;
                    return Ok(());
                }
                self.look(*wake, now, report).await;
            }
            after = match page.last() {
                Some(last) if page.len() >= self.limits.page => Some(*last),
                _ => return Ok(()),
            };
        }
    }

    /// Mends a request, or moves its wake time forward, so that it does not hide the requests behind it.
    async fn look(&self, wake: Wake, now: DateTime<Utc>, report: &mut SweepReport) {
        // The index lags behind the table, so the table decides.
        let (mended, since) = match self.host.ledger.find(wake.id).await {
            Ok(Some((request, _))) => (self.mend(&request, now, report).await, request.finished_at.unwrap_or(request.due_at)),
            // Its retention is over. It stays in the index until DynamoDB deletes the item, some days later.
            Ok(None) => return,
            Err(error) => (Err(error.into()), wake.at),
        };
        let until = match mended {
            Ok(Look::Done) => return,
            Ok(Look::Until(until)) => until,
            Err(error) => {
                tracing::error!(correlation_id = %wake.id, %error, reason = error.reason(), "cannot mend the overdue request");
                *report.not_mended.entry(error.reason()).or_default() += 1;
                again(since, now)
            }
        };
        if let Err(error) = self.host.ledger.postpone_wake(wake, until).await {
            tracing::error!(correlation_id = %wake.id, %error, "cannot move the wake time of the overdue request");
            report.errors += 1;
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.limits.deadline
    }

    async fn mend(&self, request: &Request, now: DateTime<Utc>, report: &mut SweepReport) -> Result<Look, NotMended> {
        match request.status {
            Status::Running if request.lease_until.is_none_or(|until| until <= now) => {
                self.host.with(&self.host.aftercare(None)).release(request, "its lease ran out").await?;
                report.released += 1;
                if let Some((request, _)) = self.host.ledger.find(request.id).await?
                    && request.status == Status::Scheduled
                {
                    // Its event, or the redrive of its letter, may have arrived, so a direct request is not delivered again.
                    if self.is_direct(&request).await? {
                        self.settle(&request, now, report).await?;
                    } else {
                        self.rearm(&request).await?;
                    }
                }
                Ok(Look::Done)
            }
            Status::Running => Ok(Look::Until(request.lease_until.unwrap_or(now))),
            Status::Scheduled if request.expires_at().is_some_and(|at| at <= now) => {
                let ended = self.host.with(&self.host.aftercare(None)).expire(request).await?;
                report.expired += usize::from(ended.is_some());
                Ok(Look::Done)
            }
            Status::Scheduled if request.due_at > now - PATIENCE => Ok(Look::Until(request.due_at)),
            Status::Scheduled if !self.is_direct(request).await? => {
                self.rearm(request).await?;
                report.rearmed += 1;
                Ok(Look::Until(again(request.due_at, now)))
            }
            // The call that made the request may have died before its rule. Arming does nothing if the event was sent.
            Status::Scheduled if now - request.due_at < self.event_age() => {
                self.host.arm(request).await?;
                Ok(Look::Until(request.due_at + self.event_age()))
            }
            Status::Scheduled => {
                self.settle(request, now, report).await?;
                Ok(Look::Done)
            }
            // The function that recorded the end could not send all notifications.
            Status::Failed | Status::Expired if self.host.notify(request).await? => {
                report.notified += 1;
                Ok(Look::Done)
            }
            Status::Failed | Status::Expired => Err(NotMended::NotNotified),
            Status::Succeeded | Status::Cancelled => Ok(Look::Done),
        }
    }

    /// Schedules an overdue request again; it fires at once, on its target host. The claim prevents a second run.
    async fn rearm(&self, request: &Request) -> Result<(), FireError> {
        tracing::warn!(correlation_id = %request.id, due_at = rfc3339(request.due_at), "the request is overdue and is scheduled again");
        self.host.arm(request).await
    }

    async fn is_direct(&self, request: &Request) -> Result<bool, FireError> {
        Ok(is_direct(&self.host.use_cases, request).await?)
    }

    /// Returns the time after which EventBridge can no longer deliver an event, counted from the rule's time.
    fn event_age(&self) -> TimeDelta {
        TimeDelta::from_std(self.limits.max_event_age).unwrap_or(TimeDelta::days(1)) + AFTER_EVENT
    }

    /// Ends a request of a direct target. EventBridge has called the target itself, so the outcome says no more than that. Without a rule
    /// or schedule that shows it, the request fails.
    async fn settle(&self, request: &Request, now: DateTime<Utc>, report: &mut SweepReport) -> Result<(), FireError> {
        let was_sent = self.host.scheduler.was_sent(request, now).await?;
        let (changed, _) = self.host.ledger.claim(request.id, |request| request.lease, now).await?;
        let Changed::Done(claimed) = changed else { return Ok(()) };
        let result = if was_sent { Ok(DELIVERED_TO_BUS) } else { Err(NOT_SENT) };
        // Rules are deleted with the orphaned ones.
        self.host.with(&self.host.aftercare(None)).settle(&claimed, result).await?;
        report.settled += 1;
        Ok(())
    }

    async fn clean_rules(&self, now: DateTime<Utc>, report: &mut SweepReport) -> anyhow::Result<()> {
        let mut rules = self.host.scheduler.left_rules().await?;
        report.rules = rules.len();
        rules.sort_by(|one, other| one.name.cmp(&other.name));
        // Start after the last rule of the previous run, and wrap around.
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
        // A run that had no time for a rule keeps its place.
        if !last.is_empty() && last != cursor {
            self.host.ledger.set_cursor(last).await?;
        }
        Ok(())
    }

    /// Returns whether the rule is orphaned: its request has ended or is not in the ledger. A direct request's rule shows that its event
    /// was sent, so it stays until the request has ended.
    async fn is_left_over(&self, rule: &LeftRule, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        let (Some(id), Some(at)) = (rule.id, rule.at) else { return Ok(false) };
        match self.host.ledger.find(id).await? {
            Some((request, _)) => Ok(!matches!(request.status, Status::Scheduled | Status::Running)),
            // A rule is made after the request is stored, so the stored request has expired. Or the rule is of another deployment
            // whose prefix begins with this one's, and must stay until it has fired.
            None => Ok(at + PATIENCE < now),
        }
    }

    async fn remove(&self, rule: &LeftRule, report: &mut SweepReport) {
        match self.host.scheduler.clean_rule(&rule.name).await {
            Ok(()) => {
                tracing::info!(rule = rule.name, "orphaned rule deleted");
                report.cleaned += 1;
            }
            Err(error) => {
                tracing::error!(rule = rule.name, %error, "cannot delete the orphaned rule");
                report.not_cleaned += 1;
                if let Err(error) = self.host.notifier.rule_not_cleaned(rule, &error.to_string()).await {
                    tracing::error!(rule = rule.name, %error, "cannot notify the topic of an orphaned rule");
                }
            }
        }
    }
}

/// Returns the time of the next look at a request that has been overdue since `since`.
fn again(since: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    now + (now - since).clamp(AGAIN.0, AGAIN.1) - PATIENCE
}
