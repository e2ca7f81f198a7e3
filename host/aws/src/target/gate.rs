//! Claims a due request, unless its target is paused or over a limit: then the request waits, and spends no attempt.

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::fire;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change};
use postdate_core::limits::{Limits, Over, Rate};
use postdate_core::pause::pause_of;
use postdate_core::ports::{Bundle as _, Changed, Clock, LedgerError, Pauses, UseCases};
use postdate_core::request::{Request, Status};

use crate::firing::Firing;
use crate::ports::{Counters, Place, Snapshots};

/// Longest wait inside the function. The queue delays by whole seconds, and each message is one more hop of a chain that Lambda watches
/// for loops, so the function waits for a rest that is short.
pub const STAY: TimeDelta = TimeDelta::seconds(2);
/// Bounds of the wait for a place at a target: as long as the request has waited already.
const FOR_A_PLACE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(1), TimeDelta::seconds(60));
/// Bounds of the wait for the end of a pause: as long as the request has waited already.
const FOR_THE_END: (TimeDelta, TimeDelta) = (TimeDelta::seconds(5), TimeDelta::minutes(15));

/// The result of a try to claim a request.
pub struct Tried {
    /// A request that is scheduled after the change waits.
    pub changed: Changed,
    /// The accepted body, if the read of the request had it.
    pub body: Option<String>,
    /// The place that the claimed request has at its target, if that has a limit.
    pub place: Option<Place>,
    /// Time of the change.
    pub at: DateTime<Utc>,
}

/// The decision about a due request.
enum Admitted {
    Now(Option<Place>),
    Later { waits_for: String, at: DateTime<Utc> },
}

impl<U: UseCases, L: Snapshots + Pauses + Counters, S, D, N, C: Clock> Firing<U, L, S, D, N, C> {
    /// Claims a request, or has it wait. `current` is the version that serves, whose manifest has the limits in force.
    pub(super) async fn claim(&self, id: CorrelationId, current: Option<&U::Bundle>) -> Result<Tried, LedgerError> {
        let now = self.clock.now();
        let Some((request, body, snapshot)) = self.ledger.snapshot(id).await? else {
            return Ok(Tried { changed: Changed::NotFound, body: None, place: None, at: now });
        };
        let lease = fire::lease(current, &request);
        let claim = Change::Claim { lease };
        if let Err(refusal) = lifecycle::apply(&request, &claim, now) {
            return Ok(Tried { changed: Changed::Refused(request, refusal), body, place: None, at: now });
        }
        let limits = current.map(|current| current.use_case().targets.limits(&request.target)).unwrap_or_default();
        let (change, place) = match self.admit(&request, limits, now + lease, now).await? {
            Admitted::Now(place) => (claim, place),
            Admitted::Later { waits_for, at } => (Change::Wait { waits_for, at }, None),
        };
        let at = self.clock.now();
        let changed = self.ledger.change_snapshot(snapshot, change, at).await;
        if !matches!(&changed, Ok(Changed::Done(request)) if request.status == Status::Running) {
            self.leave(&request.use_case, &request.target, place).await;
            return Ok(Tried { changed: changed?, body, place: None, at });
        }
        Ok(Tried { changed: changed?, body, place, at })
    }

    /// Gives a place back, if there is one. Logs an error: the place is free again when its lease ends.
    pub(super) async fn leave(&self, use_case: &str, target: &str, place: Option<Place>) {
        if let Some(place) = place
            && let Err(error) = self.ledger.leave_place(use_case, target, place).await
        {
            tracing::warn!(use_case, target, %error, "cannot give back the place at a target; it is free when its lease ends");
        }
    }

    /// Decides about a due request. Waits in the function for a turn that is near.
    async fn admit(&self, request: &Request, limits: Limits, lease: DateTime<Utc>, now: DateTime<Utc>) -> Result<Admitted, LedgerError> {
        let (use_case, target) = (&request.use_case, &request.target);
        let waits = |(least, most)| now + request.waited(now).clamp(least, most);
        if let Some(pause) = pause_of(&self.pauses.get(&self.ledger, now).await?, use_case, target, now) {
            let at = pause.until.map_or(waits(FOR_THE_END), |until| until.min(waits(FOR_THE_END)));
            return Ok(Admitted::Later { waits_for: pause.waits_for(), at });
        }
        let mut place = None;
        if let Some(places) = limits.concurrency {
            place = self.ledger.take_place(use_case, target, places, lease, now).await?;
            if place.is_none() {
                let waits_for = Over::Concurrency(places).waits_for(target);
                return Ok(Admitted::Later { waits_for, at: waits(FOR_A_PLACE) });
            }
        }
        let Some(rate) = limits.rate.filter(|rate| !has_turn(request, *rate, now)) else { return Ok(Admitted::Now(place)) };
        let turn = self.ledger.reserve(use_case, target, rate, now).await.map(|slot| rate.begin(slot));
        match turn {
            Ok(turn) if turn - now <= STAY => {
                self.clock.sleep((turn - now).to_std().unwrap_or_default()).await;
                Ok(Admitted::Now(place))
            }
            turn => {
                self.leave(use_case, target, place).await;
                let until = turn?;
                Ok(Admitted::Later { waits_for: Over::Rate { rate, until }.waits_for(target), at: until })
            }
        }
    }
}

/// Returns whether the request has reserved a slot of this rate whose window is now: a wait for a turn ends with that turn. A request that
/// comes too late for its window needs another slot, since others have those of the next window.
fn has_turn(request: &Request, rate: Rate, now: DateTime<Utc>) -> bool {
    let turn = Over::Rate { rate, until: request.due_at }.waits_for(&request.target);
    now < request.due_at + rate.window() && request.waiting.as_ref().is_some_and(|waiting| waiting.on == turn)
}
