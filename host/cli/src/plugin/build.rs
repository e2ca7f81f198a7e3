//! `postdate plugin build [DIR]`: builds the components that the manifest names from their sources.

mod plugin_file;
mod rust;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_toolchains::{is_current, javascript, python, wit};
use serde_json::{Value, json};

use super::template::Language;
use crate::output::{json_line, out, path_text, size_text};
use plugin_file::{PluginFile, plugin_files};

const NOTES: &str = "\
The language follows from the file in the project: Cargo.toml, package.json (with package-lock.json) or requirements.txt.
Each component NAME.wasm that use-case.toml names is built from
  Rust        the cdylib of the workspace; of several, the one whose name is NAME or ends with -NAME
  JavaScript  src/NAME.js, with componentize-js, which npm installs into node_modules
  Python      src/NAME.py, with componentize-py, which pip installs into .venv
The WIT interfaces come from the project's wit/ or, without it, from this program.
The build installs nothing outside the project. If a tool is missing, the error names the command that installs it.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Build {
    /// The project: a bundle with sources, as `postdate plugin new` writes it
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Directory for npm packages or the Python environment, which projects can share [default: the project]
    #[arg(long, value_name = "DIR", env = "POSTDATE_PLUGIN_TOOLS")]
    tools: Option<PathBuf>,

    /// Print JSON: the components, with their sizes in bytes
    #[arg(long)]
    json: bool,
}

struct Project<'a> {
    dir: &'a Path,
    /// Directory that projects share for their tools.
    tools: Option<&'a Path>,
    use_case: &'a UseCase,
    wit: &'a Path,
}

pub fn run(arguments: &Build) -> anyhow::Result<ExitCode> {
    let dir = arguments.dir.as_path();
    let manifest = dir.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}: name a project, or write one with `postdate plugin new`", manifest.display()))?;
    let use_case = UseCase::parse(&text)?;
    let files = plugin_files(&use_case);
    if files.is_empty() {
        bail!("{} names no plugin to build: add a [validate] or [process] table", manifest.display());
    }
    let language = language(dir)?;
    let own_wit = dir.join("wit");
    let scratch = if own_wit.is_dir() { None } else { Some(Scratch::new()?) };
    let wit = scratch.as_ref().map_or(own_wit.as_path(), |scratch| scratch.0.as_path());
    let project = Project { dir, tools: arguments.tools.as_deref(), use_case: &use_case, wit };
    match language {
        Language::Rust => rust::build(dir, &files)?,
        Language::JavaScript => project.javascript(&files)?,
        Language::Python => project.python(&files)?,
    }
    let mut built = Vec::new();
    for file in &files {
        let path = dir.join(&file.name);
        let size = std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
        built.push((path, size));
    }
    out(&if arguments.json {
        let components: Vec<Value> = built.iter().map(|(path, size)| json!({ "file": path_text(path), "bytes": size })).collect();
        json_line(&json!({ "useCase": use_case.name, "components": components }))?
    } else {
        let lines = built.iter().map(|(path, size)| format!("built {}: {}\n", path.display(), size_text(*size)));
        lines.collect::<String>() + &format!("next: postdate plugin test {}\n", dir.display())
    });
    Ok(ExitCode::SUCCESS)
}

/// Returns the language of a project. Fails unless exactly one language has its file there.
fn language(dir: &Path) -> anyhow::Result<Language> {
    let languages = [("Cargo.toml", Language::Rust), ("package.json", Language::JavaScript), ("requirements.txt", Language::Python)];
    let found: Vec<_> = languages.into_iter().filter(|(file, _)| dir.join(file).is_file()).collect();
    match found.as_slice() {
        [(_, language)] => Ok(*language),
        [] => bail!("{} has none of Cargo.toml, package.json, requirements.txt, so the language of its plugins is unknown", dir.display()),
        several => {
            let names: Vec<&str> = several.iter().map(|(file, _)| *file).collect();
            bail!("{} has {}, so the language of its plugins is ambiguous: keep one of these files", dir.display(), names.join(" and "))
        }
    }
}

impl Project<'_> {
    fn javascript(&self, files: &[PluginFile]) -> anyhow::Result<()> {
        let modules = javascript::install(self.dir, &self.tools.map_or_else(|| self.dir.to_owned(), |tools| tools.join("javascript")))?;
        for file in files {
            let (source, to) = (self.source(file, "js")?, self.dir.join(&file.name));
            if !self.is_current(&to, &self.dir.join("package-lock.json")) {
                // componentize-js adds its own `wasi:http` to any world.
                let http = file.calls_out(self.use_case);
                modules.componentize(javascript::Component { source: &source, wit: self.wit, world: file.world(), http, to: &to })?;
            }
        }
        Ok(())
    }

    fn python(&self, files: &[PluginFile]) -> anyhow::Result<()> {
        let requirements = self.dir.join("requirements.txt");
        let directory = self.tools.map_or_else(|| self.dir.join(".venv"), |tools| tools.join("python"));
        let environment = python::environment(&directory, &requirements)?;
        for file in files {
            self.source(file, "py")?;
            let to = self.dir.join(&file.name);
            if !self.is_current(&to, &requirements) {
                let (sources, module) = (self.dir.join("src"), file.stem());
                let http = if file.calls_out(self.use_case) { "-http" } else { "" };
                let world = format!("{}{http}", file.world());
                environment.componentize(python::Component { sources: &sources, module, wit: self.wit, world: &world, to: &to })?;
            }
        }
        Ok(())
    }

    /// Returns the source of a component. Fails if the file is missing.
    fn source(&self, file: &PluginFile, extension: &str) -> anyhow::Result<PathBuf> {
        let source = self.dir.join("src").join(format!("{}.{extension}", file.stem()));
        if !source.is_file() {
            bail!("{MANIFEST_FILE} names {}, but its source {} is missing", file.name, source.display());
        }
        Ok(source)
    }

    /// Returns `true` if a component is newer than all its inputs. A project without its own `wit/` is always built.
    fn is_current(&self, component: &Path, lock: &Path) -> bool {
        let (sources, manifest) = (self.dir.join("src"), self.dir.join(MANIFEST_FILE));
        self.wit.starts_with(self.dir) && is_current(component, [sources.as_path(), self.wit, lock, &manifest])
    }
}

/// A temporary directory with this program's WIT interfaces, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let scratch = Self(std::env::temp_dir().join(format!("postdate-wit-{}", uuid::Uuid::now_v7())));
        wit::write(&scratch.0)?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that cannot be removed is small.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
