//! Postdate's rules, shared by every host: what a request is, when it may run, what becomes of it.
//!
//! A request's way: [`api`] → [`accept`] → (its time, see [`schedule`]) → [`fire`]; what may follow what is in
//! [`lifecycle`]. Pure: no I/O, no clock (`now` is an argument), no async runtime; what needs the world goes through
//! [`ports`].

pub mod accept;
pub mod api;
pub mod arn;
pub mod bundle;
pub mod envelope;
pub mod fire;
pub mod id;
pub mod lifecycle;
pub mod plugin;
pub mod ports;
pub mod request;
pub mod schedule;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod use_case;
