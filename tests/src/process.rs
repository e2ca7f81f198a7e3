//! A program that runs beside a test, and its output.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

/// Lines that a program wrote, over all its starts, as far as they have been read.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn text(&self) -> String {
        self.all().join("\n")
    }

    /// Collects on a thread until the program closes its end.
    fn collect(&self, from: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }
}

/// Killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it without input; what it writes goes to `lines`.
    #[track_caller]
    pub fn start(command: &mut Command, lines: &Lines) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{} cannot be started: {error}", command.get_program().display()));
        lines.collect(child.stdout.take().expect("stdout is piped"));
        lines.collect(child.stderr.take().expect("stderr is piped"));
        Self(child)
    }

    /// How it ended, where it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the process can be asked")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a process id")).expect("a process id");
        kill_process(pid, signal).expect("the process can be told");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL; an error says that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
