//! Postdate on AWS: the adapters of the core's ports, and what the three Lambdas do with them.
//!
//! `processor` answers the HTTP API, `target` runs requests at their time, `janitor` cleans up after both. Built
//! without a compiler: plugins come as machine code that was made ahead of time.

pub mod clients;
pub mod clock;
pub mod config;
pub mod deliver;
#[cfg(test)]
mod fakes;
mod fault;
pub mod firing;
pub mod host;
pub mod janitor;
pub mod ledger;
pub mod logs;
pub mod metrics;
pub mod notify;
pub mod ports;
pub mod processor;
pub mod schedule;
pub mod secrets;
pub mod target;
pub mod use_cases;
