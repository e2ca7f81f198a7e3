//! The memory of this machine, as far as this process may use it.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the machine's memory in bytes, or the limit of this process's control group (cgroup v2 or v1) or of a group above it, if that
/// is less. Returns `None` if the system does not tell.
pub fn available() -> Option<u64> {
    available_below(Path::new("/"))
}

/// Reads the files of `proc` and `sys` below `root`.
fn available_below(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let machine = machine(&read("proc/meminfo"));
    machine.into_iter().chain(group_files(&read("proc/self/cgroup")).iter().filter_map(|file| limit(&root.join(file)))).min()
}

/// Parses `MemTotal` of `/proc/meminfo`, which is in KiB.
fn machine(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// Returns the files with the limits of the groups in `/proc/self/cgroup`, whose lines are `ID:CONTROLLERS:/PATH`.
fn group_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            of_v1 if of_v1.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let relative = Path::new(path.trim_start_matches('/'));
        files.extend(relative.ancestors().map(|group| Path::new(mount).join(group).join(file)));
    }
    files
}

/// Reads a limit in bytes. Returns `None` for `max`, which means no limit, and if there is no such file.
fn limit(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
