//! Counts the answers to the calls of a bulk change, and decides when further calls have no prospect.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::CONCURRENT;
use super::progress::bar;
use crate::client::ProblemReport;
use crate::output::{counted, text_of};
use crate::request::change::ChangeCall;

/// Codes of requests that another call, their attempt or the retention changed after they were listed.
const RACED: [&str; 4] = ["not-scheduled", "not-failed", "erased", "unknown-request"];
/// Ids that are shown for each code.
const SHOWN_IDS: usize = 5;

#[derive(Debug, Default)]
pub struct Tally {
    all: usize,
    changed: usize,
    refused: BTreeMap<String, Refused>,
    /// Ids of the requests whose calls failed on the host's side, or have no answer. A change may have been made all the same, in part.
    failed: Vec<String>,
    /// Answers in a row that are failures of the host.
    host_failures: usize,
    /// Reason for a stop before the end.
    pub stopped: Option<String>,
}

/// The refusals with one code.
#[derive(Debug, Default)]
struct Refused {
    count: usize,
    /// The first ids.
    ids: Vec<String>,
    /// Detail of the first.
    detail: String,
}

impl Tally {
    pub fn of(all: usize) -> Self {
        Self { all, ..Self::default() }
    }

    pub fn add(&mut self, id: &str, made: anyhow::Result<()>) {
        let error = match made {
            Ok(()) => {
                (self.changed, self.host_failures) = (self.changed + 1, 0);
                return;
            }
            Err(error) => error,
        };
        let (code, detail) = match error.downcast::<ProblemReport>() {
            Ok(problem) => {
                let is_of_host = problem.status >= 500 || problem.is_limited_by_gateway();
                if is_of_host {
                    self.failed.push(id.to_owned());
                }
                self.host_failures = if is_of_host { self.host_failures + 1 } else { 0 };
                if self.host_failures >= CONCURRENT || [401, 403].contains(&problem.status) {
                    self.stop(problem.to_string());
                }
                (text_of(&problem.json, "code"), text_of(&problem.json, "detail"))
            }
            Err(other) => {
                self.failed.push(id.to_owned());
                let detail = format!("{other:#}");
                self.stop(detail.clone());
                ("no-answer".to_owned(), detail)
            }
        };
        let refused = self.refused.entry(code).or_insert_with(|| Refused { detail, ..Refused::default() });
        refused.count += 1;
        if refused.ids.len() < SHOWN_IDS {
            refused.ids.push(id.to_owned());
        }
    }

    /// Notes a call that was cut off.
    pub fn cut_off(&mut self, id: String) {
        self.failed.push(id);
    }

    /// Notes the first reason to stop.
    pub fn stop(&mut self, reason: String) {
        self.stopped.get_or_insert(reason);
    }

    fn refused(&self) -> usize {
        self.refused.values().map(|refused| refused.count).sum()
    }

    /// Returns the number of requests for which no call was made, or was cut off.
    fn left(&self) -> usize {
        self.all - self.changed - self.refused()
    }

    pub fn is_complete(&self) -> bool {
        self.changed == self.all
    }

    pub fn is_complete_but_for_races(&self) -> bool {
        self.left() == 0 && self.refused.keys().all(|code| RACED.contains(&code.as_str()))
    }

    pub fn progress(&self, change: &ChangeCall) -> String {
        let done = self.changed + self.refused();
        let mut line = format!("{} {} of {} {}", bar(done, self.all), self.changed, self.all, change.done());
        if done > self.changed {
            let _ = write!(line, ", {} not", done - self.changed);
        }
        line
    }

    pub fn text(&self, change: &ChangeCall) -> String {
        let mut text = format!("{} {} of {}\n", change.done(), self.changed, counted(self.all, "request"));
        for (code, refused) in &self.refused {
            let raced = if RACED.contains(&code.as_str()) { " (changed meanwhile)" } else { "" };
            let more = if refused.count > refused.ids.len() { ", …" } else { "" };
            let _ = writeln!(text, "  {} {code}{raced}: {}\n    {}{more}", refused.count, refused.detail, refused.ids.join(", "));
        }
        // The list does not show an erased request again, whose rule or schedule may be left.
        if matches!(change, ChangeCall::Erase) && !self.failed.is_empty() {
            let _ = writeln!(text, "  repeat these: postdate request erase {}", self.failed.join(" "));
        }
        if let Some(reason) = &self.stopped {
            let _ = writeln!(text, "stopped: {reason}\n  left: {}; run the same command again to go on", counted(self.left(), "request"));
        }
        text
    }

    /// Returns the result as one JSON object.
    pub fn json(&self, left_out: usize) -> String {
        let refused: Map<String, Value> = self.refused.iter().map(|(code, refused)| (code.clone(), json!(refused.count))).collect();
        let mut result = json!({
            "matched": self.all, "changed": self.changed, "refused": refused, "failed": self.failed, "left": self.left(), "leftOut": left_out,
        });
        if let Some(reason) = &self.stopped {
            result["stopped"] = json!(reason);
        }
        format!("{result}\n")
    }
}

#[cfg(test)]
mod tests;
