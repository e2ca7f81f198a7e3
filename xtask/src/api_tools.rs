//! Tools of the tests of the API's description: a fuzzer and a generator of clients from Python's package index, another generator from
//! npm.

use std::path::PathBuf;

use anyhow::Result;
use postdate_toolchains::{javascript, python};

use crate::{
    aws_tools::install_venv,
    step::{root, target},
};

/// Returns the Python environment, which [`install`] makes.
pub fn environment() -> PathBuf {
    target().join("api-tools")
}

/// Returns the directory of the packages of npm, which [`install`] makes.
pub fn modules() -> PathBuf {
    target().join("api-clients")
}

/// Installs the tools. Does nothing if they are installed.
///
/// # Errors
/// If Python or Node.js is missing or too old; the error names the packages to install.
pub fn install() -> Result<()> {
    install_venv()?;
    python::environment(&environment(), &root().join("tests/api-tools.txt"))?;
    javascript::install(&root().join("tests/api-clients"), &modules())?;
    Ok(())
}
