//! Fakes of the ports that the target host and the janitor need beyond the core's.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::Change;
use postdate_core::plugin::JobResult;
use postdate_core::ports::{Arming, Changed, Changes, Claims, Inserted, Intake, LedgerError, Requests, ScheduleError, Scheduler};
use postdate_core::request::{HistoryEntry, NewRequest, Page, Query, Request, Status};
use postdate_core::testing::{FakeBundle, FakeClock, FakeDeliver, FakeUseCases, MemoryLedger, moment, new_request, sample_id};
use postdate_core::use_case::Target;

use crate::firing::Firing;
use crate::ports::{Backlog, LeftRule, Notify, Timing, Wake};
use crate::target::Fired;

const MANIFEST: &str = r#"
name = "orders"
[process]
plugin = "process.wasm"
[retry]
max-attempts = 2
backoff = { initial = "30s" }
[targets]
default = "here"
here = { kind = "plugin" }
away = { kind = "sqs", direct = true, arn = "arn:aws:sqs:eu-west-1:123456789012:away" }
hook = { kind = "http", url = "http://127.0.0.1:9000/hook" }
[on]
failure = "hook"
"#;

/// A ledger in memory, the janitor's cursor, and the wake times that were postponed: from, to.
#[derive(Default)]
pub struct FakeLedger(pub MemoryLedger, Mutex<String>, Mutex<BTreeMap<CorrelationId, (DateTime<Utc>, DateTime<Utc>)>>);

impl FakeLedger {
    fn wake(&self, request: &Request) -> Option<Wake> {
        let postponed = self.2.lock().unwrap().get(&request.id).filter(|(from, _)| *from == request.due_at).map(|(_, to)| *to);
        (!request.status.is_end()).then(|| Wake { at: postponed.unwrap_or(request.due_at), id: request.id })
    }
}

impl Claims for FakeLedger {
    async fn claim(
        &self,
        id: CorrelationId,
        lease: impl Fn(&Request) -> Duration + Send,
        now: DateTime<Utc>,
    ) -> Result<(Changed, Option<String>), LedgerError> {
        let Some((request, _)) = self.0.find(id).await? else { return Ok((Changed::NotFound, None)) };
        Ok((self.0.change(id, Change::Claim { lease: lease(&request) }, now).await?, self.0.body(id)))
    }
}

impl Changes for FakeLedger {
    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        self.0.change(id, change, now).await
    }
}

impl Requests for FakeLedger {
    async fn find(&self, id: CorrelationId) -> Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError> {
        self.0.find(id).await
    }

    async fn list(&self, query: Query) -> Result<Page, LedgerError> {
        self.0.list(query).await
    }

    async fn body(&self, id: CorrelationId) -> Result<Option<String>, LedgerError> {
        Ok(self.0.body(id))
    }
}

impl Intake for FakeLedger {
    async fn find_by_key(&self, use_case: &str, key: &str) -> Result<Option<Request>, LedgerError> {
        self.0.find_by_key(use_case, key).await
    }

    async fn insert(&self, new: NewRequest) -> Result<Inserted, LedgerError> {
        self.0.insert(new).await
    }
}

/// A scheduler with a delay queue of 15 minutes, which records its calls as text.
#[derive(Default)]
pub struct FakeTiming {
    log: Mutex<Vec<String>>,
    /// The rules that exist. The rule `stuck` cannot be deleted.
    pub rules: Mutex<Vec<LeftRule>>,
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
        self.note(format!("schedule {} at {}", arming.request.target, (arming.request.due_at - moment()).num_seconds()));
        Ok(())
    }

    async fn unschedule(&self, _request: &Request) -> Result<(), ScheduleError> {
        Ok(())
    }
}

impl Timing for FakeTiming {
    async fn park(&self, envelope: &Envelope, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool, ScheduleError> {
        let near = due - now <= TimeDelta::minutes(15);
        if near {
            self.note(format!("park {} for {} s", envelope.attempt, (due - now).num_seconds()));
        }
        Ok(near)
    }

    async fn clean_rule(&self, name: &str) -> Result<(), ScheduleError> {
        if name == "stuck" {
            return Err(ScheduleError::Failed("access denied".to_owned()));
        }
        self.rules.lock().unwrap().retain(|rule| rule.name != name);
        self.note(format!("clean {name}"));
        Ok(())
    }

    async fn left_rules(&self) -> Result<Vec<LeftRule>, ScheduleError> {
        Ok(self.rules.lock().unwrap().clone())
    }
}

#[derive(Default)]
pub struct FakeNotify(pub Mutex<Vec<CorrelationId>>, pub Mutex<Vec<String>>);

impl Notify for FakeNotify {
    async fn request_failed(&self, request: &Request) -> Result<(), String> {
        self.0.lock().unwrap().push(request.id);
        Ok(())
    }

    async fn dead_letter(&self, _envelope: &Envelope, request: &Request) -> Result<(), String> {
        self.0.lock().unwrap().push(request.id);
        Ok(())
    }

    async fn rule_not_cleaned(&self, rule: &LeftRule, reason: &str) -> Result<(), String> {
        self.1.lock().unwrap().push(format!("not cleaned {}: {reason}", rule.name));
        Ok(())
    }
}

pub type TestFiring = Firing<FakeUseCases, FakeLedger, FakeTiming, FakeDeliver, FakeNotify, FakeClock>;

pub fn firing(answer: JobResult) -> TestFiring {
    Firing {
        use_cases: FakeUseCases::of(FakeBundle::new("v1", MANIFEST).on_process(move |_| Ok(answer.clone()))),
        ledger: FakeLedger::default(),
        scheduler: FakeTiming::default(),
        deliver: FakeDeliver::answering(Ok(None)),
        notifier: FakeNotify::default(),
        clock: FakeClock::default(),
    }
}

/// Stores a request that is due at second 60, and returns the envelope of its rule.
pub async fn accepted(firing: &TestFiring) -> Envelope {
    let new = new_request(sample_id(1), "orders", moment() + TimeDelta::seconds(60));
    firing.ledger.0.insert(new.clone()).await.unwrap();
    Envelope::of(&new.request, Some("postdate-orders-1".to_owned()), None)
}

pub fn deadline() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

impl TestFiring {
    pub async fn fire_at(&self, envelope: &Envelope, seconds: i64) -> String {
        self.set_clock(seconds);
        match self.fire(envelope, deadline()).await.unwrap() {
            Fired::Ran { request, .. } => format!("ran: {}", request.status),
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
    async fn overdue(&self, before: DateTime<Utc>, after: Option<Wake>, limit: usize) -> Result<Vec<Wake>, LedgerError> {
        let mut found = Vec::new();
        for id in self.0.ids() {
            let Some((request, _)) = self.0.find(id).await? else { continue };
            found.extend(self.wake(&request).filter(|wake| wake.at < before && after.is_none_or(|after| *wake > after)));
        }
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    async fn postpone_wake(&self, seen: Wake, to: DateTime<Utc>) -> Result<bool, LedgerError> {
        let Some((request, _)) = self.0.find(seen.id).await? else { return Ok(false) };
        let current = self.wake(&request) == Some(seen);
        if current {
            self.2.lock().unwrap().insert(seen.id, (request.due_at, to));
        }
        Ok(current)
    }

    async fn cursor(&self) -> Result<String, LedgerError> {
        Ok(self.1.lock().unwrap().clone())
    }

    async fn set_cursor(&self, cursor: &str) -> Result<(), LedgerError> {
        cursor.clone_into(&mut self.1.lock().unwrap());
        Ok(())
    }
}
