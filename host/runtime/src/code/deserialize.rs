//! Loads machine code. Contains the only `unsafe` of the workspace.

use std::fs::File;
#[cfg(feature = "compile")]
use std::io;
use std::os::fd::AsRawFd;

use wasmtime::Engine;
use wasmtime::component::Component;

/// The directory of a process's open files by number. `/dev/fd` is a link to it that a small container may lack.
const OPEN_FILES: &str = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };

/// Returns a path that opens this very file again, whatever stands at its former name.
pub fn path_of(file: &File) -> String {
    format!("{OPEN_FILES}/{}", file.as_raw_fd())
}

/// Maps a compiled component into memory.
///
/// wasmtime checks that it was made by the same major version of wasmtime, with settings and for a processor that fit.
/// wasmtime cannot check that the machine code is what a compiler made.
///
/// # Trust
///
/// The caller guarantees that the file came unchanged from [`Engine::precompile_component`] or [`Component::serialize`], and that
/// nobody else can write to it. Whoever can put a file there runs code in the host.
///
/// The argument is an open file, and not a path: the file that is mapped is the one whose digest the caller compared, even if another
/// file has taken its place since.
#[expect(unsafe_code, reason = "machine code is trusted, not checked: see the SAFETY comment")]
pub fn load_file(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize_file` requires that the file was made by wasmtime and does not change while it is mapped.
    // There are three callers.
    // 1. The disk cache (`code/cache.rs`), whose directory only the host's own user can write to, whose files are written once
    //    under another name and renamed into place, and never changed afterwards. The file is mapped before it is renamed, by
    //    who has just written it, or later, and then its SHA-256 was just compared with the one noted when it was made. What
    //    is written came from wasmtime's compiler: from this process, or through a pipe from a child of it that is the same
    //    program, was given a component by us and ended with success (`code/compile/child.rs`). Neither the child nor anything
    //    that outlives it ever had the file open. A component that took over the compiler itself could choose the code, as
    //    it could in this process; nothing but such a defect of the compiler leads there.
    // 2. A precompiled bundle (`load/precompiled.rs`): the BLAKE3 of this very open file was just compared with the
    //    one in a list that `postdate plugin compile` or `use-case push` made, and wasmtime's full version and our settings
    //    with this host's. Where the host has trusted keys, the list has just been found signed by one of them: whoever holds
    //    it has compiled the file, and nobody has changed it. Where it has none, the operator lets whoever can write to the
    //    directory or the bucket decide what the host runs.
    // 3. `load_bytes` below, for code that cannot be cached: of the same origin as in 1, in a file of memory that has no name
    //    and is sealed against every change.
    // `path_of` opens the same file again.
    unsafe { Component::deserialize_file(engine, path_of(file)) }
}

/// Loads machine code that a compiler has just made and that is in no file. The outer error means that the code could not be
/// put where it can be mapped.
#[cfg(feature = "compile")]
pub fn load_bytes(engine: &Engine, code: &[u8]) -> io::Result<wasmtime::Result<Component>> {
    Ok(load_file(engine, &memory_file(code)?))
}

/// Returns a file without a name whose content nobody can change, not even this process.
#[cfg(all(feature = "compile", target_os = "linux"))]
fn memory_file(code: &[u8]) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use std::io::Write as _;

    let mut file = File::from(memfd_create("plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(code)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(all(feature = "compile", not(target_os = "linux")))]
fn memory_file(_code: &[u8]) -> io::Result<File> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "without a cache directory, this needs Linux"))
}

#[cfg(all(test, feature = "compile", target_os = "linux"))]
mod tests;
