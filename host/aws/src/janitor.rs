//! The janitor: repairs overdue requests and deletes orphaned rules. Runs every few minutes and does a bounded amount of work. A run
//! beside working hosts is safe: every change of a request goes through the ledger, and the janitor deletes only rules that can no
//! longer start an attempt.

mod sweep;

#[cfg(test)]
mod tests;

pub use sweep::{Sweep, SweepLimits, SweepReport};
