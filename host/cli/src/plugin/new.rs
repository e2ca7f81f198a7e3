//! `postdate plugin new NAME --lang LANGUAGE --template TEMPLATE`: writes a project that builds, with test cases that pass.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_core::use_case::UseCase;
use serde_json::json;

use super::template::{Language, Template, project};
use crate::new_file;
use crate::output::{counted, json_line, out, path_text};

#[derive(Debug, Args)]
pub struct New {
    /// Name of the use case: 1 to 32 of a-z, 0-9 and "-"
    name: String,

    /// Language of the plugins
    #[arg(long, value_enum)]
    lang: Language,

    /// Kind of the project
    #[arg(long, value_enum, default_value_t = Template::Reminder)]
    template: Template,

    /// Directory of the project, which must be new or empty [default: NAME]
    #[arg(long)]
    dir: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: New) -> anyhow::Result<ExitCode> {
    let New { name, lang, template, dir, json } = arguments;
    let files = project(&name, lang, template)?;
    let manifest = files.iter().find(|(path, _)| path == "use-case.toml").map(|(_, text)| text.as_str()).unwrap_or_default();
    // The parser of the manifest knows the rules of a name.
    UseCase::parse(manifest).with_context(|| format!("{name:?} cannot be the name of a use case"))?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(&name));
    if !new_file::is_free(&dir).with_context(|| format!("cannot write a project to {}", dir.display()))? {
        bail!("{} is not empty, and no file is overwritten: name another directory with --dir", dir.display());
    }
    for (path, text) in &files {
        new_file::write(&dir.join(path), text)?;
    }
    let next = ["build", "test"].map(|command| format!("postdate plugin {command} {}", dir.display()));
    out(&if json {
        let files: Vec<&String> = files.iter().map(|(path, _)| path).collect();
        json_line(&json!({ "useCase": name, "dir": path_text(&dir), "files": files, "next": next }))?
    } else {
        text(&dir, &name, &counted(files.len(), "file"), &next)
    });
    Ok(ExitCode::SUCCESS)
}

fn text(dir: &Path, name: &str, files: &str, [build, test]: &[String; 2]) -> String {
    let dir = dir.display();
    format!("wrote the use case {name} to {dir} ({files})\n  next: {build}\n        {test}\n  more: {dir}/README.md\n")
}

#[cfg(test)]
mod tests;
