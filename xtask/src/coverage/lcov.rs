//! Sums of a report in lcov's format. For each file, `SF:` is its path, `LF:` and `LH:` are the numbers of lines and of covered lines,
//! `BRF:` and `BRH:` those of branches.

use std::{fmt::Write as _, path::Path};

/// Number of files in a table: those with the most uncovered lines.
const NAMED: usize = 8;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sums {
    /// Covered, and all.
    lines: (u64, u64),
    /// Covered, and all.
    branches: (u64, u64),
}

impl Sums {
    fn add(&mut self, other: Self) {
        for (all, one) in [(&mut self.lines, other.lines), (&mut self.branches, other.branches)] {
            *all = (all.0 + one.0, all.1 + one.1);
        }
    }

    fn missed(&self) -> u64 {
        self.lines.1 - self.lines.0
    }
}

/// Returns the coverage table of a package whose sources are in `src`.
pub fn table(package: &str, src: &Path, report: &str) -> String {
    let mut files: Vec<(String, Sums)> = files(report)
        .into_iter()
        .filter_map(|(path, sums)| Some((Path::new(&path).strip_prefix(src).ok()?.to_string_lossy().into_owned(), sums)))
        .collect();
    let mut total = Sums::default();
    for (_, sums) in &files {
        total.add(*sums);
    }
    files.sort_by_key(|(path, sums)| (std::cmp::Reverse(sums.missed()), path.clone()));
    let mut text = format!("{:<32}{:>22}{:>22}\n", "coverage", "lines", "branches");
    let mut row = |name: &str, sums: Sums| writeln!(text, "{name:<32}{:>22}{:>22}", part(sums.lines), part(sums.branches));
    let _ = row(package, total);
    for (path, sums) in files.iter().take(NAMED).filter(|(_, sums)| sums.missed() > 0) {
        let _ = row(&format!("  {path}"), *sums);
    }
    text
}

/// Returns text such as `3201/3400  94.1 %`.
fn part((hit, all): (u64, u64)) -> String {
    if all == 0 {
        return "none".to_owned();
    }
    let per_mille = hit * 1000 / all;
    format!("{hit}/{all} {:>3}.{} %", per_mille / 10, per_mille % 10)
}

fn files(report: &str) -> Vec<(String, Sums)> {
    let mut files = Vec::new();
    let (mut path, mut sums) = (String::new(), Sums::default());
    for line in report.lines() {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let number = || value.parse().unwrap_or_default();
        match key {
            "SF" => value.clone_into(&mut path),
            "LF" => sums.lines.1 = number(),
            "LH" => sums.lines.0 = number(),
            "BRF" => sums.branches.1 = number(),
            "BRH" => sums.branches.0 = number(),
            "end_of_record" => files.push((std::mem::take(&mut path), std::mem::take(&mut sums))),
            _ => {}
        }
    }
    files
}

#[cfg(test)]
mod tests;
