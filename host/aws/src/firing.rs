//! The core's firing over this crate's adapters, for the target host and the janitor.

use chrono::TimeDelta;
use postdate_core::arm::arm;
use postdate_core::arn::Arn;
use postdate_core::envelope::Envelope;
use postdate_core::fire::{self, FireError};
use postdate_core::ports::{Aftercare, Changes, Clock, LedgerError, Requests, ScheduleError, UseCases};
use postdate_core::request::{Request, ScheduleKind};
use postdate_core::time::rfc3339;
use postdate_deliver::HttpDeliver;

use crate::clients::Clients;
use crate::clock::SystemClock;
use crate::deliver::AwsDeliver;
use crate::host::Host;
use crate::ledger::DynamoLedger;
use crate::notify::Notifier;
use crate::pauses::KnownPauses;
use crate::ports::{Backlog, Notified, Notify, Timing};
use crate::schedule::AwsScheduler;
use crate::use_cases::AwsUseCases;

/// Shortest delay of a parked envelope. The queue delays by whole seconds, and a message without a delay would only loop.
pub const SHORTEST_PARK: TimeDelta = TimeDelta::seconds(1);

/// The ports that firing needs on AWS.
pub struct FiringPorts<U, L, S, D, N, C> {
    pub use_cases: U,
    pub ledger: L,
    pub scheduler: S,
    pub deliver: D,
    pub notifier: N,
    pub clock: C,
    /// Read by the target host before a claim.
    pub pauses: KnownPauses,
}

pub type AwsFiring = FiringPorts<AwsUseCases, DynamoLedger, AwsScheduler, AwsDeliver, Notifier, SystemClock>;

impl AwsFiring {
    pub fn new(host: &Host) -> anyhow::Result<Self> {
        // reqwest is built without a TLS provider. An error means that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            use_cases: host.use_cases.clone(),
            ledger: host.ledger.clone(),
            scheduler: host.scheduler.clone(),
            deliver: AwsDeliver::new(&host.clients, HttpDeliver::new(SystemClock, host.network.clone(), host.secrets.clone())?),
            notifier: Notifier {
                topics: host.clients.lazy(Clients::sns),
                queues: host.clients.lazy(Clients::sqs),
                topic_arn: host.config.topic_arn.clone(),
                dead_letters: Arn::parse(&host.config.dead_letter_arn).and_then(Arn::queue_url).unwrap_or_default(),
            },
            clock: SystemClock,
            pauses: host.pauses.clone(),
        })
    }
}

impl<U: UseCases, L: Requests + Changes + Backlog, S: Timing, D, N: Notify, C: Clock> FiringPorts<U, L, S, D, N, C> {
    /// Returns the aftercare of an attempt. `envelope` is the one that started the attempt; `None` in the janitor.
    pub fn aftercare<'a>(&'a self, envelope: Option<&'a Envelope>) -> Care<'a, L, S, N, C> {
        Care { ledger: &self.ledger, scheduler: &self.scheduler, notifier: &self.notifier, clock: &self.clock, envelope }
    }

    /// Returns the core's firing over these ports.
    pub fn with<'a>(&'a self, aftercare: &'a Care<'a, L, S, N, C>) -> fire::Firing<'a, U, L, S, D, C, Care<'a, L, S, N, C>> {
        let Self { use_cases, ledger, scheduler, deliver, clock, .. } = self;
        fire::Firing { use_cases, ledger, scheduler, deliver, clock, aftercare }
    }

    /// Schedules a stored request for its `due_at`, by a rule or by the delay queue of its target host.
    pub async fn arm(&self, request: &Request) -> Result<(), FireError> {
        Ok(arm(&self.use_cases, &self.ledger, &self.scheduler, request, None, self.clock.now()).await?)
    }

    /// Sends the notifications of a failed request that no function has sent yet. Returns whether all are sent.
    pub async fn notify(&self, failed: &Request) -> Result<bool, LedgerError> {
        let notified = self.ledger.notified(failed.id).await?;
        Ok(notify(&self.ledger, &self.notifier, failed, notified).await == Notified::ALL)
    }
}

