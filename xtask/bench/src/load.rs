//! The load generator: many connections, each of which posts and waits for the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::client::Connection;

/// Number of connections.
pub const CONNECTIONS: usize = 64;
/// Timeout of a run, in case the server hangs.
const LIMIT: Duration = Duration::from_mins(2);

/// The result of a run. All requests were accepted.
#[derive(Debug, Default)]
pub struct Load {
    /// For each request, the time from the first byte sent to the last byte received.
    pub latencies: Vec<Duration>,
    pub elapsed: Duration,
}

impl Load {
    pub fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.elapsed += other.elapsed;
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 requests")]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Posts the requests of `next` until it returns `None`. Fails if an answer is not 202.
pub async fn run<N>(address: SocketAddr, next: N) -> anyhow::Result<Load>
where
    N: Fn() -> Option<Arc<[u8]>> + Send + Sync + 'static,
{
    run_for(address, 202, next).await
}

/// Posts the requests of `next` until it returns `None`. Fails if an answer has not this status.
pub async fn run_for<N>(address: SocketAddr, status: u16, next: N) -> anyhow::Result<Load>
where
    N: Fn() -> Option<Arc<[u8]>> + Send + Sync + 'static,
{
    let next = Arc::new(next);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(address).await.context("cannot connect to the server")?);
    }
    let started = Instant::now();
    let mut clients: JoinSet<anyhow::Result<Vec<Duration>>> = JoinSet::new();
    for mut connection in connections {
        let next = Arc::clone(&next);
        clients.spawn(async move {
            let mut latencies = Vec::new();
            while let Some(request) = next() {
                let sent = Instant::now();
                connection.call(&request).await?.expect(status)?;
                latencies.push(sent.elapsed());
            }
            Ok(latencies)
        });
    }
    let mut load = Load::default();
    let all = async {
        while let Some(client) = clients.join_next().await {
            load.latencies.extend(client.context("a client failed")??);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, all).await.with_context(|| format!("the server did not answer everything within {LIMIT:?}"))??;
    load.elapsed = started.elapsed();
    Ok(load)
}

/// Posts the same request repeatedly for `time`.
pub async fn sustained(address: SocketAddr, request: Arc<[u8]>, time: Duration) -> anyhow::Result<Load> {
    let end = Instant::now() + time;
    run(address, move || (Instant::now() < end).then(|| Arc::clone(&request))).await
}
