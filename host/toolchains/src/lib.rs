//! Toolchains for plugins in Rust, JavaScript and Python, used by `postdate plugin build` and by `cargo xtask`.
//!
//! All tools are installed below a directory that the caller names. The exception is [`rust::Toolchain::find_or_install`], which
//! only `cargo xtask` calls.

pub mod debian;
mod files;
pub mod javascript;
pub mod python;
pub mod repository;
pub mod rust;
pub mod step;
pub mod wit;

pub use files::{copy_if_changed, is_current};
