//! One line of progress on stderr, which a terminal shows in place.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use crate::output::err;

/// Time between two lines.
pub const EACH: Duration = Duration::from_secs(1);
const CLEAR_LINE: &str = "\r\u{1b}[2K";
const BAR_WIDTH: usize = 30;

pub struct ProgressLine {
    in_place: bool,
    shown: Instant,
    is_shown: bool,
}

impl ProgressLine {
    pub fn new() -> Self {
        Self { in_place: io::stderr().is_terminal(), shown: Instant::now(), is_shown: false }
    }

    /// Shows the line, if the last one is old enough.
    pub fn tick(&mut self, line: impl FnOnce() -> String) {
        // A timer's tick may be a little early.
        if self.shown.elapsed() < EACH.mul_f32(0.9) {
            return;
        }
        (self.shown, self.is_shown) = (Instant::now(), true);
        err(&if self.in_place { format!("{CLEAR_LINE}{}", line()) } else { format!("{}\n", line()) });
    }

    /// Removes the line from a terminal.
    pub fn end(&self) {
        if self.in_place && self.is_shown {
            err(CLEAR_LINE);
        }
    }
}

/// Returns a bar that is filled by `done` of `all`.
pub fn bar(done: usize, all: usize) -> String {
    let filled = (done * BAR_WIDTH).checked_div(all).unwrap_or(BAR_WIDTH).min(BAR_WIDTH);
    format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR_WIDTH - filled))
}

#[cfg(test)]
mod tests;
