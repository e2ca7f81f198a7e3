//! The server under test: a process of `postdate serve` on loopback, in a release build.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use postdate_tests::process::{Process, free_port, postdate};
use rustix::process::Signal;

use crate::client::{Connection, get};

/// Timeout for a server to answer or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between two attempts to connect: short compared with the measured times, long compared with the cost of an attempt.
const RETRY: Duration = Duration::from_micros(500);

/// A running server. Killed when dropped.
pub struct Server {
    process: Process,
    pub address: SocketAddr,
    log: PathBuf,
    spawned: Instant,
}

/// Times from a server's start to its first good answers.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// Answer to `GET /health`.
    pub health: Duration,
    /// Answer to a POST of a request, sent after that.
    pub post: Duration,
}

impl Server {
    /// Starts a server. Its log of the default level goes to a file in the data directory.
    pub fn spawn(bin: &Path, use_cases: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::spawn_with(bin, use_cases, data, &[])
    }

    /// Starts a server with further arguments: see [`Self::spawn`].
    pub fn spawn_with(bin: &Path, use_cases: &Path, data: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
        let log = data.join("server.log");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = postdate(bin);
        command
            .arg("serve")
            .args(["--listen", &address.to_string()])
            .arg("--use-cases")
            .arg(use_cases)
            .arg("--data")
            .arg(data)
            .args(arguments);
        let stderr = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let spawned = Instant::now();
        let process = Process::spawn(&mut command).with_context(|| format!("cannot start {}", bin.display()))?;
        Ok(Self { process, address, log, spawned })
    }

    /// Connects as soon as the server listens.
    pub async fn connect(&mut self) -> anyhow::Result<Connection> {
        loop {
            if let Ok(connection) = Connection::open(self.address).await {
                return Ok(connection);
            }
            if let Some(status) = self.process.exited() {
                bail!("the server ended ({status}): {}", self.last_words());
            }
            if self.spawned.elapsed() > PATIENCE {
                bail!("the server does not listen on {} after {PATIENCE:?}: {}", self.address, self.last_words());
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Waits for the first good answers, and returns their times.
    pub async fn ready(&mut self, post: &[u8]) -> anyhow::Result<Ready> {
        let mut connection = self.connect().await?;
        let answers = async {
            connection.call(&get("/health")).await?.expect(200)?;
            let health = self.spawned.elapsed();
            accepted(&mut connection, post).await?;
            Ok(Ready { health, post: self.spawned.elapsed() })
        };
        self.patiently(answers).await
    }

    /// Waits for an accepted POST as the first call, and returns its time since the start.
    pub async fn first_answer(&mut self, post: &[u8]) -> anyhow::Result<Duration> {
        let mut connection = self.connect().await?;
        let answer = async {
            accepted(&mut connection, post).await?;
            Ok(self.spawned.elapsed())
        };
        self.patiently(answer).await
    }

    async fn patiently<T>(&self, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let answer =
            tokio::time::timeout(PATIENCE, answer).await.context("the server listens but does not answer").and_then(|answer| answer);
        answer.with_context(|| format!("log of the server: {}", self.last_words()))
    }

    /// Returns the resident memory in bytes.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.process.resident_bytes().context("the server has ended")
    }

    /// Suspends the process, so that another server has the machine for itself.
    pub fn suspend(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Ends a suspension.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Stops the server with SIGTERM, and waits for its end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.resume();
        self.process.signal(Signal::TERM);
        let asked = Instant::now();
        while self.process.exited().is_none() {
            if asked.elapsed() > PATIENCE {
                bail!("the server did not stop within {PATIENCE:?}: {}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Returns the last lines of the log, for an error message.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Posts until the answer is 202. A use case answers 503 while its plugins are compiled. Fails for any other answer.
async fn accepted(connection: &mut Connection, post: &[u8]) -> anyhow::Result<()> {
    loop {
        let answer = connection.call(post).await?;
        if answer.status != 503 {
            return answer.expect(202);
        }
        tokio::time::sleep(RETRY).await;
    }
}
