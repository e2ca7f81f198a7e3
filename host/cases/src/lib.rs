//! Test cases of a bundle, `cases/*.toml`: reads them, calls the plugins as a host does but without the network, and compares
//! the answers with the expected ones.

pub mod call;
pub mod canned;
pub mod cases;
pub mod compare;
mod compared;
mod run;

pub use compared::Compared;
pub use run::{Loaded, Ran, load, run_all, run_case};
