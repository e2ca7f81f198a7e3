//! Checks two rules of the project's prose in all Rust sources: openings of doc comments, and names of tests.

use std::path::{Path, PathBuf};

use postdate_tests::files::texts;

use crate::harness::root;

/// Directories of the checked sources.
const SOURCES: [&str; 5] = ["host", "plugins", "tests", "fuzz", "xtask"];

/// Forbidden first words of a doc comment: they hide the subject of the sentence.
const OPENINGS: [&str; 6] = ["What", "Who", "Where", "Whether", "That which", "So"];

/// Forbidden first words of a test's name: a name with one does not stand alone.
const BEGINNINGS: [&str; 11] = ["so", "what", "who", "that", "it", "this", "these", "they", "neither", "those", "one"];

/// Returns `FILE:LINE: TEXT` for each line that breaks a rule.
fn broken(path: &Path, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let previous = at.checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or_default();
        if doc(line).is_some_and(|words| doc(previous).is_none_or(str::is_empty) && opens_badly(words)) || names_badly(previous, line) {
            found.push(format!("{}:{}: {line}", path.display(), at + 1));
        }
    }
    found
}

/// Returns the text of a doc comment line, or `None` for any other line.
fn doc(line: &str) -> Option<&str> {
    line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim)
}

fn opens_badly(words: &str) -> bool {
    OPENINGS.iter().any(|opening| words.strip_prefix(opening).is_some_and(|rest| rest.starts_with([' ', ','])))
}

fn names_badly(attribute: &str, line: &str) -> bool {
    let name = line.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ");
    let is_test = attribute.starts_with("#[") && (attribute.contains("test]") || attribute.contains("test("));
    is_test && name.is_some_and(|name| BEGINNINGS.iter().any(|word| name.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'))))
}

#[test]
fn prose_follows_the_plain_rules() {
    let is_ours = |path: &PathBuf| !path.components().any(|part| ["target", "node_modules"].iter().any(|made| part.as_os_str() == *made));
    let sources = SOURCES.iter().flat_map(|directory| texts(&root().join(directory), &["rs"])).filter(|(path, _)| is_ours(path));
    let (mut files, mut found) = (0, Vec::new());
    for (path, text) in sources {
        files += 1;
        found.extend(broken(path.strip_prefix(root()).expect("below the root"), &text));
    }
    assert!(files > 100, "only {files} files were read");
    assert!(found.is_empty(), "{} lines break a rule of the prose:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_broken_rule_is_reported_with_its_line() {
    let check = |text: &str, expected: &[usize]| {
        let found = broken(Path::new("a.rs"), text);
        let lines: Vec<usize> = found.iter().map(|line| line.split(':').nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(lines, expected, "{text}");
    };
    check("/// Returns the lease.\n/// What follows is no opening.\nfn lease() {}", &[]);
    check("/// What it is.\nstruct A;\n\n    /// Whether it is there.\n    b: bool,", &[1, 4]);
    check("//! Where it goes.\n//!\n//! So there.\n", &[1, 3]);
    check("/// Whatever is given.\n/// \n/// That which is, and that is not.", &[3]);
    check("// What a plain comment says is no documentation.", &[]);
    check("#[test]\nfn so_is_one() {}\n#[test]\nfn somebody_calls() {}\nfn what_it_is() {}", &[2]);
    check("#[test]\nfn one_is_left() {}\n#[test]\nfn those_run() {}\n#[test]\nfn ones_run() {}", &[2, 4]);
    check("#[tokio::test]\nasync fn it_keeps() {}\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn who_wins() {}", &[2, 4]);
}
