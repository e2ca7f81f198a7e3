//! Clients that keep posting while the server is killed and restarted, and record the acknowledged requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::{Client, Receiver, text, time};

/// Number of concurrent clients.
const CLIENTS: u64 = 16;
/// Upper bound of a request's delay, in milliseconds.
const LATEST_MILLIS: u64 = 2_000;
/// Pause of a client after each answer. The pause keeps the load below the machine's capacity, so that the backlog drains.
const PAUSE: Duration = Duration::from_millis(60);

/// A request that the server acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub id: String,
    /// Name in the request's body, which the receiver sees again. Unique in a run.
    pub name: String,
    pub trigger_at: DateTime<Utc>,
}

pub struct Load {
    server: watch::Sender<Client>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Acknowledged>>>,
}

impl Load {
    pub fn start(api: &Client, receiver: &Receiver, seed: u64) -> Self {
        let (server, _) = watch::channel(api.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS)
            .map(|client| {
                let poster = Poster {
                    server: server.subscribe(),
                    url: receiver.url("/plugin"),
                    random: StdRng::seed_from_u64(seed ^ client),
                    client,
                };
                tokio::spawn(poster.run(Arc::clone(&stop)))
            })
            .collect();
        Self { server, stop, clients }
    }

    /// Points every client at the restarted server, whose port is new.
    pub fn server_is_at(&self, api: &Client) {
        self.server.send_replace(api.clone());
    }

    /// Stops the clients and returns every acknowledged request.
    pub async fn finish(self) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.await.expect("a client"));
        }
        all
    }
}

struct Poster {
    server: watch::Receiver<Client>,
    /// URL of the receiver that the plugin calls.
    url: String,
    random: StdRng,
    client: u64,
}

impl Poster {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Vec<Acknowledged> {
        let mut acknowledged = Vec::new();
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) {
            number += 1;
            let name = format!("{}-{number}", self.client);
            let delay = self.random.random_range(0..LATEST_MILLIS);
            let mut body = json!({ "name": name, "delay": format!("PT{}.{:03}S", delay / 1_000, delay % 1_000) });
            if self.random.random_bool(0.5) {
                body["target"] = json!("here");
                body["process"] = json!({ "do": "http", "url": format!("{}?name={name}", self.url) });
            }
            acknowledged.push(self.post(&name, &body).await);
            tokio::time::sleep(PAUSE).await;
        }
        acknowledged
    }

    /// Posts until the server answers. A kill may come before or after the server stored the request. The idempotency key
    /// deduplicates the repeated posts.
    async fn post(&mut self, name: &str, body: &Value) -> Acknowledged {
        loop {
            let api = self.server.borrow_and_update().clone();
            let call = api.call(Method::POST, "/requests/torture").header("idempotency-key", name).json(body);
            match api.try_send(call).await {
                Ok(answer) => {
                    let answer = answer.expect(202);
                    let id = text(&answer, "correlationId").to_owned();
                    return Acknowledged { id, name: name.to_owned(), trigger_at: time(&answer["triggerAt"]) };
                }
                // Wait for the next start. The timeout covers a start that was announced just before this wait began.
                Err(_) => drop(tokio::time::timeout(Duration::from_millis(200), self.server.changed()).await),
            }
        }
    }
}
