//! JavaScript: Node.js, and the packages of a project's `package-lock.json`, installed into one directory.

use std::fs;
use std::io::stderr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::files::{replace, temporary};
use crate::step::{output, step};

/// Oldest major version of Node.js that componentize-js supports.
const NODE_MAJOR: u32 = 20;

/// Copy of the lock file that the packages were installed from.
const STAMP: &str = "node_modules/.installed-package-lock.json";

/// Installed packages.
#[derive(Debug, Clone)]
pub struct Modules {
    /// Absolute.
    directory: PathBuf,
}

/// The input of [`Modules::componentize`].
#[derive(Debug, Clone, Copy)]
pub struct Component<'a> {
    /// The module that exports `validate` and `process`.
    pub source: &'a Path,
    /// Directory of WIT files.
    pub wit: &'a Path,
    /// World of the component, without `wasi:http`.
    pub world: &'a str,
    /// `true` adds `fetch` and the imports of `wasi:http`.
    pub http: bool,
    /// File to write.
    pub to: &'a Path,
}

/// Installs the packages of the lock file of `project` into `directory`, which may be the project itself. Does nothing if the
/// same lock file is installed.
///
/// # Errors
/// If Node.js or npm is missing or too old; the error names the packages to install.
pub fn install(project: &Path, directory: &Path) -> Result<Modules> {
    check_node()?;
    let lock = project.join("package-lock.json");
    let locked = fs::read_to_string(&lock)
        .with_context(|| format!("cannot read {}, which lists the packages to install: write it with `npm install`", lock.display()))?;
    let absolute = std::path::absolute(directory).with_context(|| format!("cannot make the path of {} absolute", directory.display()))?;
    let modules = Modules { directory: absolute };
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
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(directory).stdin(Stdio::null()).stdout(stderr());
    step("Installing the packages of package-lock.json", &mut npm)?;
    let stamp = directory.join(STAMP);
    fs::write(&stamp, locked).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(modules)
}

impl Modules {
    /// Builds a component with componentize-js. Fails if componentize-js is not among the packages.
    pub fn componentize(&self, component: Component) -> Result<()> {
        let script = self.directory.join("node_modules/.bin/componentize-js");
        if !script.exists() {
            bail!(
                "package.json has no dependency on @bytecodealliance/componentize-js: add it with `npm install --save-dev @bytecodealliance/componentize-js`"
            );
        }
        let temporary = temporary(component.to);
        let mut command = Command::new("node");
        command.arg(script).arg(component.source).arg("--wit").arg(component.wit).args(["--world-name", component.world]);
        // A plugin serves no requests, and sends requests only with a grant of its use case.
        command.args(if component.http { &["--disable", "fetch-event"][..] } else { &["--disable", "http", "fetch-event"] });
        command.arg("--out").arg(&temporary).stdin(Stdio::null()).stdout(Stdio::null());
        step(&format!("Building {}", component.to.display()), &mut command)?;
        replace(&temporary, component.to)
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
        "plugins in JavaScript need Node.js {NODE_MAJOR} or later and npm, but {found}. Install them from https://nodejs.org, \
         or on Debian: sudo apt-get install --no-install-recommends nodejs npm"
    );
}
