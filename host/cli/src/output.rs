//! Output for people: stdout that a reader may close, escaped text of foreign origin, columns, JSON, sizes, error chains.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
pub use postdate_core::text::printable;
use postdate_runtime::LogLine;
use serde::Serialize;
use serde_json::{Value, json};

/// Writes to stdout and flushes. A closed stdout (`| head`) is ignored; `print!` would panic.
pub fn out(text: &str) {
    out_bytes(text.as_bytes());
}

/// Writes bytes to stdout as [`out`] does.
pub fn out_bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// Writes to stderr. A closed stderr is ignored.
pub fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a line of progress: to stdout, or to stderr where stdout has only JSON.
pub fn progress(json: bool, text: &str) {
    if json { err(text) } else { out(text) }
}

/// Returns the chain of an error, one cause a line. A cause that an earlier line already contains is left out.
pub fn error_text(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let _ = writeln!(text, "  because: {cause}");
        }
    }
    text
}

/// Returns rows as columns of equal width, two spaces apart; each row on a line that begins with `indent`.
pub fn columns(rows: &[Vec<String>], indent: &str) -> String {
    let widths = rows.iter().fold(Vec::new(), |mut widths: Vec<usize>, row| {
        widths.resize(widths.len().max(row.len()), 0);
        row.iter().zip(&mut widths).for_each(|(cell, width)| *width = (*width).max(cell.chars().count()));
        widths
    });
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{indent}{}", cells.join("  ").trim_end());
    }
    text
}

/// Returns `text` with `indent` before each line.
pub fn indented(text: &str, indent: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{indent}{line}");
        all
    })
}

/// Returns a member of a JSON document as text: a string without quotes, another value as JSON, "" for a missing member.
pub fn text_of(document: &Value, member: &str) -> String {
    match &document[member] {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

/// Returns JSON over several lines; a string without quotes.
pub fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => printable(&serde_json::to_string_pretty(other).unwrap_or_default()),
    }
}

/// Returns a value as one line of JSON.
pub fn json_line(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(value).context("cannot write JSON")? + "\n")
}

/// Returns a path for JSON, which has no bytes that are not UTF-8.
pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns a duration for JSON, in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Returns a plugin's log for JSON.
pub fn log_documents(lines: &[LogLine]) -> Vec<Value> {
    lines.iter().map(|line| json!({ "stream": line.stream.to_string(), "text": line.text })).collect()
}

/// Returns a plugin's log, one line for each of its lines, with the stream's name.
pub fn log_text(lines: &[LogLine], indent: &str) -> String {
    let rows: Vec<Vec<String>> = lines.iter().map(|line| vec![line.stream.to_string(), printable(&line.text)]).collect();
    columns(&rows, indent)
}

/// Returns a number of things as text: `1 request`, `2 requests`.
pub fn counted(count: impl Copy + Display + PartialEq + From<u8>, thing: &str) -> String {
    if count == 1.into() { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Returns a number of bytes with a unit, cut to one decimal.
pub fn size_text(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{}.{} KiB", bytes >> 10, ((bytes & 0x3ff) * 10) >> 10),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
    }
}

#[cfg(test)]
mod tests;
