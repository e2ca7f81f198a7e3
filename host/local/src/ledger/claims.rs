//! The ledger's operations for the timer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change};
use postdate_core::ports::LedgerError;
use postdate_core::request::{Claimed, Request};

use super::{SqliteLedger, rows};

/// Claimed requests, and when the next request is due.
#[derive(Debug, Default)]
pub struct Due {
    pub claimed: Vec<Claimed>,
    pub next: Option<DateTime<Utc>>,
}

impl SqliteLedger {
    /// Claims at most `limit` due requests, oldest first. Calls `clock` and `lease` inside the transaction, so a claim's time is that
    /// of the transaction, not that of the call.
    pub async fn claim_due(
        &self,
        clock: impl Fn() -> DateTime<Utc> + Send + 'static,
        lease: impl Fn(&Request) -> Duration + Send + 'static,
        limit: usize,
    ) -> Result<Due, LedgerError> {
        self.write(move |connection| {
            let now = clock();
            let mut due = Due::default();
            for (seq, request, body) in rows::due(connection, now, limit)? {
                // Cannot be refused: the selected requests are scheduled and due, and no other thread writes.
                let claim = Change::Claim { lease: lease(&request) };
                let Ok(applied) = lifecycle::apply(&request, &claim, now) else { continue };
                rows::update(connection, seq, &request, &applied)?;
                due.claimed.push(Claimed { request: applied.request, body });
            }
            due.next = rows::next_due(connection)?;
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
