//! The harness of the end-to-end tests: a real server process, its use cases, a client of its API, a receiver of deliveries.

mod bundle;
mod cli;
mod client;
mod compiled;
mod receiver;
mod server;
mod slow;
mod small_disk;

pub use bundle::{PUPPET, UseCases, aged, aged_statement};
pub use cli::{Run, cli, cli_with};
pub use client::{Answer, Client};
pub use postdate_tests::tools::{guest, host, root, scratch};
pub use postdate_tests::wait::{PATIENCE, eventually, sleep_until};
pub use receiver::{Delivery, Receiver, Reply};
pub use server::Server;
pub use slow::{child_of, large, slow, with_module};
pub use small_disk::SmallDisk;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Part of the body of every request that a test posts. A server's log must not contain it; the harness checks this when the
/// server is dropped.
pub const PAYLOAD: &str = "payload-7b1d93c5";
/// Part of every secret that a test gives to a server. Checked like [`PAYLOAD`].
pub const SECRET: &str = "c2VjcmV0LTkxZjRhN2UyLTkxZjRh";

/// Start time of the test clock.
pub const START: &str = "2027-01-01T00:00:00.000Z";

/// Parses a time of the API.
#[track_caller]
pub fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a time"));
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text:?} is not a time: {error}")).to_utc()
}

/// Returns the events of a request's history, in order.
#[track_caller]
pub fn events(request: &Value) -> Vec<&str> {
    let history = request["history"].as_array().unwrap_or_else(|| panic!("no history in {request}"));
    history.iter().filter_map(|line| line["event"].as_str()).collect()
}

/// Returns a member that is text. Panics with the whole document if it is not.
#[track_caller]
pub fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member].as_str().unwrap_or_else(|| panic!("{member:?} is not text in {document}"))
}
