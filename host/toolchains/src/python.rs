//! Python: a virtual environment in a directory, with the packages of a requirements file.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::stderr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::files::{replace, temporary};
use crate::step::{output, step};

/// Copy of the requirements file that the environment was made from.
const STAMP: &str = "requirements-installed.txt";

/// Fixed names of two interfaces in Python. Without them, componentize-py renames `types` once two interfaces have this name.
const INTERFACE_NAMES: [&str; 2] = ["postdate:plugin/types@1.0.0=types", "wasi:http/types@0.2.12=http_types"];

/// An installed virtual environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Absolute.
    directory: PathBuf,
}

/// The input of [`Environment::componentize`].
#[derive(Debug, Clone, Copy)]
pub struct Component<'a> {
    /// Directory of the modules.
    pub sources: &'a Path,
    /// Name of the module with the classes `Validate` and `Process`.
    pub module: &'a str,
    /// Directory of WIT files.
    pub wit: &'a Path,
    pub world: &'a str,
    /// File to write.
    pub to: &'a Path,
}

/// Returns the interpreter: the variable `PYTHON`, or `python3`.
pub fn interpreter() -> OsString {
    env::var_os("PYTHON").unwrap_or_else(|| "python3".into())
}

/// Returns `true` if the interpreter has `venv` and `ensurepip`, which Debian packages separately.
pub fn can_make_environments() -> bool {
    output(Command::new(interpreter()).args(["-c", "import ensurepip, venv"])).is_some()
}

/// Makes an environment in `directory` with the packages of `requirements`, one `NAME==VERSION` a line. Does nothing if the same
/// requirements are installed.
///
/// # Errors
/// If Python is missing or too old; the error names the packages to install.
pub fn environment(directory: &Path, requirements: &Path) -> Result<Environment> {
    let content = fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let absolute = std::path::absolute(directory).with_context(|| format!("cannot make the path of {} absolute", directory.display()))?;
    let environment = Environment { directory: absolute };
    let stamp = environment.directory.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == content) {
        return Ok(environment);
    }
    check_python()?;
    // `--clear` removes packages of earlier requirements.
    let mut make = Command::new(interpreter());
    make.args(["-m", "venv", "--clear"]).arg(&environment.directory).stdout(stderr());
    step(&format!("Making a Python environment in {}", environment.directory.display()), &mut make)?;
    let mut pip = environment.program("python");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements).stdout(stderr());
    step(&format!("Installing {}", requirements.display()), &mut pip)?;
    fs::write(&stamp, content).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(environment)
}

impl Environment {
    /// Returns a command that runs a program of the environment.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.directory.join("bin").join(name))
    }

    /// Builds a component with componentize-py. Fails if componentize-py is not among the requirements.
    pub fn componentize(&self, component: Component) -> Result<()> {
        if !self.directory.join("bin/componentize-py").exists() {
            bail!("requirements.txt does not name componentize-py: add a line such as componentize-py==0.25.0");
        }
        let temporary = temporary(component.to);
        let mut command = self.program("componentize-py");
        // componentize-py would take modules from another environment that is active.
        command.env_remove("VIRTUAL_ENV").stdin(Stdio::null()).stdout(Stdio::null());
        command.arg("--quiet").arg("--wit-path").arg(component.wit).args(["--world", component.world]);
        command.args(INTERFACE_NAMES.into_iter().flat_map(|name| ["--import-interface-name", name]));
        command.args(["componentize", component.module]).arg("--python-path").arg(component.sources).arg("--output").arg(&temporary);
        step(&format!("Building {}", component.to.display()), &mut command)?;
        replace(&temporary, component.to)
    }
}

fn check_python() -> Result<()> {
    let python = interpreter();
    let python = python.display();
    if output(Command::new(interpreter()).args(["-c", "import sys; assert sys.version_info >= (3, 10)"])).is_none() {
        bail!(
            "plugins in Python need Python 3.10 or later, but `{python}` is missing or older: install it (Debian: sudo apt-get \
             install --no-install-recommends python3 python3-venv), or set the variable PYTHON to another interpreter"
        );
    }
    if !can_make_environments() {
        bail!("`{python}` cannot make virtual environments. On Debian: sudo apt-get install --no-install-recommends python3-venv");
    }
    Ok(())
}
