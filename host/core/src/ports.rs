//! Ports: the interfaces of the core to its adapters. Adapters: SQLite and directory in `postdate-local`; HTTP in `postdate-deliver`;
//! wasmtime in `postdate-runtime`; AWS in `postdate-aws`. Fakes for tests: [`crate::testing`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::host_fault::HostFault;
use crate::id::CorrelationId;
use crate::lifecycle::{Change, Refusal};
use crate::pause::Pause;
use crate::plugin::{Job, JobResult, PluginError, ValidateInput, Verdict};
use crate::request::{Claimed, HistoryEntry, NewRequest, Page, Query, Request, ScheduleKind};
use crate::time::rfc3339;
use crate::use_case::{Target, UseCase};

/// A loaded use case, ready to be called.
pub trait Bundle: Send + Sync {
    fn use_case(&self) -> &UseCase;

    /// Returns the content hash; see [`crate::bundle::BundleSource::version`].
    fn version(&self) -> &str;

    /// Calls the validate plugin. Requires `use_case().validate`.
    fn validate(&self, input: ValidateInput) -> impl Future<Output = Result<Verdict, PluginError>> + Send;

    /// Calls the process plugin. The call takes at most the manifest's timeout, and at most `deadline`. Requires `use_case().process`.
    fn process(&self, job: Job, deadline: Option<Duration>) -> impl Future<Output = Result<JobResult, PluginError>> + Send;
}

/// Loads use cases.
pub trait UseCases: Send + Sync {
    type Bundle: Bundle;

    /// Returns the version that new requests go to.
    fn current(&self, name: &str) -> impl Future<Output = Option<Arc<Self::Bundle>>> + Send;

    /// Returns the version that a request is pinned to. Does not wait for compilation: a version whose plugins are being compiled is a
    /// [`HostFault`].
    fn version(&self, name: &str, version: &str) -> impl Future<Output = Result<Arc<Self::Bundle>, UseCaseError>> + Send;

    /// Returns the manifest of a version. Adapters override it, since a manifest needs no compiled plugin.
    fn manifest(&self, name: &str, version: &str) -> impl Future<Output = Result<Arc<UseCase>, UseCaseError>> + Send {
        async { Ok(Arc::new(self.version(name, version).await?.use_case().clone())) }
    }

    /// Returns the version that new requests go to, and its manifest. Adapters override it, since a manifest needs no compiled plugin.
    fn current_manifest(&self, name: &str) -> impl Future<Output = Option<(String, Arc<UseCase>)>> + Send {
        async {
            let current = self.current(name).await?;
            Some((current.version().to_owned(), Arc::new(current.use_case().clone())))
        }
    }

    /// Returns every use case, loaded or broken, sorted by name.
    fn list(&self) -> impl Future<Output = Vec<UseCaseInfo>> + Send;

    /// Returns the stored versions of a use case; `None` if there is no use case of this name.
    fn versions(&self, name: &str) -> impl Future<Output = Result<Option<StoredVersions>, UseCaseError>> + Send;
}

/// The versions of a use case in its store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredVersions {
    /// The newest first.
    pub versions: Vec<VersionInfo>,
    /// Time since when the store's current version is current, and who made it so. `None` where the store has no current version.
    pub current: Option<(Option<DateTime<Utc>>, String)>,
    /// Why this host's API cannot go back to a former version; `None` if it can.
    pub fixed: Option<String>,
}

/// A stored version, as documents show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    pub version: String,
    /// True if the store names it as the current one.
    pub is_current: bool,
    /// Time when another version took its place, the last time; `None` if it is current or never was.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_rfc3339")]
    pub served_until: Option<DateTime<Utc>>,
    #[serde(flatten)]
    pub details: VersionDetails,
}

/// The content of a version's statement, or the reason why the version cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all_fields = "camelCase", untagged)]
pub enum VersionDetails {
    Pushed {
        #[serde(serialize_with = "as_rfc3339")]
        pushed_at: DateTime<Utc>,
        pushed_by: String,
        /// Size of all files.
        bytes: u64,
        signed_by: Vec<String>,
        compiled_for: Vec<String>,
        /// Names of the test cases, which have passed before the version served.
        cases: Vec<String>,
    },
    Unusable {
        error: String,
    },
}

