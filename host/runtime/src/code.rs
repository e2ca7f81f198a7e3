//! Machine code: compiles it, caches it on disk, and lists precompiled code.

pub mod artifacts;
#[cfg(feature = "compile")]
mod cache;
pub mod compile;
pub mod deserialize;
pub mod digest;
#[cfg(feature = "compile")]
pub mod precompile;
