//! A client that keeps posting while the server is killed and restarted, and records what was acknowledged and when the server was down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::{Client, text, time};

/// Time until a post that was refused or cut off is repeated.
const REPEAT: Duration = Duration::from_millis(200);

/// A request that the server acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub id: String,
    /// Name in the request's body, which the receiver sees again. Unique in a run.
    pub name: String,
    pub trigger_at: DateTime<Utc>,
}

/// The record of a run.
#[derive(Debug, Default)]
pub struct Run {
    pub acknowledged: Vec<Acknowledged>,
    /// Numbers of answers with status 503, by code. Each post was repeated.
    pub refused: BTreeMap<String, u64>,
    /// Spans of time in which the server was killed and not yet ready again.
    pub outages: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

/// The poster's shared state.
#[derive(Default)]
struct Record {
    acknowledged: Mutex<Vec<Acknowledged>>,
    refused: Mutex<BTreeMap<String, u64>>,
}

pub struct Load {
    /// `None` while the server is down.
    server: watch::Sender<Option<Client>>,
    record: Arc<Record>,
    outages: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    posting: JoinHandle<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl Load {
    /// Posts a request to the use case at each interval, whether or not the ones before were answered. `body` gets the number of the
    /// request and returns its body, which must contain the request's `name`.
    pub fn start(api: &Client, use_case: &str, interval: Duration, mut body: impl FnMut(u64) -> Value + Send + 'static) -> Self {
        let (server, _) = watch::channel(Some(api.clone()));
        let (stop, stopped) = watch::channel(false);
        let record = Arc::<Record>::default();
        let (at, log, path) = (server.subscribe(), Arc::clone(&record), format!("/requests/{use_case}"));
        let posting = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(interval);
            let mut posts = JoinSet::new();
            let mut number = 0;
            while !*stopped.borrow() {
                ticks.tick().await;
                number += 1;
                posts.spawn(post(at.clone(), Arc::clone(&log), path.clone(), body(number)));
                while posts.try_join_next().is_some() {}
            }
            posts
        });
        Self { server, record, outages: Vec::new(), posting, stop }
    }

    /// Returns the number of acknowledged requests.
    pub fn acknowledged(&self) -> usize {
        self.record.acknowledged.lock().expect("the record").len()
    }

    /// Begins no further post until [`Self::server_is_at`]. Posts in progress go on.
    pub fn server_is_down(&mut self) {
        self.server.send_replace(None);
        self.outages.push((Utc::now(), DateTime::<Utc>::MAX_UTC));
    }

    /// Points the client at the restarted server, whose port is new.
    pub fn server_is_at(&mut self, api: &Client) {
        if let Some(outage) = self.outages.last_mut() {
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
        let acknowledged = std::mem::take(&mut *self.record.acknowledged.lock().expect("the record"));
        let refused = std::mem::take(&mut *self.record.refused.lock().expect("the record"));
        Run { acknowledged, refused, outages: self.outages }
    }
}

/// Posts until the server acknowledges the request. A kill may come before or after the server stored the request. The idempotency key
/// deduplicates the repeated posts. Panics if the server refuses the request for another reason than a lack of the host.
async fn post(mut server: watch::Receiver<Option<Client>>, record: Arc<Record>, path: String, body: Value) {
    let name = text(&body, "name").to_owned();
    loop {
        let api = server.borrow_and_update().clone();
        if let Some(api) = api {
            let call = api.call(Method::POST, &path).header("idempotency-key", &name).json(&body);
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
        // Until the next start, or until a busy server has room.
        drop(tokio::time::timeout(REPEAT, server.changed()).await);
    }
}
