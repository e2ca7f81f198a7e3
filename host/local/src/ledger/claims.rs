//! The ledger's operations for the timer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change, Refusal};
use postdate_core::ports::LedgerError;
use postdate_core::request::{Claimed, Request};

use postdate_core::limits::{Rate, RateSlot};

use super::rows::{self, LaneHead};
use super::{Lane, SqliteLedger};

/// The lane that the next claim is taken from.
#[derive(Debug)]
pub struct Picked<P> {
    /// Index of the lane.
    pub lane: usize,
    pub place: P,
    /// The rate of the lane's target, and its next free slot after this claim, for the next start of the server.
    pub slot: Option<(Rate, RateSlot)>,
}

/// Claimed requests, and what the next query waits for.
#[derive(Debug)]
pub struct Due<P> {
    /// Each with the place that it was picked for.
    pub claimed: Vec<(Claimed, P)>,
    /// The next time at which a request falls due in a lane from which nothing is due now.
    pub next: Option<DateTime<Utc>>,
    /// True if the first request of a lane has expired. No request behind it is claimed until it has [ended](SqliteLedger::expired).
    pub expired: bool,
}

impl SqliteLedger {
    /// Claims due requests, each lane's oldest first. `pick` takes a place in one of the lanes, or returns `None` for no further
    /// claim. Calls `clock` and `lease` inside the transaction, so a claim's time is that of the transaction, not of the call.
    /// Drops the places of a transaction that fails.
    pub async fn claim_due<P: Send + 'static>(
        &self,
        clock: impl Fn() -> DateTime<Utc> + Send + 'static,
        lease: impl Fn(&Request) -> Duration + Send + 'static,
        mut pick: impl FnMut(&[Lane]) -> Option<Picked<P>> + Send + 'static,
    ) -> Result<Due<P>, LedgerError> {
        self.write(move |connection| {
            let now = clock();
            let (mut lanes, later): (Vec<Lane>, Vec<Lane>) = rows::lanes(connection)?.into_iter().partition(|lane| lane.due_at <= now);
            let mut due = Due { claimed: Vec::new(), next: later.iter().map(|lane| lane.due_at).min(), expired: false };
            while let Some(Picked { lane: index, place, slot }) = pick(&lanes).filter(|picked| picked.lane < lanes.len()) {
                let Some(LaneHead { seq, request, body, next }) = rows::head(connection, &lanes[index])? else {
                    lanes.swap_remove(index);
                    continue;
                };
                let claim = Change::Claim { lease: lease(&request) };
                // Not refused for another reason: the request is scheduled and due, and no other thread writes.
                let applied = match lifecycle::apply(&request, &claim, now) {
                    Ok(applied) => applied,
                    Err(refusal) => {
                        due.expired |= refusal == Refusal::Expired;
                        lanes.swap_remove(index);
                        continue;
                    }
                };
                rows::update(connection, seq, &request, &applied)?;
                if let Some((rate, free)) = slot {
                    rows::book(connection, &lanes[index], rate, free)?;
                }
                due.claimed.push((Claimed { request: applied.request, body }, place));
                match next {
                    Some(at) if at <= now => lanes[index].due_at = at,
                    later => {
                        due.next = due.next.into_iter().chain(later).min();
                        lanes.swap_remove(index);
                    }
                }
            }
            Ok(due)
        })
        .await
        .inspect(|due| due.claimed.iter().for_each(|(claimed, _)| self.inner.feed.send(&claimed.request)))
    }

    /// Returns use case, target, rate and next free slot of each target that had a rate.
    pub async fn rates(&self) -> Result<Vec<(String, String, Rate, RateSlot)>, LedgerError> {
        self.read(rows::rates).await
    }

    /// Returns at most `limit` requests that have [expired](Request::expires_at) by `now`.
    pub async fn expired(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Request>, LedgerError> {
        self.read(move |connection| rows::expired(connection, now, limit)).await
    }

    /// Returns the running requests whose lease expired by `now`, or all running requests with `None`.
    pub async fn abandoned(&self, now: Option<DateTime<Utc>>) -> Result<Vec<Request>, LedgerError> {
        self.read(move |connection| rows::abandoned(connection, now)).await
    }

    /// Returns the next time at which a request may begin, and whether one is running or may begin at `now`. `opens` returns that time for
    /// a lane; `None` for one that is closed without an end. Runs on the writer, so it sees every change that was answered before the call.
    pub async fn outlook(
        &self,
        now: DateTime<Utc>,
        opens: impl Fn(&Lane) -> Option<DateTime<Utc>> + Send + 'static,
    ) -> Result<Outlook, LedgerError> {
        self.write(move |connection| {
            let next = rows::lanes(connection)?.iter().filter_map(&opens).min();
            let busy = next.is_some_and(|next| next <= now) || rows::any_running(connection)?;
            Ok(Outlook { next, busy })
        })
        .await
    }

    /// Returns the request without its history.
    pub async fn request(&self, id: CorrelationId) -> Result<Option<Request>, LedgerError> {
        self.read(move |connection| Ok(rows::find(connection, id)?.map(|(_, request)| request))).await
    }
}

/// Result of [`SqliteLedger::outlook`].
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    pub next: Option<DateTime<Utc>>,
    pub busy: bool,
}
