//! A Lambda with a local Runtime API, and a stub that answers its AWS calls immediately.

mod javascript;
mod program;
mod stub;

pub use javascript::JavaScript;
pub use program::{Environment, accepted, built, post};
pub use stub::Stub;