impl VersionInfo {
    /// Returns the time of the push; `None` if the statement cannot be read.
    pub fn pushed_at(&self) -> Option<DateTime<Utc>> {
        match self.details {
            VersionDetails::Pushed { pushed_at, .. } => Some(pushed_at),
            VersionDetails::Unusable { .. } => None,
        }
    }
}

fn as_rfc3339<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn optional_rfc3339<S: serde::Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => as_rfc3339(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// The reason why a version of a use case could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UseCaseError {
    /// The version is gone or broken. An attempt that needs it fails; another upload may bring it back.
    #[error("{0}")]
    Unusable(String),
    #[error(transparent)]
    Host(#[from] HostFault),
}

impl UseCaseError {
    /// Returns the reason for a client, without the paths that the full text may have.
    pub fn for_clients(&self) -> String {
        match self {
            Self::Unusable(_) => "the version is gone or broken: the log of the host has the reason".to_owned(),
            Self::Host(fault) => format!("the host waits for {}", fault.waits_for),
        }
    }
}

/// A line of `GET /use-cases`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UseCaseInfo {
    pub name: String,
    pub description: String,
    /// The version that serves; `None` if no version ever loaded.
    pub version: Option<String>,
    pub targets: Vec<String>,
    /// The reason why the newest upload does not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The state of a newer version that is being loaded; `version` serves meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
}

/// The state of an upload.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Update {
    pub state: UpdateState,
    /// Start time of the state, by the machine's clock: RFC 3339.
    pub since: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UpdateState {
    /// The version is being read, and its new plugins compiled, which may take minutes.
    Loading,
}

/// The part of a ledger that accepts requests.
pub trait Intake: Send + Sync {
    /// Returns the request that was accepted under this key.
    fn find_by_key(&self, use_case: &str, key: &str) -> impl Future<Output = Result<Option<Request>, LedgerError>> + Send;

    /// Stores the request durably, unless its idempotency key is taken.
    fn insert(&self, new: Arc<NewRequest>) -> impl Future<Output = Result<Inserted, LedgerError>> + Send;

    /// Stores many requests, each as [`Self::insert`] would, in as few writes as the ledger can. Returns a result for each, in the same
    /// order.
    fn insert_all(&self, new: Vec<Arc<NewRequest>>) -> impl Future<Output = Vec<Result<Inserted, LedgerError>>> + Send {
        async {
            let mut inserted = Vec::with_capacity(new.len());
            for new in new {
                inserted.push(self.insert(new).await);
            }
            inserted
        }
    }

    /// Makes the ledger refuse any later [`Change::Abort`] of the request, since a repeat of the call is about to be acknowledged. Does
    /// nothing by default: a host whose scheduling cannot fail aborts no request.
    fn adopt(&self, request: &Request, key: &str) -> impl Future<Output = Result<(), LedgerError>> + Send {
        let _ = (request, key);
        std::future::ready(Ok(()))
    }

    /// Returns the ledger's state. A ledger that a service keeps has none of its own.
    fn state(&self) -> LedgerState {
        LedgerState::default()
    }
}

/// The state of a ledger, for `GET /health`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LedgerState {
    /// Why the ledger takes no new requests; `None` while it takes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuses: Option<String>,
    /// Advice to the operator before the ledger fails; `None` if there is nothing to mend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Free space of the ledger's disk, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Size of the write-ahead log, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Inserted {
    /// The request was stored as it was given.
    New,
    /// The idempotency key is taken by this request.
    Taken(Box<Request>),
}

/// The part of a ledger that reads requests.
pub trait Requests: Send + Sync {
    fn find(&self, id: CorrelationId) -> impl Future<Output = Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError>> + Send;

    fn list(&self, query: Query) -> impl Future<Output = Result<Page, LedgerError>> + Send;

    /// Returns the accepted body: JSON text. `None` for an unknown or erased request.
    fn body(&self, id: CorrelationId) -> impl Future<Output = Result<Option<String>, LedgerError>> + Send;

    /// Waits until the request may have ended, and at most for `time`.
    fn wait_for_end(&self, id: CorrelationId, time: Duration) -> impl Future<Output = ()> + Send;

