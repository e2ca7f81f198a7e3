//! Rust: the compiler's own target from rustup, or Debian's packages with a standard library that cargo builds from source.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow, bail};

use crate::debian;
use crate::step::{output, step};

/// The target of all plugins.
pub const TARGET: &str = "wasm32-wasip2";

/// Variable that selects the toolchain. `distro`: Debian's, unless the target is installed; rustup is not called.
const CHOICE: &str = "POSTDATE_GUEST_TOOLCHAIN";

/// The minor version of the first cargo 1.x that knows edition 2024.
const MIN_CARGO_MINOR: u32 = 85;

/// Debian's cargo of the same version as its `rustc-web`. It conflicts with Debian's older package `cargo`.
const DEBIAN_CARGO: &str = "cargo-web";
/// Debian's rustc for WebAssembly, its library's source, a linker and a libc.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src", "rust-web-llvm", "lld-22", "wasi-libc"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-22";
const DEBIAN_LIBC: &str = "/usr/lib/wasm32-wasi";

/// An installed toolchain that can build plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The default rustc, which has the target.
    Installed,
    /// Debian's rustc, without a standard library for the target: cargo builds the library from source.
    Debian,
}

impl Toolchain {
    /// Finds a toolchain for the project in `directory`, which may have a `rust-toolchain.toml`.
    ///
    /// # Errors
    /// If there is none; the error names the commands that install one.
    pub fn find(directory: &Path) -> Result<Self> {
        let version = output(cargo().current_dir(directory).arg("--version"));
        if let Some(problem) = cargo_problem(version.as_deref()) {
            return Err(unavailable(&problem, true));
        }
        if target_is_installed(directory) {
            Ok(Self::Installed)
        } else if debian_is_installed() {
            Ok(Self::Debian)
        } else {
            Err(missing())
        }
    }

    /// Finds a toolchain, or installs one.
    ///
    /// # Errors
    /// If none can be installed; the error names the commands that install one.
    pub fn find_or_install(directory: &Path) -> Result<Self> {
        let choice = env::var(CHOICE).unwrap_or_default();
        if !matches!(choice.as_str(), "" | "distro") {
            bail!("{CHOICE} is `{choice}`: set it to `distro`, or unset it");
        }
        if target_is_installed(directory) || (choice.is_empty() && rustup_adds_target(directory)) {
            Ok(Self::Installed)
        } else if debian_is_installed() || install_debian()? {
            Ok(Self::Debian)
        } else {
            Err(missing())
        }
    }

    /// Returns `cargo SUBCOMMAND` for the target, with this toolchain.
    pub fn cargo(self, directory: &Path, subcommand: &str) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(directory).arg(subcommand);
        // Flags and wrappers of the host's compiler do not fit this one.
        for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(name);
        }
        cargo.args(["--target", TARGET]);
        if self == Self::Debian {
            let flags = format!("-Clink-arg=--wasm-ld-path={DEBIAN_LINKER} -Clink-self-contained=no -Lnative={DEBIAN_LIBC}");
            // RUSTC_BOOTSTRAP allows -Zbuild-std, which is unstable, with Debian's stable compiler.
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags).arg("-Zbuild-std=std,panic_abort");
        }
        cargo
    }
}

/// Returns the cargo that started this process, or the one in `PATH`.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Returns the reason why cargo, which prints this version, cannot build plugins.
fn cargo_problem(version: Option<&str>) -> Option<String> {
    let Some(version) = version else { return Some("`cargo` cannot be started".to_owned()) };
    let number = version.strip_prefix("cargo ")?.split(' ').next()?;
    let mut parts = number.split('.').map_while(|part| part.parse::<u32>().ok());
    let is_old = (parts.next()?, parts.next()?) < (1, MIN_CARGO_MINOR);
    is_old.then(|| format!("`cargo` is {number}, older than 1.{MIN_CARGO_MINOR}"))
}

fn missing() -> anyhow::Error {
    unavailable("neither the Rust compiler's target nor Debian's toolchain is installed", false)
}

fn unavailable(reason: &str, needs_cargo: bool) -> anyhow::Error {
    let cargo = needs_cargo.then_some(DEBIAN_CARGO);
    let packages: Vec<&str> = cargo.into_iter().chain(DEBIAN_PACKAGES.iter().copied()).collect();
    anyhow!(
        "cannot build plugins for {TARGET}: {reason}. Install one of these, then run the command again:\n\
         \x20 with rustup (https://rustup.rs): rustup target add {TARGET}\n\
         \x20 on Debian: sudo apt-get update && sudo apt-get install --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Looks for the target beside cargo and beside rustc. Does not call rustup, so that it works without rustup.
fn target_is_installed(directory: &Path) -> bool {
    let beside_cargo = || env::var_os("CARGO").map(PathBuf::from)?.parent()?.parent().map(Path::to_owned);
    let rustc = || output(Command::new("rustc").current_dir(directory).args(["--print", "sysroot"])).map(PathBuf::from);
    beside_cargo().or_else(rustc).is_some_and(|sysroot| sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn rustup_adds_target(directory: &Path) -> bool {
    if output(Command::new("rustup").arg("--version")).is_none() {
        return false;
    }
    let added = step(
        "Adding the target wasm32-wasip2 to the Rust toolchain",
        Command::new("rustup").current_dir(directory).args(["target", "add", TARGET]),
    );
    if let Err(error) = &added {
        eprintln!("    {error:#}\n    trying Debian's toolchain instead");
    }
    added.is_ok()
}

fn debian_is_installed() -> bool {
    let source = output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))
        .is_some_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/std").is_dir());
    source && Path::new(DEBIAN_LINKER).exists() && Path::new(DEBIAN_LIBC).join("libc.a").exists()
}

/// Returns `false` where the packages cannot be installed.
fn install_debian() -> Result<bool> {
    Ok(debian::install(DEBIAN_PACKAGES)? && debian_is_installed())
}

#[cfg(test)]
mod tests;
