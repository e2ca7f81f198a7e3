//! A small file system for a server's data, which a test can fill.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use postdate_tests::process::{Lines, Process};
use tempfile::TempDir;

use super::eventually;

/// Size of a page of a tmpfs in bytes: the unit in which it gives space.
const PAGE: usize = 4096;
/// Options of `unshare`, and those with which `nsenter` enters the same namespaces. In a user namespace of its own, a process may mount
/// without the rights of root; a machine that permits no such namespace may have a test that runs as root.
const NAMESPACES: [(&[&str], &[&str]); 2] =
    [(&["--map-root-user", "--mount"], &["--user", "--preserve-credentials", "--mount"]), (&["--mount"], &["--mount"])];
/// Mounts a file system of `$0` MiB at `$1`, and keeps it while the process lives: for 10 minutes at most, if the test is killed.
const MOUNT: &str = "mount -t tmpfs -o \"size=$0m,mode=700\" tmpfs \"$1\" && echo mounted && exec sleep 600";

/// A tmpfs in a mount namespace. Gone when this is dropped.
pub struct SmallDisk {
    holder: Process,
    enter: &'static [&'static str],
    mount: TempDir,
}

impl SmallDisk {
    /// Makes the file system. Returns the reason if this machine does not permit it.
    pub async fn new(mebibytes: u32) -> Result<Self, String> {
        let mount = tempfile::tempdir().expect("a temporary directory");
        let mut reasons = Vec::new();
        for (unshare, enter) in NAMESPACES {
            let lines = Lines::default();
            // The shell reports a missing `unshare`.
            let mut command = Command::new("sh");
            command.args(["-c", "exec unshare \"$@\"", "sh"]).args(unshare);
            command.args(["sh", "-c", MOUNT, &mebibytes.to_string()]).arg(mount.path());
            let mut holder = Process::start(&mut command, &lines);
            let is_mounted = async || {
                if lines.all().iter().any(|line| line == "mounted") {
                    return Some(true);
                }
                holder.exited().map(|_| false)
            };
            if eventually("the mount", is_mounted).await {
                return Ok(Self { holder, enter, mount });
            }
            reasons.push(format!("unshare {}: {}", unshare.join(" "), lines.text()));
        }
        Err(reasons.join("; "))
    }

    /// Returns the data directory as the server sees it.
    pub fn data(&self) -> PathBuf {
        self.mount.path().join("data")
    }

    /// Returns a file of the data directory as the test sees it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.inside(&self.data()).join(name)
    }

    /// Returns a command that runs a program in the namespace: the program and its arguments follow. The process keeps its id.
    pub fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.holder.id().to_string()).args(self.enter).arg("--");
        command
    }

    /// Takes all space that is free.
    pub fn fill(&self) {
        let mut filler = File::options().append(true).create(true).open(self.filler()).expect("the filler");
        loop {
            match filler.write_all(&[0; PAGE]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("the filler: {error}"),
            }
        }
    }

    /// Takes all space that is free but so many bytes.
    pub fn fill_but(&self, bytes: u64) {
        self.fill();
        self.free(bytes);
    }

    /// Gives back so many bytes of what was taken.
    pub fn free(&self, bytes: u64) {
        let filler = File::options().write(true).open(self.filler()).expect("the filler");
        let taken = filler.metadata().expect("its size").len();
        filler.set_len(taken.checked_sub(bytes).expect("as much was taken")).expect("a shorter filler");
    }

    /// Gives back all that was taken.
    pub fn free_all(&self) {
        fs::remove_file(self.filler()).expect("the filler");
    }

    fn filler(&self) -> PathBuf {
        self.inside(self.mount.path()).join("filler")
    }

    /// Returns the path of a file in the namespace, from outside of it.
    fn inside(&self, path: &Path) -> PathBuf {
        let relative = path.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(relative)
    }
}
