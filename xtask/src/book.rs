//! `cargo xtask book`: builds the documents to a site with mdBook, and checks its links.

mod links;
mod sources;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::step::{asks_for_help, cargo, output, root, step, target};

const HELP: &str = "\
cargo xtask book

Builds the pages that docs/SUMMARY.md lists to a site, target/book/site/index.html, and checks that each of its links leads to a page, a
heading or a file. Files and directories of the repository that a page links to are part of the site.
Takes the `mdbook` on the PATH. Without one, installs it with cargo into target/book-tools, which takes some minutes.";

/// The tested version of mdBook.
const VERSION: &str = "0.5.4";

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(argument) = lexopt::Parser::from_args(arguments).next()? {
        return Err(argument.unexpected().into());
    }
    let (mdbook, book) = (mdbook()?, target().join("book"));
    if book.exists() {
        fs::remove_dir_all(&book).with_context(|| format!("cannot remove {}", book.display()))?;
    }
    sources::collect(root(), &book)?;
    step("Building the site", Command::new(mdbook).arg("build").arg(&book))?;
    let site = book.join("site");
    sources::add_files(root(), &site)?;
    let links = links::check(&site)?;
    if !links.broken.is_empty() {
        bail!("{} of {} links of the site lead nowhere:\n{}", links.broken.len(), links.seen, links.broken.join("\n"));
    }
    eprintln!("    {} links lead to pages, headings and files", links.seen);
    println!("{}", site.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// Returns the program, which it installs where it is missing.
fn mdbook() -> Result<PathBuf> {
    if output(Command::new("mdbook").arg("--version")).is_some() {
        return Ok("mdbook".into());
    }
    let tools = target().join("book-tools");
    let program = tools.join("bin").join(format!("mdbook{}", std::env::consts::EXE_SUFFIX));
    if !is_version(&program) {
        // Without its server and its watcher.
        let features = ["--no-default-features", "--features", "search"];
        let mut install = cargo("install");
        install.args(["mdbook", "--version", VERSION, "--locked", "--force"]).args(features).arg("--root").arg(&tools);
        step("Installing mdBook", install.env("CARGO_TARGET_DIR", tools.join("build")))?;
    }
    Ok(program)
}

fn is_version(program: &Path) -> bool {
    output(Command::new(program).arg("--version")).is_some_and(|version| version == format!("mdbook v{VERSION}"))
}
