//! The ledger on AWS: one DynamoDB table.
//!
//! A request is an item, its *head*. Every change is one conditional write on the head's revision: the loser of a race reads
//! the head again and applies the core's rules again. The accepted body and the idempotency key are items of their own, which a
//! change does not rewrite.

mod item;
mod list;
mod store;
mod told;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change, Refusal};
use postdate_core::ports::{Changed, Changes, Claims, Inserted, Intake, LedgerError, Requests};
use postdate_core::request::{HistoryEntry, NewRequest, Page, Query, Request};

use crate::aws_error::AwsError;
use item::Head;
use store::Stored;

/// Largest accepted body, in bytes. An item may have 400 KB, including its names and keys (DynamoDB, item size).
pub const MAX_BODY_BYTES: usize = 390_000;
/// Tries of one write that races with other writes to the same request.
const TRIES: u32 = 12;
/// Most heads that are cached between a claim and its end. One process never runs as many requests.
const REMEMBERED: usize = 1_000;

/// A handle on the table; clones share the cache.
#[derive(Clone)]
pub struct DynamoLedger {
    client: Client,
    table: Arc<str>,
    /// Time for which a request is kept after its end.
    retention: Duration,
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
    pub fn new(client: Client, table: &str, retention: Duration) -> Self {
        Self { client, table: table.into(), retention, memory: Arc::default() }
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
            match self.store(&known, &applied, &change).await? {
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

impl Intake for DynamoLedger {
    async fn find_by_key(&self, use_case: &str, key: &str) -> Result<Option<Request>, LedgerError> {
        let Some(item) = self.get(&item::key_pk(use_case, key), item::KEY).await? else { return Ok(None) };
        let id = item.get("id").and_then(|id| id.as_s().ok()).and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| LedgerError::Failed("the item of an idempotency key has no valid request id".to_owned()))?;
        self.read_head(id).await?.map(|head| head.request()).transpose()
    }

    async fn insert(&self, new: NewRequest) -> Result<Inserted, LedgerError> {
        let size = new.body.len();
        if size > MAX_BODY_BYTES {
            return Err(LedgerError::TooLarge { size, limit: MAX_BODY_BYTES });
        }
        if new.request.notice_of.is_none() {
            self.register(&new.request.use_case).await?;
        }
        for attempt in 1..=TRIES {
            if self.put_new(&new).await? {
                return Ok(Inserted::New(new.request));
            }
            // The key exists already; or the request does, because the first answer to this write was lost.
            if let Some(head) = self.read_head(new.request.id).await? {
                let found = head.request()?;
                return if found == new.request {
                    Ok(Inserted::New(found))
                } else {
                    Err(LedgerError::Failed(format!("there is a request {} already", found.id)))
                };
            }
            if let Some(key) = &new.idempotency_key
                && let Some(first) = self.find_by_key(&new.request.use_case, key).await?
            {
                return Ok(Inserted::Taken(first));
            }
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..=u64::from(attempt) * 20))).await;
        }
        Err(LedgerError::Unavailable(format!("request {} could not be stored: other requests with its key come and go", new.request.id)))
    }

    async fn adopt(&self, request: &Request, key: &str) -> Result<(), LedgerError> {
        let call = self.client.update_item().table_name(&*self.table);
        let call =
            call.key("pk", AttributeValue::S(item::key_pk(&request.use_case, key))).key("sk", AttributeValue::S(item::KEY.to_owned()));
        let call = call.update_expression("SET adopted = :yes").condition_expression("id = :id");
        let call = call.expression_attribute_values(":yes", AttributeValue::Bool(true));
        let call = call.expression_attribute_values(":id", AttributeValue::S(request.id.to_string()));
        match call.send().await {
            Ok(_) => Ok(()),
            // The request was aborted a moment ago, and its key is free.
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => {
                Err(LedgerError::Unavailable("the request of this idempotency key was just aborted".to_owned()))
            }
            Err(error) => Err(failed(&error)),
        }
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
        let item = self.get(&id.to_string(), item::BODY).await?;
        Ok(item.and_then(|mut item| item.remove(item::BODY)).and_then(|body| body.as_s().ok().cloned()))
    }
}

impl Changes for DynamoLedger {
    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        let remembered = self.memory().heads.get(&id).cloned();
        let (head, fresh) = match remembered {
            Some(head) => (head, false),
            None => match self.read_head(id).await? {
                Some(head) => (head, true),
                None => return Ok(Changed::NotFound),
            },
        };
        self.change_from(head, fresh, change, now).await
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
        let (head, body) = self.read_whole(id).await?;
        let Some(head) = head else { return Ok((Changed::NotFound, None)) };
        let change = Change::Claim { lease: lease(&head.request()?) };
        let changed = self.change_from(head, true, change, now).await?;
        Ok((changed, body))
    }
}

fn failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> LedgerError {
    AwsError::of("DynamoDB", error).into()
}
