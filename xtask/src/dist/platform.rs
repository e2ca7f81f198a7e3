//! The platforms that `postdate` ships for.

use std::{env, fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::glibc::newest_glibc;

/// Minor version of glibc 2 that a program for Linux may need at most: that of RHEL 8 and Debian 10.
pub const GLIBC: u32 = 28;
/// Oldest macOS that Rust's standard library supports on each architecture.
const MACOS: [(&str, &str); 2] = [("x86_64", "10.12"), ("aarch64", "11.0")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// As in Rust's target triples: `x86_64` or `aarch64`.
    arch: &'static str,
    is_linux: bool,
}

const ALL: [(&str, Platform); 4] = [
    ("x86_64-unknown-linux-gnu", Platform { arch: "x86_64", is_linux: true }),
    ("aarch64-unknown-linux-gnu", Platform { arch: "aarch64", is_linux: true }),
    ("x86_64-apple-darwin", Platform { arch: "x86_64", is_linux: false }),
    ("aarch64-apple-darwin", Platform { arch: "aarch64", is_linux: false }),
];

impl Platform {
    pub fn parse(triple: &str) -> Result<Self> {
        let known = ALL.iter().find(|(known, _)| *known == triple);
        let names = ALL.map(|(name, _)| name).join(", ");
        known.map(|(_, platform)| *platform).with_context(|| format!("--target is `{triple}`: give one of {names}"))
    }

    /// Returns this machine's platform. Fails if `postdate` does not ship for it.
    pub fn own() -> Result<Self> {
        let known = ALL.iter().map(|(_, platform)| *platform).find(|platform| platform.is_own());
        known.with_context(|| format!("there is no release for {} on {}", env::consts::OS, env::consts::ARCH))
    }

    pub fn is_own(self) -> bool {
        self.arch == env::consts::ARCH && env::consts::OS == if self.is_linux { "linux" } else { "macos" }
    }

    pub fn is_linux(self) -> bool {
        self.is_linux
    }

    pub fn arch(self) -> &'static str {
        self.arch
    }

    pub fn triple(self) -> &'static str {
        ALL.iter().find(|(_, platform)| *platform == self).map_or("", |(triple, _)| triple)
    }

    /// Returns the platform tag of a wheel: <https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/>. On
    /// Linux, it names the glibc that the program needs.
    pub fn wheel_tag(self, program: &Path) -> Result<String> {
        if self.is_linux {
            return Ok(format!("manylinux_2_{}_{}", glibc_of(program)?, self.arch));
        }
        let (_, oldest) = MACOS.iter().find(|(arch, _)| *arch == self.arch).context("an architecture of a Mac")?;
        let arch = if self.arch == "aarch64" { "arm64" } else { self.arch };
        Ok(format!("macosx_{}_{arch}", oldest.replace('.', "_")))
    }

    /// Fails if a program that was built to ship needs a newer glibc than promised.
    pub fn check(self, program: &Path) -> Result<()> {
        let newest = if self.is_linux { glibc_of(program)? } else { 0 };
        if newest > GLIBC {
            bail!("{} needs glibc 2.{newest}, and may need 2.{GLIBC} at most", program.display());
        }
        Ok(())
    }
}

/// Returns the minor version of glibc 2 that a program needs, at least 17: wheels have no tag for an older one.
fn glibc_of(program: &Path) -> Result<u32> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    Ok(newest_glibc(&bytes).max(17))
}
