//! Postdate, with a validator and a processor in WebAssembly.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};

use super::http::Api;
use super::report::Settings;
use super::system::{PATIENCE, Place, Posts, Run, System};
use crate::fixture::{Bench, VALIDATED, far_ahead, post};
use crate::ledger::Reader;
use crate::load::Load;
use crate::schedule::Schedule;
use crate::server::Server;

pub struct Postdate {
    server: Server,
    api: Api,
    ledger: PathBuf,
}

/// Returns the version of the host binary, and how it is run.
pub fn settings(bench: &Bench) -> anyhow::Result<Settings> {
    let output = Command::new(&bench.bin).arg("--version").output().with_context(|| format!("cannot start {}", bench.bin.display()))?;
    Ok(Settings {
        versions: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        settings: "HTTP; answers after SQLite's fsync, many requests in one commit (WAL, `synchronous=FULL`); a plugin validates each \
                   request and another one processes it, each call in a fresh sandbox"
            .to_owned(),
    })
}

impl System for Postdate {
    async fn start(place: Place<'_>, directory: &Path, _jobs: u32) -> anyhow::Result<Self> {
        let data = directory.join("data");
        let mut server = Server::spawn(&place.bench.bin, &place.bench.use_cases(directory)?, &data)?;
        server.ready(&post(VALIDATED, far_ahead(), 0)).await?;
        let api = Api { address: server.address, status: 202, request: |due, number| post(VALIDATED, due, number) };
        Ok(Self { server, api, ledger: data.join("ledger.sqlite") })
    }

    async fn post(&self, warm_up: Duration, posts: Posts) -> anyhow::Result<Load> {
        self.api.post(warm_up, posts).await
    }

    /// Lateness is that of an attempt's end, so it includes the plugin's run.
    async fn run(self, schedule: Schedule, first: DateTime<Utc>) -> anyhow::Result<Run> {
        self.api.post_schedule(schedule, first).await?;
        let end = first + TimeDelta::from_std(schedule.span)?;
        tokio::time::sleep((end - Utc::now()).to_std().unwrap_or_default()).await;
        let (reader, waiting) = (Reader::open(&self.ledger)?, Instant::now());
        // The request that checked that the server is ready stays scheduled.
        while reader.unfinished()? > 1 {
            ensure!(waiting.elapsed() < PATIENCE, "requests were still pending {PATIENCE:?} after the last was due");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let lateness = reader.lateness_of_ends()?;
        ensure!(lateness.len() == schedule.count as usize, "{} of {} requests have ended", lateness.len(), schedule.count);
        Ok(Run { lateness, worker_bytes: None })
    }

    fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.server.resident_bytes()
    }
}
