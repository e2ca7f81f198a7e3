//! The API's documents for people. Pure: JSON in, text out.

use std::fmt::Write as _;

use serde_json::Value;

use crate::output::{columns, indented, printable};

/// A member as text: text as it is, anything else as JSON, nothing where it is missing.
pub fn text_of(document: &Value, member: &str) -> String {
    match &document[member] {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

/// The acknowledgement of a post. `get`: the command that follows the request, without its id.
pub fn acknowledgement(document: &Value, get: &str) -> String {
    let id = text_of(document, "correlationId");
    format!(
        "{} {} for {}, target {}\n  id:   {id}\n  next: {get} {id} --wait\n",
        text_of(document, "status"),
        text_of(document, "useCase"),
        text_of(document, "triggerAt"),
        text_of(document, "target"),
    )
}

/// One line after a change.
pub fn changed(document: &Value) -> String {
    let when = match text_of(document, "nextAttemptAt") {
        next if next.is_empty() => text_of(document, "triggerAt"),
        next => next,
    };
    let (id, status) = (text_of(document, "correlationId"), text_of(document, "status"));
    if status == "scheduled" { format!("{id} is scheduled for {when}\n") } else { format!("{id} is {status}\n") }
}

/// A request with its history.
pub fn request(document: &Value) -> String {
    let row = |label: &str, text: String| vec![label.to_owned(), text];
    let mut rows = vec![
        row("request", text_of(document, "correlationId")),
        row("use case", format!("{} (version {})", text_of(document, "useCase"), text_of(document, "version"))),
        row("status", text_of(document, "status")),
        row("target", text_of(document, "target")),
        row("received", text_of(document, "receivedAt")),
        row("trigger at", text_of(document, "triggerAt")),
        row("attempts", text_of(document, "attempts")),
    ];
    for (label, member) in
        [("next attempt", "nextAttemptAt"), ("finished", "finishedAt"), ("failure", "failure"), ("notice of", "noticeOf")]
    {
        if !document[member].is_null() {
            rows.push(row(label, text_of(document, member)));
        }
    }
    let mut text = columns(&rows, "");
    if !document["result"].is_null() {
        let _ = write!(text, "result\n{}", indented(&pretty(&document["result"]), "  "));
    }
    let history: Vec<Vec<String>> = document["history"].as_array().into_iter().flatten().map(history_row).collect();
    if !history.is_empty() {
        let _ = write!(text, "history\n{}", columns(&history, "  "));
    }
    text
}

fn history_row(line: &Value) -> Vec<String> {
    let attempt = match line["attempt"].as_u64() {
        None | Some(0) => String::new(),
        Some(attempt) => format!("attempt {attempt}"),
    };
    vec![text_of(line, "at"), text_of(line, "event"), attempt, text_of(line, "detail")]
}

/// JSON over several lines; text as it is.
pub fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => printable(&serde_json::to_string_pretty(other).unwrap_or_default()),
    }
}

/// Requests as a table; `heading` only for the first page. The pages' columns are of one width, unless a name is long.
pub fn list(requests: &[Value], heading: bool) -> String {
    let names = ["ID", "USE CASE    ", "STATUS   ", "TARGET", "TRIGGER AT", "ATTEMPTS"].map(str::to_owned).to_vec();
    let members = ["correlationId", "useCase", "status", "target", "triggerAt", "attempts"];
    let rows = requests.iter().map(|request| members.map(|member| text_of(request, member)).to_vec());
    let table = columns(&std::iter::once(names).chain(rows).collect::<Vec<_>>(), "");
    if heading { table } else { table.lines().skip(1).fold(String::new(), |rows, row| rows + row + "\n") }
}

/// The answer of `GET /use-cases`.
pub fn use_cases(document: &Value) -> String {
    let all = document["useCases"].as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return "the server has no use case: put a bundle into its directory of use cases\n".to_owned();
    }
    let mut rows = vec![["NAME", "VERSION", "TARGETS", "DESCRIPTION"].map(str::to_owned).to_vec()];
    let mut faults = String::new();
    for use_case in all {
        let targets: Vec<&str> = use_case["targets"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let version = if use_case["version"].is_null() { "none".to_owned() } else { text_of(use_case, "version") };
        rows.push(vec![text_of(use_case, "name"), version, printable(&targets.join(", ")), text_of(use_case, "description")]);
        if !use_case["error"].is_null() {
            let _ = write!(
                faults,
                "\n{}: its newest upload does not serve:\n{}",
                text_of(use_case, "name"),
                indented(&text_of(use_case, "error"), "  ")
            );
        }
        if let Some(since) = use_case["update"]["since"].as_str() {
            let (name, state) = (text_of(use_case, "name"), text_of(&use_case["update"], "state"));
            let _ = writeln!(faults, "\n{name}: its newest upload is {state}, since {}; new plugins are compiled first", printable(since));
        }
    }
    columns(&rows, "") + &faults
}

#[cfg(test)]
mod tests;
