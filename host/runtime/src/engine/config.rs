//! Makes every wasmtime `Config`. A host that compiles ahead of time and one that loads must agree on each setting that shapes
//! machine code; only the allocation strategy, which shapes none, may differ.

use serde::{Deserialize, Serialize};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, VariableOperatorCost};

/// Address space reserved for one linear memory, in bytes: the whole range of 32-bit indices, so that compiled code needs no bounds
/// checks. The reservation takes no RAM.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Size of the guard region, in bytes, which catches constant offsets beyond the reservation.
const MEMORY_GUARD_BYTES: u64 = 32 << 20;
/// Stack of a guest, and of the fiber that runs the guest and its host calls, in bytes. Larger than wasmtime's 512 KiB, because
/// interpreters of other languages recurse deeper than Rust.
const GUEST_STACK_BYTES: usize = 1 << 20;
const FIBER_STACK_BYTES: usize = 2 << 20;

/// Most core instances of a component. A Rust plugin has 2 to 5; an interpreter that is linked from many libraries has some dozens
/// (componentize-py: about 30).
pub const CORE_INSTANCES_PER_COMPONENT: u32 = 100;
pub const MEMORIES_PER_COMPONENT: u32 = 2;
pub const TABLES_PER_COMPONENT: u32 = 20;
/// Most functions that are reachable through pointers. The interpreter of componentize-py has about 20,000.
pub const TABLE_ELEMENTS: usize = 100_000;

/// Bytes of a linear memory that stay mapped between two calls; `memset` clears them, which is faster than unmapping. A small plugin
/// writes less. 64 slots keep 16 MiB.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;

/// Full version of wasmtime. A version loads only its own code.
pub const WASMTIME_VERSION: &str = wasmtime_environ::VERSION;

/// Selects machine code that counts the instructions that it executes. Such code is slower, so no server runs it. A host never loads
/// one kind in place of the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metering {
    #[default]
    Off,
    On,
}

/// The settings that shape machine code. Their digest, [`engine_hash`](crate::artifacts::engine_hash), shows whether two hosts agree.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are wasmtime's switches, one each")]
pub struct CodeSettings {
    epoch_interruption: bool,
    concurrency_support: bool,
    memory_reservation: u64,
    memory_guard: u64,
    memory_init_cow: bool,
    native_unwind_info: bool,
    memory64: bool,
    relaxed_simd: bool,
    tail_call: bool,
    shared_memory: bool,
    fuel: bool,
}

const CODE_SETTINGS: CodeSettings = CodeSettings {
    epoch_interruption: true,
    // Component-model async is not part of the contract, and a call without it is cheaper.
    concurrency_support: false,
    memory_reservation: MEMORY_RESERVATION_BYTES,
    memory_guard: MEMORY_GUARD_BYTES,
    memory_init_cow: true,
    native_unwind_info: false,
    // Proposals that plugins do not need are off, which reduces the attack surface. Reference types, SIMD, bulk memory, multi-value
    // and extended const stay on: compilers emit them, and the interpreters of JavaScript and Python need them.
    memory64: false,
    relaxed_simd: false,
    tail_call: false,
    shared_memory: false,
    fuel: false,
};

pub fn code_settings(metering: Metering) -> CodeSettings {
    CodeSettings { fuel: metering == Metering::On, ..CODE_SETTINGS }
}

/// The source of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool of `slots` instances that is reserved at start. Instantiation takes tens of microseconds.
    Pooling {
        /// Calls at the same time.
        slots: u32,
        /// Largest size of each linear memory, in bytes.
        max_memory: u64,
    },
    /// From the operating system at each call, for machines on which a process cannot reserve the address space.
    OnDemand,
}

/// Returns the `Config` of an engine.
pub fn engine_config(allocation: Allocation, metering: Metering) -> Config {
    let settings = code_settings(metering);
    let mut config = Config::new();
    config
        .concurrency_support(settings.concurrency_support)
        .epoch_interruption(settings.epoch_interruption)
        .memory_reservation(settings.memory_reservation)
        .memory_guard_size(settings.memory_guard)
        .memory_init_cow(settings.memory_init_cow)
        .native_unwind_info(settings.native_unwind_info)
        .wasm_memory64(settings.memory64)
        .wasm_relaxed_simd(settings.relaxed_simd)
        .wasm_tail_call(settings.tail_call)
        .shared_memory(settings.shared_memory)
        .consume_fuel(settings.fuel)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // A plugin's author needs stderr. Stack frames with wasm offsets do not help, and cost time at each trap.
        .wasm_backtrace_max_frames(None)
        // Only those frames need the address map, which is a tenth of a machine code file.
        .generate_address_map(false);
    if metering == Metering::On {
        config.operator_cost(instruction_costs());
    }
    if let Allocation::Pooling { slots, max_memory } = allocation {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots, max_memory)));
    }
    config
}

/// Returns costs by which each instruction counts as one. By wasmtime's default, each byte or element that it moves counts too.
fn instruction_costs() -> OperatorCost {
    let mut costs = OperatorCost::new();
    costs.variable = VariableOperatorCost {
        memory_copy_per_byte: 0,
        memory_fill_per_byte: 0,
        memory_init_per_byte: 0,
        table_copy_per_element: 0,
        table_fill_per_element: 0,
        table_init_per_element: 0,
        table_grow_per_element: 0,
        ..VariableOperatorCost::new()
    };
    costs
}

fn pool(slots: u32, max_memory: u64) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(slots.saturating_mul(MEMORIES_PER_COMPONENT))
        .total_tables(slots.saturating_mul(TABLES_PER_COMPONENT))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(max_memory).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        // Wipe only the pages that a call touched, where the kernel can tell (Linux 6.7 and later).
        .pagemap_scan(Enabled::Auto);
    pool
}

#[cfg(all(test, feature = "compile"))]
mod tests;
