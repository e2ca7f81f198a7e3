//! `cargo xtask fuzz`: runs the targets of `fuzz/` with libFuzzer, built with the stable compiler.

use std::{
    ffi::OsString,
    fs,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{
    build::HOSTS,
    step::{cargo, root, seconds_of, step, target},
    wrapper,
};

const HELP: &str = "\
cargo xtask fuzz [--seconds N] [TARGET...]

Fuzzes the targets (default: component and manifest) for N seconds each (default 60), guided by their coverage of the workspace's
code. Inputs that reach new code are stored in target/fuzz/TARGET, and inputs that crash a target in fuzz/artifacts/TARGET.
To keep an input, copy it to fuzz/corpus/TARGET: the tests run each input there.";

const TARGETS: [&str; 2] = ["component", "manifest"];
/// In the workspace's Cargo.toml.
const PROFILE: &str = "fuzzing";
const DEFAULT_SECONDS: u64 = 60;
/// Timeout of one input.
const INPUT_SECONDS: u32 = 20;
const MAX_INPUT_BYTES: u32 = 64 << 10;

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    let (mut seconds, mut asked) = (DEFAULT_SECONDS, Vec::new());
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => seconds = seconds_of(&mut parser)?,
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                println!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            lexopt::Arg::Value(name) => {
                let name = name.to_string_lossy().into_owned();
                let known = TARGETS.iter().find(|target| **target == name);
                asked.push(*known.with_context(|| format!("there is no fuzz target `{name}`: choose from {}", TARGETS.join(", ")))?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if asked.is_empty() {
        asked = TARGETS.to_vec();
    }
    // The first build takes minutes: no other command builds with this profile.
    let mut build = cargo("build");
    build
        .args(HOSTS)
        .args(["--locked", "--profile", PROFILE, "--features", "postdate-fuzz/libfuzzer"])
        .env("RUSTC_WORKSPACE_WRAPPER", wrapper::install(wrapper::FUZZ)?);
    build.env("CARGO_TARGET_DIR", target());
    for name in &asked {
        build.args(["--bin", name]);
    }
    step("Building the fuzz targets", &mut build)?;
    for name in asked {
        fuzz(name, seconds)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fuzz(name: &str, seconds: u64) -> Result<()> {
    let (found, artifacts) = (target().join("fuzz").join(name), root().join("fuzz/artifacts").join(name));
    for directory in [&found, &artifacts] {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut fuzzer = Command::new(target().join(PROFILE).join(name));
    fuzzer.arg(&found).arg(root().join("fuzz/corpus").join(name));
    fuzzer.arg(format!("-max_total_time={seconds}")).arg(format!("-timeout={INPUT_SECONDS}")).arg(format!("-max_len={MAX_INPUT_BYTES}"));
    // The host reserves address space for its instances; resident memory is bounded by `-rss_limit_mb`'s default of 2 GiB.
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display())).arg("-print_final_stats=1");
    if let Err(error) = step(&format!("Fuzzing {name} for {seconds} s"), &mut fuzzer) {
        bail!("{error}\nthe input is in {}", artifacts.display());
    }
    Ok(())
}
