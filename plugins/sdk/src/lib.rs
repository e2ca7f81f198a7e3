//! SDK for Postdate plugins in Rust: a plugin is a function, and a macro that exports it.
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
//!         return Err(vec![Problem::new("/quantity", "minimum", "order at least one")]);
//!     }
//!     Ok(Acceptance::unchanged())
//! }
//!
//! validator!(validate);
//! ```
//!
//! The feature `http` adds the module `http`: requests of a processor to the origins in `allow-http`.
//!
//! Build a plugin as a `cdylib` for `wasm32-wasip2`. The host logs each line on stderr (`eprintln!`) with the request's
//! correlation id. A panic is a trap, which the host reports with the last lines of stderr.

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
