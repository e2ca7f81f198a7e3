//! A real `postdate serve` process, which a test can start, kill, stop and restart on the same data.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use postdate_tests::process::{Lines, Process, postdate};
use postdate_tests::tools::host;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::client::Client;
use super::compiled;
use super::{PATIENCE, PAYLOAD, SECRET, START, SmallDisk, UseCases, eventually};

/// Settings of a server.
pub struct Builder {
    pub use_cases: UseCases,
    has_sample: bool,
    /// Data directory, unless `data` is set.
    temporary: TempDir,
    data: Option<PathBuf>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    key: Option<String>,
    listen: String,
    open_files: Option<u32>,
    disk: Option<Arc<SmallDisk>>,
}

impl Builder {
    pub fn use_case(self, name: &str, manifest: &str) -> Self {
        self.use_cases.write(name, manifest);
        self
    }

    /// Adds a sample bundle of the repository, whose receiver is on `port`.
    pub fn sample(mut self, name: &str, port: u16) -> Self {
        self.use_cases.copy_sample(name, port);
        self.has_sample = true;
        self
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&text| text.to_owned()));
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the server an environment variable that use cases may have as a secret.
    pub fn secret(self, name: &str, value: &str) -> Self {
        self.arguments(&["--allow-secret", name]).variable(name, value)
    }

    /// Sets the API key of server and client. Allows loopback, where the tests' receivers are, since a server with a key does not.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self.variable("POSTDATE_API_KEY", key).variable("POSTDATE_ALLOW_EGRESS", "127.0.0.0/8,::1")
    }

    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Sets the limit of open files.
    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// Uses a test clock, which stands at [`START`] until the test advances it.
    pub fn test_clock(self) -> Self {
        self.arguments(&["--test-clock", START])
    }

    /// Sets a data directory that outlives the server.
    pub fn data_at(mut self, place: &Path) -> Self {
        self.data = Some(place.to_owned());
        self
    }

    /// Sets a data directory on a disk of its own.
    pub fn on(mut self, disk: &Arc<SmallDisk>) -> Self {
        self.disk = Some(Arc::clone(disk));
        self.data_at(&disk.data())
    }

    /// Starts the server, and waits until it is ready.
    pub async fn start(self) -> Server {
        let _turn = if self.has_sample { Some(compiled::turn().await) } else { None };
        compiled::lend(self.temporary.path());
        let place = self.temporary.path().to_owned();
        let mut server = Server { builder: self, process: None, log: Log::default(), api: Client::new("http://127.0.0.1:0", None) };
        server.start().await;
        compiled::keep(&place);
        server
    }

    /// Starts a server that must exit with code 1. Returns its output.
    pub async fn refused(&self) -> String {
        let log = Log::default();
        let mut process = Process::start(&mut self.command(), &log.0);
        let status = eventually("the server to exit", async || process.exited()).await;
        assert_eq!(status.code(), Some(1), "{}", log.text());
        // The reader threads may get the last lines after the process ended.
        eventually("the whole log", async || log.0.is_complete().then(|| log.text())).await
    }

    fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(self.temporary.path())
    }

    fn command(&self) -> Command {
        let mut command = postdate(&host());
        if let Some(limit) = self.open_files {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("ulimit -n {limit}; exec \"$0\" \"$@\""));
            command = run_by(shell, &command);
        }
        if let Some(disk) = &self.disk {
            command = run_by(disk.enter(), &command);
        }
        command.arg("serve").args(["--listen", &self.listen]).arg("--data").arg(self.data());
        command.arg("--use-cases").arg(self.use_cases.path()).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Returns the command of a wrapper that runs `program`, whose path and arguments follow the wrapper's own.
fn run_by(mut wrapper: Command, program: &Command) -> Command {
    wrapper.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    wrapper
}

/// A server process, its data and its use cases. Killed when dropped; if the test failed, its log is printed.
pub struct Server {
    builder: Builder,
    process: Option<Process>,
    pub log: Log,
    pub api: Client,
}

