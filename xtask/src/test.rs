//! `cargo xtask test` and `cargo xtask torture`.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::{Result, bail};

use crate::{
    aws_tools, examples, guests,
    serve::{build_everything, host},
    step::{asks_for_help, cargo, root, seconds_of, step, target},
};

const HELP: &str = "\
cargo xtask test [FILTER] [-- ARGS]

Builds everything and runs every test: the plugins' own, the hosts', end to end, and the cases of the sample bundles.
The AWS tests' tools (tests/aws-tools.txt) are installed into target/aws-tools once, and what builds the examples in
JavaScript and Python into target/plugin-tools; that needs Python 3 and its venv, Node.js and npm.
FILTER runs only the tests whose name contains it (and no bundle's cases); ARGS go to the test programs.";

const TORTURE_HELP: &str = "\
cargo xtask torture [--seconds N]

Starts the server, loads it, kills it with SIGKILL at random moments and starts it again, for N seconds (default 60).
Fails if an acknowledged request is lost, ran twice without a kill in the middle, or ran early.";

const DEFAULT_TORTURE_SECONDS: u64 = 60;

/// All but the Lambdas. What builds them and what tests them select alike, with [`BUILT`]: so nothing is built twice,
/// since cargo unites the features of all that it builds together.
pub const HOSTS: [&str; 3] = ["--workspace", "--exclude", "postdate-aws"];

/// The Lambdas by themselves, so that they are without the compiler of plugins, as they ship.
const LAMBDAS: [&str; 2] = ["--package", "postdate-aws"];

const BUILT: [&str; 2] = ["--bins", "--tests"];

/// The sample bundles, from the repository's root.
const BUNDLES: [&str; 2] = ["use-cases/orders", "use-cases/webhook"];

pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if asks_for_help(arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    // The tools come over the network while the processor compiles.
    std::thread::scope(|scope| {
        let tools = scope.spawn(|| aws_tools::install().and_then(|()| examples::build()));
        build_hosts()?;
        step("Building the Lambdas", cargo("build").args(LAMBDAS).args(BUILT).arg("--locked"))?;
        tools.join().unwrap_or_else(|_| bail!("the installation of the tools was cut off"))
    })?;
    aws_tools::compile(&BUNDLES)?;
    let plugins = ["--locked", "--manifest-path", "plugins/Cargo.toml", "--target-dir"];
    step("Testing the plugins", cargo("test").args(plugins).arg(target().join("guests-native")).args(arguments))?;
    step("Testing the hosts", knowing_paths(cargo("test").args(HOSTS).arg("--locked")).args(arguments))?;
    step("Testing the Lambdas", knowing_paths(cargo("test").args(LAMBDAS).arg("--locked")).args(arguments))?;
    if arguments.is_empty() {
        for bundle in BUNDLES {
            let title = format!("Running the cases of {bundle}");
            step(&title, Command::new(host()).current_dir(root()).args(["plugin", "test", bundle]))?;
        }
        eprintln!("==> Every test passed");
    }
    Ok(ExitCode::SUCCESS)
}

pub fn torture(arguments: Vec<OsString>) -> Result<ExitCode> {
    let mut seconds = DEFAULT_TORTURE_SECONDS;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => seconds = seconds_of(&mut parser)?,
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                println!("{TORTURE_HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    build_hosts()?;
    let mut test = cargo("test");
    test.args(HOSTS).args(["--locked", "--test", "e2e", "torture", "--", "--nocapture"]);
    test.env("POSTDATE_TORTURE_SECONDS", seconds.to_string());
    step(&format!("Torture for {seconds} s"), knowing_paths(&mut test))?;
    Ok(ExitCode::SUCCESS)
}

fn build_hosts() -> Result<()> {
    build_everything(&[&HOSTS[..], &BUILT].concat())
}

/// Tells the tests where to find what was built for them.
pub fn knowing_paths(command: &mut Command) -> &mut Command {
    command.env("POSTDATE_BIN", host()).env("POSTDATE_GUESTS", guests::components()).env("POSTDATE_USE_CASES", root().join("use-cases"));
    command.env("POSTDATE_LAMBDAS", target().join("debug")).env("POSTDATE_AWS_USE_CASES", aws_tools::use_cases());
    command.env("POSTDATE_AWS_TOOLS", aws_tools::environment()).env("POSTDATE_PLUGIN_TOOLS", examples::tools())
}
