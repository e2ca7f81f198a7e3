//! The core's firing over this crate's adapters, for the target host and the janitor.

use postdate_core::arm::arm;
use postdate_core::arn::Arn;
use postdate_core::envelope::Envelope;
use postdate_core::fire::{self, FireError};
use postdate_core::ports::{Aftercare, Changes, Clock, Requests, ScheduleError, UseCases};
use postdate_core::request::Request;
use postdate_core::time::rfc3339;
use postdate_deliver::HttpDeliver;

use crate::clients::Clients;
use crate::clock::SystemClock;
use crate::deliver::AwsDeliver;
use crate::host::Host;
use crate::ledger::DynamoLedger;
use crate::notify::Notifier;
use crate::ports::{Notify, Timing};
use crate::schedule::AwsScheduler;
use crate::use_cases::AwsUseCases;

/// The ports that firing needs on AWS.
pub struct Firing<U, L, S, D, N, C> {
    pub use_cases: U,
    pub ledger: L,
    pub scheduler: S,
    pub deliver: D,
    pub notifier: N,
    pub clock: C,
}

pub type AwsFiring = Firing<AwsUseCases, DynamoLedger, AwsScheduler, AwsDeliver, Notifier, SystemClock>;

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
        })
    }
}

impl<U: UseCases, L: Requests + Changes, S: Timing, D, N: Notify, C: Clock> Firing<U, L, S, D, N, C> {
    /// Returns the aftercare of an attempt. `envelope` is the one that started the attempt; `None` in the janitor.
    pub fn aftercare<'a>(&'a self, envelope: Option<&'a Envelope>) -> Care<'a, S, N, C> {
        Care { scheduler: &self.scheduler, notifier: &self.notifier, clock: &self.clock, envelope }
    }

    /// Returns the core's firing over these ports.
    pub fn with<'a>(&'a self, aftercare: &'a Care<'a, S, N, C>) -> fire::Firing<'a, U, L, S, D, C, Care<'a, S, N, C>> {
        let Self { use_cases, ledger, scheduler, deliver, clock, .. } = self;
        fire::Firing { use_cases, ledger, scheduler, deliver, clock, aftercare }
    }

    /// Schedules a stored request for its `due_at`, by a rule or by the delay queue of its target host.
    pub async fn arm(&self, request: &Request) -> Result<(), FireError> {
        Ok(arm(&self.use_cases, &self.ledger, &self.scheduler, request, None, self.clock.now()).await?)
    }
}

/// The work after an attempt: park the next one, delete the rule, notify. Made by [`Firing::aftercare`].
pub struct Care<'a, S, N, C> {
    scheduler: &'a S,
    notifier: &'a N,
    clock: &'a C,
    envelope: Option<&'a Envelope>,
}

impl<S: Timing, N: Notify, C: Clock> Aftercare for Care<'_, S, N, C> {
    /// Parks the envelope of the next attempt in the delay queue. Returns false if the wait is longer than the queue's longest delay,
    /// or if another envelope started the attempt. The parked envelope keeps the rule's name: the delivery that ends the request
    /// deletes the rule.
    async fn again(&self, request: &Request) -> Result<bool, ScheduleError> {
        let Some(envelope) = self.envelope.filter(|envelope| envelope.correlation_id == request.id) else { return Ok(false) };
        let due = request.due_at;
        let next = Envelope { attempt: request.attempts + 1, scheduled_for: rfc3339(due), redrive: false, ..envelope.clone() };
        self.scheduler.park(&next, due, self.clock.now()).await
    }

    async fn clean_up(&self, _request: &Request) -> Result<(), ScheduleError> {
        match self.envelope.and_then(|envelope| envelope.rule.as_deref()) {
            Some(rule) => self.scheduler.clean_rule(rule).await,
            None => Ok(()),
        }
    }

    async fn notify_failed(&self, request: &Request) {
        if let Err(error) = self.notifier.request_failed(request).await {
            tracing::error!(correlation_id = %request.id, error, "cannot notify the topic of a failed request");
        }
        if let Err(error) = self.notifier.dead_letter(&Envelope::of(request, None, None), request).await {
            tracing::error!(correlation_id = %request.id, error, "cannot put a failed request into the dead-letter queue");
        }
    }
}
