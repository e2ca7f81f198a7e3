use super::*;

fn problem(status: u16, code: &str) -> anyhow::Error {
    let json = json!({ "correlationId": "1", "code": code, "detail": format!("it is {code}") });
    ProblemReport { action: crate::client::CallKind::Other, status, retry_after: None, text: json.to_string(), json }.into()
}

#[test]
fn refusals_are_counted_by_code_with_the_first_ids() {
    let mut tally = Tally::of(10);
    tally.add("a", Ok(()));
    tally.add("b", Err(problem(409, "not-scheduled")));
    tally.add("c", Err(problem(422, "rejected")));
    tally.add("d", Err(problem(422, "rejected")));
    let expected = "cancelled 1 of 10 requests
  1 not-scheduled (changed meanwhile): it is not-scheduled
    b
  2 rejected: it is rejected
    c, d
";
    assert_eq!(tally.text(&ChangeCall::Cancel), expected);
    let json: Value = serde_json::from_str(&tally.json(3)).unwrap();
    let refused = json!({ "not-scheduled": 1, "rejected": 2 });
    assert_eq!(json, json!({ "matched": 10, "changed": 1, "refused": refused, "failed": [], "left": 6, "leftOut": 3 }));
    assert_eq!(tally.progress(&ChangeCall::Cancel), format!("{} 1 of 10 cancelled, 3 not", bar(4, 10)));
}

#[test]
fn an_erasure_that_the_host_failed_names_every_id() {
    let mut tally = Tally::of(8);
    for id in ["a", "b", "c", "d", "e", "f"] {
        tally.add(id, Err(problem(503, "scheduler-unavailable")));
    }
    tally.add("g", Err(problem(409, "running")));
    let repeat = "  repeat these: postdate request erase a b c d e f\n";
    assert!(tally.text(&ChangeCall::Erase).contains(repeat), "{}", tally.text(&ChangeCall::Erase));
    assert!(!tally.text(&ChangeCall::Cancel).contains("repeat these"));
    assert_eq!(serde_json::from_str::<Value>(&tally.json(0)).unwrap()["failed"], json!(["a", "b", "c", "d", "e", "f"]));
}

#[test]
fn races_are_no_failure_and_other_refusals_are() {
    let ended = |code: &str, status: u16| {
        let mut tally = Tally::of(2);
        tally.add("a", Ok(()));
        tally.add("b", Err(problem(status, code)));
        (tally.is_complete(), tally.is_complete_but_for_races())
    };
    for (code, status) in [("not-scheduled", 409), ("not-failed", 409), ("erased", 409), ("unknown-request", 404)] {
        assert_eq!(ended(code, status), (false, true), "{code}");
    }
    for (code, status) in [("running", 409), ("handed-over", 409), ("rejected", 422)] {
        assert_eq!(ended(code, status), (false, false), "{code}");
    }
    assert!(!Tally::of(1).is_complete_but_for_races(), "requests are left");
}

#[test]
fn further_calls_stop_where_they_have_no_prospect() {
    let mut tally = Tally::of(1_000);
    for _ in 1..CONCURRENT {
        tally.add("a", Err(problem(500, "internal")));
    }
    assert_eq!(tally.stopped, None);
    tally.add("b", Ok(()));
    tally.add("c", Err(problem(500, "internal")));
    assert_eq!(tally.stopped, None, "a success begins the count again");
    for _ in 1..CONCURRENT {
        tally.add("d", Err(problem(503, "ledger-full")));
    }
    assert!(tally.stopped.as_ref().is_some_and(|reason| reason.contains("ledger-full")), "{:?}", tally.stopped);

    let mut tally = Tally::of(5);
    tally.add("a", Err(problem(403, "missing-scope")));
    assert!(tally.stopped.is_some());
    let mut tally = Tally::of(5);
    tally.add("a", Err(anyhow::anyhow!("cannot reach the server")));
    let text = tally.text(&ChangeCall::Cancel);
    assert!(text.contains("stopped: cannot reach the server\n  left: 4 requests; run the same command again"), "{text}");
}
