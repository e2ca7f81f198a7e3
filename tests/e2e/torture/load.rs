//! Clients that go on posting whatever happens to the server, and remember what was acknowledged.

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

/// Clients at the same time.
const CLIENTS: u64 = 16;
/// Requests are due within so long from their post.
const LATEST_MILLIS: u64 = 2_000;
/// A client's pause after an answer: the load is to be heavy, not to be more than the machine can run.
const PAUSE: Duration = Duration::from_millis(60);

/// A request that the server acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub id: String,
    /// What its body says, and what the receiver sees: unique to each.
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

    /// The server has been started again, on another port.
    pub fn server_is_at(&self, api: &Client) {
        self.server.send_replace(api.clone());
    }

    /// Stops posting; what was acknowledged.
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
    /// Where the plugin is to report.
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

    /// Posts until there is an answer. The server may have been killed before or after it stored the request: with the
    /// key, the post can be made again, and is one request.
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
                // Until the next start, no post can succeed; the bound is for one that came just before this wait.
                Err(_) => drop(tokio::time::timeout(Duration::from_millis(200), self.server.changed()).await),
            }
        }
    }
}
