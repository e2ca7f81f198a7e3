//! End-to-end tests: each starts a real `postdate serve` on data of its own and talks to it over HTTP.
//!
//! `cargo xtask test` builds what they need. Where time is not the subject, a server runs on the test clock, so that no
//! test waits for a back-off; where it is, nothing asserts that something is on time, only that nothing is early.

mod harness;

mod authors;
mod aws;
mod changes;
mod cli_plugin;
mod cli_request;
mod compiler;
mod compiling;
mod errors;
mod exposure;
mod grants;
mod host_faults;
mod hostile;
mod idempotency;
mod infra;
mod invariants;
mod life;
mod links;
mod listing;
mod modules;
mod notices;
mod plugins;
mod prose;
mod races;
mod reload;
mod restart;
mod retries;
mod samples;
mod secrets;
mod stop;
mod targets;
mod test_clock;
mod times;
mod torture;
mod uploads;
