//! Claims a due request, unless its target is paused or over a limit: then the request waits, and spends no attempt.

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::envelope::{Envelope, Kept};
use postdate_core::fire;
use postdate_core::lifecycle::{self, Change};
use postdate_core::limits::places::Manner;
use postdate_core::limits::{Limits, Over, Rate};
use postdate_core::pause::pause_of;
use postdate_core::ports::{Bundle as _, Changed, Changes, Clock, LedgerError, Pauses, UseCases};
use postdate_core::request::{Request, Status};

use crate::firing::{FiringPorts, SHORTEST_PARK};
use crate::ports::{Answered, Asking, Counters, Snapshots, TargetPlace, Timing, Woken};

/// Longest wait inside the function. The queue delays by whole seconds, and each message is one more hop of a chain that Lambda watches
/// for loops, so the function waits for a rest that is short.
pub const STAY: TimeDelta = TimeDelta::seconds(2);
/// Wait of a request in the line for a place. A function that leaves a place wakes it earlier, unless that function or its message is lost.
const IN_LINE: TimeDelta = TimeDelta::seconds(60);
/// Bounds of the wait of a request for which the line has no room: as long as the request has waited already.
const FOR_THE_LINE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(1), TimeDelta::seconds(60));
/// Bounds of the wait for the end of a pause: as long as the request has waited already. The call that ends the pause wakes the oldest.
const FOR_THE_END: (TimeDelta, TimeDelta) = (TimeDelta::seconds(5), TimeDelta::minutes(5));

/// Reservations of a turn, each after the answer to the last one came when that turn was over.
const TURNS: u32 = 3;

/// The result of a try to claim a request.
pub struct Tried {
    /// A request that is scheduled after the change waits.
    pub changed: Changed,
    /// The accepted body, if the read of the request had it.
    pub body: Option<String>,
    /// The place that the claimed request has at its target, if that has a limit.
    pub place: Option<TargetPlace>,
    /// Time of the change, or of the turn for which a claimed request then waited.
    pub at: DateTime<Utc>,
}

/// The decision about a due request.
enum Admitted {
    Now { place: Option<TargetPlace>, turn: Option<Turn> },
    Later { waits_for: String, at: DateTime<Utc> },
}

/// The window of a rate in which an attempt has a slot.
#[derive(Debug, Clone, Copy)]
struct Turn {
    rate: Rate,
    begin: DateTime<Utc>,
}

impl Turn {
    fn is_over(self, now: DateTime<Utc>) -> bool {
        now >= self.begin + self.rate.window()
    }
}

impl<U: UseCases, L: Snapshots + Changes + Pauses + Counters, S: Timing, D, N, C: Clock> FiringPorts<U, L, S, D, N, C> {
    /// Claims the request of an envelope, or has it wait. `current` is the version that serves, whose manifest has the limits in force.
    pub(super) async fn claim(&self, envelope: &Envelope, current: Option<&U::Bundle>) -> Result<Tried, LedgerError> {
        let now = self.clock.now();
        let Some((request, body, snapshot)) = self.ledger.snapshot(envelope.correlation_id).await? else {
            self.pass_on(envelope).await;
            return Ok(Tried { changed: Changed::NotFound, body: None, place: None, at: now });
        };
        let lease = fire::lease(current, &request);
        let claim = Change::Claim { lease };
        if let Err(refusal) = lifecycle::apply(&request, &claim, now) {
            self.pass_on(envelope).await;
            return Ok(Tried { changed: Changed::Refused(request, refusal), body, place: None, at: now });
        }
        let limits = current.map(|current| current.use_case().targets.limits(&request.target)).unwrap_or_default();
        let (change, place, turn) = match self.admit(envelope, &request, limits, now + lease, now).await? {
            Admitted::Now { place, turn } => (claim, place, turn),
            Admitted::Later { waits_for, at } => (Change::Wait { waits_for, at }, None, None),
        };
        let mut at = self.clock.now();
        let mut changed = self.ledger.change_snapshot(snapshot, change, at).await;
        if let (Ok(Changed::Done(claimed)), Some(turn)) = (&changed, turn)
            && turn.is_over(self.clock.now())
        {
            changed = self.take_another_turn(claimed.clone(), turn.rate, request.expires_at()).await;
            at = self.clock.now();
        }
        if !matches!(&changed, Ok(Changed::Done(request)) if request.status == Status::Running) {
            self.leave(&request.use_case, &request.target, place).await;
            return Ok(Tried { changed: changed?, body, place: None, at });
        }
        Ok(Tried { changed: changed?, body, place, at })
    }

