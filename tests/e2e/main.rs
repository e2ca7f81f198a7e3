//! End-to-end tests: each starts a real `postdate serve` on data of its own and talks to it over HTTP.
//!
//! `cargo xtask test` builds the programs. Most servers use the test clock, so that no test waits for a back-off. Tests of real
//! time assert that nothing is early, and never that something is on time.

mod harness;

mod access;
mod api_clients;
mod authors;
mod aws;
mod backup;
mod changes;
mod cli_bulk;
mod cli_json;
mod cli_plugin;
mod cli_request;
mod compiler;
mod compiling;
#[path = "../contract/api.rs"]
mod contract;
mod egress;
mod erasure;
mod errors;
mod expiry;
mod exposure;
mod fairness;
mod first_use;
mod flow;
mod full_disk;
mod grants;
mod host_faults;
mod hostile;
mod hostile_mix;
mod idempotency;
mod infra;
mod invariants;
mod ledger;
mod life;
mod links;
mod listing;
mod metrics;
mod modules;
mod notices;
mod openapi;
mod openapi_fuzz;
mod packages;
mod page;
mod plugins;
mod prose;
mod races;
mod recipes;
mod reload;
mod restart;
mod retention;
mod retries;
mod samples;
mod secrets;
mod stop;
mod targets;
mod test_clock;
mod times;
mod torture;
mod traces;
mod uploads;
mod words;
