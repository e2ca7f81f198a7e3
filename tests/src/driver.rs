//! Delivers due events in place of EventBridge and SQS: moto stores rules, schedules and messages but never fires them.
//!
//! The driver checks each of them against AWS's limits, and delivers as AWS does, on the test's clock: a rule in its minute, and
//! only if it was armed before; a message after its delay; a failed delivery again, and after the last attempt to the
//! dead-letter queue.

mod deliver;
mod read;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::fault_proxy::FaultProxy;
use crate::lambda::{Failure, Function};

/// Origin of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Rule,
    Schedule,
    Message,
}

/// An event to deliver.
#[derive(Debug, Clone)]
pub struct Due {
    pub source: Source,
    /// Name of the rule or schedule, or id of the message.
    pub name: String,
    /// Due time: the start of a rule's minute, a schedule's second, the end of a message's delay.
    pub at: DateTime<Utc>,
    /// ARN of the target.
    pub target: String,
    /// The envelope: a rule's or a schedule's `Input`, a message's body.
    pub event: Value,
    /// Number of failed deliveries so far.
    pub deliveries: u32,
    key: String,
    /// URL of a message's queue; empty for a rule and a schedule.
    queue: String,
}

/// A delivery and its result.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub due: Due,
    /// The function's answer. A message in the answer's `batchItemFailures` is a failure. `Ok(Null)` if `due.target` is none
    /// of the given functions: a direct target.
    pub outcome: Result<Value, Failure>,
}

/// The resources that the driver reads.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Delay queues: URL, and ARN of the function that reads the queue.
    pub queues: Vec<(String, String)>,
    /// URL of the dead-letter queue.
    pub dead_letters: String,
    /// Name of the schedule group.
    pub group: String,
}

/// The driver of one test.
pub struct Driver {
    aws: Aws,
    proxy: FaultProxy,
    clock: Clock,
    sources: Sources,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Keys of the delivered events.
    fired: HashSet<String>,
    /// Failed events to deliver again.
    again: Vec<Due>,
}

/// Maximum of deliveries in one [`Driver::settle`], which ends a loop of events that re-arm each other.
const MOST_DELIVERIES: usize = 200;

impl Driver {
    pub fn new(aws: Aws, proxy: FaultProxy, clock: Clock, sources: Sources) -> Self {
        Self { aws, proxy, clock, sources, state: Mutex::default() }
    }

    /// Returns all undelivered events, earliest first, without rules that were armed too late for their minute: AWS never
    /// fires those.
    ///
    /// Panics if AWS would refuse one of the rules, schedules or messages.
    pub async fn pending(&self) -> Vec<Due> {
        let mut all = self.rules().await;
        all.extend(self.schedules().await);
        all.extend(self.messages());
        let state = self.state();
        all.retain(|due| !state.fired.contains(&due.key));
        all.extend(state.again.iter().cloned());
        all.sort_by_key(|due| due.at);
        all
    }

    /// Delivers an event now, also before it is due and also repeatedly: AWS delivers at least once. A failed delivery is
    /// not scheduled again.
    pub async fn deliver(&self, due: &Due, functions: &[&Function]) -> Delivered {
        let name = due.target.split(":function:").nth(1).and_then(|rest| rest.split(':').next());
        let outcome = match functions.iter().find(|function| Some(function.name.as_str()) == name) {
            Some(function) => deliver::deliver(function, due).await,
            None => Ok(Value::Null),
        };
        Delivered { due: due.clone(), outcome }
    }

    /// Delivers each due event once, earliest first. Failed deliveries become due again later, as on AWS.
    pub async fn run_due(&self, functions: &[&Function]) -> Vec<Delivered> {
        self.fire_all(self.due().await, functions).await
    }

    /// As [`Self::run_due`], but latest first: a standard queue keeps no order.
    pub async fn run_due_latest_first(&self, functions: &[&Function]) -> Vec<Delivered> {
        let mut due = self.due().await;
        due.reverse();
        self.fire_all(due, functions).await
    }

    async fn due(&self) -> Vec<Due> {
        let now = self.clock.now();
        self.pending().await.into_iter().filter(|due| due.at <= now).collect()
    }

    async fn fire_all(&self, due: Vec<Due>, functions: &[&Function]) -> Vec<Delivered> {
        let mut all = Vec::new();
        for due in due {
            all.push(self.fire(due, functions).await);
        }
        all
    }

    /// Moves the clock from one due time to the next and delivers, until nothing is pending. Returns the deliveries in order.
    pub async fn settle(&self, functions: &[&Function]) -> Vec<Delivered> {
        let mut all = Vec::new();
        while let Some(due) = self.pending().await.into_iter().next() {
            assert!(all.len() < MOST_DELIVERIES, "an event is still pending after {MOST_DELIVERIES} deliveries: {due:?}");
            if due.at > self.clock.now() {
                self.clock.set(due.at);
            }
            all.push(self.fire(due, functions).await);
        }
        all
    }

    /// Delivers an event. A failed one is scheduled again, or moves to the dead-letter queue.
    async fn fire(&self, due: Due, functions: &[&Function]) -> Delivered {
        {
            let mut state = self.state();
            state.again.retain(|other| other.key != due.key);
            state.fired.insert(due.key.clone());
        }
        let delivered = self.deliver(&due, functions).await;
        self.complete(&due).await;
        if let Err(failure) = &delivered.outcome {
            match deliver::again(&due, self.clock.now()) {
                Some(again) => self.state().again.push(again),
                None => self.give_up(&due, failure).await,
            }
        }
        delivered
    }

    /// Deletes a schedule that has fired, unless it is to stay.
    async fn complete(&self, due: &Due) {
        if due.source == Source::Schedule && !self.is_kept(&due.name).await {
            self.aws.delete_schedule(&self.sources.group, &due.name).await;
        }
    }

    /// Returns whether a schedule stays after it has fired.
    async fn is_kept(&self, schedule: &str) -> bool {
        let schedule = self.aws.get_schedule(&self.sources.group, schedule).await;
        schedule.is_some_and(|schedule| schedule["ActionAfterCompletion"] == "NONE")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
