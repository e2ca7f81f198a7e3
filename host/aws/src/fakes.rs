//! Fakes of the ports that the target host and the janitor need beyond the core's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::Change;
use postdate_core::limits::places::{KEPT, Manner, Places, Step};
use postdate_core::limits::{Rate, RateSlot};
use postdate_core::pause::Pause;
use postdate_core::plugin::JobResult;
use postdate_core::ports::{
    Arming, Changed, Changes, Claims, Clock as _, Inserted, Intake, LedgerError, Pauses, Requests, ScheduleError, Scheduler,
};
use postdate_core::request::{HistoryEntry, NewRequest, Page, Query, Request, Status};
use postdate_core::testing::{FakeBundle, FakeClock, FakeDeliver, FakeUseCases, MemoryLedger, moment, new_request, sample_id};
use postdate_core::use_case::Target;

use crate::aws_error::AwsError;
use crate::firing::FiringPorts;
use crate::pauses::KnownPauses;
use crate::ports::{Answered, Asking, Backlog, Counters, LeftRule, Notified, Notify, Snapshots, TargetPlace, Timing, Wake, Woken};
use crate::target::DeliveryOutcome;

const MANIFEST: &str = r#"
name = "orders"
[process]
plugin = "process.wasm"
[retry]
max-attempts = 2
backoff = { initial = "30s", jitter = 0 }
[targets]
default = "here"
here = { kind = "plugin" }
lost = { kind = "plugin", host = "gone" }
slow = { kind = "plugin", concurrency = 1 }
narrow = { kind = "plugin", concurrency = 2 }
paced = { kind = "plugin", rate = "2/m" }
away = { kind = "sqs", direct = true, arn = "arn:aws:sqs:eu-west-1:123456789012:away" }
hook = { kind = "http", url = "http://127.0.0.1:9000/hook" }
[on]
failure = "hook"
"#;

type Time = DateTime<Utc>;

#[derive(Default)]
pub struct FakeLedger {
    pub memory: MemoryLedger,
    cursor: Mutex<String>,
    /// Wake times that were postponed: from, to.
    postponed: Mutex<BTreeMap<CorrelationId, (Time, Time)>>,
    notified: Mutex<BTreeMap<(CorrelationId, Option<Time>), Notified>>,
    /// Claims that fail before the ledger has them.
    pub failing_claims: Mutex<u32>,
    /// The time that the next reservation of a slot takes, on this clock.
    pub slow_reservation: Mutex<Option<(FakeClock, TimeDelta)>>,
    /// Makes the next reservation of a slot fail.
    pub fails_to_reserve: Mutex<bool>,
    /// The time that the next claim or wait takes, on this clock.
    pub slow_change: Mutex<Option<(FakeClock, TimeDelta)>>,
    /// Makes the ledger fail each change that records an attempt.
    pub fails_records: Mutex<bool>,
    /// How often the pauses were read.
    pub pauses_read: Mutex<u32>,
    /// The next free slot of each rate.
    free: Mutex<BTreeMap<String, RateSlot>>,
    /// The places of each target.
    pub places: Mutex<BTreeMap<String, Places>>,
    /// Number of the names of places that were given.
    names: Mutex<u32>,
}

impl FakeLedger {
    fn notified(&self, request: &Request) -> Notified {
        if !request.status.is_failure() {
            return Notified::ALL;
        }
        self.notified.lock().unwrap().get(&(request.id, request.finished_at)).copied().unwrap_or_default()
    }

