//! The core of Postdate, shared by every host: accepts requests, fires them when they are due, and checks every change of them.
//!
//! The way of a request: [`api`] → [`accept`] → scheduled, see [`arm`] → [`fire`] → [`notice`]. [`lifecycle`] has every transition. The
//! core has no I/O, clock, randomness or async runtime of its own: all of these come in as arguments or through [`ports`].

pub mod accept;
pub mod access;
pub mod api;
pub mod arm;
pub mod arn;
pub mod audit;
pub mod backoff;
pub mod bundle;
pub mod civil;
pub mod envelope;
pub mod fair;
pub mod file_name;
pub mod fire;
pub mod host_fault;
pub mod id;
pub mod json;
pub mod lifecycle;
pub mod limits;
pub mod notice;
pub mod pause;
pub mod pin;
pub mod plugin;
pub mod ports;
pub mod problem;
pub mod request;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod time;
pub mod trace;
pub mod use_case;
