//! Names that template and code share: environment variables and metrics.

use std::collections::BTreeSet;

use super::source::read;
use super::template::resources_of;
use super::tools::translated;
use crate::harness::root;

/// Read by the code and not set by the template, each for a reason.
const UNSET: [(&str, &str); 1] = [("POSTDATE_BASE_PATH", "the API's stage is $default, which adds nothing to a path")];

fn code() -> String {
    read(&root().join("host/aws/src")).into_iter().map(|source| source.text).collect()
}

/// Words of the text that begin so.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let all = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    all.filter(|word| word.starts_with(start) && word.len() > start.len() && !word.ends_with('_')).collect()
}

/// Of our namespace, in alarms and on the dashboard.
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
fn the_template_sets_the_variables_that_the_code_reads() {
    let template = translated()["Resources"].to_string();
    let (set, code) = (words(&template, "POSTDATE_"), code());
    let mut read = words(&code, "POSTDATE_");
    for (name, reason) in UNSET {
        assert!(read.remove(name), "{name} is read no more: {reason}");
    }
    assert_eq!(set, read);
}

#[test]
fn the_aws_page_has_a_line_for_each_variable_that_the_code_reads() {
    let page = std::fs::read_to_string(root().join("docs/aws.md")).expect("docs/aws.md");
    let code = code();
    let missing: Vec<&str> = words(&code, "POSTDATE_").into_iter().filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "no line for {missing:?}");
}

#[test]
fn what_alarms_and_dashboard_show_is_written() {
    let code = code();
    let missing: Vec<String> = metrics().into_iter().filter(|name| !code.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "nothing writes {missing:?}");
}

#[test]
fn metrics_of_the_template_are_found() {
    let found = metrics();
    let some = ["Accepted", "CleanFailed", "Fired", "LatenessMs", "Rearmed", "Rejected", "Rules"];
    assert!(some.iter().all(|name| found.contains(*name)) && !found.contains("Errors"), "{found:?}");
}

#[test]
fn the_dashboard_is_the_json_that_cloudwatch_reads() {
    let body = translated()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"].as_str().expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let widgets = dashboard["widgets"].as_array().expect("widgets");
    assert!(!widgets.is_empty());
    let places: BTreeSet<(u64, u64)> = widgets.iter().filter_map(|one| Some((one["x"].as_u64()?, one["y"].as_u64()?))).collect();
    assert_eq!(places.len(), widgets.len(), "one widget on another");
}
