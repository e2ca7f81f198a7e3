//! The limits of one call, each with a name for errors. The manifest sets memory and time. The other limits are the same for every
//! plugin, and far above the needs of one that is not hostile.

use postdate_core::plugin::Stopped;
use wasmtime::ResourceLimiter;

use crate::engine::config::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLE_ELEMENTS, TABLES_PER_COMPONENT};

/// Largest answer of a plugin, in bytes.
pub const MAX_OUTPUT_BYTES: u64 = 1 << 20;
/// Most bytes that a guest may pass to the host at once, as its answer or as arguments of a host function. Without this limit, a list
/// whose items share one long text would take far more memory in the host than in the guest.
pub const TRANSFER_BYTES: usize = 4 << 20;
/// Most resources, such as streams and header maps, that a guest may hold at once. Each takes memory of the host.
pub const RESOURCES: usize = 1_000;
/// Largest header map, in bytes.
pub const FIELDS_BYTES: usize = 32 << 10;
/// Most bytes of one request to `wasi:random`.
pub const RANDOM_BYTES: u64 = 1 << 20;
/// Most instances of any kind in a component, multiplied over all levels; and most levels of nested components. Both protect the
/// compiler. Instances with code have a lower limit.
pub const COMPONENT_INSTANCES: u64 = 10_000;
pub const NESTED_COMPONENTS: u32 = 100;
/// Output to stdout and stderr, in lines and in bytes, beyond which the call ends: such a guest is in an endless loop. Far less is kept.
pub const WRITTEN_LINES: u64 = 100_000;
pub const WRITTEN_BYTES: u64 = 16 << 20;
/// Most HTTP requests of a call, and most of them at the same time.
pub const REQUESTS: u64 = 256;
pub const CONNECTIONS: usize = 16;
/// Most bytes of all request bodies together, and of all responses together with their heads.
pub const SENT_BYTES: u64 = 16 << 20;
pub const RECEIVED_BYTES: u64 = 64 << 20;

/// A limit that a call reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than the limit of {limit} {what}")]
pub struct Reached {
    /// Name of the limited thing, which follows the number in a sentence.
    pub what: &'static str,
    pub limit: u64,
}

impl From<Reached> for Stopped {
    fn from(Reached { what, limit }: Reached) -> Self {
        Self::Limit { what, limit }
    }
}

/// Bytes of the host's memory that one element of a table takes.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Enforces a call's limits of memory, tables and instances. Tables count as memory.
pub struct CallLimits {
    max: u64,
    current: u64,
    peak: u64,
    /// Bytes of the last growth that was granted, subtracted again if the growth fails.
    granted: u64,
    refused: Option<Stopped>,
}

impl CallLimits {
    /// `max` is the limit in bytes for all linear memories and tables together.
    pub fn new(max: u64) -> Self {
        Self { max, current: 0, peak: 0, granted: 0, refused: None }
    }

    /// Counts a growth in bytes. Returns false if it is beyond the limit.
    fn grow(&mut self, growth: u64) -> bool {
        let total = self.current.saturating_add(growth);
        if total > self.max {
            self.refused.get_or_insert(Stopped::Memory(self.max));
            return false;
        }
        self.current = total;
        self.peak = self.peak.max(total);
        self.granted = growth;
        true
    }

    fn take_back(&mut self) {
        self.current -= self.granted;
        self.granted = 0;
    }

    /// Returns the largest total of linear memory and tables so far, in bytes.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Returns the first limit that the guest reached. The guest got an error, and may have continued.
    pub fn refused(&self) -> Option<&Stopped> {
        self.refused.as_ref()
    }
}

impl ResourceLimiter for CallLimits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        tracing::debug!(error = %error, "a guest's memory could not grow");
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            self.refused.get_or_insert(Reached { what: "elements of a table", limit: TABLE_ELEMENTS as u64 }.into());
            return Ok(false);
        }
        Ok(self.grow((desired.saturating_sub(current) as u64).saturating_mul(TABLE_ELEMENT_BYTES)))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        tracing::debug!(error = %error, "a guest's table could not grow");
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_PER_COMPONENT as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_COMPONENT as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_COMPONENT as usize
    }
}

#[cfg(test)]
mod tests;
