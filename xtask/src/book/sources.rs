//! The sources of the site: the pages of `docs/SUMMARY.md` under their paths in the repository, and the files that they link to.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Component, Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::step::output;

const SUMMARY: &str = "docs/SUMMARY.md";
const SETTINGS: &str = "docs/book.toml";

/// Writes mdBook's settings and the pages into `book`.
pub fn collect(repository: &Path, book: &Path) -> Result<()> {
    let summary = read(&repository.join(SUMMARY))?;
    write(&book.join("book.toml"), read(&repository.join(SETTINGS))?.as_bytes())?;
    write(&book.join("src/SUMMARY.md"), from_the_root(&summary).as_bytes())?;
    for page in pages(&summary) {
        let text = read(&repository.join(&page))?;
        write(&book.join("src").join(page), text.as_bytes())?;
    }
    Ok(())
}

/// Copies everything into the built site that its pages link to and that is no page: pictures, sources, and directories of them. A
/// directory gets a list of its files as its page.
pub fn add_files(repository: &Path, site: &Path) -> Result<()> {
    let summary = read(&repository.join(SUMMARY))?;
    let pages = pages(&summary);
    for page in &pages {
        for target in targets(&read(&repository.join(page))?) {
            let path = normal(&page.parent().unwrap_or(Path::new("")).join(target))?;
            if pages.contains(&path) {
                continue;
            }
            let files = files(repository, &path)?;
            if repository.join(&path).is_dir() {
                write(&site.join(&path).join("index.html"), list(&path, &files).as_bytes())?;
            }
            for file in files {
                let content = fs::read(repository.join(&file)).with_context(|| format!("cannot read {}", file.display()))?;
                write(&site.join(&file), &content)?;
            }
        }
    }
    Ok(())
}

/// Returns the paths of the summary's pages from the repository's root.
fn pages(summary: &str) -> BTreeSet<PathBuf> {
    targets(&from_the_root(summary)).into_iter().map(PathBuf::from).collect()
}

/// Changes the links of the summary, which are relative to `docs/`, to ones that are relative to the repository's root.
fn from_the_root(summary: &str) -> String {
    summary.replace("](", "](docs/").replace("](docs/../", "](")
}

/// Returns the targets of a page's links to files, without headings.
fn targets(page: &str) -> Vec<&str> {
    let mut in_code = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    });
    let destinations = lines.flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    let files = destinations.filter(|link| !link.contains("://")).filter_map(|link| link.split('#').next());
    files.filter(|file| !file.is_empty()).collect()
}

/// Resolves `..`. Fails if the path leads out of the repository.
fn normal(path: &Path) -> Result<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            _ if part == Component::ParentDir && normal.pop() => {}
            _ => bail!("{} leads out of the repository", path.display()),
        }
    }
    Ok(normal)
}

/// Returns the files of the repository at a path, without what builds have left there.
fn files(repository: &Path, path: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--"]).arg(path).current_dir(repository);
    let listed = output(&mut git).context("`git ls-files` failed")?;
    let files: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    if files.is_empty() {
        bail!("{} is no file of the repository", path.display());
    }
    Ok(files)
}

/// Returns a page with links to the files of a directory.
fn list(directory: &Path, files: &[PathBuf]) -> String {
    let mut page = format!("<!doctype html>\n<meta charset=\"utf-8\">\n<title>{0}</title>\n<h1>{0}</h1>\n<ul>\n", directory.display());
    for file in files {
        let name = file.strip_prefix(directory).unwrap_or(file).display();
        let _ = writeln!(page, "<li><a href=\"{name}\">{name}</a></li>");
    }
    page + "</ul>\n"
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| fs::write(path, content))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
