//! Which files of a crate a program is made of, by the paths that they write: `crate::ledger::Ledger`, `mod rules;`. Wider
//! than the truth at times (whole files, not functions), never narrower.

use std::collections::BTreeSet;
use std::path::Path;

use postdate_tests::files::texts;

/// A file of the crate, without its tests and comments.
pub struct Source {
    /// From `src`, as `ledger/claim.rs`.
    pub path: String,
    module: Vec<String>,
    pub text: String,
}

/// Every file under `src` but those of tests.
pub fn read(src: &Path) -> Vec<Source> {
    let mut sources: Vec<Source> = texts(src, &["rs"])
        .into_iter()
        .filter(|(path, _)| !path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs"))
        .map(|(path, text)| source(&path.strip_prefix(src).expect("below src").to_string_lossy(), &text))
        .collect();
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn source(path: &str, text: &str) -> Source {
    let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    module.pop_if(|last| last == "mod" || last == "lib");
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    Source { path: path.to_owned(), module, text: lines.join("\n") }
}

/// The file and those that it refers to, and so on.
pub fn reachable<'a>(start: &str, sources: &'a [Source]) -> Vec<&'a Source> {
    let first = sources.iter().position(|source| source.path == start).unwrap_or_else(|| panic!("no {start}"));
    let mut found = BTreeSet::from([first]);
    let mut waiting = vec![first];
    while let Some(index) = waiting.pop() {
        for path in references(&sources[index]) {
            // The longest part of the path that is a module; the rest is an item in it.
            let module = (1..=path.len()).rev().find_map(|length| sources.iter().position(|source| source.module == path[..length]));
            waiting.extend(module.filter(|&module| found.insert(module)));
        }
    }
    found.into_iter().map(|index| &sources[index]).collect()
}

/// Paths from the crate's root that a file writes, and its child modules.
fn references(source: &Source) -> Vec<Vec<String>> {
    let parent = &source.module[..source.module.len().saturating_sub(1)];
    let roots: [(&str, &[String]); 4] = [("crate::", &[]), ("postdate_aws::", &[]), ("super::", parent), ("self::", &source.module)];
    let mut paths = Vec::new();
    for (word, base) in roots {
        for (at, _) in source.text.match_indices(word) {
            if !source.text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                tree(&source.text[at + word.len()..], base, &mut paths);
            }
        }
    }
    for line in source.text.lines() {
        let declared = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod ");
        // lib.rs declares everything, and stands for nothing that a program does.
        if let Some(name) = declared.and_then(|rest| rest.strip_suffix(';')).filter(|_| !source.module.is_empty()) {
            paths.push([source.module.as_slice(), &[name.to_owned()]].concat());
        }
    }
    paths
}

/// Adds every path of a use tree, `a::{b, c::d}`, or of a plain path; returns what follows it.
fn tree<'a>(text: &'a str, base: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = tree(rest, base, paths);
            // An alias, `a as b`, is passed over; so is what is no use tree at all.
            rest = after.find([',', '}']).map_or("", |at| &after[at..]);
            if rest.is_empty() {
                return rest;
            }
        }
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let path = match &text[..end] {
        "" => base.to_vec(),
        "super" => base[..base.len().saturating_sub(1)].to_vec(),
        name => [base, &[name.to_owned()]].concat(),
    };
    match text[end..].strip_prefix("::") {
        Some(rest) if end > 0 => tree(rest, &path, paths),
        _ => {
            paths.push(path);
            &text[end..]
        }
    }
}

#[cfg(test)]
mod tests;
