//! The ledger on AWS: one DynamoDB table.
//!
//! A request is an item, its *head*. Every change is one conditional write on the head's revision: the loser of a race reads
//! the head again and applies the core's rules again. The head contains the accepted body up to 8 KB. A larger body, and the
//! idempotency key, are items of their own, which a change does not rewrite. For each label, an item in the label's partition names the
//! request.
//!
//! A request is gone when its `expires` has passed, although DynamoDB deletes its items some days later and one by one. A key whose
//! request is gone is free.

mod backlog;
mod change;
mod counters;
mod intake;
mod item;
mod keys;
mod labels;
mod lanes;
mod list;
mod pauses;
mod table;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change, Refusal};
use postdate_core::ports::{Changed, Changes, Claims, LedgerError, Requests};
use postdate_core::request::{HistoryEntry, Page, Query, Request};

use crate::aws_error::AwsError;
use crate::ports::Snapshots;
use change::Stored;
use item::{Head, Writing};
pub use keys::Layout;

/// Largest accepted body, in bytes. An item may have 400 KB, including its names and keys (DynamoDB, item size).
pub const MAX_BODY_BYTES: usize = 390_000;
/// Tries of one write that races with other writes to the same request.
const TRIES: u32 = 12;
/// Most heads that are cached between a claim and its end. One process never runs as many requests.
const REMEMBERED: usize = 1_000;
/// Requests that one page of a list reads, those that its filters drop included. They have some 6 MB in the index.
const ROWS_PER_PAGE: usize = 20_000;
/// Longest wait of one call for the end of a request: API Gateway stops waiting after 30 s.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Time between two looks at the status of a request whose end a call waits for.
const POLL: Duration = Duration::from_secs(1);

/// A handle on the table; clones share the cache.
#[derive(Clone)]
pub struct DynamoLedger {
    client: Client,
    table: Arc<str>,
    writing: Writing,
    rows_per_page: usize,
    now: fn() -> DateTime<Utc>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// Heads of the requests that this process runs, as it wrote them last.
    heads: HashMap<CorrelationId, Head>,
    /// Use cases that are known to be in the registry.
    use_cases: HashSet<String>,
}

impl DynamoLedger {
    /// `retention` is the time for which a request is kept after its end.
    pub fn new(client: Client, table: &str, retention: Duration, now: fn() -> DateTime<Utc>) -> Self {
        let writing = Writing { layout: Layout::default(), retention };
        Self { client, table: table.into(), writing, rows_per_page: ROWS_PER_PAGE, now, memory: Arc::default() }
    }

    /// Sets the layout of the table's indexes, and the limit of requests that one page of a list reads.
    #[must_use]
    pub fn with_layout(mut self, layout: Layout, rows_per_page: usize) -> Self {
        (self.writing.layout, self.rows_per_page) = (layout, rows_per_page);
        self
    }

    /// Opens the connection before the first request, by reading the registry of use cases.
    pub async fn warm(&self) -> Result<(), LedgerError> {
        self.registered().await.map(drop)
    }

    async fn change_from(&self, mut known: Head, mut fresh: bool, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        let id = known.id()?;
        for attempt in 0..TRIES {
            let request = known.request()?;
            let applied = match lifecycle::apply(&request, &change, now) {
                Ok(applied) => applied,
                Err(refusal) if fresh => return Ok(Changed::Refused(request, refusal)),
                Err(_) => match self.read_head(id).await? {
                    Some(head) => {
                        (known, fresh) = (head, true);
                        continue;
                    }
                    None => return Ok(Changed::NotFound),
                },
            };
            match self.store(&known, &applied, &change, now).await? {
                Stored::Done(head) => {
                    self.remember(id, *head);
                    return Ok(Changed::Done(applied.request));
                }
                Stored::Acknowledged => return Ok(Changed::Refused(request, Refusal::Acknowledged)),
                Stored::Stale => {
                    self.forget(id);
                    // The wait is random, so that the competing writers do not collide again.
                    let most = u64::from(attempt) * 20;
                    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most))).await;
                    match self.read_head(id).await? {
                        Some(head) => (known, fresh) = (head, true),
                        None => return Ok(Changed::NotFound),
                    }
                }
            }
        }
        Err(LedgerError::Unavailable(format!("other writers changed request {id} {TRIES} times during this change")))
    }

    /// Caches the head of a request that this process runs, whose next change then needs no read.
    fn remember(&self, id: CorrelationId, head: Head) {
        let mut memory = self.memory();
        if head.is_running() {
            if memory.heads.len() >= REMEMBERED {
                memory.heads.clear();
            }
            memory.heads.insert(id, head);
        } else {
            memory.heads.remove(&id);
        }
    }

    fn forget(&self, id: CorrelationId) {
        self.memory().heads.remove(&id);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests for DynamoLedger {
    async fn find(&self, id: CorrelationId) -> Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError> {
        self.read_head(id).await?.map(|head| Ok((head.request()?, head.history()))).transpose()
    }

    async fn list(&self, query: Query) -> Result<Page, LedgerError> {
        self.list_page(&query).await
    }

    async fn body(&self, id: CorrelationId) -> Result<Option<String>, LedgerError> {
        Ok(self.read_whole(id).await?.and_then(|(_, body)| body))
    }

    async fn wait_for_end(&self, id: CorrelationId, time: Duration) {
        let ended = async {
            loop {
                tokio::time::sleep(POLL).await;
                // The caller reads the request again, and finds the error.
                if self.has_ended(id).await.unwrap_or(true) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(time, ended).await;
    }

    fn longest_wait(&self) -> Duration {
        LONGEST_WAIT
    }
}

impl Changes for DynamoLedger {
    /// An abort of a request that is not there also keeps out its insert, which may arrive later.
    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        let remembered = self.memory().heads.get(&id).cloned();
        if let Some(head) = remembered {
            return self.change_from(head, false, change, now).await;
        }
        // A second time if the insert arrived between the read and the bar.
        for _ in 0..2 {
            if let Some(head) = self.read_head(id).await? {
                return self.change_from(head, true, change, now).await;
            }
            if !matches!(change, Change::Abort { .. }) || self.bar(id).await? {
                break;
            }
        }
        Ok(Changed::NotFound)
    }
}

impl Claims for DynamoLedger {
    /// Reads head and body in one call.
    async fn claim(
        &self,
        id: CorrelationId,
        lease: impl Fn(&Request) -> Duration + Send,
        now: DateTime<Utc>,
    ) -> Result<(Changed, Option<String>), LedgerError> {
        let Some((request, body, head)) = self.snapshot(id).await? else { return Ok((Changed::NotFound, None)) };
        let changed = self.change_snapshot(head, Change::Claim { lease: lease(&request) }, now).await?;
        Ok((changed, body))
    }
}

impl Snapshots for DynamoLedger {
    type Snapshot = Head;

    async fn snapshot(&self, id: CorrelationId) -> Result<Option<(Request, Option<String>, Head)>, LedgerError> {
        let Some((head, body)) = self.read_whole(id).await? else { return Ok(None) };
        Ok(Some((head.request()?, body, head)))
    }

    async fn change_snapshot(&self, head: Head, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        self.change_from(head, true, change, now).await
    }
}

fn failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> LedgerError {
    AwsError::of("DynamoDB", error).into()
}