impl Server {
    /// Returns a builder: any free port of 127.0.0.1, a new data directory, and no use cases.
    pub fn builder() -> Builder {
        Builder {
            use_cases: UseCases::new(),
            has_sample: false,
            temporary: tempfile::tempdir().expect("a temporary directory"),
            data: None,
            arguments: Vec::new(),
            variables: Vec::new(),
            key: None,
            listen: "127.0.0.1:0".to_owned(),
            open_files: None,
            disk: None,
        }
    }

    /// Starts a server with the use case `puppet` and a test clock.
    pub async fn puppet() -> Self {
        Self::builder().use_case("puppet", super::PUPPET).test_clock().start().await
    }

    pub fn use_cases(&self) -> &UseCases {
        &self.builder.use_cases
    }

    /// Returns the data directory.
    pub fn data(&self) -> &Path {
        self.builder.data()
    }

    /// Replaces the arguments for the next start.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.builder.arguments = arguments.iter().map(|&text| text.to_owned()).collect();
    }

    /// Starts a second server on the same data and use cases, which must exit with code 1. Returns its output.
    pub async fn second_refused(&self) -> String {
        self.builder.refused().await
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the process runs").id()
    }

    /// Restarts the server on the same data. Does not wait until it is ready.
    pub fn begin(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        self.process = Some(Process::start(&mut self.builder.command(), &self.log.0));
    }

    /// Restarts the server on the same data, and waits until it is ready.
    pub async fn start(&mut self) {
        let before = self.log.len();
        self.begin();
        let url = eventually("the server to be ready", async || {
            if let Some(status) = self.exited() {
                panic!("the server ended with {status}:\n{}", self.log.text());
            }
            self.log.url(before)
        })
        .await;
        self.api = Client::new(&url, self.builder.key.as_deref());
    }

    /// Waits for a log line that fits, and returns the first one. A wait is needed because a thread of the test reads the lines,
    /// possibly after the answer to a call.
    pub async fn logged(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("a log line {what}"), async || self.log.lines(0).into_iter().find(&fits)).await
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    pub async fn kill_and_start(&mut self) {
        self.kill();
        self.start().await;
    }

    /// Sends SIGTERM. Does not wait for the end.
    pub fn terminate(&self) {
        self.process.as_ref().expect("the process runs").signal(Signal::TERM);
    }

    /// Waits until the process has ended, and returns its exit status.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = eventually("the server to end", async || self.exited()).await;
        self.process = None;
        status
    }

    /// Sends SIGTERM, and waits for the end. Panics if the exit status is not success.
    pub async fn stop(&mut self) {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "the server ended with {status} after SIGTERM, within {PATIENCE:?}");
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::exited)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}\n--- end of the log ---", self.log.text());
        } else {
            self.log.assert_discreet();
        }
    }
}

/// The log lines of all starts of a server that have been read so far.
#[derive(Clone, Default)]
pub struct Log(pub Lines);

impl Log {
    pub fn len(&self) -> usize {
        self.0.all().len()
    }

    pub fn text(&self) -> String {
        self.0.text()
    }

    /// Returns all lines but the first `skip`. Panics if one is not JSON.
    #[track_caller]
    pub fn lines(&self, skip: usize) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("not a JSON line ({error}): {line}"));
        self.0.all().iter().skip(skip).map(parse).collect()
    }

    /// Returns the `url` of the line `ready` after the first `skip` lines, or `None` before the server is ready.
    pub fn url(&self, skip: usize) -> Option<String> {
        let parse = |line: &String| serde_json::from_str::<Value>(line).ok();
        let lines = self.0.all();
        let mut ready = lines.iter().skip(skip).filter_map(parse).filter(|line| line["message"] == "ready");
        ready.find_map(|line| line["url"].as_str().map(str::to_owned))
    }

    /// Panics if a line contains a payload or a secret.
    pub fn assert_discreet(&self) {
        for line in &self.0.all() {
            assert!(!line.contains(PAYLOAD), "a payload is in the log: {line}");
            assert!(!line.contains(SECRET), "a secret is in the log: {line}");
        }
    }
}
