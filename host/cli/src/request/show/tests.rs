use super::*;
use serde_json::json;

#[test]
fn a_request_is_shown_with_its_history() {
    let document = json!({
        "correlationId": "0198", "useCase": "orders", "version": "ab12", "status": "succeeded", "target": "here",
        "receivedAt": "T0", "triggerAt": "T1", "attempts": 2, "owner": "shop", "finishedAt": "T3", "result": { "total": 5 },
        "history": [
            { "at": "T0", "event": "accepted", "status": "scheduled", "attempt": 0, "by": "shop" },
            { "at": "T0", "event": "moved", "status": "scheduled", "attempt": 0, "by": "ann", "detail": "to T1" },
            { "at": "T1", "event": "attempt-failed", "status": "scheduled", "attempt": 1, "detail": "HTTP 503" },
            { "at": "T3", "event": "succeeded", "status": "succeeded", "attempt": 2 },
        ],
    });
    let expected = "request     0198
use case    orders (version ab12)
status      succeeded
target      here
received    T0
trigger at  T1
attempts    2
owner       shop
finished    T3
result
  {
    \"total\": 5
  }
history
  T0  accepted                   by shop
  T0  moved                      by ann, to T1
  T1  attempt-failed  attempt 1  HTTP 503
  T3  succeeded       attempt 2
";
    assert_eq!(request(&document.to_string(), &document), expected);
}

#[test]
fn a_result_that_a_parser_would_change_is_shown_as_it_was_sent() {
    for sent in [r#"{"n":117.63331139400017,"n":18446744073709551616}"#, "[ 123456789012345678901234567890 ]"] {
        let answer = format!(r#"{{"correlationId":"1","result":{sent}}}"#);
        let shown = request(&answer, &serde_json::from_str(&answer).unwrap());
        assert!(shown.contains(&format!("result\n  {sent}\n")), "{shown}");
    }
}

#[test]
fn a_change_returns_the_new_status() {
    assert_eq!(changed(&json!({ "correlationId": "1", "status": "cancelled" })), "1 is cancelled\n");
    assert_eq!(changed(&json!({ "correlationId": "1", "status": "scheduled", "triggerAt": "T" })), "1 is scheduled for T\n");
    let erased = json!({ "correlationId": "1", "status": "cancelled", "erasedAt": "T" });
    assert_eq!(changed(&erased), "1 is erased, and cancelled\n");
}

#[test]
fn a_list_is_a_table_with_a_heading_on_the_first_page() {
    let row = json!({ "correlationId": "1", "useCase": "orders", "status": "failed", "target": "here", "triggerAt": "T", "attempts": 5, "labels": { "customer": "42", "region": "eu" } });
    let line = "1   orders        failed     here    T           5         customer=42 region=eu\n";
    let heading = "ID  USE CASE      STATUS     TARGET  TRIGGER AT  ATTEMPTS  LABELS\n";
    assert_eq!(list(std::slice::from_ref(&row), true), format!("{heading}{line}"));
    assert_eq!(list(&[row], false), line);
    let waiting = json!({ "correlationId": "1", "useCase": "orders", "status": "scheduled", "target": "here", "triggerAt": "T", "attempts": 0, "waitsFor": "a place at target here (1 of 1)" });
    assert!(list(std::slice::from_ref(&waiting), true).ends_with("  0         waits for a place at target here (1 of 1)\n"));
    let both = json!({ "labels": { "customer": "42" }, "waitsFor": "its turn at target here (50/s)" });
    assert!(list(&[both], false).ends_with(" customer=42  waits for its turn at target here (50/s)\n"));
}
