use postdate_core::limits::{Over, Rate};
use postdate_core::pause::Pause;
use postdate_core::testing::moment;

use super::*;

fn document(dimensions: &[(&str, &str)], metrics: &[Metric<'_>]) -> Value {
    let text = line(Service::Target, dimensions, metrics, DateTime::from_timestamp_millis(1_800_000_000_123).unwrap());
    assert!(!text.contains('\n'));
    serde_json::from_str(&text).unwrap()
}

/// Checks a document against the specification of the embedded metric format.
#[track_caller]
fn check_emf(document: &Value) {
    assert!(document["_aws"]["Timestamp"].is_i64() || document["_aws"]["Timestamp"].is_u64());
    let directives = document["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    for directive in directives {
        assert!((1..=255).contains(&directive["Namespace"].as_str().unwrap().len()));
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!(set.len() <= 30);
            for name in set {
                let value = document[name.as_str().unwrap()].as_str().expect("a dimension is a string at the root");
                assert!((1..=1024).contains(&value.len()));
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(metrics.len() <= 100);
        for metric in metrics {
            assert!(document[metric["Name"].as_str().unwrap()].is_number(), "a metric is a number at the root");
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
        }
    }
}

#[test]
fn a_line_follows_the_embedded_metric_format() {
    let written = document(&[("UseCase", "orders")], &[("Fired", 1.0, Unit::Count), ("LatenessMs", 12.5, Unit::Milliseconds)]);
    check_emf(&written);
    assert_eq!(
        written,
        json!({
            "_aws": { "Timestamp": 1_800_000_000_123_u64, "CloudWatchMetrics": [{
                "Namespace": "Postdate",
                "Dimensions": [["Service"], ["Service", "UseCase"]],
                "Metrics": [{ "Name": "Fired", "Unit": "Count" }, { "Name": "LatenessMs", "Unit": "Milliseconds" }],
            }]},
            "Service": "target", "UseCase": "orders", "Fired": 1.0, "LatenessMs": 12.5,
        })
    );
}

#[test]
fn a_metric_without_a_use_case_has_no_use_case_dimension() {
    let written = document(&[], &[count("Rules", 3)]);
    check_emf(&written);
    assert_eq!(written["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Service"]]));
    assert_eq!(written.get("UseCase"), None);
}

#[test]
fn rejected_calls_are_counted_by_code() {
    let written = document(&[("Code", "rejected"), ("UseCase", "orders")], &[("Rejected", 1.0, Unit::Count)]);
    check_emf(&written);
    assert_eq!(written["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Service"], ["Service", "Code"], ["Service", "UseCase"]]));
}

#[test]
fn the_reason_of_a_wait_is_a_stable_word() {
    let rate: Rate = "50/s".parse().unwrap();
    let pause = |target: Option<&str>| {
        let target = target.map(str::to_owned);
        Pause { use_case: "orders".to_owned(), target, since: moment(), until: None, by: None }.waits_for()
    };
    for (waits_for, word) in [
        (Over::Concurrency(3).waits_for("hook"), "concurrency"),
        (Over::Rate { rate, until: moment() }.waits_for("hook"), "rate"),
        (pause(None), "pause"),
        (pause(Some("hook")), "pause"),
        ("a free slot".to_owned(), "other"),
    ] {
        assert_eq!(waits_reason(&waits_for), word, "{waits_for}");
    }
}
