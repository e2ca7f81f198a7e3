//! Finds the source files of a crate that a binary uses, by the paths in the code: `crate::ledger::Ledger`, `mod rules;`. The
//! result may contain files that the binary does not use (the unit is a file, not a function), but it misses none.

use std::collections::BTreeSet;
use std::path::Path;

use postdate_tests::files::texts;

/// A file of the crate, without its tests and comments.
pub struct Source {
    /// Path relative to `src`, such as `ledger/claim.rs`.
    pub path: String,
    module: Vec<String>,
    pub text: String,
}

/// Reads every Rust file under `src` except test modules, sorted by path.
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

/// Returns the file `start` and every file that it refers to, directly or indirectly.
pub fn reachable<'a>(start: &str, sources: &'a [Source]) -> Vec<&'a Source> {
    let first = sources.iter().position(|source| source.path == start).unwrap_or_else(|| panic!("no {start}"));
    let mut found = BTreeSet::from([first]);
    let mut waiting = vec![first];
    while let Some(index) = waiting.pop() {
        for path in references(&sources[index]) {
            // The longest prefix of the path that is a module. The rest names an item in it.
            let module = (1..=path.len()).rev().find_map(|length| sources.iter().position(|source| source.module == path[..length]));
            waiting.extend(module.filter(|&module| found.insert(module)));
        }
    }
    found.into_iter().map(|index| &sources[index]).collect()
}

/// Returns every module path in the file, from the crate's root, and its child modules.
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
        // `lib.rs` declares every module, so its declarations are no use of them.
        if let Some(name) = declared.and_then(|rest| rest.strip_suffix(';')).filter(|_| !source.module.is_empty()) {
            paths.push([source.module.as_slice(), &[name.to_owned()]].concat());
        }
    }
    paths
}

/// Adds every path of a use tree such as `a::{b, c::d}`, or a single path. Returns the text after it.
fn tree<'a>(text: &'a str, base: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = tree(rest, base, paths);
            // Skip an alias (`as b`), and any text that is no use tree.
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
