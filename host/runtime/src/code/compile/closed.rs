//! Closes the compiler's process in: a seccomp filter allows the system calls that a compile needs, and refuses all others.

#[cfg(target_os = "linux")]
mod filter;

use std::io;

/// Closes this thread, and every thread that it starts, in for good. They can then read and write what is open, use memory, time and
/// threads, and nothing else: they open no file, no socket and no other process. A refused call fails with `EPERM`. Fails if the kernel
/// or the processor's architecture has no such filter; nothing has changed then.
#[cfg(target_os = "linux")]
pub fn close_in() -> io::Result<()> {
    filter::apply().map_err(io::Error::other)
}

/// Fails: the filter is Linux's.
#[cfg(not(target_os = "linux"))]
pub fn close_in() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has seccomp"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
