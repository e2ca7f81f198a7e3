//! What the timer asks of the ledger.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change};
use postdate_core::ports::LedgerError;
use postdate_core::request::{Claimed, Request};

use super::{SqliteLedger, rows};

/// What was due, and when the next will be.
#[derive(Debug, Default)]
pub struct Due {
    pub claimed: Vec<Claimed>,
    pub next: Option<DateTime<Utc>>,
}

impl SqliteLedger {
    /// Claims what is due, oldest first, at most `limit`. `clock` and `lease` are called inside the transaction: a claim is of the
    /// moment at which it is made, not of the one at which it was queued.
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
                // Cannot be refused: what is selected is scheduled and due, and this thread alone writes.
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

    /// Requests whose claim ran out at `now`; with `None`, all that are claimed.
    pub async fn abandoned(&self, now: Option<DateTime<Utc>>) -> Result<Vec<Request>, LedgerError> {
        self.read(move |connection| rows::abandoned(connection, now)).await
    }

    /// When the next request is due, and whether anything is running or due at `now`. Sees every change that was
    /// answered before the call.
    pub async fn outlook(&self, now: DateTime<Utc>) -> Result<Outlook, LedgerError> {
        self.write(move |connection| {
            let next = rows::next_due(connection)?;
            let busy = next.is_some_and(|next| next <= now) || rows::any_running(connection)?;
            Ok(Outlook { next, busy })
        })
        .await
    }

    /// The request, without its history.
    pub async fn request(&self, id: CorrelationId) -> Result<Option<Request>, LedgerError> {
        self.read(move |connection| Ok(rows::find(connection, id)?.map(|(_, request)| request))).await
    }
}

/// See [`SqliteLedger::outlook`].
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    pub next: Option<DateTime<Utc>>,
    pub busy: bool,
}
