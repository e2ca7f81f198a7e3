//! A plugin that does what the body tells it, so that a test can have any behaviour without a guest of its own.
//!
//! The body is `{"validate": SCRIPT, "process": SCRIPT}`, each optional; a script is `{"do": WHAT, ARGUMENT...}`.
//! An argument stands under its own name or, where that is shorter, under `value`.
//!
//! | both | argument | |
//! |---|---|---|
//! | `trap` | `message` | panics |
//! | `loop` | | never returns, never calls the host |
//! | `sleep` | `ms` | blocks in a host call (wasi:clocks), then goes on as by default |
//! | `memory` | `mib` | allocates and touches that much, then goes on as by default |
//! | `stderr` | `lines` | writes `line 1`... to stderr, then goes on as by default |
//! | `output` | `bytes` | returns a body or result of that length |
//!
//! | validate | | |
//! |---|---|---|
//! | `accept` | | default: unchanged |
//! | `reject` | `pointer`, `code`, `message` | one problem |
//! | `target`, `trigger-at` | `value` | accepts with that change |
//! | `body` | `value` | accepts with that body: JSON as it is, or a string whose text is the body |
//! | `request` | | accepts with the request, as the plugin saw it, under `seen` in the body |
//! | `config` | `key` | accepts with `{"config": VALUE or null}` |
//!
//! | process | | |
//! |---|---|---|
//! | `succeed` | `result` | default: that text, or none |
//! | `fail` | `message` | permanent |
//! | `retry` | `retryAfterSeconds`, `untilAttempt`, `message` | asks for another attempt; succeeds from attempt `untilAttempt` on |
//! | `http` | `url`, `method`, `body` | result `{"status", "body"}`; no answer: a permanent failure with the error code's name |
//! | `config` | `key` | result: the value; missing: a permanent failure |
//! | `env` | | result: what the guest sees of the host (variables, arguments, directories, a TCP connection) |
//! | `count` | | result: how many calls this instance has seen |
//! | `job` | | result: the job as the plugin saw it |

mod env;
mod process;
mod script;
mod validate;

postdate_plugin::validator!(validate::validate);
postdate_plugin::processor!(process::process);
