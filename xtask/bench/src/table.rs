//! The results as a table for a terminal.

use crate::row::{Row, number};

const TITLES: [&str; 7] = ["measure", "value", "unit", "baseline", "ratio", "target", "met"];

/// Returns a table with one line for each row, and one more for each further baseline.
pub fn table(rows: &[Row]) -> String {
    let mut lines = vec![TITLES.map(str::to_owned)];
    for row in rows {
        let mut baselines = row.baseline.iter().map(|(name, value)| format!("{} ({name})", number(*value)));
        lines.push([
            row.measure.to_owned(),
            number(row.value),
            row.unit.to_owned(),
            baselines.next().unwrap_or_else(|| "-".to_owned()),
            row.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{} ×", number(ratio))),
            row.target_text(),
            row.met().map_or("-", |met| if met { "yes" } else { "NO" }).to_owned(),
        ]);
        for more in baselines {
            lines.push(["", "", "", &more, "", "", ""].map(str::to_owned));
        }
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| pad(cell, width, column)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Pads a cell. Columns of numbers are aligned to the right.
fn pad(cell: &str, width: usize, column: usize) -> String {
    let right = matches!(column, 1 | 4 | 5);
    if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
}

#[cfg(test)]
mod tests;
