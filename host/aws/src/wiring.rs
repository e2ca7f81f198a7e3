//! The adapters as the ports of this crate, and the hosts made of them.

use chrono::{DateTime, Utc};
use postdate_core::arn::Arn;
use postdate_core::id::CorrelationId;
use postdate_core::ports::{Changed, LedgerError, ScheduleError};
use postdate_deliver::HttpTarget;

use crate::clients::Clients;
use crate::deliver::AwsDeliver;
use crate::host::{Host, new_id, now};
use crate::janitor::{Book, Timer, Timers};
use crate::ledger::DynamoLedger;
use crate::notify::Notifier;
use crate::schedule::{AwsScheduler, cron, name};
use crate::target::{Claims, Firing};
use crate::use_cases::AwsUseCases;

pub type AwsFiring = Firing<AwsUseCases, DynamoLedger, JanitorScheduler, AwsDeliver, Notifier>;

/// A scheduler that can also tell what there is, and tell people of what stays.
#[derive(Clone)]
pub struct JanitorScheduler {
    pub scheduler: AwsScheduler,
    notifier: Notifier,
}

/// What fires requests, and what cleans up after it, of one host.
pub fn firing(host: &Host) -> anyhow::Result<AwsFiring> {
    // reqwest is built without a provider of its own. An error says that there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let notifier = Notifier {
        topics: host.clients.lazy(Clients::sns),
        queues: host.clients.lazy(Clients::sqs),
        topic_arn: host.config.topic_arn.clone(),
        dead_letters: Arn::parse(&host.config.dead_letter_arn).and_then(Arn::queue_url).unwrap_or_default(),
    };
    Ok(Firing {
        use_cases: host.use_cases.clone(),
        ledger: host.ledger.clone(),
        scheduler: JanitorScheduler { scheduler: host.scheduler.clone(), notifier: notifier.clone() },
        deliver: AwsDeliver::new(&host.clients, HttpTarget::new()?, now),
        notifier,
        now,
        new_id,
    })
}

impl Claims for DynamoLedger {
    async fn claim(&self, id: CorrelationId, now: DateTime<Utc>) -> Result<(Changed, Option<String>), LedgerError> {
        Self::claim(self, id, now).await
    }
}

impl Book for DynamoLedger {
    async fn overdue(&self, before: DateTime<Utc>, limit: usize) -> Result<Vec<CorrelationId>, LedgerError> {
        Self::overdue(self, before, limit).await
    }

    async fn cursor(&self) -> Result<String, LedgerError> {
        Self::cursor(self).await
    }

    async fn set_cursor(&self, cursor: &str) -> Result<(), LedgerError> {
        Self::set_cursor(self, cursor).await
    }
}

impl postdate_core::ports::Scheduler for JanitorScheduler {
    fn serves(&self, target: &postdate_core::use_case::Target) -> Result<(), String> {
        self.scheduler.serves(target)
    }

    async fn schedule(&self, arming: postdate_core::ports::Arming<'_>) -> Result<(), ScheduleError> {
        self.scheduler.schedule(arming).await
    }

    async fn unschedule(&self, request: &postdate_core::request::Request) -> Result<(), ScheduleError> {
        self.scheduler.unschedule(request).await
    }
}

impl crate::target::Timing for JanitorScheduler {
    async fn park(
        &self,
        envelope: &postdate_core::envelope::Envelope,
        due: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, ScheduleError> {
        self.scheduler.park(envelope, due, now).await
    }

    async fn clean_rule(&self, name: &str) -> Result<(), ScheduleError> {
        self.scheduler.clean_rule(name).await
    }
}

impl Timers for JanitorScheduler {
    async fn list(&self) -> Result<Vec<Timer>, ScheduleError> {
        // Schedules need no cleaning: they delete themselves once they have fired, a cancelled one too. Rules there may be
        // with either backend, from before it was changed.
        let (settings, found) = (self.scheduler.settings(), self.scheduler.rules().await?);
        let timer = |(name, expression): (String, String)| Timer {
            id: name::id_of(&name, &settings.prefix),
            at: cron::parse_cron(&expression),
            name,
        };
        Ok(found.into_iter().map(timer).collect())
    }

    async fn remove(&self, timer: &Timer) -> Result<(), ScheduleError> {
        self.scheduler.clean_rule(&timer.name).await
    }

    async fn not_cleaned(&self, timer: &Timer, reason: &str) -> Result<(), String> {
        self.notifier.rule_not_cleaned(&timer.name, timer.id.map(|id| id.to_string()), reason).await.map_err(|error| error.to_string())
    }
}