    /// Reserves another turn for a claimed request, since the claim took so long that its turn is over: the attempt would begin among those
    /// of a later window. Waits for a turn that is near, and gives the claim back otherwise. `until` is the time at which the request
    /// expires.
    async fn take_another_turn(&self, claimed: Request, rate: Rate, until: Option<DateTime<Utc>>) -> Result<Changed, LedgerError> {
        let reserved = self.turn_of(&claimed, rate, until).await;
        let now = self.clock.now();
        let (waits_for, at) = match reserved {
            Ok(Some(turn)) if turn.begin - now <= STAY => {
                self.clock.sleep((turn.begin - now).to_std().unwrap_or_default()).await;
                return Ok(Changed::Done(claimed));
            }
            Ok(turn) => waits_for_turn(&claimed.target, rate, turn.map(|turn| turn.begin).or(until).unwrap_or(now)),
            Err(error) => {
                tracing::warn!(correlation_id = %claimed.id, %error, "cannot reserve another turn; the request asks again");
                let (waits_for, at) = waits_for_turn(&claimed.target, rate, now + SHORTEST_PARK);
                (format!("{waits_for}, which could not be reserved"), at)
            }
        };
        self.ledger.change(claimed.id, Change::Defer { claim: claimed.claim(), waits_for, at }, now).await
    }

    /// Reserves a turn at the rate for a request. `None` if none is free before `until`. A turn is lost that is over when the table
    /// answers.
    async fn turn_of(&self, request: &Request, rate: Rate, until: Option<DateTime<Utc>>) -> Result<Option<Turn>, LedgerError> {
        let (use_case, target) = (&request.use_case, &request.target);
        for _ in 0..TURNS {
            let slot = self.ledger.reserve(use_case, target, rate, self.clock.now(), until).await?;
            let Some(turn) = slot.map(|slot| Turn { rate, begin: rate.begin(slot) }) else { return Ok(None) };
            if !turn.is_over(self.clock.now()) {
                return Ok(Some(turn));
            }
        }
        Err(LedgerError::Unavailable(format!("target {target} of use case {use_case}: {TURNS} turns were over before the table answered")))
    }

    /// Gives a place back, if there is one, and wakes the request that gets it. Logs an error: the place is free again when its lease ends.
    pub(super) async fn leave(&self, use_case: &str, target: &str, place: Option<TargetPlace>) {
        let Some(place) = place else { return };
        match self.ledger.leave_place(use_case, target, &place, self.clock.now()).await {
            Ok(woken) => self.wake(use_case, target, woken).await,
            Err(error) => {
                tracing::warn!(use_case, target, %error, "cannot give back the place at a target; it is free when its lease ends");
            }
        }
    }

    /// Gives back the place that is kept for the request of an envelope and that it does not need.
    async fn pass_on(&self, envelope: &Envelope) {
        if let Some((target, place)) = kept(envelope) {
            self.leave(&envelope.use_case, target, Some(place)).await;
        }
    }

