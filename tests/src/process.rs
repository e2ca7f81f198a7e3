//! Child processes of a test or a benchmark, and their output.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

/// The output lines of a program's starts that have been read so far.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn text(&self) -> String {
        self.all().join("\n")
    }

    /// Returns whether the programs have closed their streams and every line has been read. Nothing else may have a clone of this.
    pub fn is_complete(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Reads lines on a thread until the program closes the stream.
    fn collect(&self, from: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a program without input. Its output goes to `lines`.
    #[track_caller]
    pub fn start(command: &mut Command, lines: &Lines) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = Self::spawn(command);
        let mut process = process.unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display()));
        lines.collect(process.0.stdout.take().expect("stdout is piped"));
        lines.collect(process.0.stderr.take().expect("stderr is piped"));
        process
    }

    /// Starts a program whose input and output the caller has set.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns the exit status, or `None` while the process runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the process can be asked")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a process id")).expect("a process id");
        kill_process(pid, signal).expect("the process can be told");
    }

    /// Returns the resident memory in bytes, or `None` if the process has ended.
    pub fn resident_bytes(&self) -> Option<u64> {
        parse_resident(&std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL. An error means that the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the bytes of `VmRSS:     1234 kB` in `/proc/PID/status`, see proc(5).
fn parse_resident(status: &str) -> Option<u64> {
    let kibibytes: u64 = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns a command for the host binary, without the caller's settings in its environment.
pub fn postdate(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POSTDATE_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env_remove("SECRET_WEBHOOK");
    command
}

/// Returns a port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

#[cfg(test)]
mod tests;
