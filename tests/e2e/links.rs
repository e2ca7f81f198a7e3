//! Links in the documents: each leads to an existing file, and to a heading of that file.

use std::path::{Path, PathBuf};

use postdate_tests::files::texts;

use crate::harness::root;

/// Returns the documents of the repository's root and of `docs/`, and the READMEs that they link to.
pub fn documents() -> Vec<(PathBuf, String)> {
    let at_the_root =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "plugins/README.md", "plugins/TUTORIAL.md", "infra/README.md"];
    let paths = at_the_root.iter().map(|name| root().join(name)).filter(|path| path.is_file());
    let mut documents: Vec<_> = paths.map(|path| (path.clone(), std::fs::read_to_string(path).expect("UTF-8"))).collect();
    let docs = root().join("docs");
    if docs.is_dir() {
        documents.extend(texts(&docs, &["md"]));
    }
    documents
}

/// Returns the lines of a document without its blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// Returns the targets of links and pictures, `](TARGET)` and `src="TARGET"`, and of definitions, `[NAME]: TARGET`.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        // A link in a span of code is an example.
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (start, end) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            let targets = line.split(start).skip(1).filter_map(|rest| rest.split(end).next()?.split(' ').next());
            links.extend(targets.map(str::to_owned));
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            links.push(target.trim().to_owned());
        }
    }
    links
}

/// Returns the anchors of a document's headings, as GitHub makes them: of two that are alike, the second ends with `-1`.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-");
        let before = anchors
            .iter()
            .filter(|known| **known == anchor || known.strip_prefix(&format!("{anchor}-")).is_some_and(|n| n.parse::<u32>().is_ok()));
        let before = before.count();
        anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
    }
    anchors
}

/// Returns the reason why a link of the document at `path` leads nowhere.
fn broken(path: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { path.to_owned() } else { path.parent()?.join(file) };
    if !target.exists() {
        return Some(format!("{}: {link}: there is no such file", path.display()));
    }
    let known = |anchor: &str| std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).iter().any(|known| known == anchor));
    (!anchor.is_empty() && !known(anchor)).then(|| format!("{}: {link}: there is no such heading", path.display()))
}

#[test]
fn links_of_the_documents_lead_to_files_and_headings() {
    let (mut seen, mut found) = (0, Vec::new());
    for (path, text) in documents() {
        for link in links(&text) {
            seen += 1;
            found.extend(broken(&path, &link));
        }
    }
    assert!(seen >= 5, "the documents have {seen} links");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_summary_of_the_site_lists_every_page_once() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).expect("the summary");
    let mut listed = links(&summary);
    listed.sort();
    let pages = texts(&root().join("docs"), &["md"]).into_iter().filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned()));
    let at_the_root = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| format!("../{name}"));
    let mut expected: Vec<String> = pages.filter(|name| name != "SUMMARY.md").chain(at_the_root).collect();
    expected.sort();
    let missing: Vec<_> = expected.iter().filter(|page| !listed.contains(page)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}: add a line for each");
    assert_eq!(listed, expected);
}

#[test]
fn links_are_found_in_prose_and_not_in_code() {
    let text = "See [a](a.md#b) and ![p](p.svg \"Title\"), not `[c](c.md)`.\n```\n[d](d.md)\n```\n<img src=\"e.svg\">\n[f]: f.md\n";
    assert_eq!(links(text), ["a.md#b", "p.svg", "e.svg", "f.md"]);
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("one.md");
    std::fs::write(&path, "# What's `new`, in 2?\n## Same\n## Same\n```\n# no heading\n```\n").unwrap();
    for good in ["https://example.com/none", "one.md", "#whats-new-in-2", "one.md#same-1"] {
        assert_eq!(broken(&path, good), None);
    }
    for bad in ["two.md", "#no-heading", "one.md#same-2"] {
        assert!(broken(&path, bad).is_some_and(|reason| reason.contains(bad)), "{bad}");
    }
}
