//! Results of test cases: as text in the form of `cargo test`, and as `JUnit` XML for CI servers.

use std::fmt::Write as _;
use std::time::Duration;

use postdate_cases::{Compared, Ran};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use crate::output::{indented, log_documents, log_text, milliseconds, printable};

/// Returns the failures, and the line with the totals.
pub fn summary(ran: &[Ran], filtered_out: usize, elapsed: Duration) -> String {
    let failed: Vec<&Ran> = ran.iter().filter(|case| !case.complaints.is_empty()).collect();
    let mut text = String::from("\n");
    if !failed.is_empty() {
        text.push_str("failures:\n\n");
        for case in &failed {
            text.push_str(&failure(case));
        }
        text.push_str("failures:\n");
        for case in &failed {
            let _ = writeln!(text, "    {}", printable(&case.name));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "test result: {}. {} passed; {} failed; {filtered_out} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        ran.len() - failed.len(),
        failed.len(),
        elapsed.as_secs_f64(),
    );
    text
}

/// Returns the results for JSON.
pub fn document(use_case: &str, version: &str, ran: &[Ran], filtered_out: usize, elapsed: Duration) -> Value {
    let case = |case: &Ran| {
        json!({
            "name": case.name,
            "description": case.description,
            "passed": case.complaints.is_empty(),
            "complaints": case.complaints,
            "diff": case.compared.as_ref().map(Compared::diff),
            "elapsedMs": milliseconds(case.elapsed),
            "log": log_documents(&case.lines),
        })
    };
    let passed = ran.iter().filter(|case| case.complaints.is_empty()).count();
    json!({
        "useCase": use_case,
        "version": version,
        "passed": passed,
        "failed": ran.len() - passed,
        "filteredOut": filtered_out,
        "elapsedMs": milliseconds(elapsed),
        "cases": ran.iter().map(case).collect::<Vec<_>>(),
    })
}

fn failure(case: &Ran) -> String {
    let mut text = format!("---- {} ----\n", printable(&case.name));
    if !case.description.is_empty() {
        let _ = writeln!(text, "{}", printable(&case.description));
    }
    for complaint in &case.complaints {
        text.push_str(&indented(&printable(complaint), "  "));
    }
    text.push_str(&diff(case));
    if !case.lines.is_empty() {
        let _ = write!(text, "the plugin wrote:\n{}", log_text(&case.lines, "  "));
    }
    text.push('\n');
    text
}

/// Returns the diff of a failed case, indented; empty if nothing was compared.
pub fn diff(case: &Ran) -> String {
    case.compared.as_ref().map(|compared| indented(&printable(&compared.diff()), "  ")).unwrap_or_default()
}

/// Returns a `JUnit` document with one suite, named after the use case.
pub fn junit(use_case: &str, ran: &[Ran]) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(use_case);
    suite.add_test_cases(ran.iter().map(|case| {
        let status = match case.complaints.first() {
            None => TestCaseStatus::success(),
            Some(first) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(first.as_str());
                status.set_description(format!("{}\n{}", case.complaints.join("\n"), log_text(&case.lines, "")));
                status
            }
        };
        let mut test = TestCase::new(case.name.as_str(), status);
        test.set_classname(use_case).set_time(case.elapsed);
        test
    }));
    suite.set_time(ran.iter().map(|case| case.elapsed).sum());
    let mut report = Report::unnamed();
    report.add_test_suite(suite);
    report.to_string()
}

#[cfg(test)]
mod tests;
