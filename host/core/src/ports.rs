//! What the core needs of the world. Adapters: SQLite, directory and HTTP in `postdate-local`; wasmtime in
//! `postdate-runtime`; AWS in `postdate-aws`. Fakes for tests: [`crate::testing`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::host_fault::HostFault;
use crate::id::CorrelationId;
use crate::lifecycle::{Change, Refusal};
use crate::plugin::{Job, JobResult, PluginError, ValidateInput, Verdict};
use crate::request::{Claimed, HistoryEntry, NewRequest, Page, Query, Request};
use crate::use_case::{Target, UseCase};

/// A loaded use case, ready to be called.
pub trait Bundle: Send + Sync {
    fn use_case(&self) -> &UseCase;

    /// Content hash: see [`crate::bundle::BundleSource::version`].
    fn version(&self) -> &str;

    /// Calls the validate plugin. Only where `use_case().validate` is there.
    fn validate(&self, input: ValidateInput) -> impl Future<Output = Result<Verdict, PluginError>> + Send;

    /// Calls the process plugin, which may take `deadline` at the most, if that is less than the manifest's timeout.
    /// Only where `use_case().process` is there.
    fn process(&self, job: Job, deadline: Option<Duration>) -> impl Future<Output = Result<JobResult, PluginError>> + Send;
}

/// Where use cases come from.
pub trait UseCases: Send + Sync {
    type Bundle: Bundle;

    /// The version that new requests go to.
    fn current(&self, name: &str) -> impl Future<Output = Option<Arc<Self::Bundle>>> + Send;

    /// Returns the version that a request is pinned to. Does not wait for compilation: a version whose plugins are being compiled is a
    /// [`HostFault`].
    fn version(&self, name: &str, version: &str) -> impl Future<Output = Result<Arc<Self::Bundle>, UseCaseError>> + Send;

    /// Returns the manifest of that version alone, which needs no plugin to be compiled.
    fn manifest(&self, name: &str, version: &str) -> impl Future<Output = Result<Arc<UseCase>, UseCaseError>> + Send {
        async { Ok(Arc::new(self.version(name, version).await?.use_case().clone())) }
    }

    /// Every use case, good or broken, by name.
    fn list(&self) -> impl Future<Output = Vec<UseCaseInfo>> + Send;
}

/// Why a version of a use case cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UseCaseError {
    /// It is gone or broken, and an attempt that needs it has failed. Another upload may bring it back.
    #[error("{0}")]
    Unusable(String),
    #[error(transparent)]
    Host(#[from] HostFault),
}

/// A line of `GET /use-cases`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UseCaseInfo {
    pub name: String,
    pub description: String,
    /// The version that serves; none where no version ever loaded.
    pub version: Option<String>,
    pub targets: Vec<String>,
    /// Why the newest upload is not what serves, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A version that is on its way to serve; the one above serves meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
}

/// What becomes of an upload.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    pub state: UpdateState,
    /// RFC 3339, of the machine's clock.
    pub since: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateState {
    /// It is read, and its plugins are compiled where they are new, which may take minutes.
    Loading,
}

/// The ledger as accepting sees it.
pub trait Intake: Send + Sync {
    /// The request that was accepted under this key, if any.
    fn find_by_key(&self, use_case: &str, key: &str) -> impl Future<Output = Result<Option<Request>, LedgerError>> + Send;

    /// Stores it durably before it returns, unless its idempotency key is taken.
    fn insert(&self, new: NewRequest) -> impl Future<Output = Result<Inserted, LedgerError>> + Send;

