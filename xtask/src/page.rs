//! Builds and tests the page, with the packages of its lock file. The host's crate `postdate-page` takes what is in `page/dist`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use postdate_toolchains::{copy_if_changed, debian, is_current, javascript};

use crate::step::{root, step, step_beside, target};

/// Sources of the build.
const INPUTS: [&str; 4] = ["src", "build.mjs", "package.json", "package-lock.json"];

/// Places where the tests look for Chromium, if `CHROMIUM` names none.
const CHROMIUM: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

fn directory() -> PathBuf {
    root().join("page")
}

/// Builds the page. Does nothing if it is up to date.
///
/// # Errors
/// If Node.js or npm is missing or too old, or the page is larger than its limit.
pub fn build() -> Result<()> {
    let (page, out) = (directory(), target().join("page"));
    if !is_current(&out.join("LICENSES.txt"), INPUTS.map(|input| page.join(input))) {
        javascript::install(&page, &page)?;
        step("Building the page", &mut node(&[OsStr::new("build.mjs"), out.as_os_str()]))?;
    }
    // Written only where something differs: the host is compiled again after a change in the directory.
    for file in fs::read_dir(&out).with_context(|| format!("cannot read {}", out.display()))? {
        let file = file?;
        copy_if_changed(&file.path(), &page.join("dist").join(file.file_name()))?;
    }
    Ok(())
}

/// Installs what tests of the page need: its packages, and Chromium if it is missing and this process may.
///
/// # Errors
/// If one of them cannot be installed.
pub fn prepare() -> Result<()> {
    javascript::install(&directory(), &directory())?;
    if std::env::var_os("CHROMIUM").is_none() && !CHROMIUM.iter().any(|path| Path::new(path).exists()) {
        debian::install(&["chromium"])?;
    }
    Ok(())
}

/// Runs the tests of the page, in Chromium, too. Prints their output at the end, since other tests run at the same time.
///
/// # Errors
/// If a test fails, or there is no Chromium; the tests name the package to install.
pub fn test() -> Result<()> {
    step("Checking the format of the page", &mut node(&["node_modules/prettier/bin/prettier.cjs", "--check", "."].map(OsStr::new)))?;
    let arguments = ["--test", "--test-reporter=spec", "test/unit/", "test/page/"].map(OsStr::new);
    step_beside("Testing the page", "page-tests.log", &mut node(&arguments))
}

fn node(arguments: &[&OsStr]) -> Command {
    let mut node = Command::new("node");
    node.args(arguments).current_dir(directory());
    node
}
