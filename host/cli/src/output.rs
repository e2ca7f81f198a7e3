//! Writing for people: stdout that may go away, text from others that may not move the cursor, columns, error chains.

use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Writes to stdout at once. A reader that has gone (`| head`) is no error of ours, and no panic as `print!` makes of it.
pub fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// The same to stderr.
pub fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The chain of an error, one cause a line; a cause that the line above already says is left out.
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

/// Text that came from elsewhere, with its control characters escaped: it may not steer the terminal. Line ends stay.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printable, c| {
        if c.is_control() && c != '\n' && c != '\t' {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
        printable
    })
}

/// Rows as columns of equal width, two spaces apart; each row on a line that begins with `indent`.
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

/// Every line of `text` after `indent`.
pub fn indented(text: &str, indent: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{indent}{line}");
        all
    })
}

#[cfg(test)]
mod tests;
