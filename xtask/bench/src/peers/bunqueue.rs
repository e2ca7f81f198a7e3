//! bunqueue's server on SQLite, and a worker in Bun.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use postdate_tests::process::{Process, free_port};

use super::http::Api;
use super::packages::{listening, logged};
use super::system::{Place, Posts, Run, System};
use super::worker::Worker;
use crate::client::post;
use crate::fixture::body;
use crate::load::Load;
use crate::schedule::Schedule;

pub struct Bunqueue {
    server: Process,
    worker: Option<Worker>,
    api: Api,
}

impl System for Bunqueue {
    async fn start(place: Place<'_>, directory: &Path, jobs: u32) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let tcp = free_port().to_string();
        let mut command = place.packages.bun("node_modules/bunqueue/dist/cli/index.js");
        command.args(["start", "--host", "127.0.0.1", "--tcp-port", &tcp, "--http-port", &address.port().to_string(), "--data-path"]);
        // Its default is 10,000 calls of one client a minute.
        command.arg(directory.join("bunqueue.db")).env("RATE_LIMIT_MAX_REQUESTS", "1000000000");
        let mut server = logged(&mut command, &directory.join("bunqueue.log"))?;
        listening(&mut server, address).await?;
        let worker = if jobs > 0 {
            let mut worker = place.packages.bun("bunqueue.mjs");
            worker.args([&tcp, &jobs.to_string()]);
            Some(Worker::start(&mut worker, &place.packages.directory).await?)
        } else {
            None
        };
        Ok(Self { server, worker, api: Api { address, status: 200, request } })
    }

    async fn post(&self, warm_up: Duration, posts: Posts) -> anyhow::Result<Load> {
        self.api.post(warm_up, posts).await
    }

    async fn run(self, schedule: Schedule, first: DateTime<Utc>) -> anyhow::Result<Run> {
        self.api.post_schedule(schedule, first).await?;
        let mut worker = self.worker.context("the worker was not started")?;
        let lateness = worker.starts().await?.iter().filter_map(|start| Some(start.1 - start.2?)).collect();
        Ok(Run { lateness, worker_bytes: Some(worker.resident_bytes()?) })
    }

    fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.server.resident_bytes().context("bunqueue has ended")
    }
}

fn request(due: DateTime<Utc>, number: u32) -> Vec<u8> {
    let delay = (due - Utc::now()).num_milliseconds().max(0);
    post("/queues/jobs/jobs", &format!("{{\"data\":{},\"delay\":{delay},\"durable\":true}}", body(due, number)))
}
