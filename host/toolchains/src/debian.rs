//! Debian's packages.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::step::{output, step};

/// Held by the thread that installs: `apt-get` fails while another one runs.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs packages as root. Returns `false` on another system, and for another user, whose password `sudo` needs.
pub fn install(packages: &[&str]) -> Result<bool> {
    let is_root = output(Command::new("id").arg("-u")).is_some_and(|user| user == "0");
    if !is_root || output(Command::new("apt-get").arg("--version")).is_none() {
        return Ok(false);
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
        apt
    };
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    step("Reading Debian's package lists", apt().arg("update"))?;
    let title = format!("Installing Debian's packages {}", packages.join(", "));
    step(&title, apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))?;
    Ok(true)
}
