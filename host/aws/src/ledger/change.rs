//! Writes the changes of stored requests.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Applied, Change};
use postdate_core::ports::LedgerError;

use super::item::Head;
use super::table::{Action, Item, Write, Written, is_ours, key, number, token, write};
use super::{DynamoLedger, keys};

/// Time for which a request that was aborted before it arrived is kept out. No call is under way for as long.
const BARRED: TimeDelta = TimeDelta::days(1);

/// The result of storing a change.
pub enum Stored {
    Done(Box<Head>),
    /// Another change came first.
    Stale,
    /// The change was an abort, and the request has been acknowledged.
    Acknowledged,
}

/// A part of a change beside the head and the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Key,
    Body,
    Label,
    Notice,
    /// An earlier notice, which an erasure erases.
    EarlierNotice,
}

impl DynamoLedger {
    /// Stores a changed request with its notice, if the stored one is still `known`. Of the other items, an abort deletes the key's, an
    /// erasure deletes all and erases the notices, a move replaces those of labels, and a change that comes long after the expected end
    /// moves the expiry of all.
    pub(super) async fn store(
        &self,
        known: &Head,
        applied: &Applied<'_>,
        change: &Change,
        now: DateTime<Utc>,
    ) -> Result<Stored, LedgerError> {
        let mut head = known.after(&applied.request, applied.line.clone(), &token(), self.writing);
        if let Some(notice) = applied.notice {
            head.add_notice(notice.request.id);
        }
        let earlier = if matches!(change, Change::Erase { .. }) { self.erased_notices(known, change, now).await? } else { Vec::new() };
        let (mut has_key, mut has_body) = (known.idempotency_key.is_some(), known.has_body_apart());
        loop {
            let changed = Write::put(write(&head)?, "rev = :rev").with(":rev", number(known.rev));
            let mut writes = vec![(Part::Head, changed)];
            if let Some(key) = known.idempotency_key.as_deref().filter(|_| has_key) {
                writes.extend(key_write(known, &head, key, change).map(|write| (Part::Key, write)));
            }
            if has_body && !head.has_body_apart() {
                writes.push((Part::Body, Write::delete(key(&head.pk, keys::BODY))));
            } else if has_body && let Some(expires) = moved(known, &head) {
                let action = Action::Update(key(&head.pk, keys::BODY), "SET expires = :expires");
                let body = Write { action, condition: "attribute_exists(pk)", values: Vec::new() };
                writes.push((Part::Body, body.with(":expires", number(expires))));
            }
            writes.extend(pointer_writes(known, &head).into_iter().map(|write| (Part::Label, write)));
            if let Some(notice) = applied.notice {
                let (notice, apart) = Head::of_new(notice, &token(), self.writing);
                writes.extend(new_items(&notice, apart)?.into_iter().map(|write| (Part::Notice, write)));
            }
            for (known, erased) in &earlier {
                writes.push((Part::EarlierNotice, Write::put(write(erased)?, "rev = :rev").with(":rev", number(known.rev))));
                if known.has_body_apart() {
                    writes.push((Part::EarlierNotice, Write::delete(key(&known.pk, keys::BODY))));
                }
            }
            let (parts, writes): (Vec<Part>, Vec<Write>) = writes.into_iter().unzip();
            let refused = match self.write(writes).await? {
                Written::Done => {
                    earlier.iter().filter_map(|(known, _)| known.id().ok()).for_each(|id| self.forget(id));
                    return Ok(Stored::Done(Box::new(head)));
                }
                Written::Conflict => return Ok(Stored::Stale),
                Written::Refused(refused) => refused,
            };
            let found = |part| parts.iter().zip(&refused).filter(|(other, _)| **other == part).find_map(|(_, found)| found.as_ref());
            if let Some(found) = found(Part::Head) {
                return Ok(if is_ours(Some(found), &head) { Stored::Done(Box::new(head)) } else { Stored::Stale });
            }
            if found(Part::EarlierNotice).is_some() {
                return Ok(Stored::Stale);
            }
            if let Some(found) = found(Part::Key) {
                if matches!(change, Change::Abort { .. }) && found.get("id") == Some(&AttributeValue::S(head.pk.clone())) {
                    return Ok(Stored::Acknowledged);
                }
                // The key has expired, and may belong to another request by now.
                (has_key, head.idempotency_key) = (false, None);
            } else if found(Part::Body).is_some() {
                has_body = false;
            } else {
                return Err(LedgerError::Failed("the notice of this end exists already".to_owned()));
            }
        }
    }

