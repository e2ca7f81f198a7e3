//! Test harness of the AWS deployment: stand-ins for AWS around the Lambda binaries as they ship. Not part of the product.
//!
//! ```text
//! Lambda ─► fault_proxy ─► moto              services: records, checks and faults
//! Lambda ─► lambda::relay ─► cargo-lambda    the Runtime API, with AWS's deadline
//! driver ─► lambda                           deliveries of EventBridge and SQS, on the test's clock
//! ```
//!
//! Start reading at [`stack::Stack`], which starts all of them. `cargo xtask test` installs and builds their programs.

pub mod aws;
pub mod clock;
pub mod driver;
pub mod fault_proxy;
pub mod files;
pub mod lambda;
pub mod lawful;
pub mod model;
pub mod moto;
pub mod openapi;
pub mod process;
pub mod serve;
pub mod stack;
pub mod tools;
pub mod wait;
