//! The janitor: cleans up what the hosts could not. Runs every few minutes, does a bounded amount of work, and is safe
//! beside running hosts: whatever it does to a request goes through the ledger, and a rule that it deletes could not
//! have started anything any more.

mod sweep;

#[cfg(test)]
mod tests;

pub use sweep::{Limits, Report, Sweep};
