//! The wasmtime engine of a host, and everything that is made once for it.

pub mod config;
pub mod runtime;
pub mod slots;
pub mod threads;
