//! JavaScript: Node.js, and what a project's `package-lock.json` names, installed in a directory and nowhere else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    rename_into,
    step::{output, step},
};

/// What componentize-js asks for.
const NODE_MAJOR: u32 = 20;

/// Holds the lock file that the modules were installed from.
const STAMP: &str = "node_modules/.installed-package-lock.json";

/// Modules that are installed.
#[derive(Debug, Clone)]
pub struct Modules {
    directory: PathBuf,
}

/// What is made of sources: see [`Modules::componentize`].
#[derive(Debug, Clone, Copy)]
pub struct Component<'a> {
    /// The module that exports `validate` and `process`.
    pub source: &'a Path,
    /// Directory of WIT files.
    pub wit: &'a Path,
    pub world: &'a str,
    /// Whether `fetch` works; without it the component does not import `wasi:http`.
    pub http: bool,
    pub to: &'a Path,
}

/// Installs what the lock file of `project` names into `directory`, which may be the project itself; quick where that has
/// been done.
///
/// # Errors
/// Where Node.js or npm is missing or too old: says what to install.
pub fn install(project: &Path, directory: &Path) -> Result<Modules> {
    check_node()?;
    let lock = project.join("package-lock.json");
    let locked = fs::read_to_string(&lock)
        .with_context(|| format!("cannot read {}: it says which versions to install; `npm install` writes one", lock.display()))?;
    let modules = Modules { directory: absolute(directory)? };
    if fs::read_to_string(directory.join(STAMP)).is_ok_and(|installed| installed == locked) {
        return Ok(modules);
    }
    if directory != project {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(project.join(name), directory.join(name)).with_context(|| format!("cannot copy {}", project.join(name).display()))?;
        }
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(directory).stdin(Stdio::null());
    step("Installing what package-lock.json names", &mut npm)?;
    let stamp = directory.join(STAMP);
    fs::write(&stamp, locked).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(modules)
}

impl Modules {
    /// Makes a component with componentize-js, which has to be among the modules.
    pub fn componentize(&self, component: Component) -> Result<()> {
        let script = self.directory.join("node_modules/.bin/componentize-js");
        if !script.exists() {
            bail!(
                "@bytecodealliance/componentize-js is not among the dependencies of package.json: npm install --save-dev @bytecodealliance/componentize-js"
            );
        }
        let temporary = component.to.with_extension("wasm.tmp");
        let mut command = Command::new("node");
        command.arg(script).arg(component.source).arg("--wit").arg(component.wit).args(["--world-name", component.world]);
        // A plugin serves no requests itself, and may send some only where its use case grants it.
        command.args(if component.http { &["--disable", "fetch-event"][..] } else { &["--disable", "http", "fetch-event"] });
        command.arg("--out").arg(&temporary).stdin(Stdio::null()).stdout(Stdio::null());
        step(&format!("Building {}", component.to.display()), &mut command)?;
        rename_into(&temporary, component.to)
    }
}

fn check_node() -> Result<()> {
    let version = output(Command::new("node").arg("--version"));
    let major = version.as_deref().and_then(|version| version.trim_start_matches('v').split('.').next()?.parse::<u32>().ok());
    let found = match (major, version) {
        (Some(major), _) if major >= NODE_MAJOR => {
            if output(Command::new("npm").arg("--version")).is_some() {
                return Ok(());
            }
            "`npm` cannot be started".to_owned()
        }
        (_, Some(version)) => format!("`node` is {version}"),
        (_, None) => "`node` cannot be started".to_owned(),
    };
    bail!(
        "plugins in JavaScript are built with Node.js {NODE_MAJOR} or later and npm, and {found}. Install it from \
         https://nodejs.org, or on Debian: sudo apt-get install --no-install-recommends nodejs npm"
    );
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot tell where {} is", path.display()))
}
