//! The connections of a server: at most so many at a time that the host keeps file descriptors for its own work.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::process::{Resource, getrlimit};
use tokio_util::sync::CancellationToken;

/// Connections at most, however many descriptors there are: each may hold a head of 128 KiB and a body of 256 KiB in memory.
const MAX: u64 = 1024;
/// Descriptors for the ledger, the store, compilers and log.
const RESERVE: u64 = 128;
/// Descriptors for each request that runs: a target, and a connection of its plugin.
const RESERVE_PER_REQUEST: u64 = 2;
/// The value of [`Link::waits_since`] while the host works on a call.
const BUSY: u64 = u64::MAX;

/// Returns how many connections a server may have that runs `concurrency` requests at a time: what the limit of open files leaves after
/// the host's own needs, and at least half of it.
pub fn allowed(concurrency: usize) -> usize {
    of_limit(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), concurrency)
}

fn of_limit(descriptors: u64, concurrency: usize) -> usize {
    let own = RESERVE_PER_REQUEST.saturating_mul(concurrency as u64).saturating_add(RESERVE);
    let rest = descriptors - own.min(descriptors / 2);
    usize::try_from(rest.clamp(1, MAX)).unwrap_or(1)
}

/// All open connections.
pub struct Connections {
    max: usize,
    start: Instant,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Link>>>,
}

/// One connection, as its task and its calls see it.
#[derive(Debug)]
pub struct Link {
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// Cancelled to make room for another connection.
    pub evicted: CancellationToken,
    /// Set if the client may still be sending when the server closes.
    pub lingers: AtomicBool,
    start: Instant,
    /// Since when the server waits for the client, in microseconds after `start`, or [`BUSY`].
    waits_since: AtomicU64,
}

/// A connection's place. Free again when dropped.
pub struct Admission {
    pub link: Arc<Link>,
    id: u64,
    of: Arc<Connections>,
}

/// The time in which the host works on a call. Its connection is not evicted.
pub struct Work(Arc<Link>);

impl Connections {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, start: Instant::now(), next: AtomicU64::new(0), open: Mutex::default() })
    }

    /// Returns a place for a new connection. If there is none, evicts the connection that has kept the server waiting for the longest
    /// time; returns `None` if the host works on calls of all of them.
    pub fn admit(self: &Arc<Self>, peer: SocketAddr, local: SocketAddr) -> Option<Admission> {
        let mut open = self.lock();
        if open.len() >= self.max {
            let waiting =
                |(id, link): (&u64, &Arc<Link>)| Some((link.waits_since.load(Ordering::Relaxed), *id)).filter(|(since, _)| *since != BUSY);
            let (_, oldest) = open.iter().filter_map(waiting).min()?;
            if let Some(link) = open.remove(&oldest) {
                link.evicted.cancel();
            }
        }
        let link = Link {
            peer,
            local,
            evicted: CancellationToken::new(),
            lingers: AtomicBool::new(false),
            start: self.start,
            waits_since: AtomicU64::new(0),
        };
        link.wait();
        let (id, link) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::new(link));
        open.insert(id, Arc::clone(&link));
        Some(Admission { link, id, of: Arc::clone(self) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Link>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Says that the server waits for the client from now on.
    pub fn wait(&self) {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(BUSY - 1);
        self.waits_since.store(now, Ordering::Relaxed);
    }

    /// Says that the host works on a call, until the returned value is dropped.
    pub fn work(self: &Arc<Self>) -> Work {
        self.waits_since.store(BUSY, Ordering::Relaxed);
        Work(Arc::clone(self))
    }

    pub fn is_busy(&self) -> bool {
        self.waits_since.load(Ordering::Relaxed) == BUSY
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.wait();
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.of.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