    /// The request of this key is about to be acknowledged to somebody who repeats it: from here on a
    /// [`Change::Abort`] of it is refused. Where scheduling cannot fail, nothing is ever aborted and there is nothing
    /// to do.
    fn adopt(&self, request: &Request, key: &str) -> impl Future<Output = Result<(), LedgerError>> + Send {
        let _ = (request, key);
        std::future::ready(Ok(()))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Inserted {
    New(Request),
    /// The idempotency key is taken, by this request.
    Taken(Request),
}

/// The ledger as its readers see it.
pub trait Requests: Send + Sync {
    fn find(&self, id: CorrelationId) -> impl Future<Output = Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError>> + Send;

    fn list(&self, query: Query) -> impl Future<Output = Result<Page, LedgerError>> + Send;

    /// The accepted body: JSON text.
    fn body(&self, id: CorrelationId) -> impl Future<Output = Result<Option<String>, LedgerError>> + Send;
}

/// The ledger as everything that changes a request sees it: one transition, checked by
/// [`crate::lifecycle::apply`] and stored with its line of history, or refused; atomic and durable.
pub trait Changes: Send + Sync {
    fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> impl Future<Output = Result<Changed, LedgerError>> + Send;
}

/// The ledger as a host sees it that is told which request is due. A host that looks for due requests claims them by itself.
pub trait Claims: Send + Sync {
    /// Makes a [`Change::Claim`] with the lease that `lease` gives the request. Returns the body too, where one read has both.
    fn claim(
        &self,
        id: CorrelationId,
        lease: impl Fn(&Request) -> Duration + Send,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(Changed, Option<String>), LedgerError>> + Send;
}

#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// What the request is now.
    Done(Request),
    /// Nothing was changed; what the request is, and why it was refused.
    Refused(Request, Refusal),
    NotFound,
}

/// Makes requests come back at their time.
pub trait Scheduler: Send + Sync {
    /// Whether this deployment can reach the target at all; the error says why not. Asked before a request is taken.
    fn serves(&self, target: &Target) -> Result<(), String>;

    /// See to it that the request is fired at its `due_at`; never earlier. Again for a request that was moved. What fails
    /// half-way stays as it is: only who asked for it knows whether somebody else counts on it.
    fn schedule(&self, arming: Arming<'_>) -> impl Future<Output = Result<(), ScheduleError>> + Send;

    /// The request will not be fired any more; idempotent.
    fn unschedule(&self, request: &Request) -> impl Future<Output = Result<(), ScheduleError>> + Send;
}

/// A request that is to be fired, with what an adapter may want to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Arming<'a> {
    pub request: &'a Request,
    /// None where the use case does not know the alias any more.
    pub target: Option<&'a Target>,
    /// The accepted body where it is at hand, and always for a direct target; else the host reads it from the ledger
    /// when it fires.
    pub body: Option<&'a str>,
}

/// Delivers a body to a target that is not a plugin.
pub trait Deliver: Send + Sync {
    /// Makes one attempt, which takes at most `delivery.timeout` of wall-clock time. Fails where the host could not begin it.
    fn deliver(&self, delivery: Delivery<'_>) -> impl Future<Output = Result<JobResult, HostFault>> + Send;
}

/// One delivery to a target that is neither a plugin nor direct.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub target: &'a Target,
    pub timeout: Duration,
    pub claimed: &'a Claimed,
}

/// What a host does after an attempt is on record, beyond its ledger and its scheduler. One machine needs next to nothing of it.
pub trait Aftercare: Send + Sync {
    /// Brings the request back at its `due_at` by a shorter way than [`Scheduler::schedule`]. Returns false where there is none.
    fn again(&self, request: &Request) -> impl Future<Output = Result<bool, ScheduleError>> + Send;

    /// Removes what was made to fire a request that has ended.
    fn clean_up(&self, request: &Request) -> impl Future<Output = Result<(), ScheduleError>> + Send {
        let _ = request;
        std::future::ready(Ok(()))
    }

    /// Notifies operators of a request that failed for good. Logs what it cannot do: nothing depends on it.
    fn notify_failed(&self, request: &Request) -> impl Future<Output = ()> + Send {
        let _ = request;
        std::future::ready(())
    }
}

/// Time and randomness, of which the core has neither.
pub trait Clock: Send + Sync {
    /// Now, cut to the millisecond: never later than the truth.
    fn now(&self) -> DateTime<Utc>;

    /// Waits on the machine's clock, whatever [`Self::now`] says.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// Random bytes from the operating system's generator.
    fn random(&self) -> [u8; 10];

    /// A new correlation id.
    fn new_id(&self, now: DateTime<Utc>) -> CorrelationId {
        CorrelationId::new(now, self.random())
    }
}

/// The ledger did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// May succeed if tried again: busy, throttled, shutting down.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
    /// Will not: a broken file, a refused permission, a row that makes no sense.
    #[error("the ledger failed: {0}")]
    Failed(String),
    /// What was to be stored is larger than the ledger takes, in bytes.
    #[error("the accepted body has {size} bytes, more than the {limit} that the ledger keeps")]
    TooLarge { size: usize, limit: usize },
}

/// The scheduler did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScheduleError {
    #[error("the scheduler is not available: {message}")]
    Unavailable { message: String, retry_after: Option<Duration> },
    /// What it was to carry is more than it can: a direct target's body.
    #[error("{0}")]
    TooLarge(String),
    #[error("the scheduler failed: {0}")]
    Failed(String),
}
