//! Guests that load, and do harm when they are called.

use std::time::Duration;

use crate::guest::{CLOCK, CLOCK_FIELDS, GOOD, Guest, RANDOM, RANDOM_FIELDS, STDERR, STDERR_FIELDS, WITH_HOST, computes};
use crate::host::stopped;

/// The timeout of most guests here, and the latest moment at which it has to have taken effect on a busy machine.
const SHORT: &str = "timeout = '100ms'\nmemory = '16MiB'\n";
const SOON: Duration = Duration::from_millis(1500);
const PATIENT: &str = "timeout = '15s'\nmemory = '16MiB'\n";
const LATER: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop() {
    stopped(SHORT, computes("(loop $for-ever (br $for-ever)) unreachable"), SOON, "timeout", "its timeout of 100ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_while_it_is_instantiated() {
    let guest = Guest { fields: "(func $start (loop $for-ever (br $for-ever))) (start $start)", ..GOOD };
    stopped(SHORT, guest, SOON, "timeout", "its timeout of 100ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_wait_in_the_host() {
    let code = "(call $block (call $after (i64.const 3600000000000))) (i32.const 0)";
    let guest = Guest { imports: CLOCK, with: WITH_HOST, fields: CLOCK_FIELDS, code, ..GOOD };
    stopped(SHORT, guest, SOON, "timeout", "its timeout of 100ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_of_short_waits_in_the_host() {
    let code = "(loop $again (local.set $n (call $after (i64.const 0))) (call $block (local.get $n)) (call $drop (local.get $n)) (br $again)) unreachable";
    let guest = Guest { imports: CLOCK, with: WITH_HOST, fields: CLOCK_FIELDS, code, ..GOOD };
    stopped(SHORT, guest, SOON, "timeout", "its timeout of 100ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_of_clock_readings() {
    let code = "(loop $again (drop (call $now)) (br $again)) unreachable";
    let guest = Guest { imports: CLOCK, with: WITH_HOST, fields: CLOCK_FIELDS, code, ..GOOD };
    stopped(SHORT, guest, SOON, "timeout", "its timeout of 100ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_without_end() {
    let code = "(loop $again (drop (call $after (i64.const 3600000000000))) (br $again)) unreachable";
    let guest = Guest { imports: CLOCK, with: WITH_HOST, fields: CLOCK_FIELDS, code, ..GOOD };
    stopped(PATIENT, guest, LATER, "limit", "its limit of 1000 resources at once").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_of_random_numbers() {
    for code in [
        "(loop $again (call $random-bytes (i64.const 1048576) (i32.const 64)) (br $again)) unreachable",
        "(loop $again (drop (call $random)) (br $again)) unreachable",
    ] {
        let guest = Guest { imports: RANDOM, with: WITH_HOST, fields: RANDOM_FIELDS, pages: 32, code, ..GOOD };
        stopped(SHORT, guest, SOON, "timeout", "its timeout of 100ms").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_randomness_at_once_than_there_is_memory() {
    for bytes in ["1048577", "1099511627776", "-1"] {
        let code = format!("(call $random-bytes (i64.const {bytes}) (i32.const 64)) (i32.const 0)");
        let guest = Guest { imports: RANDOM, with: WITH_HOST, fields: RANDOM_FIELDS, pages: 32, code: &code, ..GOOD };
        stopped(PATIENT, guest, LATER, "limit", "its limit of 1048576 random bytes at once").await;
    }
}

/// 256 MiB to copy, a thousand times, with no loop in between in which the clock could be looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_copies() {
    let copy = "(memory.copy (i32.const 0) (i32.const 134217728) (i32.const 134217728))".repeat(1000) + "(i32.const 0)";
    let guest = Guest { pages: 4096, code: &copy, ..GOOD };
    stopped("timeout = '300ms'\nmemory = '256MiB'\n", guest, Duration::from_secs(3), "timeout", "its timeout of 300ms").await;
    let fill = "(memory.fill (i32.const 0) (i32.const 90) (i32.const 268435456))".repeat(1000) + "(i32.const 0)";
    let guest = Guest { pages: 4096, code: &fill, ..GOOD };
    stopped("timeout = '300ms'\nmemory = '256MiB'\n", guest, Duration::from_secs(3), "timeout", "its timeout of 300ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_past_the_end() {
    stopped(PATIENT, computes("(memory.copy (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const 0)"), LATER, "trap", "out of bounds")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_without_end() {
    // Grows page by page, and writes to each, until it is refused.
    let code = "(loop $again
        (local.set $n (memory.grow (i32.const 1)))
        (if (i32.eq (local.get $n) (i32.const -1)) (then unreachable))
        (memory.fill (i32.mul (local.get $n) (i32.const 65536)) (i32.const 90) (i32.const 65536))
        (br $again)) unreachable";
    stopped("memory = '256MiB'\n", computes(code), LATER, "memory", "its limit of 256 MiB").await;
    stopped("memory = '256MiB'\n", Guest { pages: 4097, ..GOOD }, LATER, "memory", "its limit of 256 MiB").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_without_end() {
    let code = "(loop $again
        (if (i32.eq (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)) (then unreachable))
        (br $again)) unreachable";
    let guest = Guest { fields: "(table $t 0 funcref)", code, ..GOOD };
    stopped(PATIENT, guest, LATER, "limit", "its limit of 100000 elements of a table").await;
}

/// Handles of a resource type of the guest's own, which cost the host a table's entry each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_without_end() {
    let imports = "(type $thing (resource (rep i32))) (core func $new (canon resource.new $thing))
        (core instance $host (export \"new\" (func $new)))";
    let code = "(loop $again (drop (call $new (i32.const 7))) (br $again)) unreachable";
    let guest = Guest { imports, with: WITH_HOST, fields: "(import \"host\" \"new\" (func $new (param i32) (result i32)))", code, ..GOOD };
    stopped(PATIENT, guest, LATER, "limit", "its limit of 1000 resources at once").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recursion_without_end() {
    let fields = "(func $deep (param i64) (result i64) (i64.add (i64.const 1) (call $deep (i64.add (local.get 0) (i64.const 1)))))";
    let guest = Guest { fields, code: "(drop (call $deep (i64.const 0))) (i32.const 0)", ..GOOD };
    stopped(PATIENT, guest, LATER, "trap", "call stack exhausted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_while_it_is_instantiated() {
    stopped(PATIENT, Guest { fields: "(func $start unreachable) (start $start)", ..GOOD }, LATER, "trap", "unreachable").await;
}

/// Each trap is followed by a good call; here on the same plugin, too: its next call finds nothing of the one that trapped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traps_of_each_kind() {
    for (code, says) in [
        ("unreachable", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.trunc_f32_s (f32.const nan)) drop (i32.const 0)", "integer"),
        ("(i32.load (i32.const -4))", "out of bounds"),
        ("(call_indirect $t (i32.const 3)) (i32.const 0)", "undefined element"),
    ] {
        stopped(PATIENT, Guest { fields: "(table $t 1 funcref)", code, ..GOOD }, LATER, "trap", says).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_a_gibibyte() {
    // An answer at 64: "succeeded", with a text of almost 1 GiB.
    let code = "(i32.store8 (i32.const 68) (i32.const 1)) (i32.store (i32.const 72) (i32.const 1024))
        (i32.store (i32.const 76) (i32.const 0x3ff00000)) (i32.const 64)";
    stopped("memory = '1GiB'\n", Guest { pages: 16_384, code, ..GOOD }, LATER, "output", "more than the 1048576 that are taken").await;
    // And one that the memory does not hold.
    stopped("", Guest { pages: 16, code, ..GOOD }, LATER, "trap", "out of bounds").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_no_answer() {
    for (code, says) in [
        ("(i32.const -4)", "pointer"),
        ("(i32.const 3)", "aligned"),
        ("(i32.store8 (i32.const 64) (i32.const 7)) (i32.const 64)", "discriminant"),
        // A text that is not UTF-8.
        (
            "(i32.store8 (i32.const 68) (i32.const 1)) (i32.store (i32.const 72) (i32.const 128)) (i32.store (i32.const 76) (i32.const 1))
             (i32.store8 (i32.const 128) (i32.const 0xff)) (i32.const 64)",
            "utf-8",
        ),
    ] {
        stopped(PATIENT, computes(code), LATER, "trap", says).await;
    }
}

/// 1,048,576 empty lines, 4,096 at a time; then 4 KiB lines without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_log_lines() {
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
