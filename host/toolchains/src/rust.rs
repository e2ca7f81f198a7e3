//! Which toolchain builds the guests: the rustup target, or Debian's packages with a standard library built on the spot.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::step::{output, step};

/// The one target of all guests.
pub const TARGET: &str = "wasm32-wasip2";

/// `distro` here means: take Debian's toolchain unless the target is installed already, and leave rustup alone.
const CHOICE: &str = "POSTDATE_GUEST_TOOLCHAIN";

/// What Debian calls a rustc that can build for WebAssembly, its library's source, a linker and a libc.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src", "rust-web-llvm", "lld-22", "wasi-libc"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-22";
const DEBIAN_LIBC: &str = "/usr/lib/wasm32-wasi";

/// A way to compile guests that is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The toolchain that runs cargo has the target.
    Installed,
    /// Debian's rustc; it has no standard library for the target, so cargo builds one from source.
    Debian,
}

impl Toolchain {
    /// Finds one for the project in `directory`, whose `rust-toolchain.toml`, if any, has a say.
    ///
    /// # Errors
    /// Where there is none: says what to install, and how.
    pub fn find(directory: &Path) -> Result<Self> {
        if output(cargo().current_dir(directory).arg("--version")).is_none() {
            bail!("there is no Rust: `cargo` cannot be started. Install it from https://rustup.rs, then: rustup target add {TARGET}");
        }
        if target_is_installed(directory) {
            return Ok(Self::Installed);
        }
        if debian_is_installed() {
            return Ok(Self::Debian);
        }
        Err(missing())
    }

    /// Finds one, or installs one.
    ///
    /// # Errors
    /// Where none can be had: says what to install.
    pub fn find_or_install(directory: &Path) -> Result<Self> {
        let choice = env::var(CHOICE).unwrap_or_default();
        if !matches!(choice.as_str(), "" | "distro") {
            bail!("{CHOICE} is `{choice}`: it can be `distro`, or unset");
        }
        if target_is_installed(directory) {
            return Ok(Self::Installed);
        }
        if choice.is_empty() && rustup_adds_target(directory) {
            return Ok(Self::Installed);
        }
        if debian_is_installed() || install_debian()? {
            return Ok(Self::Debian);
        }
        Err(missing())
    }

    /// `cargo SUBCOMMAND` with this toolchain, for the target.
    pub fn cargo(self, directory: &Path, subcommand: &str) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(directory).arg(subcommand);
        // What the caller set for the hosts' compiler (flags, a cache in front of it) does not fit this one.
        for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(name);
        }
        cargo.args(["--target", TARGET]);
        if self == Self::Debian {
            let flags = format!("-Clink-arg=--wasm-ld-path={DEBIAN_LINKER} -Clink-self-contained=no -Lnative={DEBIAN_LIBC}");
            // RUSTC_BOOTSTRAP: -Zbuild-std is not stable yet, and Debian ships one compiler only.
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags).arg("-Zbuild-std=std,panic_abort");
        }
        cargo
    }
}

/// The cargo that runs us, if one does.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn missing() -> anyhow::Error {
    anyhow::anyhow!(
        "no toolchain can build plugins for {TARGET}. Do one of these, then run this again:\n\
         \x20 rustup target add {TARGET}\n\
         \x20 sudo apt-get update && sudo apt-get install --no-install-recommends {}    (Debian)",
        DEBIAN_PACKAGES.join(" ")
    )
}

/// Looks beside the compiler, and beside the cargo that runs us, instead of asking rustup: right without rustup as well.
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
        eprintln!("    {error:#}\n    trying the distribution's toolchain instead");
    }
    added.is_ok()
}

fn debian_is_installed() -> bool {
    let source = output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))
        .is_some_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/std").is_dir());
    source && Path::new(DEBIAN_LINKER).exists() && Path::new(DEBIAN_LIBC).join("libc.a").exists()
}

/// Whether it is installed now; false where this is no Debian.
fn install_debian() -> Result<bool> {
    let Some(user) = output(Command::new("id").arg("-u")) else { return Ok(false) };
    if output(Command::new("apt-get").arg("--version")).is_none() {
        return Ok(false);
    }
    if user != "0" {
        // Installing system packages is the user's decision where it takes the user's password.
        return Ok(false);
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    step("Reading Debian's package lists", apt().args(["-q", "update"]))?;
    let install = ["-q", "install", "--yes", "--no-install-recommends"];
    step("Installing Debian's toolchain for WebAssembly", apt().args(install).args(DEBIAN_PACKAGES))?;
    Ok(debian_is_installed())
}
