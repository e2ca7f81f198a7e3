use std::collections::BTreeMap;
use std::time::Duration;

use postdate_core::plugin::{Role, Stopped};
use postdate_core::request::{Status, Waiting};
use postdate_core::testing::{at, new_request, sample_id};

use super::*;

fn request() -> Request {
    new_request(sample_id(1), "orders", at(10)).request
}

/// Returns the values of the samples whose names begin with `postdate_` and this text.
fn samples(metrics: &Metrics, name: &str) -> BTreeMap<String, f64> {
    let mut text = String::new();
    metrics.encode(&mut text).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("postdate_")?.rsplit_once(' '));
    lines.filter(|(sample, _)| sample.starts_with(name)).map(|(sample, value)| (sample.to_owned(), value.parse().unwrap())).collect()
}

#[track_caller]
fn check(metrics: &Metrics, expected: &[(&str, f64)]) {
    for (sample, value) in expected {
        assert_eq!(samples(metrics, sample).get(*sample), Some(value), "{sample}: {:?}", samples(metrics, ""));
    }
}

#[test]
fn each_change_is_counted_by_its_kind() {
    let (metrics, open) = (Metrics::default(), request());
    let target = &open.target;
    let ended = |status| Request { status, ..request() };
    let notice = Some(Box::new(NewRequest {
        request: Request { target: "mail".to_owned(), ..request() },
        ..new_request(sample_id(2), "orders", at(9))
    }));
    metrics.accepted(&open);
    metrics.changed(&Change::Cancel { by: None }, &ended(Status::Cancelled));
    metrics.changed(&Change::Move { to: at(20), by: None }, &open);
    metrics.changed(&Change::Retry { by: None }, &open);
    let finish = |outcome| Change::Finish { claim: 1, outcome };
    metrics.changed(&finish(Outcome::Retry { failure: String::new(), at: at(20) }), &open);
    metrics.changed(&finish(Outcome::Failed { failure: String::new(), notice: notice.clone() }), &ended(Status::Failed));
    metrics.changed(&finish(Outcome::Succeeded { result: None, notice: None }), &ended(Status::Succeeded));
    let release = |notice| Change::Release { claim: 1, reason: String::new(), notice };
    metrics.changed(&release(notice.clone()), &open);
    metrics.changed(&release(notice), &ended(Status::Failed));
    let lane = format!("use_case=\"orders\",target=\"{target}\"");
    check(
        &metrics,
        &[
            (&format!("requests_accepted_total{{{lane}}}"), 1.0),
            (&format!("requests_ended_total{{{lane},outcome=\"cancelled\"}}"), 1.0),
            (&format!("requests_ended_total{{{lane},outcome=\"succeeded\"}}"), 1.0),
            (&format!("requests_ended_total{{{lane},outcome=\"failed\"}}"), 2.0),
            (&format!("retries_total{{{lane},by=\"hand\"}}"), 1.0),
            (&format!("retries_total{{{lane},by=\"policy\"}}"), 1.0),
            (&format!("attempts_interrupted_total{{{lane}}}"), 2.0),
            // The first release does not end the request, so its notice is not stored.
            ("notices_total{use_case=\"orders\",target=\"mail\"}", 2.0),
        ],
    );
}

#[test]
fn a_wait_is_counted_by_a_word_of_the_program() {
    let metrics = Metrics::default();
    let defer = |waits_for: &str| Change::Defer { claim: 1, waits_for: waits_for.to_owned(), at: at(20) };
    for (waits_for, word) in [
        ("a free slot for process plugins (all 64 busy)", "slot"),
        ("memory for a plugin", "memory"),
        ("the secrets of the use case", "secrets"),
        ("version 0a1b of use case orders to be loaded", "version"),
        ("the store of use cases", "store"),
        ("a free name look-up", "name-look-up"),
        ("a free file descriptor", "file-descriptor"),
        ("the text of somebody", "other"),
    ] {
        metrics.changed(&defer(waits_for), &request());
        check(&metrics, &[(&format!("attempts_deferred_total{{use_case=\"orders\",reason=\"{word}\"}}"), 1.0)]);
    }
}

#[test]
fn lateness_counts_from_the_first_due_time_also_after_a_deferral() {
    let check = |attempts, due_at, since: Option<i64>, late: f64| {
        let metrics = Metrics::default();
        let waiting = since.map(|since| Waiting { on: "a free slot".to_owned(), since: at(since) });
        metrics.began(&Request { attempts, due_at: at(due_at), waiting, ..request() }, at(70));
        let sums = samples(&metrics, "lateness_seconds_sum");
        assert_eq!(sums.values().next(), Some(&late));
    };
    check(1, 10, None, 60.0);
    check(1, 100, None, 0.0);
    check(1, 69, Some(15), 60.0);
    check(2, 69, Some(40), 30.0);
}

#[test]
fn a_running_attempt_is_counted_until_it_is_dropped() {
    let metrics = Metrics::default();
    let sample = "running{use_case=\"orders\",kind=\"processor\"}";
    let (first, second) = (metrics.running("orders", "processor"), metrics.running("orders", "processor"));
    check(&metrics, &[(sample, 2.0)]);
    drop((first, second));
    check(&metrics, &[(sample, 0.0)]);
}

#[test]
fn calls_and_commits_fall_into_buckets() {
    let metrics = Metrics::default();
    let called = |elapsed, peak_memory, stopped| EndedCall { use_case: "orders", role: Role::Process, elapsed, peak_memory, stopped };
    metrics.called(called(Duration::from_millis(2), 3 << 20, None));
    metrics.called(called(Duration::from_hours(1), 4 << 30, Some(&Stopped::Memory(1))));
    metrics.committed(Instant::now(), 512);
    let labels = "use_case=\"orders\",role=\"process\"";
    check(
        &metrics,
        &[
            (&format!("plugin_call_seconds_bucket{{le=\"0.001\",{labels}}}"), 0.0),
            (&format!("plugin_call_seconds_bucket{{le=\"0.0025\",{labels}}}"), 1.0),
            (&format!("plugin_call_seconds_bucket{{le=\"+Inf\",{labels}}}"), 2.0),
            (&format!("plugin_memory_bytes_bucket{{le=\"4194304.0\",{labels}}}"), 1.0),
            (&format!("plugin_memory_bytes_count{{{labels}}}"), 2.0),
            (&format!("plugin_stopped_total{{{labels},reason=\"memory\"}}"), 1.0),
            ("ledger_commit_seconds_count", 1.0),
            ("ledger_commit_changes_bucket{le=\"256.0\"}", 0.0),
            ("ledger_commit_changes_bucket{le=\"512.0\"}", 1.0),
        ],
    );
}