    /// Returns the notices about a request, whose bodies quote it, before and after their erasure. A notice that is being delivered stays,
    /// and is gone after the retention.
    async fn erased_notices(&self, known: &Head, erase: &Change, now: DateTime<Utc>) -> Result<Vec<(Head, Head)>, LedgerError> {
        let mut erased = Vec::new();
        for id in known.notices.iter().filter_map(|id| id.parse().ok()) {
            let Some(notice) = self.read_head(id).await? else { continue };
            let request = notice.request()?;
            if request.erased_at.is_none()
                && let Ok(applied) = lifecycle::apply(&request, erase, now)
            {
                let after = notice.after(&applied.request, applied.line, &token(), self.writing);
                erased.push((notice, after));
            }
        }
        Ok(erased)
    }

    /// Keeps out the insert of a request that is not there, since it may still be under way. Returns false if the request is there.
    pub(super) async fn bar(&self, id: CorrelationId) -> Result<bool, LedgerError> {
        let yes = AttributeValue::Bool(true);
        let mut bar = key(&id.to_string(), keys::HEAD);
        bar.insert("barred".to_owned(), yes.clone());
        bar.insert("expires".to_owned(), number(((self.now)() + BARRED).timestamp()));
        let written = self.write(vec![Write::put(bar, "attribute_not_exists(pk) OR barred = :yes").with(":yes", yes)]).await?;
        Ok(matches!(written, Written::Done))
    }
}

/// Returns the write of a key's item that a change needs.
fn key_write(known: &Head, head: &Head, idempotency_key: &str, change: &Change) -> Option<Write> {
    let item = key(&keys::key_pk(&head.use_case, idempotency_key), keys::KEY);
    let id = AttributeValue::S(head.pk.clone());
    if matches!(change, Change::Abort { .. } | Change::Erase { .. }) {
        let condition = if matches!(change, Change::Abort { .. }) { "id = :id AND attribute_not_exists(adopted)" } else { "id = :id" };
        return Some(Write { action: Action::Delete(item), condition, values: vec![(":id", id)] });
    }
    let expires = (":expires", number(moved(known, head)?));
    Some(Write { action: Action::Update(item, "SET expires = :expires"), condition: "id = :id", values: vec![(":id", id), expires] })
}

/// Returns the new expiry of the items beside the head, if the change moves it.
fn moved(known: &Head, head: &Head) -> Option<i64> {
    head.beside.filter(|_| head.beside != known.beside)
}

/// Returns the writes that a change needs of the items of labels. None has a condition: the head's covers them.
fn pointer_writes(known: &Head, head: &Head) -> Vec<Write> {
    let (before, after) = (known.pointers(), head.pointers());
    let gone = before.iter().filter(|pointer| !after.contains(pointer)).map(|(pk, sk)| Write::delete(key(pk, sk)));
    let new = after.iter().filter(|pointer| !before.contains(pointer) || moved(known, head).is_some());
    gone.chain(new.map(|(pk, sk)| pointer(pk, sk, head.beside))).collect()
}

/// Returns the write of a label's item.
fn pointer(pk: &str, sk: &str, expires: Option<i64>) -> Write {
    let mut item = key(pk, sk);
    item.extend(expires.map(|expires| ("expires".to_owned(), number(expires))));
    Write::put(item, "")
}

/// Returns the writes of a new request, without its key.
pub fn new_items(head: &Head, body: Option<String>) -> Result<Vec<Write>, LedgerError> {
    let mut writes = vec![Write::put(write(head)?, "attribute_not_exists(pk)")];
    if let Some(body) = body {
        let mut item: Item = key(&head.pk, keys::BODY);
        item.insert(keys::BODY.to_owned(), AttributeValue::S(body));
        item.extend(head.beside.map(|expires| ("expires".to_owned(), number(expires))));
        writes.push(Write::put(item, "attribute_not_exists(pk)"));
    }
    writes.extend(head.pointers().iter().map(|(pk, sk)| pointer(pk, sk, head.beside)));
    Ok(writes)
}
