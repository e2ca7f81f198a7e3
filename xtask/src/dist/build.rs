//! Builds the program that ships.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};
use postdate_toolchains::python;

use super::{
    platform::{GLIBC, Platform},
    require, tools,
};
use crate::{
    aws_tools::install_venv,
    page,
    step::{cargo, root, step, target},
};

/// Cargo profile of the program, from the root `Cargo.toml`.
const PROFILE: &str = "dist";

/// Builds the page, and then the program with the page in it. Returns the program's path.
///
/// # Errors
/// If Node.js or a tool is missing, the standard library of the platform is not installed, or the program needs a newer glibc than 2.28.
pub fn program(platform: Platform) -> Result<PathBuf> {
    require(platform.is_linux() || cfg!(target_os = "macos"), "a program for macOS is built on a Mac: its system libraries are not free")?;
    page::build()?;
    let mut build = if platform.is_linux() { cargo("zigbuild") } else { cargo("build") };
    build.args(["--profile", PROFILE, "--locked", "--package", "postdate", "--bin", "postdate"]);
    if platform.is_linux() {
        install_venv()?;
        let environment = tools().join("zig");
        python::environment(&environment, &root().join("xtask/dist/zig.txt"))?;
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(std::iter::once(environment.join("bin")).chain(env::split_paths(&path))).context("the variable PATH")?;
        build.env("PATH", path).arg("--target").arg(format!("{}.2.{GLIBC}", platform.triple()));
    } else {
        build.args(["--target", platform.triple()]);
    }
    step(&format!("Building postdate for {}", platform.triple()), &mut build)?;
    let program = target().join(platform.triple()).join(PROFILE).join("postdate");
    platform.check(&program)?;
    Ok(program)
}
