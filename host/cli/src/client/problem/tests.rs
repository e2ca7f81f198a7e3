use super::*;
use serde_json::json;

fn answer(action: CallKind, status: u16, json: Value) -> String {
    ProblemReport { action, status, retry_after: Some("2".to_owned()), text: json.to_string(), json }.to_string()
}

fn problem(status: u16, json: Value) -> String {
    answer(CallKind::Post, status, json)
}

#[test]
fn a_rejection_lists_each_problem() {
    let shown = problem(
        422,
        json!({ "detail": "the request was rejected", "code": "rejected", "correlationId": "0198", "problems": [
            { "pointer": "/quantity", "code": "maximum", "message": "at most 100" },
            { "pointer": "", "code": "x", "message": "all of it\u{7}" },
        ]}),
    );
    let expected = "the request was rejected
  code: rejected (HTTP 422)
  problems:
    /quantity     maximum  at most 100
    (whole body)  x        all of it\\u{7}
  correlation id: 0198
  next: nothing was scheduled: correct the problems, and post again";
    assert_eq!(shown, expected);
    let of_move = answer(CallKind::Other, 422, json!({ "detail": "the request was rejected", "code": "rejected" }));
    assert!(of_move.ends_with("next: the request keeps its time: correct the problems, and move it again"), "{of_move}");
}

#[test]
fn a_transient_error_says_when_to_try_again() {
    assert!(
        problem(503, json!({ "code": "ledger-unavailable", "title": "busy" }))
            .ends_with("again in 2 s; with --idempotency-key a repeat is safe")
    );
    let busy = json!({ "code": "validator-failed", "reason": "not-started", "correlationId": "77" });
    assert!(problem(503, busy).ends_with("next: try again in 2 s; with --idempotency-key a repeat is safe"));
    let to_move = answer(CallKind::Other, 503, json!({ "code": "scheduler-unavailable" }));
    assert!(to_move.ends_with("next: try again in 2 s"), "{to_move}");
    assert!(problem(500, json!({ "code": "ledger-failed", "correlationId": "77" })).ends_with("search the server's log for 77"));
    assert!(!problem(400, json!({ "code": "bad-query", "detail": "query parameter" })).contains("next:"));
}

#[test]
fn an_error_whose_reason_says_enough_has_no_advice() {
    let ledger = json!({ "refuses": "its disk is full" });
    let shown =
        problem(503, json!({ "code": "unhealthy", "detail": "no new requests are taken", "ledger": ledger, "correlationId": "77" }));
    assert!(shown.contains("\n  ledger: its disk is full\n") && !shown.contains("next:"), "{shown}");
    let full = problem(507, json!({ "code": "too-many-use-cases", "detail": "the server has as many as it may" }));
    assert!(!full.contains("next:"), "{full}");
}

#[test]
fn a_permanent_error_says_where_to_look() {
    let broken = problem(503, json!({ "code": "use-case-broken" }));
    assert!(broken.ends_with("next: see the reason with `postdate use-case list`"), "{broken}");
    let trap = problem(500, json!({ "code": "validator-failed", "reason": "trap", "correlationId": "77" }));
    assert!(trap.contains("next: the plugin failed: search the server's log for 77"), "{trap}");
    let large = json!({ "code": "payload-too-large" });
    assert!(problem(413, large.clone()).contains("put its URL into the body"));
    assert!(answer(CallKind::Upload, 413, large).ends_with("next: make the bundle's files smaller"));
}

#[test]
fn a_missing_right_says_which_key_to_use() {
    let scope = json!({ "code": "missing-scope", "scope": "deploy", "detail": "the caller \"shop\" lacks the scope \"deploy\"" });
    let shown = problem(403, scope);
    assert!(shown.contains("lacks the scope \"deploy\"") && shown.contains("next: use a key that has the scope deploy"), "{shown}");
    assert!(problem(401, json!({ "code": "key-expired" })).contains("next: ask the operator"));
}

#[test]
fn only_a_post_of_a_request_is_the_action_post() {
    let action = |method: Method, path: &[&str]| CallKind::of(&method, path);
    assert_eq!(action(Method::POST, &["requests", "orders"]), CallKind::Post);
    assert_eq!(action(Method::POST, &["requests", "0198", "retry"]), CallKind::Other);
    assert_eq!(action(Method::PATCH, &["requests", "0198"]), CallKind::Other);
}

#[test]
fn an_unknown_target_of_a_pause_can_be_left_out_for_all_targets() {
    let unknown = json!({ "code": "unknown-target", "pointer": "/target" });
    assert!(answer(CallKind::Post, 422, unknown.clone()).ends_with("for the use case's default"));
    assert!(answer(CallKind::Other, 422, unknown).ends_with("leave --target out for all targets"));
}
