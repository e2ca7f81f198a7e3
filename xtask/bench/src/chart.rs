//! The results as a chart: one bar for each row. A bar's length is the value divided by the row's target.

use std::fmt::Write;

use crate::row::{Row, Target, number};

/// Widths and heights are in pixels.
const WIDTH: f64 = 860.0;
const LABEL: f64 = 300.0;
const BAR: f64 = 12.0;
const GROUP: f64 = 52.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 44.0;
/// Space for the text after the longest bar.
const VALUE: f64 = 150.0;
/// End of the scale, in multiples of the target. Longer bars are cut there and marked with `…`.
const MOST: f64 = 2.0;

/// Style of every chart, for light and dark pages.
pub const STYLE: &str = "\
svg { color-scheme: light dark; font: 13px system-ui, sans-serif; }
.ground { fill: #ffffff; } text { fill: #1f2328; } .dim { fill: #59636e; } .small { font-size: 11px; }
.met { fill: #1a7f64; } .missed { fill: #cf4a22; } .baseline { fill: #b4bcc6; } .target { stroke: #1f2328; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; } text { fill: #e6edf3; } .dim { fill: #9198a1; }
.met { fill: #3fb68b; } .missed { fill: #f0794f; } .baseline { fill: #4b535d; } .target { stroke: #e6edf3; }
}";

/// Returns an SVG document of the rows whose target is greater than zero. The table has the other rows too.
pub fn chart(rows: &[Row]) -> String {
    let shown: Vec<(&Row, f64)> = rows.iter().filter_map(|row| Some((row, row.target_value().filter(|target| *target > 0.0)?))).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
    let height = TOP + GROUP * shown.len() as f64 + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Postdate: measures against their targets\">\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    text(&mut svg, 16.0, 24.0, "", "Measures against their targets");
    text(&mut svg, 16.0, 42.0, "dim small", "Coloured: Postdate. Grey: the baseline of the same run. Dashed line: the target.");
    let mut y = TOP;
    for (row, target) in shown {
        group(&mut svg, row, target, y);
        y += GROUP;
    }
    let x = at(1.0);
    let _ = writeln!(svg, "<line class=\"target\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{}\"/>", TOP - 8.0, y);
    text(&mut svg, x - 18.0, y + 16.0, "dim small", "target");
    svg.push_str("</svg>\n");
    svg
}

/// Draws a row: its name, its bar, and the bar of its baseline.
fn group(svg: &mut String, row: &Row, target: f64, y: f64) {
    text(svg, 16.0, y + 11.0, "", row.measure);
    let better = if matches!(row.target, Some(Target::AtLeast(_))) { "more" } else { "less" };
    text(svg, 16.0, y + 27.0, "dim small", &format!("target {} {}, {better} is better", number(target), row.unit));
    let class = if row.met() == Some(true) { "met" } else { "missed" };
    bar(svg, y, class, row.value / target, &format!("{} {}", number(row.value), row.unit));
    if let Some((name, value)) = row.baseline.first() {
        bar(svg, y + BAR + 4.0, "baseline", value / target, &format!("{} {} ({name})", number(*value), row.unit));
    }
}

fn bar(svg: &mut String, y: f64, class: &str, targets: f64, label: &str) {
    let end = at(targets.min(MOST));
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{LABEL}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>",
        (end - LABEL).max(1.0)
    );
    let label = if targets > MOST { format!("… {label}") } else { label.to_owned() };
    text(svg, end + 6.0, y + 10.0, "small", &label);
}

/// Returns the x coordinate of a multiple of the target.
fn at(targets: f64) -> f64 {
    LABEL + targets / MOST * (WIDTH - LABEL - VALUE)
}

/// Writes a text whose baseline begins at a point.
pub fn text(svg: &mut String, x: f64, y: f64, class: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>");
}

#[cfg(test)]
mod tests;
