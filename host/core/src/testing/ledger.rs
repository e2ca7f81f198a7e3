//! Fake of the ledger's ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::id::CorrelationId;
use crate::lifecycle::{self, Applied, Change, Refusal};
use crate::pause::Pause;
use crate::ports::{Changed, Changes, Inserted, Intake, LedgerError, Pauses, Requests};
use crate::request::{Claimed, HistoryEntry, NewRequest, Page, Query, Request};
use crate::testing::claim;

/// A ledger in memory. Can be made to fail.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    by_id: BTreeMap<CorrelationId, Row>,
    by_key: BTreeMap<(String, String), CorrelationId>,
    /// Requests that were aborted before they arrived.
    barred: BTreeSet<CorrelationId>,
    pauses: Vec<Pause>,
    broken: Option<LedgerError>,
    unchangeable: Option<LedgerError>,
    keys_hidden: bool,
    replies_lost: bool,
    replies_of_changes_lost: bool,
}

#[derive(Debug)]
struct Row {
    request: Request,
    body: String,
    adopted: bool,
    history: Vec<HistoryEntry>,
}

impl Row {
    fn make(&mut self, next: Request, line: lifecycle::Line) {
        self.request = next;
        line.write(&mut self.history, |entry| entry, |entry| entry.detail = None);
    }
}

impl MemoryLedger {
    /// Makes every following call fail with `error`.
    pub fn fail_with(&self, error: LedgerError) {
        self.lock().broken = Some(error);
    }

    /// Makes every following change of a request fail with `error`; `None` ends that.
    pub fn fail_changes_with(&self, error: impl Into<Option<LedgerError>>) {
        self.lock().unchangeable = error.into();
    }

    /// Makes every following look-up by key find nothing, as if another call took the key after it.
    pub fn hide_keys(&self) {
        self.lock().keys_hidden = true;
    }

    /// Makes every following insert store its request and fail, as if its reply was lost.
    pub fn lose_replies(&self) {
        self.lock().replies_lost = true;
    }

    /// Makes every following change that the request allows be stored and fail, as if its reply was lost.
    pub fn lose_replies_of_changes(&self) {
        self.lock().replies_of_changes_lost = true;
    }

    /// Returns the ids of all requests, notices included.
    pub fn ids(&self) -> Vec<CorrelationId> {
        self.lock().by_id.keys().copied().collect()
    }

    /// Returns the accepted body of a request.
    pub fn body(&self, id: CorrelationId) -> Option<String> {
        self.lock().by_id.get(&id).map(|row| row.body.clone())
    }

