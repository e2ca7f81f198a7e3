//! Guests that load, and exceed a limit or trap when they are called.

use std::time::Duration;

use crate::guest::{CLOCK, CLOCK_FIELDS, GOOD, Guest, RANDOM, RANDOM_FIELDS, STDERR, STDERR_FIELDS, WITH_HOST, computes};
use crate::host::stopped;

/// Limits of a guest that must end by its timeout.
const SHORT: &str = "timeout = '100ms'\nmemory = '16MiB'\n";
/// Longest duration of a call under `SHORT`, on a busy machine.
const SOON: Duration = Duration::from_millis(1500);
/// Limits of a guest that must end before its timeout.
const PATIENT: &str = "timeout = '15s'\nmemory = '16MiB'\n";
/// Longest duration of a call under `PATIENT`.
const LATER: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_without_end_ends_at_the_timeout() {
    let waits = |code| Guest { imports: CLOCK, with: WITH_HOST, fields: CLOCK_FIELDS, code, ..GOOD };
    let draws = |code| Guest { imports: RANDOM, with: WITH_HOST, fields: RANDOM_FIELDS, pages: 32, code, ..GOOD };
    for guest in [
        computes("(loop $for-ever (br $for-ever)) unreachable"),
        Guest { fields: "(func $start (loop $for-ever (br $for-ever))) (start $start)", ..GOOD },
        // One long wait in the host, many short ones, and calls that do not wait.
        waits("(call $block (call $after (i64.const 3600000000000))) (i32.const 0)"),
        waits(
            "(loop $again (local.set $n (call $after (i64.const 0))) (call $block (local.get $n)) (call $drop (local.get $n)) (br $again)) unreachable",
        ),
        waits("(loop $again (drop (call $now)) (br $again)) unreachable"),
        draws("(loop $again (call $random-bytes (i64.const 1048576) (i32.const 64)) (br $again)) unreachable"),
        draws("(loop $again (drop (call $random)) (br $again)) unreachable"),
    ] {
        stopped(SHORT, guest, SOON, "timeout", "its timeout of 100ms").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_without_end_reach_the_resource_limit() {
    let code = "(loop $again (drop (call $after (i64.const 3600000000000))) (br $again)) unreachable";
    let guest = Guest { imports: CLOCK, with: WITH_HOST, fields: CLOCK_FIELDS, code, ..GOOD };
    stopped(PATIENT, guest, LATER, "limit", "its limit of 1000 resources at once").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_beyond_the_limit_of_one_request_end_the_call() {
    for bytes in ["1048577", "1099511627776", "-1"] {
        let code = format!("(call $random-bytes (i64.const {bytes}) (i32.const 64)) (i32.const 0)");
        let guest = Guest { imports: RANDOM, with: WITH_HOST, fields: RANDOM_FIELDS, pages: 32, code: &code, ..GOOD };
        stopped(PATIENT, guest, LATER, "limit", "its limit of 1048576 random bytes at once").await;
    }
}

/// Copies 128 MiB or fills 256 MiB, a thousand times. The code has no loop, and wasmtime checks the deadline in loops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_memory_copies_and_fills_end_at_the_timeout() {
    let copy = "(memory.copy (i32.const 0) (i32.const 134217728) (i32.const 134217728))".repeat(1000) + "(i32.const 0)";
    let guest = Guest { pages: 4096, code: &copy, ..GOOD };
    stopped("timeout = '300ms'\nmemory = '256MiB'\n", guest, Duration::from_secs(3), "timeout", "its timeout of 300ms").await;
    let fill = "(memory.fill (i32.const 0) (i32.const 90) (i32.const 268435456))".repeat(1000) + "(i32.const 0)";
    let guest = Guest { pages: 4096, code: &fill, ..GOOD };
    stopped("timeout = '300ms'\nmemory = '256MiB'\n", guest, Duration::from_secs(3), "timeout", "its timeout of 300ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_growth_reaches_the_memory_limit() {
    // Grows page by page, and writes to each page, until the host refuses.
    let code = "(loop $again
        (local.set $n (memory.grow (i32.const 1)))
        (if (i32.eq (local.get $n) (i32.const -1)) (then unreachable))
        (memory.fill (i32.mul (local.get $n) (i32.const 65536)) (i32.const 90) (i32.const 65536))
        (br $again)) unreachable";
    stopped("memory = '256MiB'\n", computes(code), LATER, "memory", "its limit of 256 MiB").await;
    stopped("memory = '256MiB'\n", Guest { pages: 4097, ..GOOD }, LATER, "memory", "its limit of 256 MiB").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_growth_reaches_the_element_limit() {
    let code = "(loop $again
        (if (i32.eq (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)) (then unreachable))
        (br $again)) unreachable";
    let guest = Guest { fields: "(table $t 0 funcref)", code, ..GOOD };
    stopped(PATIENT, guest, LATER, "limit", "its limit of 100000 elements of a table").await;
}

/// Creates handles of a resource type of the guest's own. Each takes an entry in a table of the host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_without_end_reach_the_resource_limit() {
    let imports = "(type $thing (resource (rep i32))) (core func $new (canon resource.new $thing))
        (core instance $host (export \"new\" (func $new)))";
    let code = "(loop $again (drop (call $new (i32.const 7))) (br $again)) unreachable";
    let guest = Guest { imports, with: WITH_HOST, fields: "(import \"host\" \"new\" (func $new (param i32) (result i32)))", code, ..GOOD };
    stopped(PATIENT, guest, LATER, "limit", "its limit of 1000 resources at once").await;
}

/// `stopped` calls the same plugin three times, so a call must also work after a call of the same plugin that trapped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_trap_is_named_in_the_error() {
    let fields = "(table $t 1 funcref)
        (func $deep (param i64) (result i64) (i64.add (i64.const 1) (call $deep (i64.add (local.get 0) (i64.const 1)))))";
    for (code, says) in [
        ("unreachable", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.trunc_f32_s (f32.const nan)) drop (i32.const 0)", "integer"),
        ("(i32.load (i32.const -4))", "out of bounds"),
        ("(memory.copy (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const 0)", "out of bounds"),
        ("(call_indirect $t (i32.const 3)) (i32.const 0)", "undefined element"),
        ("(drop (call $deep (i64.const 0))) (i32.const 0)", "call stack exhausted"),
    ] {
        stopped(PATIENT, Guest { fields, code, ..GOOD }, LATER, "trap", says).await;
    }
    stopped(PATIENT, Guest { fields: "(func $start unreachable) (start $start)", ..GOOD }, LATER, "trap", "unreachable").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_beyond_the_output_limit_or_beyond_memory_is_refused() {
    // The answer at address 64 is "succeeded", with a text of almost 1 GiB.
    let code = "(i32.store8 (i32.const 68) (i32.const 1)) (i32.store (i32.const 72) (i32.const 1024))
        (i32.store (i32.const 76) (i32.const 0x3ff00000)) (i32.const 64)";
    stopped("memory = '1GiB'\n", Guest { pages: 16_384, code, ..GOOD }, LATER, "output", "more than the 1048576 that are taken").await;
    // The same answer from a memory of 1 MiB lies out of bounds.
    stopped("", Guest { pages: 16, code, ..GOOD }, LATER, "trap", "out of bounds").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_answer_is_a_trap() {
    for (code, says) in [
        ("(i32.const -4)", "pointer"),
        ("(i32.const 3)", "aligned"),
        ("(i32.store8 (i32.const 64) (i32.const 7)) (i32.const 64)", "discriminant"),
        // A result text that is not UTF-8.
        (
            "(i32.store8 (i32.const 68) (i32.const 1)) (i32.store (i32.const 72) (i32.const 128)) (i32.store (i32.const 76) (i32.const 1))
             (i32.store8 (i32.const 128) (i32.const 0xff)) (i32.const 64)",
            "utf-8",
        ),
    ] {
        stopped(PATIENT, computes(code), LATER, "trap", says).await;
    }
}

/// Writes 1,048,576 empty lines, 4,096 at a time. The second guest writes 4 KiB without a line break in an endless loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_output_beyond_the_line_limit_or_the_byte_limit_ends_the_call() {
    let code = "(memory.fill (i32.const 4096) (i32.const 10) (i32.const 4096))
        (local.set $n (call $stderr)) (local.set $long (i64.const 256))
        (loop $again
          (call $write (local.get $n) (i32.const 4096) (i32.const 4096) (i32.const 64))
          (local.set $long (i64.sub (local.get $long) (i64.const 1)))
          (br_if $again (i64.ne (local.get $long) (i64.const 0))))
        (i32.const 0)";
    let guest = Guest { imports: STDERR, with: WITH_HOST, fields: STDERR_FIELDS, code, ..GOOD };
    stopped(PATIENT, guest, LATER, "limit", "its limit of 100000 lines of output").await;
    let endless = "(local.set $n (call $stderr))
        (loop $again (call $write (local.get $n) (i32.const 4096) (i32.const 4096) (i32.const 64)) (br $again)) unreachable";
    stopped(PATIENT, Guest { code: endless, ..guest }, LATER, "limit", "its limit of 16777216 bytes of output").await;
}