/// The work after an attempt: park the next one, notify, delete the rule. Made by [`FiringPorts::aftercare`].
pub struct Care<'a, L, S, N, C> {
    ledger: &'a L,
    scheduler: &'a S,
    notifier: &'a N,
    clock: &'a C,
    envelope: Option<&'a Envelope>,
}

impl<L: Backlog, S: Timing, N: Notify, C: Clock> Aftercare for Care<'_, L, S, N, C> {
    /// Parks the envelope of the next attempt in the delay queue. Returns false if the wait is longer than the queue's longest delay,
    /// or if another envelope started the attempt. The parked envelope keeps the rule's name: the delivery that ends the request
    /// deletes the rule.
    async fn again(&self, request: &Request) -> Result<bool, ScheduleError> {
        let Some(envelope) = self.envelope.filter(|envelope| envelope.correlation_id == request.id) else { return Ok(false) };
        let (due, now) = (request.due_at, self.clock.now());
        let next = Envelope { attempt: request.attempts + 1, scheduled_for: rfc3339(due), redrive: false, ended: None, ..envelope.clone() };
        let next = Envelope { kept: None, ..next };
        self.scheduler.park(&next, due.max(now + SHORTEST_PARK), now).await
    }

    async fn clean_up(&self, request: &Request) -> Result<(), ScheduleError> {
        // A letter does not name the schedule, which no run of the janitor finds.
        if request.schedule == Some(ScheduleKind::KeptSchedule) {
            return self.scheduler.unschedule(request).await;
        }
        match self.envelope.and_then(|envelope| envelope.rule.as_deref()) {
            Some(rule) => self.scheduler.clean_rule(rule).await,
            None => Ok(()),
        }
    }

    async fn notify_failed(&self, request: &Request) {
        notify(self.ledger, self.notifier, request, Notified::default()).await;
    }
}

/// Sends the notifications that are missing in `before`. Records and returns all that were sent by now. Logs errors: the
/// request stays open, so the janitor repeats what is missing.
async fn notify(ledger: &impl Backlog, notifier: &impl Notify, failed: &Request, before: Notified) -> Notified {
    let id = failed.id;
    let topic = async {
        let sent = if before.topic { Ok(()) } else { notifier.request_failed(failed).await };
        sent.inspect_err(|error| tracing::error!(correlation_id = %id, %error, "cannot notify the topic of a failed request")).is_ok()
    };
    let letter = async {
        let sent = if before.letter { Ok(()) } else { notifier.dead_letter(&Envelope::of(failed, None), failed).await };
        let failed = "cannot put a failed request into the dead-letter queue";
        sent.inspect_err(|error| tracing::error!(correlation_id = %id, %error, "{failed}")).is_ok()
    };
    let (topic, letter) = tokio::join!(topic, letter);
    let now = Notified { topic, letter };
    if now != before
        && let Err(error) = ledger.set_notified(failed, now).await
    {
        tracing::error!(correlation_id = %id, %error, "cannot record that operators were notified; they are notified again");
    }
    now
}

/// Returns a stable word for the cause of an error, for metrics and for the `errorType` of an event that failed.
pub fn reason(error: &FireError) -> &'static str {
    match error {
        FireError::Ledger(LedgerError::Unavailable(_)) => "ledger-unavailable",
        FireError::Ledger(_) => "ledger-failed",
        FireError::Schedule(ScheduleError::Unavailable { .. }) => "scheduler-unavailable",
        FireError::Schedule(ScheduleError::NoRoom { .. }) => "no-room-for-schedules",
        FireError::Schedule(ScheduleError::TooLarge(_)) => "body-too-large",
        FireError::Schedule(ScheduleError::Failed(_)) => "scheduler-failed",
        FireError::Host(_) => "host-fault",
    }
}

/// Returns whether a repetition within seconds may succeed.
pub fn is_transient(error: &FireError) -> bool {
    matches!(
        error,
        FireError::Ledger(LedgerError::Unavailable(_)) | FireError::Schedule(ScheduleError::Unavailable { .. }) | FireError::Host(_)
    )
}
