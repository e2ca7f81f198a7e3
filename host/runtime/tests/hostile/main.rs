//! Plugins that mean harm, against the runtimes of both deployments: the one that compiles, and the one that loads what was
//! compiled ahead of time. Each ends with an error by name; the next call on the same host is a good one; memory comes back.

mod calls;
mod files;
mod fuzz;
mod guest;
mod host;
mod network;
