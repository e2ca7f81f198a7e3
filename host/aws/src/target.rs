//! The target host: what happens when a request's time has come.
//!
//! An event carries one envelope, or a batch of them from the delay queue. Each is claimed in the ledger, run, recorded
//! and cleaned up after. Delivery is at least once, and in the end the ledger decides: a second delivery only cleans up.

mod event;
mod fire;

#[cfg(test)]
mod tests;

pub use event::{Event, ForeignEvent, QueueMessage, batch_response};
pub use fire::Fired;
