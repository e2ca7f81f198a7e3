//! EventBridge's and SQS's clocks: moto keeps rules, schedules and messages, and this delivers them when they are due on
//! the test's clock. It checks what it reads against what AWS demands, and fires as AWS does: a rule some time in its
//! minute and only if it was there before, a message when its delay is over, failed deliveries again, and then to the
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

/// What keeps a due event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Rule,
    Schedule,
    Message,
}

/// Something that is to be delivered.
#[derive(Debug, Clone)]
pub struct Due {
    pub source: Source,
    /// Of the rule, of the schedule; the id of a message.
    pub name: String,
    /// From when on: the beginning of a rule's minute, a schedule's second, the end of a message's delay.
    pub at: DateTime<Utc>,
    /// The ARN of what it is for.
    pub target: String,
    /// The envelope: a rule's or a schedule's `Input`, a message's body.
    pub event: Value,
    /// How often it has been delivered before, in vain.
    pub deliveries: u32,
    key: String,
    /// URL of a message's queue.
    queue: String,
}

/// What came of a delivery.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub due: Due,
    /// The function's answer. A message that the function named in `batchItemFailures` is a failure too. `Ok(Null)`
    /// where `due.target` is none of the functions that were given: a direct target.
    pub outcome: Result<Value, Failure>,
}

/// Where the driver looks.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The delay queues: URL, and ARN of the function that reads it.
    pub queues: Vec<(String, String)>,
    /// URL of the dead-letter queue.
    pub dead_letters: String,
    /// The schedule group.
    pub group: String,
}

/// One test's driver.
pub struct Driver {
    aws: Aws,
    proxy: FaultProxy,
    clock: Clock,
    sources: Sources,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Keys of what was handed out.
    fired: HashSet<String>,
    /// What is to be delivered again.
    again: Vec<Due>,
}

/// Deliveries in one [`Driver::settle`], so that two that re-arm each other end.
const MOST_DELIVERIES: usize = 200;

impl Driver {
    pub fn new(aws: Aws, proxy: FaultProxy, clock: Clock, sources: Sources) -> Self {
        Self { aws, proxy, clock, sources, state: Mutex::default() }
    }

    /// Everything that is to be delivered at some time, earliest first. A rule that was made too late for its minute is
    /// not in it: AWS would never fire it.
    ///
    /// Fails where a rule, a schedule or a message is one that AWS would not have taken.
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

    /// Delivers one thing now, whether it is due or not, and whether it was delivered before or not: AWS delivers at
    /// least once. A failure is not remembered.
    pub async fn deliver(&self, due: &Due, functions: &[&Function]) -> Delivered {
        let name = due.target.split(":function:").nth(1).and_then(|rest| rest.split(':').next());
        let outcome = match functions.iter().find(|function| Some(function.name.as_str()) == name) {
            Some(function) => deliver::deliver(function, due).await,
            None => Ok(Value::Null),
        };
        Delivered { due: due.clone(), outcome }
    }

    /// Delivers what is due, earliest first, once each; what failed is due again later, as AWS does it.
    pub async fn run_due(&self, functions: &[&Function]) -> Vec<Delivered> {
        let now = self.clock.now();
        let mut all = Vec::new();
        for due in self.pending().await.into_iter().filter(|due| due.at <= now) {
            all.push(self.fire(due, functions).await);
        }
        all
    }

    /// Lets time pass until nothing is pending: moves the clock from one due time to the next and delivers. Returns
    /// what was delivered, in order.
    pub async fn settle(&self, functions: &[&Function]) -> Vec<Delivered> {
        let mut all = Vec::new();
        while let Some(due) = self.pending().await.into_iter().next() {
            assert!(all.len() < MOST_DELIVERIES, "{MOST_DELIVERIES} deliveries, and still something is pending: {due:?}");
            if due.at > self.clock.now() {
                self.clock.set(due.at);
            }
            all.push(self.fire(due, functions).await);
        }
        all
    }

    /// Hands something out, and settles what becomes of it.
    async fn fire(&self, due: Due, functions: &[&Function]) -> Delivered {
        {
            let mut state = self.state();
            state.again.retain(|other| other.key != due.key);
            state.fired.insert(due.key.clone());
        }
        let delivered = self.deliver(&due, functions).await;
        if due.source == Source::Schedule {
            // `ActionAfterCompletion`: deleted once it was invoked.
            self.aws.delete_schedule(&self.sources.group, &due.name).await;
        }
        if let Err(failure) = &delivered.outcome {
            match deliver::again(&due, self.clock.now()) {
                Some(again) => self.state().again.push(again),
                None => self.give_up(&due, failure).await,
            }
        }
        delivered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
