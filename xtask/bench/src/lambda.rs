//! A Lambda as AWS runs it, with nothing slow around it: its Runtime API, and AWS calls that are answered at once.

mod javascript;
mod program;
mod stub;

pub use javascript::JavaScript;
pub use program::{Environment, accepted, built, post};
pub use stub::Stub;