    /// Makes the steps of a host's request for a place, or after it has left one.
    fn settle(&self, target: &str, of: u32, mut asks: Option<Asking>, now: Time) -> Answered {
        let mut all = self.places.lock().unwrap();
        let places = all.entry(target.to_owned()).or_default();
        let mut answered = Answered { place: None, in_line: false, woken: Vec::new() };
        loop {
            let waiter = asks.map(|asking| asking.waiter);
            let step = places.next(of, asks.map(|asking| (asking.waiter, asking.manner)), now);
            let name = self.new_name();
            places.make(&step, waiter, &name, asks.filter(|_| step == Step::Take).map_or(now + KEPT, |asking| asking.until));
            match step {
                Step::Take => (answered.place, asks) = (Some(TargetPlace { name, of }), None),
                Step::HandOver(id) => answered.woken.push(Woken { id, place: TargetPlace { name, of } }),
                Step::Free(_) => asks = asks.map(|asking| Asking { manner: Manner::PastLine, ..asking }),
                Step::Join { .. } => {}
                Step::Done => {
                    answered.in_line = waiter.is_some_and(|waiter| places.line.contains_key(&waiter.id));
                    return answered;
                }
            }
        }
    }

    fn new_name(&self) -> String {
        let mut names = self.names.lock().unwrap();
        *names += 1;
        format!("place {names}")
    }

    /// Takes the places of a target until a time, for attempts of other functions.
    pub fn take_all(&self, target: &str, of: u32, until: Time) -> Vec<TargetPlace> {
        let mut all = self.places.lock().unwrap();
        let taken = &mut all.entry(target.to_owned()).or_default().taken;
        let name = |_| {
            let name = self.new_name();
            taken.insert(name.clone(), until);
            TargetPlace { name, of }
        };
        (0..of).map(name).collect()
    }

    fn wake(&self, request: &Request) -> Option<Wake> {
        let open = !request.status.is_end() || self.notified(request) != Notified::ALL;
        let own = request.finished_at.unwrap_or(request.due_at);
        let postponed = self.postponed.lock().unwrap().get(&request.id).filter(|(from, _)| *from == own).map(|(_, to)| *to);
        open.then(|| Wake { at: postponed.unwrap_or(own), id: request.id })
    }
}

impl Claims for FakeLedger {
    async fn claim(
        &self,
        id: CorrelationId,
        lease: impl Fn(&Request) -> Duration + Send,
        now: DateTime<Utc>,
    ) -> Result<(Changed, Option<String>), LedgerError> {
        let failing = *self.failing_claims.lock().unwrap();
        if failing > 0 {
            *self.failing_claims.lock().unwrap() = failing - 1;
            return Err(LedgerError::Unavailable("throttled".to_owned()));
        }
        let Some((request, _)) = self.memory.find(id).await? else { return Ok((Changed::NotFound, None)) };
        Ok((self.memory.change(id, Change::Claim { lease: lease(&request) }, now).await?, self.memory.body(id)))
    }
}

impl Snapshots for FakeLedger {
    type Snapshot = CorrelationId;

    async fn snapshot(&self, id: CorrelationId) -> Result<Option<(Request, Option<String>, CorrelationId)>, LedgerError> {
        let failing = *self.failing_claims.lock().unwrap();
        if failing > 0 {
            *self.failing_claims.lock().unwrap() = failing - 1;
            return Err(LedgerError::Unavailable("throttled".to_owned()));
        }
        Ok(self.memory.find(id).await?.map(|(request, _)| (request, self.memory.body(id), id)))
    }

    async fn change_snapshot(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        let changed = self.memory.change(id, change, now).await;
        if let Some((clock, time)) = self.slow_change.lock().unwrap().take() {
            clock.set(clock.now() + time);
        }
        changed
    }
}

impl Pauses for FakeLedger {
    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, LedgerError> {
        *self.pauses_read.lock().unwrap() += 1;
        self.memory.pauses(now).await
    }

    async fn pause(&self, pause: Pause) -> Result<(), LedgerError> {
        self.memory.pause(pause).await
    }

    async fn resume(&self, use_case: &str, target: Option<&str>) -> Result<bool, LedgerError> {
        self.memory.resume(use_case, target).await
    }
}

