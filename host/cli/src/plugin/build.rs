//! `postdate plugin build [DIR]`: from sources to the components that the manifest names.

mod rust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_core::plugin::Role;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_toolchains::{is_current, javascript, python, wit};

use super::size_text;
use super::template::Language;
use crate::output::out;

const NOTES: &str = "\
The language is told by the project's file: Cargo.toml, package.json (with package-lock.json) or requirements.txt.
A component NAME.wasm that use-case.toml names is built from
  Rust        the cdylib of the workspace; of several, the one that is called NAME or ends with -NAME
  JavaScript  src/NAME.js, with componentize-js, which npm installs into node_modules
  Python      src/NAME.py, with componentize-py, which pip installs into .venv
Interfaces are taken from the project's wit/ or, where there is none, from this program.
Nothing is installed outside the project. What is missing is named, with the command that installs it.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Build {
    /// The project: a bundle with sources, as `postdate plugin new` makes it
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Where to install npm packages or the Python environment, for several projects to share [default: the project]
    #[arg(long, value_name = "DIR", env = "POSTDATE_PLUGIN_TOOLS")]
    tools: Option<PathBuf>,
}

/// A component to build.
#[derive(Debug, PartialEq)]
struct Wanted {
    /// Its file's name in the bundle.
    file: String,
    roles: Vec<Role>,
}

impl Wanted {
    /// The file's name without `.wasm`.
    fn stem(&self) -> &str {
        self.file.strip_suffix(".wasm").unwrap_or(&self.file)
    }

    /// The world of [`wit::FILES`] that has these roles, without `wasi:http`.
    fn world(&self) -> &'static str {
        match self.roles.as_slice() {
            [Role::Validate] => "validator",
            [Role::Process] => "processor",
            _ => wit::WORLD,
        }
    }

    /// Whether it may send HTTP requests.
    fn calls_out(&self, use_case: &UseCase) -> bool {
        self.roles.contains(&Role::Process) && use_case.process.as_ref().is_some_and(|process| !process.allow_http.is_empty())
    }
}

/// A project, and where its tools go.
struct Project<'a> {
    dir: &'a Path,
    tools: Option<&'a Path>,
    use_case: &'a UseCase,
    wit: &'a Path,
}

pub fn run(arguments: &Build) -> anyhow::Result<ExitCode> {
    let dir = arguments.dir.as_path();
    let manifest = dir.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}: `postdate plugin new` makes a project", manifest.display()))?;
    let use_case = UseCase::parse(&text)?;
    let wanted = wanted(&use_case);
    if wanted.is_empty() {
        bail!("{} names no plugin: there is nothing to build", manifest.display());
    }
    let language = language(dir)?;
    let own_wit = dir.join("wit");
    let scratch = if own_wit.is_dir() { None } else { Some(Scratch::new()?) };
    let wit = scratch.as_ref().map_or(own_wit.as_path(), |scratch| scratch.0.as_path());
    let project = Project { dir, tools: arguments.tools.as_deref(), use_case: &use_case, wit };
    match language {
        Language::Rust => rust::build(dir, &wanted)?,
        Language::JavaScript => project.javascript(&wanted)?,
        Language::Python => project.python(&wanted)?,
    }
    for Wanted { file, .. } in &wanted {
        let path = dir.join(file);
        let size = std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
        out(&format!("{} is built: {}\n", path.display(), size_text(size)));
    }
    out(&format!("next: postdate plugin test {}\n", dir.display()));
    Ok(ExitCode::SUCCESS)
}

/// Each file that the manifest names, once.
fn wanted(use_case: &UseCase) -> Vec<Wanted> {
    let mut files = BTreeMap::<String, Vec<Role>>::new();
    for role in [Role::Validate, Role::Process] {
        if let Some(spec) = use_case.plugin(role) {
            files.entry(spec.plugin.clone()).or_default().push(role);
        }
    }
    files.into_iter().map(|(file, roles)| Wanted { file, roles }).collect()
}

fn language(dir: &Path) -> anyhow::Result<Language> {
    let marks = [("Cargo.toml", Language::Rust), ("package.json", Language::JavaScript), ("requirements.txt", Language::Python)];
    let found: Vec<_> = marks.into_iter().filter(|(file, _)| dir.join(file).is_file()).collect();
    match found.as_slice() {
        [(_, language)] => Ok(*language),
        [] => bail!(
            "{} is no project in a language that can be built here: it has none of Cargo.toml, package.json, requirements.txt",
            dir.display()
        ),
        several => {
            let names: Vec<&str> = several.iter().map(|(file, _)| *file).collect();
            bail!("{} has {}: which language its plugins are in cannot be told", dir.display(), names.join(" and "))
        }
    }
}

impl Project<'_> {
    fn javascript(&self, wanted: &[Wanted]) -> anyhow::Result<()> {
        let modules = javascript::install(self.dir, &self.tools.map_or_else(|| self.dir.to_owned(), |tools| tools.join("javascript")))?;
        for component in wanted {
            let (source, to) = (self.source(component, "js")?, self.dir.join(&component.file));
            if !self.is_current(&to, &self.dir.join("package-lock.json")) {
                // Its own `wasi:http` is what componentize-js adds to any world.
                let http = component.calls_out(self.use_case);
                modules.componentize(javascript::Component { source: &source, wit: self.wit, world: component.world(), http, to: &to })?;
            }
        }
        Ok(())
    }

    fn python(&self, wanted: &[Wanted]) -> anyhow::Result<()> {
        let requirements = self.dir.join("requirements.txt");
        let place = self.tools.map_or_else(|| self.dir.join(".venv"), |tools| tools.join("python"));
        let environment = python::environment(&place, &requirements)?;
        for component in wanted {
            self.source(component, "py")?;
            let to = self.dir.join(&component.file);
            if !self.is_current(&to, &requirements) {
                let (sources, module) = (self.dir.join("src"), component.stem());
                let http = if component.calls_out(self.use_case) { "-http" } else { "" };
                let world = format!("{}{http}", component.world());
                environment.componentize(python::Component { sources: &sources, module, wit: self.wit, world: &world, to: &to })?;
            }
        }
        Ok(())
    }

    /// The module that a component is made of.
    fn source(&self, component: &Wanted, extension: &str) -> anyhow::Result<PathBuf> {
        let source = self.dir.join("src").join(format!("{}.{extension}", component.stem()));
        if !source.is_file() {
            bail!("{MANIFEST_FILE} names {}, which is built from {}, and that is not there", component.file, source.display());
        }
        Ok(source)
    }

    /// Whether a component is younger than what it is made of. Of this program's own interfaces nobody knows.
    fn is_current(&self, component: &Path, lock: &Path) -> bool {
        let (sources, manifest) = (self.dir.join("src"), self.dir.join(MANIFEST_FILE));
        self.wit.starts_with(self.dir) && is_current(component, &[&sources, self.wit, lock, &manifest])
    }
}

/// This program's interfaces, in a directory that goes away again.
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
        // What stays there is small, and of use to nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
