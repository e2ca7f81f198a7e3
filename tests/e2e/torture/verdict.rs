//! What the run came to: each acknowledged request against the runs that the receiver saw.

use std::collections::HashMap;

use crate::harness::{Client, Delivery, events, text};

use super::load::Acknowledged;

pub struct Summary {
    pub runs: usize,
    pub repeated: usize,
}

/// Fails with every request that was lost, ran twice without a kill in its run, or ran early.
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
        faults.extend(fault_of(api, request, runs).await);
    }
    assert!(faults.is_empty(), "{} of {} acknowledged requests went wrong:\n{}", faults.len(), acknowledged.len(), faults.join("\n"));
    Summary { runs: deliveries.len(), repeated }
}

async fn fault_of(api: &Client, request: &Acknowledged, runs: &[&Delivery]) -> Option<String> {
    let document = api.request(&request.id).await;
    let what = |what: &str| Some(format!("{what}: {document}\n  ran at {:?}", runs.iter().map(|run| run.at).collect::<Vec<_>>()));
    if text(&document, "status") != "succeeded" {
        return what("did not succeed");
    }
    if runs.is_empty() {
        return what("succeeded without a run");
    }
    // A run that a kill cut off may have been seen by the receiver, or may not have come so far.
    let events = events(&document);
    let cut_off = events.iter().filter(|event| **event == "interrupted").count();
    if runs.len() > 1 + cut_off {
        return what("ran more often than kills explain");
    }
    let started = events.iter().filter(|event| **event == "started").count();
    if started != 1 + cut_off || document["attempts"] != started {
        return what("has a history that does not fit");
    }
    if runs.iter().any(|run| run.at < request.trigger_at) {
        return what("ran early");
    }
    None
}

/// The name in what a target or a plugin sent.
fn name_of(run: &Delivery) -> String {
    match run.path.split_once("?name=") {
        Some((_, name)) => name.to_owned(),
        None => text(&run.json(), "name").to_owned(),
    }
}
