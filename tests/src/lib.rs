//! The bench of the AWS tests: what stands in for AWS around the Lambdas as they ship. None of it is in the product.
//!
//! ```text
//! Lambda ─► fault_proxy ─► moto              services: recorded, checked as AWS would check, failing when told to
//! Lambda ─► lambda::relay ─► cargo-lambda    the Runtime API, with a deadline as AWS gives it
//! driver ─► lambda                           EventBridge's and SQS's clocks, on a clock that the test moves
//! ```
//!
//! Begin at [`stack::Stack`], which puts all of it together. `cargo xtask test` installs and builds what it starts.

pub mod aws;
pub mod clock;
pub mod driver;
pub mod fault_proxy;
pub mod files;
pub mod lambda;
pub mod lawful;
pub mod moto;
pub mod process;
pub mod serve;
pub mod stack;
pub mod tools;
pub mod wait;
