//! The verdict on a run: compares each acknowledged request with the runs that the receiver counted.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::harness::{Client, Delivery, events, text};

use super::load::Acknowledged;

pub struct Summary {
    pub runs: usize,
    pub repeated: usize,
}

/// Counts the runs. Fails, and lists the requests, if any was lost, ran early, or ran twice without an interruption.
pub async fn check(api: &Client, acknowledged: &[Acknowledged], deliveries: &[Delivery]) -> Summary {
    let mut runs: HashMap<String, Vec<&Delivery>> = HashMap::new();
    for run in deliveries {
        runs.entry(name_of(run)).or_default().push(run);
    }
    let mut faults = Vec::new();
    let mut repeated = 0;
    for request in acknowledged {
        let runs = runs.get(&request.name).map(Vec::as_slice).unwrap_or_default();
        repeated += usize::from(runs.len() > 1);
        let times: Vec<_> = runs.iter().map(|run| run.at).collect();
        let document = api.request(&request.id).await;
        faults.extend(fault_of(&document, request.trigger_at, &times).map(|fault| format!("{fault}: {document}\n  ran at {times:?}")));
    }
    assert!(faults.is_empty(), "{} of {} acknowledged requests went wrong:\n{}", faults.len(), acknowledged.len(), faults.join("\n"));
    Summary { runs: deliveries.len(), repeated }
}

/// Returns the fault of a request that ran at these times (receiver's clock), or `None`.
fn fault_of(document: &Value, trigger_at: DateTime<Utc>, runs: &[DateTime<Utc>]) -> Option<&'static str> {
    if text(document, "status") != "succeeded" {
        return Some("did not succeed");
    }
    if runs.is_empty() {
        return Some("succeeded without a run");
    }
    if runs.iter().any(|run| *run < trigger_at) {
        return Some("ran early");
    }
    // An interrupted run may or may not have reached the receiver.
    let events = events(document);
    let count = |name: &str| events.iter().filter(|event| **event == name).count();
    let cut_off = count("interrupted");
    if runs.len() > 1 + cut_off {
        return Some("ran more often than kills explain");
    }
    if count("started") != 1 + cut_off || document["attempts"] != 1 + cut_off {
        return Some("has a history that does not fit");
    }
    None
}

/// Returns the request's name: from the query string of a plugin's call, else from the body of an `http` delivery.
fn name_of(run: &Delivery) -> String {
    match run.path.split_once("?name=") {
        Some((_, name)) => name.to_owned(),
        None => text(&run.json(), "name").to_owned(),
    }
}

#[test]
fn the_verdict_finds_lost_repeated_and_early_requests() {
    let at = |millis: i64| DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap();
    let document = |status: &str, attempts: usize, events: &[&str]| {
        let history: Vec<Value> = events.iter().map(|event| json!({ "event": event })).collect();
        json!({ "status": status, "attempts": attempts, "history": history })
    };
    let once = document("succeeded", 1, &["accepted", "started", "succeeded"]);
    let twice = document("succeeded", 2, &["accepted", "started", "interrupted", "started", "succeeded"]);
    let odd = document("succeeded", 2, &["accepted", "started", "succeeded"]);
    let stuck = document("running", 1, &["accepted", "started"]);
    for (document, runs, expected) in [
        (&once, vec![at(0)], None),
        (&once, vec![at(0), at(5)], Some("ran more often than kills explain")),
        (&once, vec![at(-1)], Some("ran early")),
        (&once, vec![], Some("succeeded without a run")),
        (&twice, vec![at(0), at(5)], None),
        (&twice, vec![at(5)], None),
        (&twice, vec![at(0), at(5), at(9)], Some("ran more often than kills explain")),
        (&odd, vec![at(0)], Some("has a history that does not fit")),
        (&stuck, vec![at(0)], Some("did not succeed")),
    ] {
        assert_eq!(fault_of(document, at(0), &runs), expected, "{document} {runs:?}");
    }
}
