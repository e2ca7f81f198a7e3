//! What the core needs of the world. Adapters: SQLite, directory and HTTP in `postdate-local`; wasmtime in
//! `postdate-runtime`; AWS in `postdate-aws`. Fakes for tests: [`crate::testing`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::id::CorrelationId;
use crate::lifecycle::{Change, Refusal};
use crate::plugin::{Job, JobResult, PluginError, ValidateInput, Verdict};
use crate::request::{Claimed, HistoryEntry, NewRequest, Page, Query, Request};
use crate::use_case::UseCase;

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

    /// The version that a request is pinned to. The error says why it cannot be had.
    fn version(&self, name: &str, version: &str) -> impl Future<Output = Result<Arc<Self::Bundle>, String>> + Send;

    /// Every use case, good or broken, by name.
    fn list(&self) -> impl Future<Output = Vec<UseCaseInfo>> + Send;
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
}

/// The ledger as accepting sees it.
pub trait Intake: Send + Sync {
    /// The request that was accepted under this key, if any.
    fn find_by_key(&self, use_case: &str, key: &str) -> impl Future<Output = Result<Option<Request>, LedgerError>> + Send;

    /// Stores it durably before it returns, unless its idempotency key is taken.
    fn insert(&self, new: NewRequest) -> impl Future<Output = Result<Inserted, LedgerError>> + Send;
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
}

/// The ledger as everything that changes a request sees it: one transition, checked by
/// [`crate::lifecycle::apply`] and stored with its line of history, or refused; atomic and durable.
pub trait Changes: Send + Sync {
    fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> impl Future<Output = Result<Changed, LedgerError>> + Send;
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
    /// See to it that the request is fired at `request.due_at`; never earlier. Again for a request that was moved.
    fn schedule(&self, request: &Request) -> impl Future<Output = Result<(), ScheduleError>> + Send;

    /// The request will not be fired any more; idempotent.
    fn unschedule(&self, request: &Request) -> impl Future<Output = Result<(), ScheduleError>> + Send;
}

/// Delivers a body to a target that is not a plugin.
pub trait Deliver: Send + Sync {
    /// One attempt; `timeout` is wall clock for all of it.
    fn deliver(&self, delivery: Delivery<'_>) -> impl Future<Output = JobResult> + Send;
}

/// One delivery over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub url: &'a str,
    pub timeout: Duration,
    pub claimed: &'a Claimed,
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
}

/// The scheduler did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScheduleError {
    #[error("the scheduler is not available: {message}")]
    Unavailable { message: String, retry_after: Option<Duration> },
    #[error("the scheduler failed: {0}")]
    Failed(String),
}
