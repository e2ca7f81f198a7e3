//! `cargo xtask plugins`: builds all guests with one command, and copies them to their places.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::Result;

use postdate_toolchains::copy_if_changed;
use postdate_toolchains::rust::{TARGET, Toolchain};

use crate::examples;
use crate::step::{asks_for_help, root, step, target};

const HELP: &str = "\
cargo xtask plugins

Builds the plugins (plugins/) and the test guests (tests/guests/) for wasm32-wasip2, and writes
  use-cases/NAME/validate.wasm and process.wasm   the sample bundles
  target/guests/components/NAME.wasm              the test guests
Then builds the examples in JavaScript and Python, with tools that it installs into target/plugin-tools:
  plugins/examples/orders-js/plugin.wasm and orders-python/plugin.wasm";

/// Cargo's name of each guest, and its path from the repository's root.
const PLACES: &[(&str, &str)] = &[
    ("orders_validate", "use-cases/orders/validate.wasm"),
    ("orders_process", "use-cases/orders/process.wasm"),
    ("postdate_validate", "use-cases/webhook/validate.wasm"),
    ("postdate_process", "use-cases/webhook/process.wasm"),
    ("puppet", "target/guests/components/puppet.wasm"),
    ("minimal_validate", "target/guests/components/minimal-validate.wasm"),
    ("minimal_process", "target/guests/components/minimal-process.wasm"),
    ("contract_validate", "target/guests/components/contract-validate.wasm"),
    ("contract_process", "target/guests/components/contract-process.wasm"),
    ("wrong_version", "target/guests/components/wrong-version.wasm"),
];

/// Returns the directory of the test guests.
pub fn components() -> PathBuf {
    target().join("guests/components")
}

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(argument) = lexopt::Parser::from_args(arguments).next()? {
        return Err(argument.unexpected().into());
    }
    build()?;
    examples::build()?;
    Ok(ExitCode::SUCCESS)
}

/// Builds and places all guests. Does not touch a file that is up to date.
pub fn build() -> Result<()> {
    let toolchain = Toolchain::find_or_install(root())?;
    let directory = target().join("guests");
    let mut cargo = toolchain.cargo(root(), "build");
    cargo.args(["--release", "--locked", "--manifest-path", "plugins/Cargo.toml", "--target-dir"]).arg(&directory);
    step("Building the plugins", &mut cargo)?;
    let built = directory.join(TARGET).join("release");
    for (name, place) in PLACES {
        let component = built.join(format!("{name}.wasm"));
        if copy_if_changed(&component, &root().join(place))? {
            eprintln!("    placed {place}");
        }
    }
    Ok(())
}
