//! BullMQ on Redis. It is a library, so `bullmq.mjs` is its client and its worker.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use postdate_tests::process::{Process, free_port};
use serde_json::{Value, json};

use super::http::after_the_run;
use super::packages::{listening, logged};
use super::system::{Place, Posts, Run, SCHEDULE_CONNECTIONS, System};
use super::worker::Worker;
use crate::load::{CONNECTIONS, Load};
use crate::schedule::Schedule;

pub struct BullMq {
    redis: Process,
    worker: Option<Worker>,
    port: u16,
    node: PathBuf,
    directory: PathBuf,
}

/// The output of `bullmq.mjs` for one command, in milliseconds.
#[derive(serde::Deserialize)]
struct Posted {
    elapsed: f64,
    latencies: Vec<f64>,
}

impl System for BullMq {
    async fn start(place: Place<'_>, directory: &Path, jobs: u32) -> anyhow::Result<Self> {
        let port = free_port();
        let mut command = place.packages.redis();
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--dir").arg(directory);
        let mut redis = logged(&mut command, &directory.join("redis.log"))?;
        listening(&mut redis, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let packages = place.packages;
        let worker = if jobs > 0 {
            let mut worker = packages.node("bullmq.mjs");
            worker.args(["work", &port.to_string(), &jobs.to_string()]);
            Some(Worker::start(&mut worker, &packages.directory).await?)
        } else {
            None
        };
        Ok(Self { redis, worker, port, node: packages.node.clone(), directory: packages.directory.clone() })
    }

    async fn post(&self, warm_up: Duration, posts: Posts) -> anyhow::Result<Load> {
        let at = after_the_run().timestamp_millis();
        let warm_up = json!({ "seconds": warm_up.as_secs_f64(), "at": at });
        let posts = match posts {
            Posts::For(time) => json!({ "seconds": time.as_secs_f64(), "at": at }),
            Posts::Count(count) => json!({ "count": count, "at": at }),
        };
        let posted = self.client(CONNECTIONS, &json!([warm_up, posts])).await?;
        let millis = |millis: f64| Duration::from_secs_f64(millis / 1e3);
        Ok(Load { latencies: posted.latencies.iter().copied().map(millis).collect(), elapsed: millis(posted.elapsed) })
    }

    async fn run(mut self, schedule: Schedule, first: DateTime<Utc>) -> anyhow::Result<Run> {
        let span = u64::try_from(schedule.span.as_millis())?;
        let command = json!({ "count": schedule.count, "at": first.timestamp_millis(), "span": span });
        self.client(SCHEDULE_CONNECTIONS, &json!([command])).await?;
        ensure!(Utc::now() < first, "posting took longer than the time before the first is due: the machine is too busy");
        let mut worker = self.worker.take().context("the worker was not started")?;
        let lateness = worker.starts().await?.iter().filter_map(|start| Some(start.1 - start.2?)).collect();
        Ok(Run { lateness, worker_bytes: Some(worker.resident_bytes()?) })
    }

    fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.redis.resident_bytes().context("Redis has ended")
    }
}

impl BullMq {
    /// Runs commands one after the other in a process of its own. Returns the result of the last one.
    async fn client(&self, connections: usize, commands: &Value) -> anyhow::Result<Posted> {
        let mut client = Command::new(&self.node);
        client.args(["bullmq.mjs", "post", &self.port.to_string(), &connections.to_string(), &commands.to_string()]);
        client.current_dir(&self.directory).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || client.output()).await?.context("cannot start BullMQ's client")?;
        ensure!(output.status.success(), "BullMQ's client failed: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let last = text.lines().next_back().context("BullMQ's client printed nothing")?;
        serde_json::from_str(last).context("the output of BullMQ's client is not its result")
    }
}
