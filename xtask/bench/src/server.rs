//! The server under test: the release build of `postdate serve`, in a process of its own, on loopback.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Connection, get};

/// Longest wait for a server to answer, or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two tries to connect: short against what is measured, long against the cost of a try.
const RETRY: Duration = Duration::from_micros(500);

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
    spawned: Instant,
}

/// How long after its start a server gave its first good answers.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// To `GET /health`.
    pub health: Duration,
    /// To a POST of a request, after that.
    pub post: Duration,
}

impl Server {
    /// Starts it. Its log goes to a file in the data directory, as it would with any supervisor, at the default level.
    pub fn spawn(bin: &Path, use_cases: &Path, data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
        let log = data.join("server.log");
        let address = free_address()?;
        let mut command = Command::new(bin);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POSTDATE_")) {
            command.env_remove(name);
        }
        command.env_remove("RUST_LOG");
        command.arg("serve").args(["--listen", &address.to_string()]).arg("--use-cases").arg(use_cases).arg("--data").arg(data);
        let stderr = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let spawned = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", bin.display()))?;
        Ok(Self { child, address, log, spawned })
    }

    /// Connects as soon as it listens.
    pub async fn connect(&mut self) -> anyhow::Result<Connection> {
        loop {
            if let Ok(connection) = Connection::open(self.address).await {
                return Ok(connection);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended ({status}): {}", self.last_words());
            }
            if self.spawned.elapsed() > PATIENCE {
                bail!("the server does not listen on {} after {PATIENCE:?}: {}", self.address, self.last_words());
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Waits for the first good answers.
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

    /// Waits for the answer to a POST that is the very first call.
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
            tokio::time::timeout(PATIENCE, answer).await.context("the server listens and does not answer").and_then(|answer| answer);
        answer.with_context(|| format!("log of the server: {}", self.last_words()))
    }

    /// Resident memory now, in bytes.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        parse_resident(&status).with_context(|| format!("{path} has no VmRSS"))
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("the server has no process id")?;
        kill_process(pid, Signal::TERM).context("cannot stop the server")?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > PATIENCE {
                bail!("the server did not stop within {PATIENCE:?}: {}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot kill the server")?;
        self.child.wait().context("cannot wait for the killed server")?;
        Ok(())
    }

    /// The end of its log, for an error message.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already where it was stopped: then both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Posts until it is taken: a plugin that is new is compiled first, and its use case answers 503 meanwhile.
async fn accepted(connection: &mut Connection, post: &[u8]) -> anyhow::Result<()> {
    loop {
        let answer = connection.call(post).await?;
        if answer.status != 503 {
            return answer.expect(202);
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// A loopback address that is free now. Known before the server starts, so that nothing of its output has to be read.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    Ok(listener.local_addr()?)
}

/// `VmRSS:     1234 kB`, see proc(5).
fn parse_resident(status: &str) -> Option<u64> {
    let kibibytes: u64 = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests;
