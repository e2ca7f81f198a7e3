//! Loads machine code. Contains the only `unsafe` of the workspace.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{StatVfsMountFlags, fstatvfs};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The directory of a process's open files by number. `/dev/fd` is a link to it that a small container may lack.
const OPEN_FILES: &str = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };

/// Returns a path that opens this same file again, even if its name now belongs to another file.
pub fn path_of(file: &File) -> String {
    format!("{OPEN_FILES}/{}", file.as_raw_fd())
}

/// Maps a compiled component into memory.
///
/// wasmtime checks that the file comes from the same major version of wasmtime, and that settings and processor match. wasmtime cannot
/// check that a compiler made the machine code.
///
/// # Trust
///
/// The caller guarantees that the file came unchanged from [`Engine::precompile_component`] or [`Component::serialize`], and that
/// nobody else can write to it. A person who can change the file can run code in the host.
///
/// The argument is an open file, not a path, so that the mapped file is the one whose digest the caller compared, even if another file
/// has replaced it since.
#[expect(unsafe_code, reason = "machine code is trusted, not checked: see the SAFETY comment")]
pub fn load_file(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize_file` requires that the file was made by wasmtime and does not change while it is mapped.
    // There are three callers.
    // 1. The disk cache (`code/cache.rs`). Only the host's own user can write to its directory. Each file is written once under
    //    another name, renamed into place, and never changed afterwards. The writer maps the file before the rename. A later
    //    reader first compares its SHA-256 with the one stored when it was made. The code came from wasmtime's compiler: in this
    //    process, or through a pipe from a child process that runs the same program, got the component from this host and
    //    ended with success (`code/compile/child.rs`). Neither the child nor a process that outlives it had the file open. Only
    //    a component that exploits a defect of the compiler could choose the code, as it could in this process.
    // 2. A precompiled bundle (`load/precompiled.rs`). The BLAKE3 of this same open file was just compared with the one in a
    //    list that `postdate plugin compile` or `use-case push` made, and the list's wasmtime version and settings with this
    //    host's. If others can change the file (`unchanging`), digest and code are those of a sealed copy. If the host has
    //    trusted keys, the list was signed by one of them: the holder of the key has compiled the file, and nobody has changed
    //    it. Without trusted keys, the operator trusts everyone who can write to the directory or the bucket.
    // 3. `load_bytes` below, for code that cannot be cached. The code has the same origin as in 1, and is in a memory file that
    //    has no name and is sealed against every change.
    // `path_of` opens the same file again.
    unsafe { Component::deserialize_file(engine, path_of(file)) }
}

/// Loads machine code that a compiler has just made and that is in no file. The outer error means that the memory file could not be
/// made.
#[cfg(feature = "compile")]
pub fn load_bytes(engine: &Engine, code: &[u8]) -> io::Result<wasmtime::Result<Component>> {
    Ok(load_file(engine, &memory_file(code)?))
}

/// Returns the file itself if only this user and root can change it, as in the read-only package of a Lambda function, and otherwise a
/// copy of at most `most` bytes that nobody can change. The copy costs time and memory for the whole file.
pub fn unchanging(file: File, most: u64) -> io::Result<File> {
    if is_private(&file)? { Ok(file) } else { memory_file(file.take(most)) }
}

/// Returns whether nobody but this user and root can write to the file.
fn is_private(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let is_read_only = fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY);
    let owners = [0, rustix::process::geteuid().as_raw()];
    Ok(is_read_only || owners.contains(&metadata.uid()) && metadata.mode() & 0o022 == 0)
}

/// Returns a file without a name whose content no process can change.
#[cfg(target_os = "linux")]
fn memory_file(mut code: impl io::Read) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    let mut file = File::from(memfd_create("plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    io::copy(&mut code, &mut file)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn memory_file(_code: impl io::Read) -> io::Result<File> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "without a cache directory, this needs Linux"))
}

#[cfg(all(test, feature = "compile", target_os = "linux"))]
mod tests;
