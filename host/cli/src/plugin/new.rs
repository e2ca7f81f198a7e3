//! `postdate plugin new NAME --lang LANGUAGE`: a bundle with sources, that builds and whose cases pass.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_core::use_case::UseCase;

use super::template::{Language, project};
use crate::output::out;

#[derive(Debug, Args)]
pub struct New {
    /// Name of the use case: 1 to 32 of a-z, 0-9 and "-"
    name: String,

    /// Language of the plugins
    #[arg(long, value_enum)]
    lang: Language,

    /// Where to write it; it must not be there yet, or be empty [default: NAME]
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub fn run(arguments: New) -> anyhow::Result<ExitCode> {
    let New { name, lang, dir } = arguments;
    let files = project(&name, lang);
    let manifest = files.iter().find(|(path, _)| path == "use-case.toml").map(|(_, text)| text.as_str()).unwrap_or_default();
    // The rules of a name are the manifest's.
    UseCase::parse(manifest).with_context(|| format!("{name:?} cannot be the name of a use case"))?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(&name));
    check_free(&dir)?;
    for (path, text) in &files {
        write_new(&dir.join(path), text)?;
    }
    out(&next(&dir, &name, files.len()));
    Ok(ExitCode::SUCCESS)
}

fn check_free(dir: &Path) -> anyhow::Result<()> {
    let occupied = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("cannot make a project in {}", dir.display())),
    };
    if occupied {
        bail!("{} is not empty, and nothing is overwritten: name another directory with --dir", dir.display());
    }
    Ok(())
}

/// Fails where the file is there already, also where it came a moment ago.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::File::create_new(path)?.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn next(dir: &Path, name: &str, files: usize) -> String {
    let dir = dir.display();
    format!(
        "wrote the use case {name} to {dir} ({files} files)\n  next: postdate plugin build {dir}\n        postdate plugin test {dir}\n  more: {dir}/README.md\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, dir: &Path) -> anyhow::Result<ExitCode> {
        run(New { name: name.to_owned(), lang: Language::Python, dir: Some(dir.to_owned()) })
    }

    #[test]
    fn a_project_is_written_into_an_empty_directory_and_into_no_other() {
        let place = tempfile::tempdir().unwrap();
        new("tickets", &place.path().join("deep/tickets")).unwrap();
        assert!(place.path().join("deep/tickets/src/validate.py").is_file());
        let readme = place.path().join("deep/tickets/README.md");
        fs::write(&readme, "mine").unwrap();
        let error = new("tickets", &place.path().join("deep/tickets")).unwrap_err().to_string();
        assert!(error.contains("is not empty, and nothing is overwritten"), "{error}");
        assert_eq!(fs::read_to_string(readme).unwrap(), "mine");
    }

    #[test]
    fn a_name_is_held_to_the_manifests_rule_before_anything_is_written() {
        let place = tempfile::tempdir().unwrap();
        for name in ["", "Tickets", "a b", "../x", "a\"\nx = 1", &"a".repeat(33)] {
            let error = format!("{:#}", new(name, &place.path().join("x")).unwrap_err());
            assert!(error.contains("cannot be the name of a use case"), "{error}");
        }
        assert!(!place.path().join("x").exists());
    }
}
