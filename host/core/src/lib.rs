//! Postdate's rules, shared by every host: what a request is, when it may run, what becomes of it.
//!
//! A request's way: [`api`] → [`accept`] → (its time, see [`arm`]) → [`fire`] → [`notice`]; [`lifecycle`] has every transition. Pure:
//! no I/O, no clock, no randomness, no async runtime. All of these come in as arguments or through [`ports`].

pub mod accept;
pub mod api;
pub mod arm;
pub mod arn;
pub mod backoff;
pub mod bundle;
pub mod envelope;
pub mod file_name;
pub mod fire;
pub mod host_fault;
pub mod id;
pub mod lifecycle;
pub mod notice;
pub mod plugin;
pub mod ports;
pub mod request;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod use_case;
