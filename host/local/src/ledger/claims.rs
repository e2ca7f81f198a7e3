//! The ledger's operations for the timer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change};
use postdate_core::ports::LedgerError;
use postdate_core::request::{Claimed, Request};

use super::{Lane, SqliteLedger, rows};

/// Claimed requests, and what the next query waits for.
#[derive(Debug, Default)]
pub struct Due {
    pub claimed: Vec<Claimed>,
    /// The next time at which a request falls due in a lane from which nothing is due now.
    pub next: Option<DateTime<Utc>>,
    /// True if due requests were left, because `pick` refused their lanes.
    pub blocked: bool,
}

impl SqliteLedger {
    /// Claims due requests, each lane's oldest first. `pick` returns the index of the lane that the next claim is taken from, or `None`
    /// for no further claim. Calls `clock` and `lease` inside the transaction, so a claim's time is that of the transaction, not that of
    /// the call. A transaction that is repeated starts with a clone of `pick`.
    pub async fn claim_due(
        &self,
        clock: impl Fn() -> DateTime<Utc> + Send + 'static,
        lease: impl Fn(&Request) -> Duration + Send + 'static,
        pick: impl FnMut(&[Lane]) -> Option<usize> + Clone + Send + 'static,
    ) -> Result<Due, LedgerError> {
        self.write(move |connection| {
            let (now, mut pick) = (clock(), pick.clone());
            let (mut lanes, later): (Vec<Lane>, Vec<Lane>) = rows::lanes(connection)?.into_iter().partition(|lane| lane.due_at <= now);
            let mut due = Due { next: later.iter().map(|lane| lane.due_at).min(), ..Due::default() };
            while let Some(index) = pick(&lanes).filter(|index| *index < lanes.len()) {
                if let Some((seq, request, body)) = rows::first(connection, &lanes[index])? {
                    let claim = Change::Claim { lease: lease(&request) };
                    // Cannot be refused: the request is scheduled and due, and no other thread writes.
                    let Ok(applied) = lifecycle::apply(&request, &claim, now) else {
                        lanes.swap_remove(index);
                        continue;
                    };
                    rows::update(connection, seq, &request, &applied)?;
                    due.claimed.push(Claimed { request: applied.request, body });
                }
                match rows::head(connection, &lanes[index])? {
                    Some(at) if at <= now => lanes[index].due_at = at,
                    later => {
                        due.next = due.next.into_iter().chain(later).min();
                        lanes.swap_remove(index);
                    }
                }
            }
            due.blocked = !lanes.is_empty();
            Ok(due)
        })
        .await
    }

    /// Returns the running requests whose lease expired by `now`, or all running requests with `None`.
    pub async fn abandoned(&self, now: Option<DateTime<Utc>>) -> Result<Vec<Request>, LedgerError> {
        self.read(move |connection| rows::abandoned(connection, now)).await
    }

    /// Returns the next due time, and whether a request is running or due at `now`. Runs on the writer, so it sees every change that
    /// was answered before the call.
    pub async fn outlook(&self, now: DateTime<Utc>) -> Result<Outlook, LedgerError> {
        self.write(move |connection| {
            let next = rows::next_due(connection)?;
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