impl Counters for FakeLedger {
    async fn reserve(
        &self,
        use_case: &str,
        target: &str,
        rate: Rate,
        now: Time,
        until: Option<Time>,
    ) -> Result<Option<RateSlot>, LedgerError> {
        if std::mem::take(&mut *self.fails_to_reserve.lock().unwrap()) {
            return Err(LedgerError::Unavailable("throttled".to_owned()));
        }
        let mut free = self.free.lock().unwrap();
        let free = free.entry(format!("{use_case} {target} {rate}")).or_insert(RateSlot::MIN);
        let slot = rate.reserve(*free, now);
        if let Some((clock, time)) = self.slow_reservation.lock().unwrap().take() {
            clock.set(clock.now() + time);
        }
        if until.is_some_and(|until| rate.begin(slot) >= until) {
            return Ok(None);
        }
        *free = slot + 1;
        Ok(Some(slot))
    }

    async fn take_place(&self, _: &str, target: &str, asking: Asking, now: Time) -> Result<Answered, LedgerError> {
        Ok(self.settle(target, asking.places, Some(asking), now))
    }

    async fn take_kept(&self, _: &str, target: &str, kept: &TargetPlace, until: Time) -> Result<Option<TargetPlace>, LedgerError> {
        let mut all = self.places.lock().unwrap();
        let taken = &mut all.entry(target.to_owned()).or_default().taken;
        if taken.remove(&kept.name).is_none() {
            return Ok(None);
        }
        let place = TargetPlace { name: self.new_name(), of: kept.of };
        taken.insert(place.name.clone(), until);
        Ok(Some(place))
    }

    async fn leave_place(&self, _: &str, target: &str, place: &TargetPlace, now: Time) -> Result<Vec<Woken>, LedgerError> {
        self.places.lock().unwrap().entry(target.to_owned()).or_default().taken.remove(&place.name);
        Ok(self.settle(target, place.of, None, now).woken)
    }
}

impl Changes for FakeLedger {
    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        if *self.fails_records.lock().unwrap() && matches!(change, Change::Finish { .. } | Change::Defer { .. }) {
            return Err(LedgerError::Unavailable("throttled".to_owned()));
        }
        self.memory.change(id, change, now).await
    }
}

impl Requests for FakeLedger {
    async fn find(&self, id: CorrelationId) -> Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError> {
        self.memory.find(id).await
    }

    async fn list(&self, query: Query) -> Result<Page, LedgerError> {
        self.memory.list(query).await
    }

    async fn body(&self, id: CorrelationId) -> Result<Option<String>, LedgerError> {
        Requests::body(&self.memory, id).await
    }

    async fn wait_for_end(&self, id: CorrelationId, time: Duration) {
        self.memory.wait_for_end(id, time).await;
    }

    fn longest_wait(&self) -> Duration {
        self.memory.longest_wait()
    }
}

impl Intake for FakeLedger {
    async fn find_by_key(&self, use_case: &str, key: &str) -> Result<Option<Request>, LedgerError> {
        self.memory.find_by_key(use_case, key).await
    }

    async fn insert(&self, new: Arc<NewRequest>) -> Result<Inserted, LedgerError> {
        self.memory.insert(new).await
    }
}

/// A scheduler with a delay queue of 15 minutes, which records its calls as text.
#[derive(Default)]
pub struct FakeTiming {
    log: Mutex<Vec<String>>,
    /// The rules that exist. The rule `stuck` cannot be deleted.
    pub rules: Mutex<Vec<LeftRule>>,
    /// The envelope that was parked last.
    pub parked: Mutex<Option<Envelope>>,
    /// Every envelope that was parked and not delivered yet, with its time.
    pub queue: Mutex<Vec<(Time, Envelope)>>,
    /// Makes the delay queue fail.
    pub fails_to_park: Mutex<bool>,
    /// No rule or schedule of a direct request is there.
    pub lost_events: Mutex<bool>,
}

impl FakeTiming {
    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }
}

impl Scheduler for FakeTiming {
    fn serves(&self, _target: &Target) -> Result<(), String> {
        Ok(())
    }

