//! A line on the terminal that says what is being compiled, and for how long; it goes away in the end.

use std::io::IsTerminal as _;

use postdate_runtime::{Compiling, Progress};

use super::size_text;
use crate::output::err;

/// To the beginning of the line, and away with what was on it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Nothing is shown where stderr is not a terminal, nor of what is compiled within a second.
pub fn on_terminal() -> Progress {
    if std::io::stderr().is_terminal() { Progress::to(|compiling| err(&text(compiling))) } else { Progress::default() }
}

fn text(compiling: Compiling<'_>) -> String {
    let Compiling { role, bytes, elapsed, ended, .. } = compiling;
    match (ended, elapsed.as_secs()) {
        (true, 0) => String::new(),
        (true, _) => CLEAR_LINE.to_owned(),
        (false, seconds) => format!("{CLEAR_LINE}compiling {role} ({})… {seconds} s", size_text(bytes)),
    }
}

#[cfg(test)]
mod tests;
