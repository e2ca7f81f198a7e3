//! A plugin whose behaviour is scripted by the request's body, so that a test needs no guest of its own.
//!
//! The body is `{"validate": SCRIPT, "process": SCRIPT}`, each optional. A script is `{"do": ACTION, ARGUMENT...}`.
//! An argument has its own name or, as a short form, the name `value`. `trap`, `fail`, `reject`, `retry` and `stderr` take
//! `messageFrom` instead of `message`: the config key whose value is the message.
//!
//! | both | argument | |
//! |---|---|---|
//! | `trap` | `message` | panics |
//! | `loop` | | never returns, never calls the host |
//! | `sleep` | `ms` | blocks in a host call (wasi:clocks), then answers as by default |
//! | `memory` | `mib` | allocates and writes that many MiB, then answers as by default |
//! | `stderr` | `lines` | writes that many lines to stderr, `line 1` first, then answers as by default |
//! | `output` | `bytes` | returns a body or result of that length |
//!
//! | validate | | |
//! |---|---|---|
//! | `accept` | | default: unchanged |
//! | `reject` | `pointer`, `code`, `message` | one problem |
//! | `reject-silently` | | no problem |
//! | `target`, `trigger-at` | `value` | accepts with that change |
//! | `body` | `value` | accepts with that body: JSON as it is, or a string whose text is the body |
//! | `request` | | accepts with the request that the plugin got under `seen` in the body |
//! | `config` | `key` | accepts with `{"config": VALUE or null}` |
//!
//! | process | | |
//! |---|---|---|
//! | `succeed` | `result` | default: that text, or none |
//! | `fail` | `message` | a permanent failure |
//! | `retry` | `retryAfterSeconds`, `untilAttempt`, `message` | asks for another attempt; succeeds from attempt `untilAttempt` on |
//! | `http` | `url`, `method`, `body` | result `{"status", "body"}`; no answer: a permanent failure with the error code's name |
//! | `flood` | `url`, `times`, `bytes` | sends that many POSTs with a body of that length; panics if one fails |
//! | `config` | `key` | result: the value; missing: a permanent failure |
//! | `env` | | result: what the guest sees of the host (variables, arguments, directories, a TCP connection) |
//! | `count` | | result: the number of calls of this instance |
//! | `job` | | result: the job that the plugin got |

mod env;
mod process;
mod script;
mod validate;

postdate_plugin::validator!(validate::validate);
postdate_plugin::processor!(process::process);
