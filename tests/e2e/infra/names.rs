//! Names shared by the template and the code: environment variables and metrics.

use std::collections::BTreeSet;

use super::source::read;
use super::template::resources_of;
use super::tools::translated;
use crate::harness::root;

/// Variables that the code reads and the template does not set, each with the reason.
const UNSET: [(&str, &str); 3] = [
    ("POSTDATE_BASE_PATH", "the API's stage is $default, which adds nothing to a path"),
    ("POSTDATE_ALLOW_SECRET", "the template sets no variable that a use case may have"),
    ("POSTDATE_CA_FILE", "a file of a layer, which the template does not know"),
];

fn code() -> String {
    read(&root().join("host/aws/src")).into_iter().map(|source| source.text).collect()
}

/// Returns the upper-case words of the text that start with `start`.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let all = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    all.filter(|word| word.starts_with(start) && word.len() > start.len() && !word.ends_with('_')).collect()
}

/// Returns the metrics of the namespace `Postdate` in the template's alarms and dashboard.
fn metrics() -> BTreeSet<String> {
    let alarms = resources_of("AWS::CloudWatch::Alarm").into_iter().map(|(_, alarm)| &alarm["Properties"]);
    let ours = alarms.filter(|alarm| alarm["Namespace"] == "Postdate").filter_map(|alarm| alarm["MetricName"].as_str());
    let mut names: BTreeSet<String> = ours.map(str::to_owned).collect();
    let body = translated()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"].as_str().expect("the dashboard");
    names.extend(body.split("[\"Postdate\",\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    names.extend(body.split("MetricName=\\\"").skip(1).filter_map(|rest| Some(rest.split_once('\\')?.0.to_owned())));
    names
}

#[test]
fn the_template_sets_exactly_the_variables_that_the_code_reads() {
    let template = translated()["Resources"].to_string();
    let (set, code) = (words(&template, "POSTDATE_"), code());
    let mut read = words(&code, "POSTDATE_");
    for (name, reason) in UNSET {
        assert!(read.remove(name), "the code no longer reads {name}: remove it from UNSET ({reason})");
    }
    assert_eq!(set, read);
}

#[test]
fn the_aws_page_documents_each_variable_that_the_code_reads() {
    let page = std::fs::read_to_string(root().join("docs/aws.md")).expect("docs/aws.md");
    let code = code();
    let missing: Vec<&str> = words(&code, "POSTDATE_").into_iter().filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/aws.md has no table row for {missing:?}");
}

#[test]
fn the_code_writes_each_metric_of_the_alarms_and_the_dashboard() {
    let code = code();
    let missing: Vec<String> = metrics().into_iter().filter(|name| !code.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "no code writes {missing:?}");
}

#[test]
fn the_metrics_of_the_template_are_found() {
    let found = metrics();
    let some =
        ["Accepted", "CleanFailed", "Fired", "HeldUpMs", "LatenessMs", "NotMended", "Rearmed", "Rejected", "Rules", "WaitedMs", "Waits"];
    assert!(some.iter().all(|name| found.contains(*name)) && !found.contains("Throttles"), "{found:?}");
}

#[test]
fn the_dashboard_is_valid_json_and_its_widgets_do_not_overlap() {
    let body = translated()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"].as_str().expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let widgets = dashboard["widgets"].as_array().expect("widgets");
    assert!(!widgets.is_empty());
    let places: BTreeSet<(u64, u64)> = widgets.iter().filter_map(|one| Some((one["x"].as_u64()?, one["y"].as_u64()?))).collect();
    assert_eq!(places.len(), widgets.len(), "two widgets have the same position");
}
