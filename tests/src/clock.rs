//! A clock that a test moves. Lambdas read the machine's clock; libfaketime shifts it for them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use crate::tools;

/// The machine's clock plus an offset. All clones share the offset.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: TempDir,
    offset: Mutex<TimeDelta>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// Returns a clock with offset zero.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Self(Arc::new(Shared { directory, offset: Mutex::default() }));
        clock.write(TimeDelta::zero());
        clock
    }

    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + *self.0.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the offset; `by` may be negative. Processes of [`Self::show_to`] see the change when they next read the clock.
    pub fn advance(&self, by: TimeDelta) {
        let mut offset = self.0.offset.lock().unwrap_or_else(PoisonError::into_inner);
        *offset += by;
        self.write(*offset);
    }

    /// Sets the clock to `to`, from where it runs on.
    pub fn set(&self, to: DateTime<Utc>) {
        self.advance(to - self.now());
    }

    /// Makes a program, which is not started yet, read this clock. Its timers and timeouts keep real time.
    pub fn show_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", tools::faketime()).env("FAKETIME_TIMESTAMP_FILE", self.file());
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_RESET", "1");
        // File times stay real.
        command.env("NO_FAKE_STAT", "1");
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.directory.path().join("offset")
    }

    fn write(&self, offset: TimeDelta) {
        let draft: &Path = &self.0.directory.path().join("draft");
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of some decades fit")]
        let seconds = offset.num_milliseconds() as f64 / 1000.0;
        // The rename is atomic: no process reads an incomplete file.
        fs::write(draft, format!("{seconds:+.3}\n")).and_then(|()| fs::rename(draft, self.file())).expect("the clock's file");
    }
}