    async fn schedule(&self, arming: Arming<'_>) -> Result<(), ScheduleError> {
        if arming.request.target == "lost" {
            return Err(ScheduleError::Failed("there is no target host \"gone\"".to_owned()));
        }
        self.note(format!("schedule {} at {}", arming.request.target, (arming.request.due_at - moment()).num_seconds()));
        Ok(())
    }

    async fn unschedule(&self, _request: &Request) -> Result<(), ScheduleError> {
        Ok(())
    }
}

impl Timing for FakeTiming {
    async fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool, ScheduleError> {
        if *self.fails_to_park.lock().unwrap() {
            return Err(ScheduleError::Unavailable { message: "throttled".to_owned(), retry_after: None });
        }
        let near = due - now <= TimeDelta::minutes(15);
        if near {
            let end = if envelope.ended.is_some() { " with its end" } else { "" };
            self.note(format!("park {} for {} s{end}", envelope.attempt, (due - now).num_seconds()));
            *self.parked.lock().unwrap() = Some(envelope.clone());
            self.queue.lock().unwrap().push((due, envelope.clone()));
        }
        Ok(near)
    }

    fn parks(&self) -> bool {
        true
    }

    async fn clean_rule(&self, name: &str) -> Result<(), ScheduleError> {
        if name == "stuck" {
            return Err(ScheduleError::Failed("access denied".to_owned()));
        }
        self.rules.lock().unwrap().retain(|rule| rule.name != name);
        self.note(format!("clean {name}"));
        Ok(())
    }

    async fn was_sent(&self, _: &Request, _: DateTime<Utc>) -> Result<bool, ScheduleError> {
        Ok(!*self.lost_events.lock().unwrap())
    }

    async fn left_rules(&self) -> Result<Vec<LeftRule>, ScheduleError> {
        Ok(self.rules.lock().unwrap().clone())
    }
}

/// Records each notification as text. Can be made to fail the dead letters.
#[derive(Default)]
pub struct FakeNotify {
    pub sent: Mutex<Vec<String>>,
    pub fails_letters: Mutex<bool>,
}

impl FakeNotify {
    /// Returns the notifications since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Notify for FakeNotify {
    async fn request_failed(&self, request: &Request) -> Result<(), AwsError> {
        self.sent.lock().unwrap().push(format!("topic: {} {}", request.use_case, request.status));
        Ok(())
    }

    async fn dead_letter(&self, envelope: &Envelope, _request: &Request) -> Result<(), AwsError> {
        if *self.fails_letters.lock().unwrap() {
            return Err(AwsError::of_entry("SendMessage", Some("ThrottlingException"), None));
        }
        self.sent.lock().unwrap().push(format!("letter: attempt {}", envelope.attempt));
        Ok(())
    }

    async fn rule_not_cleaned(&self, rule: &LeftRule, reason: &str) -> Result<(), AwsError> {
        self.sent.lock().unwrap().push(format!("not cleaned {}: {reason}", rule.name));
        Ok(())
    }
}

pub type TestFiring = FiringPorts<FakeUseCases, FakeLedger, FakeTiming, FakeDeliver, FakeNotify, FakeClock>;

pub fn firing(answer: JobResult) -> TestFiring {
    FiringPorts {
        use_cases: FakeUseCases::of(FakeBundle::new("v1", MANIFEST).on_process(move |_| Ok(answer.clone()))),
        ledger: FakeLedger::default(),
        scheduler: FakeTiming::default(),
        deliver: FakeDeliver::answering(Ok(None)),
        notifier: FakeNotify::default(),
        clock: FakeClock::default(),
        pauses: KnownPauses::default(),
    }
}

/// Stores a request that is due at second 60, and returns the envelope of its rule.
pub async fn accepted(firing: &TestFiring) -> Envelope {
    let new = new_request(sample_id(1), "orders", moment() + TimeDelta::seconds(60));
    firing.ledger.memory.insert(new.clone().into()).await.unwrap();
    Envelope::of(&new.request, Some("postdate-orders-1".to_owned()))
}

