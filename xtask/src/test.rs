//! `cargo xtask test` and `cargo xtask torture`.

use std::{
    env,
    ffi::OsString,
    num::NonZero,
    process::{Command, ExitCode},
    thread,
};

use anyhow::{Result, bail};

use crate::{
    build::{self, HOSTS, LAMBDAS, PROGRAMS_AND_TESTS, knowing_paths},
    page,
    step::{asks_for_help, cargo, seconds_of, step, step_beside, target},
};

const HELP: &str = "\
cargo xtask test [FILTER] [-- ARGS]

Builds everything and runs every test: of the plugins, of the hosts, and end to end.
Installs the tools of the AWS tests (tests/aws-tools.txt) into target/aws-tools, those of the API's description (tests/api-tools.txt,
tests/api-clients) into target/api-tools and target/api-clients, and those of the examples in JavaScript and Python into
target/plugin-tools. Needs Python 3 with venv, Node.js, npm and Chromium.
FILTER runs only the tests whose name contains it. ARGS go to the test programs.";

const TORTURE_HELP: &str = "\
cargo xtask torture [--hostile | --api] [--seconds N]

Kills a server under load with SIGKILL at random moments, and restarts it each time, for N seconds (default 60).
Fails if an acknowledged request is lost, ran early, or ran twice although no kill interrupted its first run.
--hostile serves one good use case beside slow clients, long polls, wide lists, plugins that sleep, loop and allocate, uploads that are
bombs, large or long to compile, slow and endless receivers, and a kill now and then, for N seconds (default 600). Fails if a request of
the good use case is lost, early or failed, or if the server takes more memory than it may. Prints lateness beside that of a quiet run.
--api calls a server and the functions by the description of the API (schemas/openapi.json) with Schemathesis, for N seconds each (default
600). Fails if an answer is not described.";

const DEFAULT_TORTURE_SECONDS: u64 = 60;
const DEFAULT_HOSTILE_SECONDS: u64 = 600;
const DEFAULT_API_SECONDS: u64 = 600;

/// Variable of Rust's test programs: the number of tests that run at the same time.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if asks_for_help(arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    build::all(&PROGRAMS_AND_TESTS)?;
    page::prepare()?;
    if !arguments.is_empty() {
        hosts(arguments)?;
        step("Testing the Lambdas", tests(&LAMBDAS).args(arguments))?;
        return Ok(ExitCode::SUCCESS);
    }
    let results = thread::scope(|scope| {
        // The tests of the Lambdas' crate wait for one emulator, which keeps one core busy, whatever their number.
        let lambdas = || step_beside("Testing the Lambdas", "lambda-tests.log", tests(&LAMBDAS).env(TEST_THREADS, "2"));
        let beside = [scope.spawn(page::test), scope.spawn(lambdas)];
        let hosts = hosts(&[]);
        let beside = beside.map(|tests| tests.join().unwrap_or_else(|_| bail!("a run of tests panicked")));
        [hosts].into_iter().chain(beside).collect::<Vec<_>>()
    });
    let mut failed = false;
    for error in results.into_iter().filter_map(Result::err) {
        eprintln!("error: {error:#}");
        failed = true;
    }
    if failed {
        bail!("some tests failed");
    }
    eprintln!("==> Every test passed");
    Ok(ExitCode::SUCCESS)
}

/// Runs the tests of plugins and hosts. `arguments` are those of `cargo test`.
fn hosts(arguments: &[OsString]) -> Result<()> {
    let plugins = ["--locked", "--manifest-path", "plugins/Cargo.toml", "--target-dir"];
    step("Testing the plugins", cargo("test").args(plugins).arg(target().join("guests-native")).args(arguments))?;
    step("Testing the hosts", tests(&HOSTS).args(arguments))
}

/// Returns the command that runs the tests of the packages, two on each core: most of the end-to-end tests wait most of the time.
fn tests(packages: &[&str]) -> Command {
    let mut tests = cargo("test");
    knowing_paths(tests.args(packages).arg("--locked"));
    if env::var_os(TEST_THREADS).is_none() {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        tests.env(TEST_THREADS, (2 * cores).to_string());
    }
    tests
}

pub fn torture(arguments: Vec<OsString>) -> Result<ExitCode> {
    let (mut seconds, mut hostile, mut api) = (None, false, false);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => seconds = Some(seconds_of(&mut parser)?),
            lexopt::Arg::Long("hostile") => hostile = true,
            lexopt::Arg::Long("api") => api = true,
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                println!("{TORTURE_HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if api {
        build::all(&PROGRAMS_AND_TESTS)?;
    } else {
        build::server(&PROGRAMS_AND_TESTS)?;
    }
    let (title, filter, variable, default) = if api {
        ("Calls by the description of the API", "openapi_fuzz", "POSTDATE_API_SECONDS", DEFAULT_API_SECONDS)
    } else if hostile {
        ("Hostile mix", "hostile_mix", "POSTDATE_HOSTILE_SECONDS", DEFAULT_HOSTILE_SECONDS)
    } else {
        ("Torture", "torture", "POSTDATE_TORTURE_SECONDS", DEFAULT_TORTURE_SECONDS)
    };
    let seconds = seconds.unwrap_or(default);
    let mut test = cargo("test");
    test.args(HOSTS).args(["--locked", "--test", "e2e", filter, "--", "--nocapture"]).env(variable, seconds.to_string());
    step(&format!("{title} for {seconds} s"), knowing_paths(&mut test))?;
    Ok(ExitCode::SUCCESS)
}
