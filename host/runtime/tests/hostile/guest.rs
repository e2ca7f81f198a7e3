//! Hostile guests as WebAssembly text: a test writes a processor's core code, and [`Guest`] wraps it into a component.

/// The parts of a processor. The core code imports its memory and the instances in `with`. Its exported function `process` takes
/// the eleven numbers of a lowered job and returns the address of its answer. Memory of zeros, as at address 0, is the answer
/// "succeeded, without a result".
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    /// Component-level imports and lowered functions.
    pub imports: &'a str,
    /// Arguments of the core instance, such as `(with "host" (instance $host))`.
    pub with: &'a str,
    /// Initial size of the memory in pages of 64 KiB.
    pub pages: u32,
    /// Fields of the core module beside `process`.
    pub fields: &'a str,
    /// Body of `process`, which leaves the address of the answer on the stack.
    pub code: &'a str,
    /// Component-level definitions that nothing uses.
    pub ballast: &'a str,
}

pub const GOOD: Guest<'_> = Guest { imports: "", with: "", pages: 1, fields: "", code: "(i32.const 0)", ballast: "" };

/// A guest without imports.
pub const fn computes(code: &str) -> Guest<'_> {
    Guest { code, ..GOOD }
}

impl Guest<'_> {
    pub fn text(&self) -> String {
        let Self { imports, with, pages, fields, code, ballast } = self;
        format!(
            r#"(component
  ;; Memory and allocator are a module of their own, because lowered functions need them before the code exists. The allocator
  ;; places small blocks one after the other, and every large block at the same address.
  (core module $libc
    (memory (export "memory") {pages})
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (if (i32.gt_u (local.get 3) (i32.const 4096)) (then (return (i32.const 65536))))
      (local.set $at (global.get $next))
      (global.set $next (i32.and (i32.add (i32.add (local.get $at) (local.get 3)) (i32.const 7)) (i32.const 0xffc8)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  {imports}
  {ballast}
  (core module $code
    (import "libc" "memory" (memory {pages}))
    {fields}
    (func (export "process")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (local $n i32) (local $long i64)
      {code}))
  (core instance $code (instantiate $code (with "libc" (instance $libc)) {with}))
  (type $job (record (field "id" string) (field "use-case" string) (field "target" string) (field "attempt" u32)
    (field "scheduled-for" string) (field "body" string)))
  (type $failure (record (field "message" string) (field "retry" bool) (field "retry-after-seconds" (option u32))))
  (component $exported
    (type $job (record (field "id" string) (field "use-case" string) (field "target" string) (field "attempt" u32)
      (field "scheduled-for" string) (field "body" string)))
    (type $failure (record (field "message" string) (field "retry" bool) (field "retry-after-seconds" (option u32))))
    (import "job" (type $named-job (eq $job)))
    (import "failure" (type $named-failure (eq $failure)))
    (import "process" (func $process (param "job" $named-job) (result (result (option string) (error $named-failure)))))
    (export $out-job "job" (type $job))
    (export $out-failure "failure" (type $failure))
    (export "process" (func $process)
      (func (param "job" $out-job) (result (result (option string) (error $out-failure))))))
  (func $process (param "job" $job) (result (result (option string) (error $failure)))
    (canon lift (core func $code "process") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (instance $exported (instantiate $exported
    (with "job" (type $job)) (with "failure" (type $failure)) (with "process" (func $process))))
  (export "postdate:plugin/process@1.0.0" (instance $exported)))"#
        )
    }

    #[track_caller]
    pub fn wasm(&self) -> Vec<u8> {
        component(&self.text())
    }
}

#[track_caller]
pub fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("the guest's text is wrong: {error}"))
}

/// `(call $random-bytes (i64 length) (i32 address for the list's address and length))`, `(call $random (result i64))`.
pub const RANDOM: &str = r#"
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core func $u64 (canon lower (func $random "get-random-u64")))
  (core instance $host (export "bytes" (func $bytes)) (export "u64" (func $u64)))"#;
pub const RANDOM_FIELDS: &str = r#"
    (import "host" "bytes" (func $random-bytes (param i64 i32)))
    (import "host" "u64" (func $random (result i64)))"#;

/// `(call $now (result i64))`, `(call $after (i64 nanoseconds) (result i32))`, `(call $block (i32))`, `(call $drop (i32))`.
pub const CLOCK: &str = r#"
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $pollable (eq $outer)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (core func $now (canon lower (func $clock "now")))
  (core func $after (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $drop (canon resource.drop $pollable))
  (core instance $host (export "now" (func $now)) (export "after" (func $after)) (export "block" (func $block)) (export "drop" (func $drop)))"#;
pub const CLOCK_FIELDS: &str = r#"
    (import "host" "now" (func $now (result i64)))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "drop" (func $drop (param i32)))"#;

/// `(call $stderr (result i32))`, `(call $write (i32 stream) (i32 address) (i32 length) (i32 address for the result))`.
pub const STDERR: &str = r#"
  (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $stream (sub resource)))
    (alias outer 1 $error (type $outer))
    (export "error" (type $error (eq $outer)))
    (type $fault (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $fault)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $stream))
  (import "wasi:cli/stderr@0.2.0" (instance $cli
    (alias outer 1 $stream (type $outer))
    (export "output-stream" (type $stream (eq $outer)))
    (export "get-stderr" (func (result (own $stream))))))
  (core func $stderr (canon lower (func $cli "get-stderr")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $libc "memory")))
  (core instance $host (export "stderr" (func $stderr)) (export "write" (func $write)))"#;
pub const STDERR_FIELDS: &str = r#"
    (import "host" "stderr" (func $stderr (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))"#;

/// Passes the instance `$host` to the core code as the import `host`.
pub const WITH_HOST: &str = r#"(with "host" (instance $host))"#;
