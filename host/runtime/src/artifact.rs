//! Loads machine code that was compiled earlier. The only `unsafe` of the workspace.

use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

/// Maps a compiled component into memory.
///
/// wasmtime checks that it was made by the same version of wasmtime with the same settings. It does not, and cannot,
/// check that the machine code in it is what a compiler made.
///
/// # Trust
///
/// The caller vouches that the file came from [`Engine::precompile_component`] or [`Component::serialize`], unchanged,
/// and that nobody else can write to it. Whoever can put a file there runs code in the host.
#[cfg_attr(not(feature = "compile"), expect(dead_code, reason = "the disk cache is its only caller so far"))]
#[expect(unsafe_code, reason = "machine code is trusted, not checked: see the SAFETY comment")]
pub fn load_file(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize_file` requires that the file was made by wasmtime and does not change while it is mapped.
    // The callers are the disk cache (`cache.rs`), whose directory only the host's own user can write to, whose files
    // are written once under another name and renamed into place, never changed afterwards, and whose SHA-256 was just
    // compared with the one noted when the file was made.
    unsafe { Component::deserialize_file(engine, path) }
}
