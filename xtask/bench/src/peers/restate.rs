//! Restate's server, and a service in JavaScript.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use postdate_tests::process::{Process, free_port};

use super::http::{Api, after_the_run};
use super::packages::logged;
use super::system::{PATIENCE, Place, Posts, Run, System};
use super::worker::Worker;
use crate::client::{Connection, post};
use crate::fixture::body;
use crate::load::Load;
use crate::schedule::Schedule;

pub struct Restate {
    server: Process,
    service: Worker,
    api: Api,
}

impl System for Restate {
    async fn start(place: Place<'_>, directory: &Path, jobs: u32) -> anyhow::Result<Self> {
        let [ingress, admin, node] = [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let port = free_port();
        let mut service = place.packages.node("restate.mjs");
        service.args([port.to_string(), jobs.to_string()]).env("RESTATE_LOGGING", "WARN");
        let service = Worker::start(&mut service, &place.packages.directory).await?;
        let mut command = place.packages.restate();
        command.args(["--no-logo", "--listen-mode", "tcp", "--node-name", "one", "--base-dir"]).arg(directory.join("restate"));
        for (name, address) in
            [("RESTATE_INGRESS__BIND_ADDRESS", ingress), ("RESTATE_ADMIN__BIND_ADDRESS", admin), ("RESTATE_BIND_ADDRESS", node)]
        {
            command.env(name, address.to_string());
        }
        command.env("RESTATE_DISABLE_TELEMETRY", "true");
        let mut server = logged(&mut command, &directory.join("restate.log"))?;
        let register = post("/deployments", &format!("{{\"uri\":\"http://127.0.0.1:{port}\"}}"));
        answered(&mut server, admin, &register, 201).await.context("the service was not registered")?;
        let first = request(after_the_run(), 0);
        answered(&mut server, ingress, &first, 202).await.context("the first request was not accepted")?;
        Ok(Self { server, service, api: Api { address: ingress, status: 202, request } })
    }

    async fn post(&self, warm_up: Duration, posts: Posts) -> anyhow::Result<Load> {
        self.api.post(warm_up, posts).await
    }

    /// The service does not know when an invocation was due: the answer to its request says that.
    async fn run(mut self, schedule: Schedule, first: DateTime<Utc>) -> anyhow::Result<Run> {
        let answers = self.api.post_schedule(schedule, first).await?;
        let due = answers.iter().map(|answer| execution_time(answer)).collect::<anyhow::Result<Vec<f64>>>()?;
        let starts = self.service.starts().await?;
        let late = |number: u32, start: f64| Some(start - due.get(number as usize)?);
        let lateness = starts.iter().filter_map(|start| late(start.0, start.1)).collect();
        Ok(Run { lateness, worker_bytes: Some(self.service.resident_bytes()?) })
    }

    fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.server.resident_bytes().context("Restate has ended")
    }
}

fn request(due: DateTime<Utc>, number: u32) -> Vec<u8> {
    let delay = (due - Utc::now()).num_milliseconds().max(0);
    post(&format!("/jobs/run/send?delay={delay}ms"), &body(due, number))
}

/// Returns the member `executionTime` of an answer, in full Unix milliseconds, as starts are measured.
fn execution_time(answer: &[u8]) -> anyhow::Result<f64> {
    let answer: serde_json::Value = serde_json::from_slice(answer)?;
    let time = answer["executionTime"].as_str().context("an answer without executionTime")?;
    #[expect(clippy::cast_precision_loss, reason = "times are below 2^52 ms")]
    Ok(DateTime::parse_from_rfc3339(time)?.timestamp_millis() as f64)
}

/// Sends a request until its answer has this status: a server that starts refuses connections, and answers otherwise at first.
async fn answered(server: &mut Process, address: SocketAddr, request: &[u8], status: u16) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let answer = async {
            let mut connection = Connection::open(address).await?;
            connection.call(request).await?.expect(status)
        };
        let Err(error) = answer.await else { return Ok(()) };
        if let Some(status) = server.exited() {
            bail!("the server ended ({status})");
        }
        ensure!(begun.elapsed() < PATIENCE, "no answer {status} within {PATIENCE:?}: {error:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
