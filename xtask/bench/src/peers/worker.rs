//! A worker of a peer: a program in JavaScript that prints `ready`, and later the starts of its jobs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use postdate_tests::process::{Lines, Process};

use super::system::PATIENCE;

/// A running worker. Killed when dropped.
pub struct Worker {
    process: Process,
    lines: Lines,
}

/// The start of a job, as `lateness.mjs` prints it.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub struct Start(
    /// Number of the request.
    pub u32,
    /// Unix milliseconds when its handler began.
    pub f64,
    /// Unix milliseconds when it was due, if the handler knows that.
    pub Option<f64>,
);

impl Worker {
    /// Starts a worker in the directory of the packages, and waits until it is ready.
    pub async fn start(command: &mut Command, directory: &Path) -> anyhow::Result<Self> {
        let lines = Lines::default();
        let mut worker = Self { process: Process::start(command.current_dir(directory), &lines), lines };
        worker.line(|line| line == "ready").await?;
        Ok(worker)
    }

    /// Waits until the worker has started all its jobs.
    pub async fn starts(&mut self) -> anyhow::Result<Vec<Start>> {
        let line = self.line(|line| line.starts_with("[[")).await?;
        serde_json::from_str(&line).context("the worker's output is not an array of starts")
    }

    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.process.resident_bytes().context("the worker has ended")
    }

    async fn line(&mut self, fits: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.lines.all().into_iter().find(|line| fits(line)) {
                return Ok(line);
            }
            if let Some(status) = self.process.exited() {
                bail!("the worker ended ({status}): {}", self.lines.text());
            }
            if begun.elapsed() > PATIENCE {
                bail!("the worker printed no such line within {PATIENCE:?}: {}", self.lines.text());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
