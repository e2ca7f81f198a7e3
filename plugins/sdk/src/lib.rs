//! Write a Postdate plugin in Rust: a plain function, and one macro that exports it.
//!
//! ```
//! use postdate_plugin::{Acceptance, Problem, Request, validator};
//!
//! #[derive(serde::Deserialize)]
//! struct Order { quantity: u32 }
//!
//! fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
//!     let order: Order = request.json()?;
//!     if order.quantity == 0 {
//!         return Err(vec![Problem::new("/quantity", "minimum", "order one at the least")]);
//!     }
//!     Ok(Acceptance::unchanged())
//! }
//!
//! validator!(validate);
//! ```
//!
//! The feature `http` brings the module `http`: requests to the origins that the use case grants to a processor (`allow-http`).
//!
//! Build it as a `cdylib` for `wasm32-wasip2`. A line on stderr (`eprintln!`) becomes a log line of the host, with the
//! request's correlation id. A panic is a trap: the host reports it with the last lines of stderr.

mod bindings;
mod config;
mod export;
#[cfg(feature = "http")]
pub mod http;
mod types;

pub use bindings::{Acceptance, Failure, Job, Problem, Request};
#[doc(hidden)]
pub use bindings::{processor, validator};
pub use config::{config, required_config};
pub use serde_json;
