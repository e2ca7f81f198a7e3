//! The results of the comparison, as a table in Markdown and as JSON.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Context;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Numbers;
use crate::load::CONNECTIONS;
use crate::row::number;
use crate::sample::Sample;

/// Versions of a system's programs, and how they are run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub versions: String,
    pub settings: String,
}

/// The results of one system.
#[derive(Debug)]
pub struct Figures {
    pub name: &'static str,
    settings: Settings,
    /// Accepted requests per second, one value for each round.
    pub accepts: Vec<f64>,
    pub latencies: Vec<Duration>,
    /// Milliseconds.
    pub lateness: Option<Sample>,
    /// Resident memory of the server with all pending requests, in bytes.
    pub memory: Option<u64>,
    /// Resident memory of the worker after the schedule, in bytes; `None` where the server runs the handler.
    pub worker_memory: Option<u64>,
}

impl Figures {
    pub fn new(name: &'static str, settings: Settings) -> Self {
        Self { name, settings, accepts: Vec::new(), latencies: Vec::new(), lateness: None, memory: None, worker_memory: None }
    }

    /// Returns the median over the rounds of the requests accepted per second.
    pub fn accepts_per_second(&self) -> anyhow::Result<f64> {
        Ok(Sample::new(self.name, self.accepts.clone())?.median())
    }

    pub fn lateness(&self) -> anyhow::Result<&Sample> {
        self.lateness.as_ref().with_context(|| format!("the lateness of {} was not measured", self.name))
    }

    /// Returns the server's memory in MB.
    pub fn memory(&self) -> anyhow::Result<f64> {
        self.memory.map(megabytes).with_context(|| format!("the memory of {} was not measured", self.name))
    }

    fn latency(&self, percent: usize) -> anyhow::Result<f64> {
        Ok(Sample::of_durations(self.name, &self.latencies)?.percentile(percent))
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let latency = |percent| self.latency(percent).ok();
        let lateness = |percent| self.lateness.as_ref().map(|sample| sample.percentile(percent));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("versions", &self.settings.versions)?;
        map.serialize_entry("settings", &self.settings.settings)?;
        map.serialize_entry("acceptsPerSecond", &self.accepts)?;
        map.serialize_entry("acceptMs", &[latency(50), latency(99)])?;
        map.serialize_entry("latenessMs", &[lateness(50), lateness(99), lateness(100)])?;
        map.serialize_entry("early", &self.lateness.as_ref().map(|sample| sample.below(0.0)))?;
        map.serialize_entry("memoryBytes", &self.memory)?;
        map.serialize_entry("workerMemoryBytes", &self.worker_memory)?;
        map.end()
    }
}

/// Returns the machine, the settings and a table in Markdown. `fsync` is the median of an fsync on the disk, in milliseconds.
pub fn table(all: &[Figures], numbers: Numbers, machine: &str, fsync: f64) -> anyhow::Result<String> {
    let Numbers { schedule, pending, rounds, turn, .. } = numbers;
    let day = chrono::Utc::now().format("%-d %B %Y");
    let mut text = format!("{day}, {machine}, one fsync takes {} ms. Version of each and settings:\n\n", number(fsync));
    for one in all {
        let Settings { versions, settings } = &one.settings;
        let _ = writeln!(text, "- **{}**: {versions}; {settings}.", one.name);
    }
    let _ = writeln!(text, "\n| |{}", all.iter().fold(String::new(), |line, one| line + &format!(" {} |", one.name)));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(all.len()));
    let mut row = |title: &str, value: &dyn Fn(&Figures) -> anyhow::Result<String>| -> anyhow::Result<()> {
        let values = all.iter().map(value).collect::<anyhow::Result<Vec<String>>>()?;
        let _ = writeln!(text, "| {title} | {} |", values.join(" | "));
        Ok(())
    };
    let title = format!("accepted a second, {CONNECTIONS} connections, {rounds} × {} s", turn.as_secs());
    row(&title, &|one| Ok(number(one.accepts_per_second()?)))?;
    row("time of one accept, p50 and p99", &|one| Ok(format!("{}, {} ms", number(one.latency(50)?), number(one.latency(99)?))))?;
    row(&format!("lateness of {} due in {} s, p50", schedule.count, schedule.span.as_secs()), &|one| millis(one, 50))?;
    row("p99", &|one| millis(one, 99))?;
    row("longest", &|one| millis(one, 100))?;
    row("started early", &|one| Ok(one.lateness()?.below(0.0).to_string()))?;
    row(&format!("memory of the server, {pending} pending"), &|one| Ok(format!("{} MB", number(one.memory()?))))?;
    let worker = |one: &Figures| one.worker_memory.map_or("none needed".to_owned(), |bytes| format!("{} MB", number(megabytes(bytes))));
    row("and of the process with the handler", &|one| Ok(worker(one)))?;
    Ok(text)
}

fn millis(one: &Figures, percent: usize) -> anyhow::Result<String> {
    Ok(format!("{} ms", number(one.lateness()?.percentile(percent))))
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
pub mod tests;
