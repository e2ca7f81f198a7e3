//! Rules of outgoing requests that the reference processor and the hosts' target kind `http` share: the signature of Standard
//! Webhooks, `Retry-After`, and the part of an answer that a failure quotes.

mod excerpt;
mod retry_after;
mod signature;

pub use excerpt::{HIDDEN, excerpt};
pub use retry_after::retry_after;
pub use signature::{Key, KeyError, headers};
