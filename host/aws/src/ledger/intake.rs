//! Stores new requests, and finds requests by their idempotency keys.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _};
use postdate_core::id::CorrelationId;
use postdate_core::ports::{Inserted, Intake, LedgerError};
use postdate_core::request::{NewRequest, Request};

use super::change::new_items;
use super::item::Head;
use super::table::{Action, Item, Write, Written, is_ours, key, number, read, text, token};
use super::{DynamoLedger, MAX_BODY_BYTES, TRIES, failed, keys};

/// Limit of a transaction's items (DynamoDB, `TransactWriteItems`: "up to 100 action requests").
const MAX_TRANSACTION_ITEMS: usize = 100;
/// Limit of the bodies in a transaction, in bytes: it takes 4 MB ("the aggregate size of the items in the transaction cannot exceed 4 MB").
const MAX_TRANSACTION_BODIES: usize = 3 << 20;
/// Requests of a batch that are stored one by one, at a time.
const STORES: usize = 16;

impl DynamoLedger {
    /// Returns the item of an idempotency key, with the id of its request.
    async fn holder(&self, use_case: &str, key: &str) -> Result<Option<CorrelationId>, LedgerError> {
        let item = self.get(&keys::key_pk(use_case, key), keys::KEY).await?;
        Ok(item.and_then(|item| item.get("id")?.as_s().ok()?.parse().ok()))
    }

    /// Returns the writes of a new request. With `gone`, its key is taken from this request, which must not be there.
    fn insertion(&self, head: &Head, body: Option<String>, gone: Option<CorrelationId>) -> Result<Vec<Write>, LedgerError> {
        let mut writes = new_items(head, body)?;
        let Some(idempotency_key) = &head.idempotency_key else { return Ok(writes) };
        let mut item: Item = key(&keys::key_pk(&head.use_case, idempotency_key), keys::KEY);
        item.extend([text("id", &head.pk)]);
        item.extend(head.beside.map(|expires| ("expires".to_owned(), number(expires))));
        let Some(gone) = gone.map(|id| id.to_string()) else {
            writes.insert(1, Write::put(item, "attribute_not_exists(id)"));
            return Ok(writes);
        };
        let taken = Write::put(item, "attribute_not_exists(id) OR id = :gone").with(":gone", AttributeValue::S(gone.clone()));
        writes.insert(1, taken);
        // A read beside a transaction may see the new key and not yet its request, so the transaction looks again.
        let action = Action::Check(key(&gone, keys::HEAD));
        let check = Write { action, condition: "attribute_not_exists(pk) OR expires <= :now", values: Vec::new() };
        writes.push(check.with(":now", number((self.now)().timestamp())));
        Ok(writes)
    }

    /// Stores one request, whose size was checked.
    async fn insert_head(&self, head: &Head, body: Option<&str>, request: &Request) -> Result<Inserted, LedgerError> {
        let mut gone = None;
        for attempt in 1..=TRIES {
            match self.write(self.insertion(head, body.map(str::to_owned), gone.take())?).await? {
                Written::Done => return Ok(Inserted::New),
                Written::Conflict => {}
                Written::Refused(refused) => {
                    if let Some(found) = refused.first().and_then(Option::as_ref) {
                        return if is_ours(Some(found), head) { Ok(Inserted::New) } else { Err(exists(found, request.id)) };
                    }
                    if let Some(key) = &head.idempotency_key
                        && let Some(holder) = self.holder(&request.use_case, key).await?
                    {
                        match self.read_head(holder).await? {
                            Some(first) => return Ok(Inserted::Taken(Box::new(first.request()?))),
                            None => gone = Some(holder),
                        }
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..=u64::from(attempt) * 20))).await;
        }
        Err(LedgerError::Unavailable(format!("request {} could not be stored: other requests with its key come and go", request.id)))
    }

    /// Stores requests by one transaction, and one by one if it is refused.
    async fn store_together(&self, chunk: Vec<(Head, Option<String>, Arc<NewRequest>)>) -> Vec<Result<Inserted, LedgerError>> {
        if chunk.len() > 1 {
            let writes: Result<Vec<_>, _> = chunk.iter().map(|(head, body, _)| self.insertion(head, body.clone(), None)).collect();
            let written = match writes {
                Ok(writes) => self.write(writes.into_iter().flatten().collect()).await,
                Err(error) => Err(error),
            };
            if matches!(written, Ok(Written::Done)) {
                return chunk.iter().map(|_| Ok(Inserted::New)).collect();
            }
        }
        let stores = chunk.into_iter().map(|(head, body, new)| async move { self.insert_head(&head, body.as_deref(), &new.request).await });
        stream::iter(stores).buffered(STORES).collect().await
    }
}

impl Intake for DynamoLedger {
    /// Also finds a request whose key has expired before it.
    async fn find_by_key(&self, use_case: &str, key: &str) -> Result<Option<Request>, LedgerError> {
        let Some(id) = self.holder(use_case, key).await? else { return Ok(None) };
        self.read_head(id).await?.map(|head| head.request()).transpose()
    }

    async fn insert(&self, new: Arc<NewRequest>) -> Result<Inserted, LedgerError> {
        check_size(new.body.len())?;
        if new.request.notice_of.is_none() {
            self.register(&new.request.use_case).await?;
        }
        let (head, body) = Head::of_new(&new, &token(), self.writing);
        self.insert_head(&head, body.as_deref(), &new.request).await
    }

    /// Makes one transaction of as many requests as it can hold. The requests of a transaction that is refused are stored one by one.
    async fn insert_all(&self, new: Vec<Arc<NewRequest>>) -> Vec<Result<Inserted, LedgerError>> {
        if let Some(first) = new.first()
            && let Err(error) = self.register(&first.request.use_case).await
        {
            return vec![Err(error); new.len()];
        }
        let mut inserted = Vec::with_capacity(new.len());
        let mut chunk = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        for new in new {
            let size = new.body.len();
            if let Err(error) = check_size(size) {
                inserted.extend(self.store_together(std::mem::take(&mut chunk)).await);
                inserted.push(Err(error));
                (items, bytes) = (0, 0);
                continue;
            }
            let (head, body) = Head::of_new(&new, &token(), self.writing);
            let needs = 1 + usize::from(body.is_some()) + usize::from(head.idempotency_key.is_some()) + head.pointers().len();
            if items + needs > MAX_TRANSACTION_ITEMS || bytes + size > MAX_TRANSACTION_BODIES {
                inserted.extend(self.store_together(std::mem::take(&mut chunk)).await);
                (items, bytes) = (0, 0);
            }
            (items, bytes) = (items + needs, bytes + size);
            chunk.push((head, body, new));
        }
        inserted.extend(self.store_together(chunk).await);
        inserted
    }

    async fn adopt(&self, request: &Request, key: &str) -> Result<(), LedgerError> {
        let call = self.client.update_item().table_name(&*self.table);
        let call = call.set_key(Some(super::table::key(&keys::key_pk(&request.use_case, key), keys::KEY)));
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

fn check_size(size: usize) -> Result<(), LedgerError> {
    if size > MAX_BODY_BYTES { Err(LedgerError::TooLarge { size, limit: MAX_BODY_BYTES }) } else { Ok(()) }
}

/// Returns the error of an insert that found an item with its id.
fn exists(found: &Item, id: CorrelationId) -> LedgerError {
    match read(found.clone()) {
        Ok(head) if head.barred => LedgerError::Unavailable(format!("request {id} was aborted before it was stored")),
        Ok(_) => LedgerError::Failed(format!("there is a request {id} already")),
        Err(error) => error,
    }
}
