//! The dashboard and the alert rules for one machine. A unit test of the server compares their metrics with those of `GET /metrics`.

use std::collections::BTreeSet;

use postdate_tests::tools::root;
use serde_json::Value;

use super::tools::alert_rules;

#[test]
fn each_alert_says_what_it_means_and_is_in_the_documents() {
    let rules = alert_rules();
    let rules = rules.as_array().expect("a list of rules");
    let documents = std::fs::read_to_string(root().join("docs/operations.md")).expect("the document");
    let names: BTreeSet<&str> = rules.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    assert!(names.len() == rules.len() && names.len() > 10, "names are missing or there twice: {names:?}");
    for rule in rules {
        let name = rule["alert"].as_str().unwrap_or_default();
        let texts = [&rule["expr"], &rule["annotations"]["summary"], &rule["annotations"]["description"]];
        assert!(texts.iter().all(|text| text.as_str().is_some_and(|text| !text.is_empty())), "{rule}");
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap_or_default()), "{rule}");
        assert!(documents.contains(&format!("| `{name}` |")), "docs/operations.md lacks {name}");
    }
}

#[test]
fn panels_of_the_dashboard_have_titles_units_and_queries_and_do_not_overlap() {
    let text = std::fs::read_to_string(root().join("infra/observability/grafana.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let places: BTreeSet<String> = panels.iter().map(|panel| format!("{},{}", panel["gridPos"]["x"], panel["gridPos"]["y"])).collect();
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert!(panels.len() > 10 && places.len() == panels.len() && ids.len() == panels.len(), "{places:?} {ids:?}");
    for panel in panels {
        assert!(panel["title"].is_string() && panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty() && targets.iter().all(|target| target["expr"].is_string()), "{panel}");
    }
}
