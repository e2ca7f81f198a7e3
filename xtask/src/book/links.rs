//! Checks the links of a built site.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The result of a check.
#[derive(Debug)]
pub struct Links {
    /// Number of links that lead to the site itself.
    pub seen: usize,
    /// A line for each link that leads nowhere.
    pub broken: Vec<String>,
}

/// Checks the links of all pages below a directory: each must lead to a file, a directory with a page, or a heading.
pub fn check(site: &Path) -> Result<Links> {
    let mut pages = BTreeMap::new();
    for path in pages_below(site)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        pages.insert(path, text);
    }
    let mut links = Links { seen: 0, broken: Vec::new() };
    for (path, text) in &pages {
        for link in targets(text) {
            links.seen += 1;
            if let Some(reason) = broken(&pages, path, link) {
                links.broken.push(format!("{}: {link}: {reason}", path.strip_prefix(site).unwrap_or(path).display()));
            }
        }
    }
    Ok(links)
}

/// Returns the links of a page that lead to its own site.
fn targets(page: &str) -> impl Iterator<Item = &str> {
    let attributes = ["href=\"", "src=\""].into_iter().flat_map(|name| page.split(name).skip(1));
    attributes.filter_map(|rest| rest.split('"').next()).filter(|link| !["://", "data:", "mailto:"].iter().any(|part| link.contains(part)))
}

/// Returns the reason why a link of the page at `path` leads nowhere.
fn broken(pages: &BTreeMap<PathBuf, String>, path: &Path, link: &str) -> Option<&'static str> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let file = file.split('?').next().unwrap_or_default();
    let mut target = if file.is_empty() { path.to_owned() } else { resolved(path.parent()?, file) };
    if target.is_dir() {
        target.push("index.html");
    }
    if !target.is_file() {
        return Some("there is no such file");
    }
    let has = |page: &String| anchor.is_empty() || page.contains(&format!("id=\"{anchor}\""));
    (!pages.get(&target).is_none_or(has)).then_some("there is no such heading")
}

/// Joins a relative path, and resolves its `..`.
fn resolved(directory: &Path, file: &str) -> PathBuf {
    let mut path = directory.to_owned();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                path.pop();
            }
            name => path.push(name),
        }
    }
    path
}

fn pages_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let (mut pages, mut directories) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                pages.push(path);
            }
        }
    }
    Ok(pages)
}

#[cfg(test)]
mod tests;
