//! The good use case: posts 50 requests a second, and records what was acknowledged and when the server was down.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::{Client, Delivery, text, time};
use crate::torture::load::Acknowledged;

/// Time between two posts.
const BETWEEN_POSTS: Duration = Duration::from_millis(20);
/// Time until a post that was refused or cut off is repeated.
const REPEAT: Duration = Duration::from_millis(200);

/// The poster's shared state.
#[derive(Default)]
struct Record {
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Numbers of answers with status 503, by code.
    refused: Mutex<BTreeMap<String, u64>>,
    /// Spans of time in which the server was killed and not yet ready again.
    outages: Mutex<Vec<(DateTime<Utc>, DateTime<Utc>)>>,
}

pub struct Good {
    server: watch::Sender<Option<Client>>,
    record: Arc<Record>,
    posting: JoinHandle<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl Good {
    pub fn start(api: &Client) -> Self {
        let (server, _) = watch::channel(Some(api.clone()));
        let (stop, stopped) = watch::channel(false);
        let record = Arc::<Record>::default();
        let (at, log) = (server.subscribe(), Arc::clone(&record));
        let posting = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(BETWEEN_POSTS);
            let mut posts = JoinSet::new();
            let mut number = 0_u64;
            while !*stopped.borrow() {
                ticks.tick().await;
                number += 1;
                posts.spawn(post(at.clone(), Arc::clone(&log), number));
                while posts.try_join_next().is_some() {}
            }
            posts
        });
        Self { server, record, posting, stop }
    }

    /// Returns the number of acknowledged requests.
    pub fn acknowledged(&self) -> usize {
        self.record.acknowledged.lock().expect("the record").len()
    }

    pub fn server_is_down(&self) {
        self.server.send_replace(None);
        self.record.outages.lock().expect("the record").push((Utc::now(), DateTime::<Utc>::MAX_UTC));
    }

    pub fn server_is_at(&self, api: &Client) {
        if let Some(outage) = self.record.outages.lock().expect("the record").last_mut() {
            outage.1 = Utc::now();
        }
        self.server.send_replace(Some(api.clone()));
    }

    /// Stops posting, waits for the answers, and returns what was recorded.
    pub async fn finish(self) -> Run {
        self.stop.send_replace(true);
        let mut posts = self.posting.await.expect("the poster");
        while let Some(post) = posts.join_next().await {
            post.expect("a post");
        }
        let take = |list: &Mutex<Vec<Acknowledged>>| std::mem::take(&mut *list.lock().expect("the record"));
        Run {
            acknowledged: take(&self.record.acknowledged),
            refused: std::mem::take(&mut *self.record.refused.lock().expect("the record")),
            outages: std::mem::take(&mut *self.record.outages.lock().expect("the record")),
        }
    }
}

/// Posts until the server acknowledges the request. The idempotency key deduplicates repeated posts. Panics if the server refuses
/// the request for another reason than a lack of the host.
async fn post(mut server: watch::Receiver<Option<Client>>, record: Arc<Record>, number: u64) {
    let name = format!("good-{number}");
    let body = json!({ "name": name, "delay": format!("PT1.{:03}S", number % 1_000) });
    loop {
        let api = server.borrow_and_update().clone();
        if let Some(api) = api {
            let call = api.call(Method::POST, "/requests/good").header("idempotency-key", &name).json(&body);
            match api.try_send(call).await {
                Ok(answer) if answer.status == 503 => {
                    let code = text(&answer.body, "code").to_owned();
                    *record.refused.lock().expect("the record").entry(code).or_default() += 1;
                }
                Ok(answer) => {
                    let answer = answer.expect(202);
                    let (id, trigger_at) = (text(&answer, "correlationId").to_owned(), time(&answer["triggerAt"]));
                    record.acknowledged.lock().expect("the record").push(Acknowledged { id, name, trigger_at });
                    return;
                }
                // The server was killed.
                Err(_) => {}
            }
        }
        drop(tokio::time::timeout(REPEAT, server.changed()).await);
    }
}

/// The record of the good use case.
pub struct Run {
    pub acknowledged: Vec<Acknowledged>,
    /// Numbers of answers with status 503, by code. Each was repeated.
    pub refused: BTreeMap<String, u64>,
    outages: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Run {
    /// Returns the lateness of those of the requests that were not due while the server was down.
    pub fn lateness(&self, requests: &[Acknowledged], deliveries: &[Delivery]) -> Lateness {
        let mut first: HashMap<String, DateTime<Utc>> = HashMap::new();
        for delivery in deliveries {
            first.entry(text(&delivery.json(), "name").to_owned()).or_insert(delivery.at);
        }
        // A request that falls due in an outage is late by the outage, and the backlog delays others for a moment after it.
        let moment = chrono::TimeDelta::seconds(1);
        let up =
            |due: DateTime<Utc>| !self.outages.iter().any(|(from, to)| due >= *from && due <= to.checked_add_signed(moment).unwrap_or(*to));
        let due = requests.iter().filter(|request| up(request.trigger_at));
        let mut millis: Vec<i64> =
            due.filter_map(|request| Some((*first.get(&request.name)? - request.trigger_at).num_milliseconds())).collect();
        millis.sort_unstable();
        let at =
            |percent: usize| millis.get((millis.len() * percent / 100).min(millis.len().saturating_sub(1))).copied().unwrap_or_default();
        Lateness { count: millis.len(), median: at(50), p99: at(99), most: at(100) }
    }
}

/// Lateness in milliseconds: from the due time to the delivery, by the receiver's clock.
pub struct Lateness {
    count: usize,
    median: i64,
    p99: i64,
    most: i64,
}

impl Display for Lateness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, median, p99, most } = self;
        write!(formatter, "p50 {median} ms, p99 {p99} ms, most {most} ms of {count}")
    }
}
