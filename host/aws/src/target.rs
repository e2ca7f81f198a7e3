//! The target host: fires a request when it is due.
//!
//! An event carries one envelope, or a batch of envelopes from the delay queue. For each envelope, the host claims the request in
//! the ledger, runs and records the attempt, and deletes the rule. The gate lets a request wait while its target is paused or over a limit.
//! Delivery is at least once. The claim in the ledger decides: a second delivery runs nothing while the first one's claim holds, and does
//! what the first left undone.

mod event;
mod fire;
mod gate;

#[cfg(test)]
mod tests;

pub use event::{ForeignEvent, Invocation, QueueMessage, batch_response};
pub use fire::DeliveryOutcome;