    /// Returns the longest time that a call may wait for the end of a request.
    fn longest_wait(&self) -> Duration;
}

/// The part of a ledger that knows what is paused.
pub trait Pauses: Send + Sync {
    /// Returns every pause that has not ended by `now`, sorted by use case and target.
    fn pauses(&self, now: DateTime<Utc>) -> impl Future<Output = Result<Vec<Pause>, LedgerError>> + Send;

    /// Stores a pause durably. Replaces one of the same use case and target.
    fn pause(&self, pause: Pause) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Removes the pause of a target, or with `None` every pause of the use case. Returns whether there was one.
    fn resume(&self, use_case: &str, target: Option<&str>) -> impl Future<Output = Result<bool, LedgerError>> + Send;
}

/// The part of a ledger that changes requests. A change is checked by [`crate::lifecycle::apply`] and either refused, or stored with its
/// line of history and its notice, atomically and durably.
pub trait Changes: Send + Sync {
    /// Makes a change. A [`Change::Abort`] of a request that is not there also keeps out its insert, which may arrive later, in ledgers
    /// that a service keeps.
    fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> impl Future<Output = Result<Changed, LedgerError>> + Send;
}

/// The part of a ledger for hosts that get the id of a due request. A host that searches for due requests claims them by itself.
pub trait Claims: Send + Sync {
    /// Makes a [`Change::Claim`] with the lease that `lease` returns for the request. Also returns the body, if the same read has it.
    fn claim(
        &self,
        id: CorrelationId,
        lease: impl Fn(&Request) -> Duration + Send,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(Changed, Option<String>), LedgerError>> + Send;
}

#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// The request after the change.
    Done(Request),
    /// The unchanged request, and the reason of the refusal.
    Refused(Request, Refusal),
    NotFound,
}

/// Starts the firing of requests at their due times.
pub trait Scheduler: Send + Sync {
    /// Checks that this deployment can reach the target; the error is the reason why not. Called before a request is stored.
    fn serves(&self, target: &Target) -> Result<(), String>;

    /// Returns the kind of schedule for a new request, on a host that has several. Fails if the target cannot take the body. Called
    /// before the request is stored.
    fn plan(&self, new: &NewRequest, target: &Target) -> Result<Option<ScheduleKind>, BodyTooLarge> {
        let _ = (new, target);
        Ok(None)
    }

    /// Schedules the request to be fired at its `due_at`, never earlier. Replaces the schedule of a request that was moved. Idempotent.
    /// A direct request whose event was sent already is not scheduled again. Does not roll back on error; the caller decides, since
    /// another call may rely on the schedule. Use [`crate::arm::schedule`], which handles [`ScheduleError::NoRoom`].
    fn schedule(&self, arming: Arming<'_>) -> impl Future<Output = Result<(), ScheduleError>> + Send;

    /// Returns what a due request waits for, where its host keeps it in the queue: its target is over a limit or paused. A host that
    /// records this with the request returns `None`.
    fn holds_up(&self, request: &Request, now: DateTime<Utc>) -> Option<String> {
        let _ = (request, now);
        None
    }

    /// Looks for due requests at once, after the end of a pause. Returns the time after which every function knows of the end, on a host
    /// whose requests wait one by one: the caller then schedules the oldest of them again.
    fn resumed(&self) -> Option<TimeDelta> {
        None
    }

    /// Removes the schedule of the request. Idempotent.
    fn unschedule(&self, request: &Request) -> impl Future<Output = Result<(), ScheduleError>> + Send;
}

/// A request to schedule, with its target and its body.
#[derive(Debug, Clone, Copy)]
pub struct Arming<'a> {
    pub request: &'a Request,
    /// `None` if the use case no longer has the alias.
    pub target: Option<&'a Target>,
    /// The request before a move, whose schedule is replaced.
    pub before: Option<&'a Request>,
    /// The accepted body, if the caller has it; callers read it for a direct target. Else the host reads it from the ledger when it
    /// fires the request.
    pub body: Option<&'a str>,
}