    /// Sends messages to requests that got a place. Logs an error: such a request comes back by itself, and its place is kept for a time.
    async fn wake(&self, use_case: &str, target: &str, woken: Vec<Woken>) {
        for Woken { id, place } in woken {
            let now = self.clock.now();
            let kept = Kept { target: target.to_owned(), place: place.name, of: place.of };
            match self.scheduler.park(&Envelope::of_kept(kept, use_case, id, now), now, now).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!(correlation_id = %id, "cannot wake a request that got a place: there is no delay queue"),
                Err(error) => tracing::warn!(correlation_id = %id, %error, "cannot wake a request that got a place"),
            }
        }
    }

    /// Takes a place for a request: the one that is kept for it, or a free one.
    async fn take_place(
        &self,
        envelope: &Envelope,
        request: &Request,
        asking: Asking,
        now: DateTime<Utc>,
    ) -> Result<Answered, LedgerError> {
        let (use_case, target) = (&request.use_case, &request.target);
        if let Some((_, kept)) = kept(envelope).filter(|(of, _)| *of == target)
            && let Some(place) = self.ledger.take_kept(use_case, target, &kept, asking.until).await?
        {
            return Ok(Answered { place: Some(place), in_line: false, woken: Vec::new() });
        }
        self.ledger.take_place(use_case, target, asking, now).await
    }

    /// Decides about a due request. Waits in the function for a turn that is near.
    async fn admit(
        &self,
        envelope: &Envelope,
        request: &Request,
        limits: Limits,
        lease: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Admitted, LedgerError> {
        let (use_case, target) = (&request.use_case, &request.target);
        let waits = |(least, most)| now + request.waited(now).clamp(least, most);
        if let Some(pause) = pause_of(&self.pauses.get(&self.ledger, now).await?, use_case, target, now) {
            self.pass_on(envelope).await;
            let at = match pause.until.filter(|until| *until - STAY <= waits(FOR_THE_END)) {
                Some(until) => {
                    let at = pause.release(until, request.waiter().since);
                    // The order takes at most half of the time that a request has left.
                    request.expires_at().map_or(at, |end| at.min((until + (end - until) / 2).max(until)))
                }
                None => waits(FOR_THE_END),
            };
            return Ok(Admitted::Later { waits_for: pause.waits_for(), at });
        }
        let turn = limits.rate.and_then(|rate| reserved_turn(request, rate, now));
        let mut place = None;
        if let Some(places) = limits.concurrency {
            let manner = match (self.scheduler.parks(), turn.is_some() || envelope.kept.is_some()) {
                (false, _) => Manner::Alone,
                (true, true) => Manner::PastLine,
                (true, false) => Manner::InLine,
            };
            let asking = Asking { waiter: request.waiter(), places, until: lease, manner };
            let answered = self.take_place(envelope, request, asking, now).await?;
            self.wake(use_case, target, answered.woken).await;
            place = answered.place;
            if place.is_none() {
                let waits_for = Over::Concurrency(places).waits_for(target);
                return Ok(Admitted::Later { waits_for, at: if answered.in_line { now + IN_LINE } else { waits(FOR_THE_LINE) } });
            }
        } else {
            self.pass_on(envelope).await;
        }
        let Some(rate) = limits.rate.filter(|_| turn.is_none()) else { return Ok(Admitted::Now { place, turn }) };
        let until = request.expires_at();
        match self.turn_of(request, rate, until).await {
            Ok(Some(turn)) if turn.begin - now <= STAY => {
                self.clock.sleep((turn.begin - self.clock.now()).to_std().unwrap_or_default()).await;
                Ok(Admitted::Now { place, turn: Some(turn) })
            }
            turn => {
                self.leave(use_case, target, place).await;
                // A request that expires before its turn would only keep that from others.
                let begin = turn?.map(|turn| turn.begin);
                let (waits_for, at) = waits_for_turn(target, rate, begin.or(until).unwrap_or(now));
                Ok(Admitted::Later { waits_for, at })
            }
        }
    }
}

/// Returns what a request over the rate waits for, and until when.
fn waits_for_turn(target: &str, rate: Rate, until: DateTime<Utc>) -> (String, DateTime<Utc>) {
    (Over::Rate { rate, until }.waits_for(target), until)
}

/// Returns the place that is kept for the request of an envelope, and its target.
fn kept(envelope: &Envelope) -> Option<(&String, TargetPlace)> {
    envelope.kept.as_ref().map(|Kept { target, place, of }| (target, TargetPlace { name: place.clone(), of: *of }))
}

/// Returns the turn that the request has reserved at this rate, if it is now: a wait for a turn ends with that turn. A request that comes
/// too late for its window needs another slot, since others have those of the next window.
fn reserved_turn(request: &Request, rate: Rate, now: DateTime<Utc>) -> Option<Turn> {
    let (waits_for, _) = waits_for_turn(&request.target, rate, request.due_at);
    let turn = Turn { rate, begin: request.due_at };
    (!turn.is_over(now) && request.waiting.as_ref().is_some_and(|waiting| waiting.on == waits_for)).then_some(turn)
}
