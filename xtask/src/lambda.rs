//! `cargo xtask lambda`: builds the three functions and their zips, which `infra/template.yaml` names.

mod package;

use std::{
    env,
    ffi::OsString,
    fmt::{self, Display},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use self::package::{Effort, package};
use crate::{
    build::{LAMBDAS, PROGRAMS_AND_TESTS},
    step::{asks_for_help, cargo, output, root, step, target},
};

const HELP: &str = "\
cargo xtask lambda [--arch arm64|x86_64] [--out DIR]

Builds processor, target and janitor for AWS Lambda (provided.al2023), optimised, and writes DIR/processor.zip,
DIR/target.zip and DIR/janitor.zip. DIR defaults to target/lambda, where infra/template.yaml expects the zips. The same program
gives the same zip.

--arch defaults to arm64, as in the template. The build uses `cargo lambda` if it is installed. Without it, or with
POSTDATE_GUEST_TOOLCHAIN=distro (`cargo lambda` calls rustup), plain cargo builds for this machine's own architecture.";

const FUNCTIONS: [&str; 3] = ["processor", "target", "janitor"];

/// Cargo profile of the functions, from the root `Cargo.toml`.
pub const PROFILE: &str = "lambda";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arch {
    Arm64,
    X86_64,
}

impl Arch {
    fn parse(name: &str) -> Result<Self> {
        match name {
            "arm64" | "aarch64" => Ok(Self::Arm64),
            "x86_64" => Ok(Self::X86_64),
            _ => bail!("--arch is `{name}`: give `arm64` or `x86_64`"),
        }
    }

    /// Returns this machine's architecture, or `None` if its programs do not run on Lambda.
    fn own() -> Option<Self> {
        Self::parse(env::consts::ARCH).ok().filter(|_| env::consts::OS == "linux")
    }

    fn triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }
}

/// Writes AWS's name of the architecture.
impl Display for Arch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        })
    }
}

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let (arch, out) = parse(arguments)?;
    let programs = build(arch)?;
    let programs: Vec<_> = FUNCTIONS.into_iter().zip(programs).collect();
    let sizes = package(&programs, &out, arch.triple(), Effort::Smallest)?;
    println!("{:<10} {:>14} {:>14}", arch.to_string(), "program, bytes", "zip, bytes");
    for (function, size) in FUNCTIONS.into_iter().zip(sizes) {
        println!("{function:<10} {:>14} {:>14}", size.program, size.zip);
    }
    println!("In {}. Deploy with --parameter-overrides Architecture={arch} (see docs/aws.md)", out.display());
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: Vec<OsString>) -> Result<(Arch, PathBuf)> {
    let (mut arch, mut out) = (Arch::Arm64, target().join("lambda"));
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("arch") => arch = Arch::parse(&parser.value()?.to_string_lossy())?,
            lexopt::Arg::Long("out") => out = env::current_dir()?.join(parser.value()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok((arch, out))
}

/// Builds the functions. Returns the paths of the programs, in the order of [`FUNCTIONS`].
fn build(arch: Arch) -> Result<Vec<PathBuf>> {
    let title = format!("Building the functions for {arch}");
    if cargo_lambda_is_installed() {
        let directory = target().join("lambda").join(arch.to_string());
        let mut build = cargo("lambda");
        build.args(["build", "--profile", PROFILE, "--locked", "--package", "postdate-aws", "--bins"]);
        build.args(["--target", arch.triple(), "--output-format", "binary", "--lambda-dir"]).arg(&directory);
        step(&title, &mut build)?;
        return Ok(FUNCTIONS.iter().map(|function| directory.join(function).join("bootstrap")).collect());
    }
    if Arch::own() != Some(arch) {
        bail!("{}", cannot_build(arch, Arch::own()));
    }
    // `--target` puts the programs into a directory that is named after the architecture.
    let mut build = cargo("build");
    build.args(["--profile", PROFILE, "--locked", "--package", "postdate-aws", "--bins", "--target", arch.triple()]);
    step(&title, &mut build)?;
    let directory = target().join(arch.triple()).join(PROFILE);
    Ok(FUNCTIONS.iter().map(|function| directory.join(function)).collect())
}

/// Builds the functions and the benchmark's baselines (`host/aws/examples`) for this machine, and writes their zips to `zips`. Returns
/// the directory of the programs. The profile `dev` reuses the tests' builds.
pub fn with_baselines(profile: &str, zips: &Path) -> Result<PathBuf> {
    let arch = Arch::own().context("functions can be built and measured only on Linux, on x86_64 or arm64")?;
    let mut build = cargo("build");
    build.args(LAMBDAS).args(["--locked", "--examples"]);
    let directory = if profile == PROFILE {
        build.args(["--profile", PROFILE, "--bins", "--target", arch.triple()]);
        target().join(arch.triple()).join(PROFILE)
    } else {
        build.args(PROGRAMS_AND_TESTS);
        target().join("debug")
    };
    step("Building the functions and their baselines", &mut build)?;
    let programs = [("processor", "processor"), ("target", "target"), ("hello", "examples/hello"), ("plain", "examples/plain")]
        .map(|(name, program)| (name, directory.join(program)));
    let effort = if profile == PROFILE { Effort::Smallest } else { Effort::Quick };
    package(&programs, zips, arch.triple(), effort)?;
    Ok(directory)
}

fn cannot_build(arch: Arch, own: Option<Arch>) -> String {
    let choices = "install it (https://www.cargo-lambda.info)";
    match own {
        Some(own) => format!(
            "without `cargo lambda`, functions can be built for this machine's {own} only, not for {arch}: {choices} and leave \
             POSTDATE_GUEST_TOOLCHAIN unset, or give --arch {own} and deploy with Architecture={own}"
        ),
        None => format!("without `cargo lambda`, functions can be built on Linux only: {choices}"),
    }
}

/// Returns `true` if `cargo lambda` is installed and may be used. It calls rustup, which the distribution's toolchain replaces.
fn cargo_lambda_is_installed() -> bool {
    let distribution = env::var_os("POSTDATE_GUEST_TOOLCHAIN").is_some_and(|choice| choice == "distro");
    !distribution && output(Command::new("cargo-lambda").current_dir(root()).args(["lambda", "--version"])).is_some()
}

/// Returns a path for messages, relative to the repository's root if it is below the root.
fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(root()).unwrap_or(path).display()
}

#[cfg(test)]
mod tests;
