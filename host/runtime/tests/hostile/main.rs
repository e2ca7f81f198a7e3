//! Hostile plugins, run by the runtimes of both deployments: the one that compiles, and the one that loads machine code compiled
//! ahead of time. Each test expects an error of a named kind, a successful call right after on the same host, and no leaked memory.

mod calls;
mod files;
mod fuzz;
mod guest;
mod host;
mod network;
