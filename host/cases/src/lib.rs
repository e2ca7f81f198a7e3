//! Test cases of a bundle, `cases/*.toml`: read, run as a host would run the plugins, and judged. Nothing of it uses the network.

pub mod call;
pub mod canned;
pub mod cases;
pub mod compare;
mod run;

pub use run::{Loaded, Ran, load, run_all, run_case};
