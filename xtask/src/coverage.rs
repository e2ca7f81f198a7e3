//! `cargo xtask coverage`: line and branch coverage of packages by their own tests.
//!
//! The tests are built in the target directory of `cargo xtask test`, with a [`wrapper`]: dependencies are neither instrumented nor
//! compiled again.

mod lcov;
mod tools;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    build::{HOSTS, knowing_paths},
    guests,
    step::{asks_for_help, cargo, root, step, target},
    wrapper,
};
use tools::Tools;

const HELP: &str = "\
cargo xtask coverage [PACKAGE...]

Runs the packages' own tests (default: postdate-runtime and postdate-store), and prints their line and branch coverage.
Writes target/coverage/lcov.info.
Needs llvm-profdata and llvm-cov of rustc's LLVM version: `rustup component add llvm-tools`, or Debian's llvm-N.
If they are missing, it prints SKIPPED and exits with 0.";

/// Default packages. A package that is not in the workspace is skipped.
const PACKAGES: [&str; 2] = ["postdate-runtime", "postdate-store"];

/// Names of files and directories with tests only.
const TESTS: [&str; 4] = ["tests", "tests.rs", "testing.rs", "compatibility.rs"];

pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if asks_for_help(arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let asked: Vec<String> = arguments.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let packages = packages(&asked)?;
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(reason) => {
            println!("SKIPPED: {reason}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    guests::build()?;
    let programs = build(&packages)?;
    let directory = target().join("coverage");
    // llvm-profdata would add the counters of an earlier run.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (package, program) in &programs {
        let title = format!("Testing {} ({})", package.name, program.file_name().unwrap_or_default().to_string_lossy());
        let mut tests = Command::new(program);
        tests.current_dir(&package.directory).env("LLVM_PROFILE_FILE", directory.join("%m-%p.profraw"));
        step(&title, knowing_paths(&mut tests))?;
    }
    let programs: Vec<&Path> = programs.iter().map(|(_, program)| program.as_path()).collect();
    let mut sources = Vec::new();
    for package in &packages {
        add_sources(&package.directory.join("src"), &mut sources)?;
    }
    let report = tools.report(&directory, &programs, &sources)?;
    for package in &packages {
        print!("{}", lcov::table(&package.name, &package.directory.join("src"), &report));
    }
    println!("line by line: {}", directory.join("lcov.info").display());
    Ok(ExitCode::SUCCESS)
}

/// Adds the source files below a directory, without tests.
fn add_sources(directory: &Path, sources: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.file_name().is_some_and(|name| TESTS.iter().any(|tests| name == *tests)) {
            continue;
        }
        if path.is_dir() {
            add_sources(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(())
}

/// A member of the workspace.
struct Package {
    name: String,
    directory: PathBuf,
}

fn packages(asked: &[String]) -> Result<Vec<Package>> {
    let hosts = fs::read_dir(root().join("host")).context("cannot read host/")?;
    let members = hosts.filter_map(|entry| {
        let directory = entry.ok()?.path();
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).ok()?;
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))?.to_owned();
        Some(Package { name, directory })
    });
    let members: Vec<Package> = members.collect();
    if let Some(unknown) = asked.iter().find(|name| !members.iter().any(|member| member.name == **name)) {
        bail!("there is no package `{unknown}` in host/: give the name in a host/*/Cargo.toml");
    }
    let wanted = |member: &Package| if asked.is_empty() { PACKAGES.contains(&&*member.name) } else { asked.contains(&member.name) };
    Ok(members.into_iter().filter(wanted).collect())
}

/// Builds the packages' tests with counters, and returns the test programs. The library tests of the other packages are built too,
/// and not run: with another selection, cargo would compile dependencies again with other features.
fn build(packages: &[Package]) -> Result<Vec<(&Package, PathBuf)>> {
    let mut build = cargo("test");
    build.args(HOSTS).args(["--locked", "--no-run", "--lib", "--message-format", "json-render-diagnostics"]);
    for package in packages {
        for name in integration_tests(&package.directory) {
            build.arg("--test").arg(name);
        }
    }
    build.env("RUSTC_WORKSPACE_WRAPPER", wrapper::install(wrapper::COVERAGE)?).stdout(Stdio::piped()).stderr(Stdio::inherit());
    eprintln!("==> Building the tests with counters");
    let output = build.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("building the tests with counters failed ({})", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let programs: Vec<(&Package, PathBuf)> = messages
        .lines()
        .filter_map(|message| {
            let (manifest, program) = (text(message, "manifest_path")?, text(message, "executable")?);
            let package = packages.iter().find(|package| Path::new(manifest) == package.directory.join("Cargo.toml"))?;
            Some((package, PathBuf::from(program)))
        })
        .collect();
    if programs.is_empty() {
        bail!("cargo built no tests of these packages");
    }
    Ok(programs)
}

/// Returns the names of a package's integration tests, `tests/NAME.rs` and `tests/NAME/main.rs`.
fn integration_tests(package: &Path) -> Vec<String> {
    let entries = fs::read_dir(package.join("tests")).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let tests = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file());
    tests.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect()
}

/// Returns the value of a text member in a message of cargo, which is a line of JSON. The paths need no unescaping.
fn text<'a>(message: &'a str, member: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(&format!("\"{member}\":\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests;
