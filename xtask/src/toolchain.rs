//! Which toolchain builds the guests: the rustup target, or Debian's packages with a standard library built on the spot.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::step::{cargo, output, root, step};

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
    /// Finds one, or installs one.
    ///
    /// # Errors
    /// Where none can be had: says what to install.
    pub fn find() -> Result<Self> {
        let choice = env::var(CHOICE).unwrap_or_default();
        if !matches!(choice.as_str(), "" | "distro") {
            bail!("{CHOICE} is `{choice}`: it can be `distro`, or unset");
        }
        if target_is_installed() {
            return Ok(Self::Installed);
        }
        if choice.is_empty() && rustup_adds_target() {
            return Ok(Self::Installed);
        }
        if debian_is_installed() || install_debian()? {
            return Ok(Self::Debian);
        }
        bail!(
            "no toolchain can build plugins for {TARGET}. Do one of these, then run this again:\n\
             \x20 rustup target add {TARGET}\n\
             \x20 sudo apt-get update && sudo apt-get install --no-install-recommends {}    (Debian)",
            DEBIAN_PACKAGES.join(" ")
        );
    }

    /// `cargo SUBCOMMAND` with this toolchain, for the target.
    pub fn cargo(self, subcommand: &str) -> Command {
        let mut cargo = cargo(subcommand);
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

/// Looks beside the cargo that runs us instead of asking rustup: quick, and right without rustup as well.
fn target_is_installed() -> bool {
    let Some(cargo) = env::var_os("CARGO").map(PathBuf::from) else { return false };
    let Some(sysroot) = cargo.parent().and_then(Path::parent) else { return false };
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn rustup_adds_target() -> bool {
    if output(Command::new("rustup").arg("--version")).is_none() {
        return false;
    }
    let added = step(
        "Adding the target wasm32-wasip2 to the Rust toolchain",
        Command::new("rustup").current_dir(root()).args(["target", "add", TARGET]),
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
