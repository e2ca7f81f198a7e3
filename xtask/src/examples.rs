//! Builds the examples in JavaScript and Python, with tools below `target/`, if their sources changed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use postdate_toolchains::{is_current, javascript, python, wit};

use crate::{
    aws_tools::install_venv,
    step::{root, target},
};

const JAVASCRIPT: &str = "plugins/examples/orders-js";
const PYTHON: &str = "plugins/examples/orders-python";

/// Returns the directory of the tools for JavaScript and Python, as `postdate plugin build --tools` takes it.
pub fn tools() -> PathBuf {
    target().join("plugin-tools")
}

/// Builds both examples. Does nothing for one that is up to date.
///
/// # Errors
/// If Node.js or Python is missing or too old; the error names the packages to install.
pub fn build() -> Result<()> {
    let wit = tools().join("wit");
    wit::write(&wit)?;

    let (project, to) = paths_of(JAVASCRIPT);
    let modules = javascript::install(&project, &tools().join("javascript"))?;
    if !is_current(&to, [&project.join("src"), &project.join("package-lock.json"), &wit]) {
        let source = project.join("src/plugin.js");
        modules.componentize(javascript::Component { source: &source, wit: &wit, world: wit::WORLD, http: false, to: &to })?;
    }

    let (project, to) = paths_of(PYTHON);
    install_venv()?;
    let requirements = project.join("requirements.txt");
    let environment = python::environment(&tools().join("python"), &requirements)?;
    if !is_current(&to, [&project.join("src"), &requirements, &wit]) {
        let sources = project.join("src");
        environment.componentize(python::Component { sources: &sources, module: "plugin", wit: &wit, world: wit::WORLD, to: &to })?;
    }
    Ok(())
}

/// Returns the paths of a project and its component.
fn paths_of(project: &str) -> (PathBuf, PathBuf) {
    let project: &Path = &root().join(project);
    (project.to_owned(), project.join("plugin.wasm"))
}