    /// Claims a request for its next attempt. Returns `None` if there is no such request or the claim is
    /// refused.
    pub async fn claim(&self, id: CorrelationId, now: DateTime<Utc>) -> Result<Option<Claimed>, LedgerError> {
        match self.change(id, claim(), now).await? {
            Changed::Done(request) => Ok(self.body(id).map(|body| Claimed { request, body })),
            _ => Ok(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> Result<MutexGuard<'_, Rows>, LedgerError> {
        let rows = self.lock();
        match &rows.broken {
            Some(error) => Err(error.clone()),
            None => Ok(rows),
        }
    }
}

impl Rows {
    fn check_free(&self, id: CorrelationId) -> Result<(), LedgerError> {
        if self.by_id.contains_key(&id) { Err(LedgerError::Failed(format!("there is a request {id} already"))) } else { Ok(()) }
    }

    fn insert(&mut self, new: &NewRequest) -> Result<(), LedgerError> {
        self.check_free(new.request.id)?;
        if let Some(key) = &new.idempotency_key {
            self.by_key.insert((new.request.use_case.clone(), key.clone()), new.request.id);
        }
        let row =
            Row { request: new.request.clone(), body: new.body.clone(), adopted: false, history: vec![lifecycle::accepted(&new.request)] };
        self.by_id.insert(new.request.id, row);
        Ok(())
    }

    fn find_by_key(&self, use_case: &str, key: &str) -> Option<Request> {
        let id = self.by_key.get(&(use_case.to_owned(), key.to_owned()))?;
        self.by_id.get(id).map(|row| row.request.clone())
    }
}

impl Intake for MemoryLedger {
    async fn find_by_key(&self, use_case: &str, key: &str) -> Result<Option<Request>, LedgerError> {
        let rows = self.rows()?;
        Ok(rows.find_by_key(use_case, key).filter(|_| !rows.keys_hidden))
    }

    async fn insert(&self, new: Arc<NewRequest>) -> Result<Inserted, LedgerError> {
        let mut rows = self.rows()?;
        if rows.barred.contains(&new.request.id) {
            return Err(LedgerError::Unavailable(format!("request {} was aborted before it was stored", new.request.id)));
        }
        let taken = new.idempotency_key.as_ref().and_then(|key| rows.find_by_key(&new.request.use_case, key));
        if let Some(first) = taken {
            return Ok(Inserted::Taken(Box::new(first)));
        }
        rows.insert(&new)?;
        if rows.replies_lost { Err(LedgerError::Unavailable("no answer".to_owned())) } else { Ok(Inserted::New) }
    }

    async fn adopt(&self, request: &Request, _key: &str) -> Result<(), LedgerError> {
        if let Some(row) = self.rows()?.by_id.get_mut(&request.id) {
            row.adopted = true;
        }
        Ok(())
    }
}

impl Requests for MemoryLedger {
    async fn find(&self, id: CorrelationId) -> Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError> {
        Ok(self.rows()?.by_id.get(&id).map(|row| (row.request.clone(), row.history.clone())))
    }

    async fn body(&self, id: CorrelationId) -> Result<Option<String>, LedgerError> {
        let rows = self.rows()?;
        Ok(rows.by_id.get(&id).filter(|row| row.request.erased_at.is_none()).map(|row| row.body.clone()))
    }

    async fn list(&self, query: Query) -> Result<Page, LedgerError> {
        let place = |request: &Request| request.place(query.order);
        let selected = |request: &Request| query.selects(request) && query.after.is_none_or(|after| place(request) > after);
        let rows = self.rows()?;
        let mut requests: Vec<Request> = rows.by_id.values().map(|row| &row.request).filter(|request| selected(request)).cloned().collect();
        requests.sort_by_key(place);
        let more = requests.len() > query.limit;
        requests.truncate(query.limit);
        let next = requests.last().filter(|_| more).map(place);
        Ok(Page { requests: requests.into_iter().map(Request::listed).collect(), next })
    }

    /// Does not wait: nothing changes a fake meanwhile.
    async fn wait_for_end(&self, _id: CorrelationId, _time: Duration) {}

    fn longest_wait(&self) -> Duration {
        Duration::from_secs(20)
    }
}

impl Pauses for MemoryLedger {
    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, LedgerError> {
        let mut pauses: Vec<Pause> = self.rows()?.pauses.iter().filter(|pause| pause.is_on(now)).cloned().collect();
        pauses.sort_by(|a, b| (&a.use_case, &a.target).cmp(&(&b.use_case, &b.target)));
        Ok(pauses)
    }

    async fn pause(&self, new: Pause) -> Result<(), LedgerError> {
        let mut rows = self.rows()?;
        rows.pauses.retain(|pause| (&pause.use_case, &pause.target) != (&new.use_case, &new.target));
        rows.pauses.push(new);
        Ok(())
    }

    async fn resume(&self, use_case: &str, target: Option<&str>) -> Result<bool, LedgerError> {
        let mut rows = self.rows()?;
        let before = rows.pauses.len();
        rows.pauses.retain(|pause| pause.use_case != use_case || target.is_some_and(|target| pause.target.as_deref() != Some(target)));
        Ok(rows.pauses.len() < before)
    }
}

impl Changes for MemoryLedger {
    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        let mut rows = self.rows()?;
        if let Some(error) = &rows.unchangeable {
            return Err(error.clone());
        }
        let Some(row) = rows.by_id.get_mut(&id) else {
            if matches!(change, Change::Abort { .. }) {
                rows.barred.insert(id);
            }
            return Ok(Changed::NotFound);
        };
        if row.adopted && matches!(change, Change::Abort { .. }) {
            return Ok(Changed::Refused(row.request.clone(), Refusal::Acknowledged));
        }
        let Applied { request: next, line, notice } = match lifecycle::apply(&row.request, &change, now) {
            Ok(applied) => applied,
            Err(refusal) => return Ok(Changed::Refused(row.request.clone(), refusal)),
        };
        // Insert the notice first, since this can fail: then neither the notice nor the change is stored.
        if let Some(notice) = notice {
            rows.insert(notice)?;
        }
        if matches!(change, Change::Abort { .. } | Change::Erase { .. }) {
            rows.by_key.retain(|_, holder| *holder != id);
        }
        if let Some(row) = rows.by_id.get_mut(&id) {
            row.make(next.clone(), line);
        }
        if matches!(change, Change::Erase { .. }) {
            for notice in rows.by_id.values_mut().filter(|row| row.request.notice_of == Some(id)) {
                if let Ok(Applied { request, line, .. }) = lifecycle::apply(&notice.request, &change, now) {
                    notice.make(request, line);
                }
            }
        }
        if rows.replies_of_changes_lost { Err(LedgerError::Unavailable("no answer".to_owned())) } else { Ok(Changed::Done(next)) }
    }
}