/// Delivers a body to a target that is not a plugin.
pub trait Deliver: Send + Sync {
    /// Makes one attempt, which takes at most `delivery.timeout` of wall-clock time. Fails if the host could not begin the attempt.
    fn deliver(&self, delivery: Delivery<'_>) -> impl Future<Output = Result<JobResult, HostFault>> + Send;
}

/// One delivery to a target that is no plugin.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub target: &'a Target,
    pub timeout: Duration,
    pub claimed: &'a Claimed,
}

/// A host's work after an attempt is recorded, apart from its ledger and its scheduler. The host for one machine needs almost none.
pub trait Aftercare: Send + Sync {
    /// Schedules the request for its `due_at` in a cheaper way than [`Scheduler::schedule`]. Returns false if there is none.
    fn again(&self, request: &Request) -> impl Future<Output = Result<bool, ScheduleError>> + Send;

    /// Removes the schedule of a request that has ended.
    fn clean_up(&self, request: &Request) -> impl Future<Output = Result<(), ScheduleError>> + Send {
        let _ = request;
        std::future::ready(Ok(()))
    }

    /// Notifies operators of a request that failed permanently or expired. Logs errors; a host that must not lose a notification records
    /// what is missing and repeats it.
    fn notify_failed(&self, request: &Request) -> impl Future<Output = ()> + Send {
        let _ = request;
        std::future::ready(())
    }
}

/// Time and randomness. The core reads them only through this port.
pub trait Clock: Send + Sync {
    /// Returns the current time, rounded down to the millisecond, so that no request fires early.
    fn now(&self) -> DateTime<Utc>;

    /// Waits by the machine's clock, even if [`Self::now`] is a test clock.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// Returns random bytes from the operating system's generator.
    fn random(&self) -> [u8; 10];

    /// Returns a new correlation id.
    fn new_id(&self, now: DateTime<Utc>) -> CorrelationId {
        CorrelationId::new(now, self.random())
    }
}

/// The error of a call to the ledger.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The ledger is busy, throttled or shutting down. A repeat may succeed.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
    /// The ledger's disk is full, or nearly full and kept for accepted requests. Nothing was stored.
    #[error("the ledger takes no new requests: {0}")]
    Full(String),
    /// A repeat fails too: the file is broken, a permission is missing, or a row is not valid.
    #[error("the ledger failed: {0}")]
    Failed(String),
    /// The body is larger than the ledger takes, in bytes.
    #[error("the accepted body has {size} bytes; the limit of the ledger is {limit} bytes")]
    TooLarge { size: usize, limit: usize },
    /// The ledger has no index in the order of a list, and would have to read and sort more than `limit` requests.
    #[error("the list would sort more than {limit} requests: narrow it by useCase, status, label or dueTo")]
    TooMany { limit: usize },
}

impl LedgerError {
    /// Returns the error for clients and histories. The ledger's own words go to the log only, since they may name files of the host.
    pub fn for_clients(&self) -> String {
        match self {
            Self::Unavailable(_) => "the ledger is not available: try again in a moment".to_owned(),
            Self::Full(_) => "the ledger takes no new requests: the host is nearly out of disk space".to_owned(),
            Self::Failed(_) => "the ledger failed: the log of the host has the reason".to_owned(),
            Self::TooLarge { .. } | Self::TooMany { .. } => self.to_string(),
        }
    }
}

/// The error of a call to the scheduler.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScheduleError {
    #[error("the scheduler is not available: {message}")]
    Unavailable { message: String, retry_after: Option<Duration> },
    /// The body of a direct target is larger than a schedule can carry.
    #[error("{0}")]
    TooLarge(String),
    /// The service of the recorded kind takes no further schedule. Nothing was made. The caller records `instead` and schedules again.
    #[error("the scheduler is not available: {message}")]
    NoRoom { message: String, instead: ScheduleKind },
    #[error("the scheduler failed: {0}")]
    Failed(String),
}

/// A body that is larger than its target takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body has {size} {unit}, and {service} takes {limit} {unit} of it ({source_page})")]
pub struct BodyTooLarge {
    pub size: usize,
    /// Limit of the body, in `unit`.
    pub limit: usize,
    /// `bytes` or `characters`.
    pub unit: &'static str,
    /// The service, and its call or the way to it.
    pub service: String,
    /// The page of the service's documentation that states the limit.
    pub source_page: &'static str,
}
