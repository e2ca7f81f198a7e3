//! Machine code: making it, keeping it on disk, and listing what was made ahead of time.

pub mod artifacts;
#[cfg(feature = "compile")]
mod cache;
pub mod compile;
pub mod deserialize;
pub mod digest;
#[cfg(feature = "compile")]
pub mod precompile;
