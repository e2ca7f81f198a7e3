//! The comparison as a chart: three groups of bars, each with a scale of its own.

use std::fmt::Write;

use super::Numbers;
use super::report::Figures;
use crate::chart::{STYLE, text};
use crate::load::CONNECTIONS;
use crate::row::number;

/// Widths and heights are in pixels.
const WIDTH: f64 = 860.0;
const NAME: f64 = 110.0;
const BAR: f64 = 16.0;
const STEP: f64 = 22.0;
const TITLE: f64 = 30.0;
const GAP: f64 = 22.0;
const TOP: f64 = 20.0;
/// Space for the text after the longest bar.
const VALUE: f64 = 110.0;

/// Returns an SVG document. The first system is coloured. Fails if a system was not measured.
pub fn chart(all: &[Figures], numbers: Numbers) -> anyhow::Result<String> {
    let values = |value: fn(&Figures) -> anyhow::Result<f64>| all.iter().map(value).collect::<anyhow::Result<Vec<f64>>>();
    let Numbers { schedule, pending, .. } = numbers;
    let groups = [
        (format!("Accepted a second, {CONNECTIONS} connections; more is better"), "/s", values(Figures::accepts_per_second)?),
        (
            format!("Lateness of {} requests due in {} s, 99th percentile; less is better", schedule.count, schedule.span.as_secs()),
            "ms",
            values(|one| Ok(one.lateness()?.percentile(99)))?,
        ),
        (format!("Memory of the server with {pending} pending; less is better"), "MB", values(Figures::memory)?),
    ];
    #[expect(clippy::cast_precision_loss, reason = "a handful of systems")]
    let group = TITLE + STEP * all.len() as f64 + GAP;
    let height = TOP + 3.0 * group;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Postdate beside other systems\">\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    let mut y = TOP;
    for (title, unit, values) in groups {
        text(&mut svg, 16.0, y + 12.0, "", &title);
        bars(&mut svg, y + TITLE, all, &values, unit);
        y += group;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn bars(svg: &mut String, mut y: f64, all: &[Figures], values: &[f64], unit: &str) {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    for (at, (one, value)) in all.iter().zip(values).enumerate() {
        let width = (value / most * (WIDTH - NAME - VALUE)).max(1.0);
        let class = if at == 0 { "met" } else { "baseline" };
        text(svg, 16.0, y + 12.0, "small", one.name);
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{NAME}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>");
        text(svg, NAME + width + 6.0, y + 12.0, "small", &format!("{} {unit}", number(*value)));
        y += STEP;
    }
}

#[cfg(test)]
mod tests;
