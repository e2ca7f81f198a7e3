//! What fires requests on AWS, for the target host and the janitor: the core's firing over this crate's adapters.

use postdate_core::arm::arm;
use postdate_core::arn::Arn;
use postdate_core::envelope::Envelope;
use postdate_core::fire::{self, FireError};
use postdate_core::ports::{Aftercare, Clock, Requests, ScheduleError, UseCases};
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

/// The ports of one host.
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
        // reqwest is built without a provider of its own. An error says that there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            use_cases: host.use_cases.clone(),
            ledger: host.ledger.clone(),
            scheduler: host.scheduler.clone(),
            deliver: AwsDeliver::new(&host.clients, HttpDeliver::new(SystemClock)?),
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

impl<U: UseCases, L: Requests, S: Timing, D, N: Notify, C: Clock> Firing<U, L, S, D, N, C> {
    /// What follows an attempt that this envelope started, or no envelope.
    pub fn aftercare<'a>(&'a self, envelope: Option<&'a Envelope>) -> Care<'a, S, N, C> {
        Care { scheduler: &self.scheduler, notifier: &self.notifier, clock: &self.clock, envelope }
    }

    /// The core's firing over these ports.
    pub fn with<'a>(&'a self, aftercare: &'a Care<'a, S, N, C>) -> fire::Firing<'a, U, L, S, D, C, Care<'a, S, N, C>> {
        let Self { use_cases, ledger, scheduler, deliver, clock, .. } = self;
        fire::Firing { use_cases, ledger, scheduler, deliver, clock, aftercare }
    }

    /// Schedules a request that is in the ledger at its `due_at`, by a rule or the delay queue of the host that it is for.
    pub async fn arm(&self, request: &Request) -> Result<(), FireError> {
        Ok(arm(&self.use_cases, &self.ledger, &self.scheduler, request).await?)
    }
}

/// See [`Firing::aftercare`].
pub struct Care<'a, S, N, C> {
    scheduler: &'a S,
    notifier: &'a N,
    clock: &'a C,
    envelope: Option<&'a Envelope>,
}

impl<S: Timing, N: Notify, C: Clock> Aftercare for Care<'_, S, N, C> {
    /// Parks the envelope in the delay queue, if that holds a message for so long. The envelope keeps the rule's name, so that the
    /// delivery that ends the request deletes the rule.
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
            tracing::error!(correlation_id = %request.id, error, "cannot notify of a failure");
        }
        if let Err(error) = self.notifier.dead_letter(&Envelope::of(request, None, None), request).await {
            tracing::error!(correlation_id = %request.id, error, "cannot put a failed request into the dead-letter queue");
        }
    }
}
