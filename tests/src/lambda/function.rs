//! One process of a Lambda: an execution environment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::Emulator;
use crate::aws::REGION;
use crate::process::{Lines, Process};
use crate::serve;
use crate::tools;
use crate::wait::{PATIENCE, eventually};

/// Default timeout of a function. The function shortens the plugins' deadlines to it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A process of a function. Killed when dropped; if the test failed, its log is printed.
#[derive(Debug)]
pub struct Function {
    emulator: Emulator,
    pub name: String,
    binary: &'static str,
    /// Program and arguments to run instead of the binary.
    program: Option<(PathBuf, Vec<PathBuf>)>,
    variables: HashMap<String, String>,
    timeout: Duration,
    process: Option<Process>,
    lines: Lines,
    /// The process's `/tmp`.
    temporary: TempDir,
}

/// A function's error response, as in the Runtime API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: String,
    pub message: String,
}

impl Function {
    pub(super) fn new(emulator: &Emulator, name: &str, binary: &'static str, variables: HashMap<String, String>) -> Self {
        let (name, lines) = (name.to_owned(), Lines::default());
        let temporary = tempfile::tempdir().expect("a temporary directory");
        Self { emulator: emulator.clone(), name, binary, program: None, variables, timeout: TIMEOUT, process: None, lines, temporary }
    }

    /// Sets a variable for the next start.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes a variable for the next start.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Replaces the function's binary by another program.
    #[must_use]
    pub fn program(mut self, program: &Path, arguments: &[&Path]) -> Self {
        self.program = Some((program.to_owned(), arguments.iter().map(|&path| path.to_owned()).collect()));
        self
    }

    /// Sets the function's timeout for the next start.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts the process, and waits until it asks for its first event.
    pub async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    /// Starts the process cold, and waits until it asks for its first event. Can be repeated after [`Self::kill`].
    pub async fn start(&mut self) {
        assert!(self.process.is_none(), "the function runs already");
        let id = next_id();
        self.process = Some(self.spawn(&id));
        eventually(&format!("{} to be ready", self.name), async || {
            if let Some(status) = self.exited() {
                panic!("{} ended with {status}:\n{}", self.name, self.lines.text());
            }
            (self.emulator.0.relay.asked(&id) > 0).then_some(())
        })
        .await;
    }

    /// Starts a process that must exit with an error before it asks for an event. Returns its output.
    pub async fn refused(mut self) -> String {
        let id = next_id();
        self.process = Some(self.spawn(&id));
        let status = eventually(&format!("{} to exit", self.name), async || self.exited()).await;
        assert!(!status.success(), "{} ended with {status}:\n{}", self.name, self.lines.text());
        assert_eq!(self.emulator.0.relay.asked(&id), 0, "the function asked for an event");
        // The reader thread may get the last line after the process ended.
        let lines = &self.lines;
        eventually("the error in the log", async || (!lines.all().is_empty()).then(|| lines.text())).await
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    pub async fn kill_and_start(&mut self) {
        self.kill();
        self.start().await;
    }

    /// Stops the process with SIGSTOP, as AWS freezes an environment between events, or during an event that timed out.
    pub fn freeze(&self) {
        self.process.as_ref().expect("the process runs").signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.process.as_ref().expect("the process runs").signal(Signal::CONT);
    }

    /// Returns the output of all starts.
    pub fn log(&self) -> &Lines {
        &self.lines
    }

    /// Returns the JSON lines written so far: log lines, and metrics, which have a member `_aws`.
    pub fn log_lines(&self) -> Vec<Value> {
        self.lines.all().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a JSON line that fits, and returns the first one.
    pub async fn logged(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("a log line {what}"), async || self.log_lines().into_iter().find(&fits)).await
    }

    /// Invokes the function with an event, and returns its answer. Any process of the function may take the event.
    ///
    /// # Errors
    /// The function's error. Its kind is `no answer` if no answer comes within [`PATIENCE`], such as after a kill.
    pub async fn invoke(&self, event: &Value) -> Result<Value, Failure> {
        invoke(&self.emulator, &self.name, event, PATIENCE).await
    }

    /// Runs [`Self::invoke`] on a task of its own.
    pub fn invoke_beside(&self, event: &Value) -> tokio::task::JoinHandle<Result<Value, Failure>> {
        let (emulator, name, event) = (self.emulator.clone(), self.name.clone(), event.clone());
        tokio::spawn(async move { invoke(&emulator, &name, &event, PATIENCE).await })
    }

    /// Returns the function's base URL.
    pub fn url(&self) -> String {
        self.emulator.url(&self.name)
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::exited)
    }

    fn spawn(&self, id: &str) -> Process {
        let mut command = match &self.program {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            None => Command::new(tools::lambda(self.binary)),
        };
        // The process must not inherit the machine's credentials, proxies or settings of Postdate.
        command.env_clear().env("TZ", ":UTC").env("LANG", "en_US.UTF-8").env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("AWS_LAMBDA_RUNTIME_API", self.emulator.0.relay.address(id, &self.name, self.timeout));
        command.env("AWS_LAMBDA_FUNCTION_NAME", &self.name).env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512").env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
        command.env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name)).env("AWS_LAMBDA_LOG_STREAM_NAME", id);
        command.env("AWS_REGION", REGION).env("AWS_DEFAULT_REGION", REGION).env("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023");
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAOFALAMBDA")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .env("AWS_SESSION_TOKEN", "a-session");
        command.env("TMPDIR", self.temporary.path()).env("LAMBDA_TASK_ROOT", "/var/task").envs(&self.variables);
        self.emulator.0.clock.show_to(&mut command);
        Process::start(&mut command, &self.lines)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}\n--- end of the log ---", self.name, self.lines.text());
        }
    }
}

async fn invoke(emulator: &Emulator, name: &str, event: &Value, patience: Duration) -> Result<Value, Failure> {
    let url = format!("http://127.0.0.1:{}/2015-03-31/functions/{name}/invocations", emulator.0.port);
    let no_answer = |error: reqwest::Error| Failure { kind: "no answer".to_owned(), message: error.to_string() };
    let call = serve::http().post(url).timeout(patience).body(event.to_string());
    let answer = call.send().await.map_err(no_answer)?;
    let (status, text) = (answer.status(), answer.text().await.map_err(no_answer)?);
    let content: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(content);
    }
    let member = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
    Err(Failure { kind: member("errorType"), message: if content.is_null() { text.clone() } else { member("errorMessage") } })
}

fn next_id() -> String {
    static IDS: AtomicU32 = AtomicU32::new(1);
    format!("process-{}", IDS.fetch_add(1, Ordering::Relaxed))
}
