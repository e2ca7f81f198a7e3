//! Postdate on AWS: three Lambdas, and the adapters of the core's ports that they share.
//!
//! `processor` answers the HTTP API, `target` fires requests at their time, `janitor` cleans up after both. The Lambdas have no
//! compiler: they load plugins as precompiled machine code.

mod aws_error;
pub mod clients;
pub mod clock;
pub mod config;
pub mod deliver;
#[cfg(test)]
mod fakes;
pub mod firing;
pub mod host;
pub mod janitor;
pub mod ledger;
pub mod logs;
pub mod metrics;
pub mod notify;
pub mod pauses;
pub mod ports;
pub mod processor;
pub mod schedule;
pub mod secrets;
pub mod target;
pub mod use_cases;
pub mod xray;
