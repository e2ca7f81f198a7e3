//! The project's own commands, `cargo xtask COMMAND`. Each command installs and builds its prerequisites, also on a fresh machine.

mod aws_tools;
mod bench;
mod book;
mod build;
mod coverage;
mod examples;
mod fuzz;
mod guests;
mod lambda;
mod page;
mod serve;
mod simulate;
mod step;
mod test;
mod wrapper;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

const HELP: &str = "\
cargo xtask COMMAND

Commands:
  serve     build everything and start `postdate serve` with the sample use cases
  test      build everything and run every test
  build     build the programs of the tests without running a test
  plugins   build the WASM plugins and copy them into their bundles
  lambda    build the AWS Lambda functions and write their zips
  torture   kill the server at random moments under load and check every acknowledged request
  bench     measure the host and write target/bench/
  book      build the documents to a site with mdBook
  simulate  print a model of a deployment on AWS under load
  fuzz      fuzz the parsers of plugin files and manifests with libFuzzer
  coverage  print the line and branch coverage of packages by their tests

`cargo xtask COMMAND --help` describes a command.

Plugins are built for wasm32-wasip2 with rustup's toolchain, or with Debian's packages if POSTDATE_GUEST_TOOLCHAIN=distro is set or
rustup cannot add the target.";

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let program = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
    let outcome = wrapper::compile(&program, &arguments).unwrap_or_else(|| {
        let command = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
        run(&command.to_string_lossy(), arguments)
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, arguments: Vec<OsString>) -> Result<ExitCode> {
    match command {
        "serve" => serve::run(arguments),
        "test" => test::run(&arguments),
        "build" => build::run(&arguments),
        "plugins" => guests::run(arguments),
        "lambda" => lambda::run(arguments),
        "torture" => test::torture(arguments),
        "bench" => bench::run(arguments),
        "book" => book::run(arguments),
        "simulate" => simulate::run(&arguments),
        "fuzz" => fuzz::run(arguments),
        "coverage" => coverage::run(&arguments),
        "" | "help" | "-h" | "--help" => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => anyhow::bail!("there is no command `{other}`\n\n{HELP}"),
    }
}
