//! The wasmtime engine of a host, and all that is made once for it.

pub mod config;
pub mod runtime;
pub mod slots;
pub mod threads;