/// Stores the `n`-th request to this target, which is due at second 60, and returns its envelope.
pub async fn accepted_for(firing: &TestFiring, n: u64, target: &str) -> Envelope {
    accepted_at(firing, n, target, 60).await
}

/// Stores the `n`-th request to this target, and returns its envelope.
pub async fn accepted_at(firing: &TestFiring, n: u64, target: &str, seconds: i64) -> Envelope {
    let new = new_request(sample_id(n), "orders", moment() + TimeDelta::seconds(seconds));
    let request = Request { target: target.to_owned(), ..new.request };
    let envelope = Envelope::of(&request, None);
    firing.ledger.memory.insert(NewRequest { request, ..new }.into()).await.unwrap();
    envelope
}

/// Stores a request that is due at second 60 and expires at second 90, and returns the envelope of its rule.
pub async fn expiring(firing: &TestFiring) -> Envelope {
    let new = new_request(sample_id(1), "orders", moment() + TimeDelta::seconds(60));
    let request = Request { expire_after: Some(Duration::from_secs(30)), ..new.request };
    let envelope = Envelope::of(&request, Some("postdate-orders-1".to_owned()));
    firing.ledger.memory.insert(NewRequest { request, ..new }.into()).await.unwrap();
    envelope
}

pub fn deadline() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

impl TestFiring {
    pub async fn fire_at(&self, envelope: &Envelope, seconds: i64) -> String {
        self.set_clock(seconds);
        match self.fire(envelope, deadline()).await.unwrap() {
            DeliveryOutcome::Ran { request, .. } => format!("ran: {}", request.status),
            DeliveryOutcome::Deferred(_) => "Deferred".to_owned(),
            DeliveryOutcome::Expired(_) => "Expired".to_owned(),
            DeliveryOutcome::Waits(request) => format!("waits for {}", request.waiting.unwrap().on),
            other => format!("{other:?}"),
        }
    }

    /// Sets the clock to `seconds` after [`moment`].
    pub fn set_clock(&self, seconds: i64) {
        self.clock.set(moment() + TimeDelta::seconds(seconds));
    }

    pub fn timing(&self) -> Vec<String> {
        std::mem::take(&mut *self.scheduler.log.lock().unwrap())
    }

    pub async fn status(&self) -> Status {
        self.ledger.find(sample_id(1)).await.unwrap().unwrap().0.status
    }
}

impl Backlog for FakeLedger {
    async fn notified(&self, id: CorrelationId) -> Result<Notified, LedgerError> {
        Ok(self.find(id).await?.map_or(Notified::ALL, |(request, _)| self.notified(&request)))
    }

    async fn set_notified(&self, failed: &Request, notified: Notified) -> Result<(), LedgerError> {
        self.notified.lock().unwrap().insert((failed.id, failed.finished_at), notified);
        Ok(())
    }

    async fn overdue(&self, before: DateTime<Utc>, after: Option<Wake>, limit: usize) -> Result<Vec<Wake>, LedgerError> {
        let mut found = Vec::new();
        for id in self.memory.ids() {
            let Some((request, _)) = self.memory.find(id).await? else { continue };
            found.extend(self.wake(&request).filter(|wake| wake.at < before && after.is_none_or(|after| *wake > after)));
        }
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    async fn postpone_wake(&self, seen: Wake, to: DateTime<Utc>) -> Result<bool, LedgerError> {
        let Some((request, _)) = self.memory.find(seen.id).await? else { return Ok(false) };
        let current = self.wake(&request) == Some(seen);
        if current {
            let own = request.finished_at.unwrap_or(request.due_at);
            self.postponed.lock().unwrap().insert(seen.id, (own, to));
        }
        Ok(current)
    }

    async fn cursor(&self) -> Result<String, LedgerError> {
        Ok(self.cursor.lock().unwrap().clone())
    }

    async fn set_cursor(&self, cursor: &str) -> Result<(), LedgerError> {
        cursor.clone_into(&mut self.cursor.lock().unwrap());
        Ok(())
    }
}
