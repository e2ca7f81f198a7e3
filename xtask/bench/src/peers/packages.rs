//! The peers' programs: packages of npm below `target/bench/peers`, and Debian's Redis.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use postdate_tests::process::Process;
use postdate_toolchains::{debian, javascript, step::output};
use tokio::net::TcpStream;

use super::report::Settings;
use super::system::PATIENCE;

/// Files of `xtask/bench/peers`. `.npmrc` keeps packages from running scripts of their own.
const FILES: [(&str, &str); 6] = [
    ("package.json", include_str!("../../peers/package.json")),
    ("package-lock.json", include_str!("../../peers/package-lock.json")),
    ("lateness.mjs", include_str!("../../peers/lateness.mjs")),
    ("restate.mjs", include_str!("../../peers/restate.mjs")),
    ("bunqueue.mjs", include_str!("../../peers/bunqueue.mjs")),
    ("bullmq.mjs", include_str!("../../peers/bullmq.mjs")),
];

/// The installed programs.
#[derive(Debug)]
pub struct Packages {
    /// Directory with `node_modules` and the programs in JavaScript.
    pub directory: PathBuf,
    pub node: PathBuf,
    bun: PathBuf,
    restate: PathBuf,
    redis: PathBuf,
}

impl Packages {
    /// Installs the packages, and Redis where it is missing and this process may install it.
    ///
    /// # Errors
    /// If Node.js or npm is missing or too old, a package has no program for this machine, or Redis has to be installed by hand.
    pub fn install(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for (name, content) in FILES.into_iter().chain([(".npmrc", "ignore-scripts=true\n")]) {
            std::fs::write(directory.join(name), content).with_context(|| format!("cannot write {name}"))?;
        }
        javascript::install(directory, directory)?;
        let modules = directory.join("node_modules");
        if on_path("redis-server").is_none() {
            debian::install(&["redis-server"])?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            node: on_path("node").context("there is no `node` on the PATH")?,
            bun: program(&modules.join("@oven"), "bun-linux", "bin/bun")?,
            restate: program(&modules.join("@restatedev"), "restate-server-", "bin/restate-server")?,
            redis: on_path("redis-server").context("there is no `redis-server`: install Debian's package redis-server")?,
        })
    }

    /// Returns a command that runs a script of the directory with Node.js.
    pub fn node(&self, script: &str) -> Command {
        let mut node = Command::new(&self.node);
        node.arg(self.directory.join(script));
        node
    }

    /// Returns a command that runs a script of the directory with Bun.
    pub fn bun(&self, script: &str) -> Command {
        let mut bun = Command::new(&self.bun);
        bun.arg(self.directory.join(script));
        bun
    }

    pub fn restate(&self) -> Command {
        Command::new(&self.restate)
    }

    pub fn redis(&self) -> Command {
        Command::new(&self.redis)
    }

    pub fn restate_settings(&self) -> anyhow::Result<Settings> {
        let (server, sdk) = (self.version("@restatedev/restate-server")?, self.version("@restatedev/restate-sdk")?);
        Ok(Settings {
            versions: format!("Restate {server}, its SDK {sdk} on Node.js {}", self.node_version()?),
            settings: "HTTP; one node with its defaults (24 partitions, one replica), which answers after the fsync of its log; a handler \
                       in Node.js, called over HTTP/2"
                .to_owned(),
        })
    }

    pub fn bunqueue_settings(&self) -> anyhow::Result<Settings> {
        let bun = output(Command::new(&self.bun).arg("--version")).context("Bun cannot be started")?;
        Ok(Settings {
            versions: format!("bunqueue {} on Bun {bun}", self.version("bunqueue")?),
            settings: "HTTP; `durable: true`, which writes to SQLite before the answer, with its fixed `synchronous=NORMAL`: no fsync, so \
                       an accepted job survives a crash of the process, and not of the machine; its limit of calls a minute is lifted; \
                       a worker in Bun with a concurrency of 64"
                .to_owned(),
        })
    }

    pub fn bullmq_settings(&self) -> anyhow::Result<Settings> {
        let redis = output(self.redis().arg("--version")).context("Redis cannot be started")?;
        let redis = redis.split(' ').find_map(|word| word.strip_prefix("v=")).unwrap_or("of unknown version").to_owned();
        let (bullmq, ioredis, node) = (self.version("bullmq")?, self.version("ioredis")?, self.node_version()?);
        Ok(Settings {
            versions: format!("BullMQ {bullmq} with ioredis {ioredis} on Node.js {node}, Redis {redis}"),
            settings: "no HTTP: the client is the library in a Node.js process, with its connections to Redis; `appendonly yes`, \
                       `appendfsync always`, no snapshots; a worker in Node.js with a concurrency of 64; jobs are removed when they end"
                .to_owned(),
        })
    }

    fn node_version(&self) -> anyhow::Result<String> {
        let version = output(Command::new(&self.node).arg("--version")).context("Node.js cannot be started")?;
        Ok(version.trim_start_matches('v').to_owned())
    }

    /// Returns the version of an installed package.
    fn version(&self, package: &str) -> anyhow::Result<String> {
        let path = self.directory.join("node_modules").join(package).join("package.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let document: serde_json::Value = serde_json::from_str(&text)?;
        Ok(document["version"].as_str().context("a package without a version")?.to_owned())
    }
}

/// Returns the program of the one package below `scope` that npm installed for this machine.
fn program(scope: &Path, prefix: &str, file: &str) -> anyhow::Result<PathBuf> {
    let entries = std::fs::read_dir(scope).with_context(|| format!("cannot read {}", scope.display()))?;
    let mut packages: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    packages.sort();
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    let program = packages.into_iter().filter(ours).map(|package| package.join(file)).find(|program| program.is_file());
    program.with_context(|| format!("{} has no {file} for this machine", scope.display()))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// Starts a server whose output goes to a file.
pub fn logged(command: &mut Command, log: &Path) -> anyhow::Result<Process> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    Process::spawn(command).with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// Waits until a server listens.
pub async fn listening(server: &mut Process, address: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if let Some(status) = server.exited() {
            bail!("the server ended ({status})");
        }
        ensure!(begun.elapsed() < PATIENCE, "the server does not listen on {address} after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
