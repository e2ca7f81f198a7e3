//! Checks the plain rules of the project's prose: how a sentence of a comment or a document opens, how wide its lines are, and how tests
//! are named.

use std::path::Path;

use postdate_tests::files::texts;

use crate::harness::root;
use crate::links::documents;

/// Directories of the checked sources.
const SOURCES: [&str; 5] = ["host", "plugins", "tests", "fuzz", "xtask"];

/// Forbidden first words of a sentence: they hide its subject.
const OPENINGS: [&str; 9] = ["What", "Whatever", "Who", "Whoever", "Where", "Whether", "That which", "So", "Those"];

/// Forbidden first words of a test's name: a name with one does not stand alone.
const BEGINNINGS: [&str; 11] = ["so", "what", "who", "that", "it", "this", "these", "they", "neither", "those", "one"];

/// Most characters of a line.
const WIDTH: usize = 140;
/// Marks around words that are no part of a sentence.
const MARKS: [char; 5] = ['*', '"', '`', ')', ' '];

/// Returns `FILE:LINE: TEXT` for each line of a source that breaks a rule.
fn broken_source(path: &Path, text: &str) -> Vec<String> {
    let mut previous = "";
    let broken = |line: &'_ str, previous: &'_ str| {
        let text = comment(line.trim());
        let is_bad = text.is_some_and(|words| opens_badly(words, comment(previous)) || line.chars().count() > WIDTH);
        is_bad || names_badly(previous, line.trim())
    };
    let found = text.lines().enumerate().filter_map(|(at, line)| {
        let is_broken = broken(line, previous);
        previous = line.trim();
        is_broken.then(|| format!("{}:{}: {line}", path.display(), at + 1))
    });
    found.collect()
}

/// Returns `FILE:LINE: TEXT` for each line of a document that breaks a rule. Blocks of code are no prose, and a row of a table is one line.
fn broken_document(path: &Path, text: &str) -> Vec<String> {
    let (mut found, mut in_code, mut previous) = (Vec::new(), false, "");
    for (at, line) in text.lines().enumerate() {
        let words = line.trim_start().trim_start_matches(['-', '*', '>', ' ']);
        in_code ^= words.starts_with("```");
        let is_row = words.starts_with('|');
        let begins = words.len() < line.trim_start().len() || is_row;
        let is_bad =
            line.split(" | ").any(|cell| opens_badly(cell.trim_start_matches(['-', '*', '>', '|', ' ']), (!begins).then_some(previous)));
        if !in_code && !line.starts_with('#') && (is_bad || !is_row && line.chars().count() > WIDTH) {
            found.push(format!("{}:{}: {line}", path.display(), at + 1));
        }
        previous = words;
    }
    found
}

/// Returns the text of a line that is a comment, or `None` for any other line.
fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("//").map(|text| text.trim_start_matches(['/', '!']).trim())
}

/// Returns whether a sentence begins in this text with a forbidden word. `previous` is the line before it in the same paragraph.
fn opens_badly(text: &str, previous: Option<&str>) -> bool {
    let ends = |text: &str| text.trim_end_matches(MARKS).is_empty() || text.trim_end_matches(MARKS).ends_with(['.', ':', '!', '?']);
    OPENINGS.iter().flat_map(|opening| text.match_indices(opening)).any(|(at, opening)| {
        let (before, after) = (&text[..at], &text[at + opening.len()..]);
        let is_first = before.trim_end_matches(MARKS).is_empty();
        let is_word = (before.is_empty() || before.ends_with(MARKS)) && after.starts_with([' ', ',']);
        is_word && if is_first { previous.is_none_or(ends) } else { ends(before) }
    })
}

fn names_badly(attribute: &str, line: &str) -> bool {
    let name = line.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ");
    let is_test = attribute.starts_with("#[") && (attribute.contains("test]") || attribute.contains("test("));
    is_test && name.is_some_and(|name| BEGINNINGS.iter().any(|word| name.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'))))
}

#[test]
fn prose_follows_the_plain_rules() {
    // A directory `target` has build outputs, unless it is a module's.
    let is_made = |dir: &Path| dir.ends_with("node_modules") || dir.ends_with("target") && !dir.ends_with("src/target");
    let sources = SOURCES.iter().flat_map(|directory| texts(&root().join(directory), &["rs"]));
    let sources: Vec<_> = sources.filter(|(path, _)| !path.ancestors().any(is_made)).collect();
    let documents = documents();
    assert!(sources.len() > 100 && documents.len() > 10, "only {} and {} files were read", sources.len(), documents.len());
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").to_owned();
    let mut found: Vec<String> = sources.iter().flat_map(|(path, text)| broken_source(&name(path), text)).collect();
    found.extend(documents.iter().flat_map(|(path, text)| broken_document(&name(path), text)));
    assert!(found.is_empty(), "{} lines break a rule of the prose:\n{}", found.len(), found.join("\n"));
}

#[track_caller]
fn check(broken: fn(&Path, &str) -> Vec<String>, text: &str, expected: &[usize]) {
    let found = broken(Path::new("a"), text);
    let lines: Vec<usize> = found.iter().map(|line| line.split(':').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(lines, expected, "{text}");
}

#[test]
fn a_broken_rule_of_a_source_is_reported_with_its_line() {
    let check = |text: &str, expected: &[usize]| check(broken_source, text, expected);
    check("/// Returns the lease, and\n/// What follows.\nfn lease() {}", &[]);
    check("/// Returns the lease.\n/// What follows.\n/// Then it is over. So it is.", &[2, 3]);
    check("/// What it is.\nstruct A;\n\n    /// Whether it is there.\n    b: bool,", &[1, 4]);
    check("//! Where it goes.\n//!\n//! So there.\n", &[1, 3]);
    check("/// Whatsoever is given, and That which is, and \"Some. Whose\".\n/// \n/// That which is, and that is not.", &[3]);
    check("let a = 1;\n// Those of a plain comment are found, too.", &[2]);
    check(&format!("//{}\n    //{}\nlet a = \"{}\";", "x".repeat(138), "x".repeat(135), "x".repeat(200)), &[2]);
    check("#[test]\nfn so_is_one() {}\n#[test]\nfn somebody_calls() {}\nfn what_it_is() {}", &[2]);
    check("#[test]\nfn one_is_left() {}\n#[test]\nfn those_run() {}\n#[test]\nfn ones_run() {}", &[2, 4]);
    check("#[tokio::test]\nasync fn it_keeps() {}\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn who_wins() {}", &[2, 4]);
}

#[test]
fn a_broken_rule_of_a_document_is_reported_with_its_line() {
    let check = |text: &str, expected: &[usize]| check(broken_document, text, expected);
    check("# What is new\n\nA host\nWhere it is. **Who pushes** needs\n\nWhether so.\n", &[4, 6]);
    check("a,\n- Where it is\n> So, there\n```\nWhat is code\n```\n", &[2, 3]);
    check("| a | b |\n|---|---|\n| a | What it is. |\n| Who | whose |\n", &[3]);
    check(&format!("{}\n| {} |\n", "x".repeat(141), "x".repeat(141)), &[1]);
}
