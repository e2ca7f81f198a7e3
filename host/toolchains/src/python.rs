//! Python: an environment of its own in a directory, with what a requirements file names.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    rename_into,
    step::{output, step},
};

/// Holds the requirements that the environment was made for.
const STAMP: &str = "requirements-installed.txt";

/// Python's names of interfaces, whatever others there are: by itself, componentize-py calls `types` otherwise where another
/// interface has that name, too.
const INTERFACE_NAMES: [&str; 2] = ["postdate:plugin/types@1.0.0=types", "wasi:http/types@0.2.12=http_types"];

/// An environment that is installed.
#[derive(Debug, Clone)]
pub struct Environment {
    place: PathBuf,
}

/// What is made of sources: see [`Environment::componentize`].
#[derive(Debug, Clone, Copy)]
pub struct Component<'a> {
    /// Directory of the modules.
    pub sources: &'a Path,
    /// The module that has the classes `Validate` and `Process`.
    pub module: &'a str,
    /// Directory of WIT files.
    pub wit: &'a Path,
    pub world: &'a str,
    pub to: &'a Path,
}

/// `python3`, or what the variable PYTHON names.
pub fn interpreter() -> OsString {
    env::var_os("PYTHON").unwrap_or_else(|| "python3".into())
}

/// Whether it has the parts that make environments; Debian ships them by themselves.
pub fn can_make_environments() -> bool {
    output(Command::new(interpreter()).args(["-c", "import ensurepip, venv"])).is_some()
}

/// Makes an environment in `place` with what `requirements` names, one `NAME==VERSION` a line; quick where that has been done.
///
/// # Errors
/// Where there is no Python that can do it: says what to install.
pub fn environment(place: &Path, requirements: &Path) -> Result<Environment> {
    let content = fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let place = std::path::absolute(place).with_context(|| format!("cannot tell where {} is", place.display()))?;
    if fs::read_to_string(place.join(STAMP)).is_ok_and(|installed| installed == content) {
        return Ok(Environment { place });
    }
    check_python()?;
    // Anew, so that nothing of other versions stays.
    let mut make = Command::new(interpreter());
    make.args(["-m", "venv", "--clear"]).arg(&place);
    step(&format!("Making a Python environment in {}", place.display()), &mut make)?;
    let environment = Environment { place };
    let mut pip = environment.program("python");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    step(&format!("Installing {}", requirements.display()), &mut pip)?;
    let stamp = environment.place.join(STAMP);
    fs::write(&stamp, content).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(environment)
}

impl Environment {
    /// A program of the environment.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.place.join("bin").join(name))
    }

    /// Makes a component with componentize-py, which has to be among the requirements.
    pub fn componentize(&self, component: Component) -> Result<()> {
        if !self.place.join("bin/componentize-py").exists() {
            bail!("componentize-py is not in requirements.txt: add a line such as componentize-py==0.25.0");
        }
        let temporary = component.to.with_extension("wasm.tmp");
        let mut command = self.program("componentize-py");
        // It would take modules from an environment that happens to be active.
        command.env_remove("VIRTUAL_ENV").stdin(Stdio::null()).stdout(Stdio::null());
        command.arg("--quiet").arg("--wit-path").arg(component.wit).args(["--world", component.world]);
        command.args(INTERFACE_NAMES.into_iter().flat_map(|name| ["--import-interface-name", name]));
        command.args(["componentize", component.module]).arg("--python-path").arg(component.sources).arg("--output").arg(&temporary);
        step(&format!("Building {}", component.to.display()), &mut command)?;
        rename_into(&temporary, component.to)
    }
}

fn check_python() -> Result<()> {
    let python = interpreter();
    let python = python.display();
    if output(Command::new(interpreter()).args(["-c", "import sys; assert sys.version_info >= (3, 10)"])).is_none() {
        bail!(
            "Python 3.10 or later is needed, and `{python}` is not that: install it (Debian: sudo apt-get install \
             --no-install-recommends python3 python3-venv), or name another by the variable PYTHON"
        );
    }
    if !can_make_environments() {
        bail!("`{python}` cannot make environments. On Debian: sudo apt-get install --no-install-recommends python3-venv");
    }
    Ok(())
}
