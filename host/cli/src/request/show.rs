//! Turns the API's JSON documents into text for people.

use std::fmt::Write as _;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::output::{columns, indented, pretty, printable, text_of};

/// Returns the acknowledgement of a post. `get` is the command line that follows a request, without the id.
pub fn acknowledgement(document: &Value, get: &str) -> String {
    let id = text_of(document, "correlationId");
    format!(
        "{} {} for {}, target {}\n  id:   {id}\n  next: {get} {id} --wait\n",
        text_of(document, "status"),
        text_of(document, "useCase"),
        trigger_at(document),
        text_of(document, "target"),
    )
}

/// Returns the time of a request, also in the zone that the call named.
fn trigger_at(document: &Value) -> String {
    let (at, zoned) = (text_of(document, "triggerAt"), text_of(document, "triggerAtZoned"));
    if zoned.is_empty() { at } else { format!("{at} ({zoned})") }
}

/// Returns the status of a request after a change, on one line.
pub fn changed(document: &Value) -> String {
    let when = match text_of(document, "nextAttemptAt") {
        next if next.is_empty() => trigger_at(document),
        next => next,
    };
    let (id, status) = (text_of(document, "correlationId"), text_of(document, "status"));
    if !document["erasedAt"].is_null() {
        return format!("{id} is erased, and {status}\n");
    }
    if status == "scheduled" { format!("{id} is scheduled for {when}\n") } else { format!("{id} is {status}\n") }
}

/// Returns a result as the server sent it in `answer`: over several lines, unless that would change a number or drop a repeated key.
fn result(answer: &str, parsed: &Value) -> String {
    #[derive(serde::Deserialize)]
    struct Shown<'a> {
        #[serde(borrow)]
        result: Option<&'a RawValue>,
    }
    let sent = serde_json::from_str::<Shown<'_>>(answer).ok().and_then(|shown| shown.result).map_or("", RawValue::get);
    if parsed.is_string() || serde_json::to_string(parsed).is_ok_and(|text| text == sent) { pretty(parsed) } else { printable(sent) }
}

/// Returns a request with its history. `answer` is the document as the server sent it.
pub fn request(answer: &str, document: &Value) -> String {
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
    for (label, member) in [
        ("owner", "owner"),
        ("next attempt", "nextAttemptAt"),
        ("waits for", "waitsFor"),
        ("expires", "expiresAt"),
        ("finished", "finishedAt"),
        ("erased", "erasedAt"),
        ("failure", "failure"),
        ("notice of", "noticeOf"),
    ] {
        if !document[member].is_null() {
            rows.push(row(label, text_of(document, member)));
        }
    }
    if !document["labels"].is_null() {
        rows.push(row("labels", labels(document)));
    }
    let mut text = columns(&rows, "");
    if !document["result"].is_null() {
        let _ = write!(text, "result\n{}", indented(&result(answer, &document["result"]), "  "));
    }
    let history: Vec<Vec<String>> = document["history"].as_array().into_iter().flatten().map(history_row).collect();
    if !history.is_empty() {
        let _ = write!(text, "history\n{}", columns(&history, "  "));
    }
    text
}

/// Returns the labels of a request as `name=value`.
fn labels(document: &Value) -> String {
    let labels = document["labels"].as_object().into_iter().flatten();
    labels.map(|(name, value)| printable(&format!("{name}={}", value.as_str().unwrap_or_default()))).collect::<Vec<_>>().join(" ")
}

fn history_row(line: &Value) -> Vec<String> {
    let attempt = match line["attempt"].as_u64() {
        None | Some(0) => String::new(),
        Some(attempt) => format!("attempt {attempt}"),
    };
    let by = line["by"].as_str().map(|name| format!("by {}", printable(name)));
    let more: Vec<String> = by.into_iter().chain([text_of(line, "detail")]).filter(|text| !text.is_empty()).collect();
    vec![text_of(line, "at"), text_of(line, "event"), attempt, more.join(", ")]
}

/// Returns requests as a table, with a heading for the first page. All pages have the same column widths, unless a name is
/// longer than its column. The last column also has the resource that a request waits for.
pub fn list(requests: &[Value], heading: bool) -> String {
    let names = ["ID", "USE CASE    ", "STATUS   ", "TARGET", "TRIGGER AT", "ATTEMPTS", "LABELS"].map(str::to_owned).to_vec();
    let members = ["correlationId", "useCase", "status", "target", "triggerAt", "attempts"];
    let rows = requests.iter().map(|request| {
        let waits = Some(text_of(request, "waitsFor")).filter(|on| !on.is_empty()).map(|on| format!("waits for {on}"));
        let last = [labels(request)].into_iter().filter(|labels| !labels.is_empty()).chain(waits).collect::<Vec<_>>().join("  ");
        members.map(|member| text_of(request, member)).into_iter().chain([last]).collect()
    });
    let table = columns(&std::iter::once(names).chain(rows).collect::<Vec<_>>(), "");
    if heading { table } else { table.lines().skip(1).fold(String::new(), |rows, row| rows + row + "\n") }
}

#[cfg(test)]
mod tests;
