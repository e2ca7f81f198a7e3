//! Moving, cancelling, retrying.

use chrono::TimeDelta;
use insta::assert_json_snapshot;

use super::{Client, ORDERS, Reply, request, with_header};
use crate::host_fault::HostFault;
use crate::id::CorrelationId;
use crate::plugin::{Acceptance, JobFailure, Problem, Role, Stopped};
use crate::ports::{Intake as _, LedgerError, ScheduleError};
use crate::request::NewRequest;
use crate::testing::{FakeBundle, block_on, moment, new_request, sample_id};
use crate::time::parse_time;

/// Returns a client of a use case whose processor always fails permanently.
fn failing() -> Client {
    let failure = JobFailure::permanent("out of stock");
    Client::new(FakeBundle::new("v1", ORDERS).on_process(move |_| Ok(Err(failure.clone()))))
}

fn path(id: CorrelationId) -> String {
    format!("/requests/{id}")
}

#[test]
fn a_moved_request_is_scheduled_again() {
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    let reply = client.call("PATCH", &path(id), r#"{"triggerAt":"2027-01-02T00:00:00Z"}"#);
    assert_eq!((reply.status, reply.id()), (200, id));
    assert_json_snapshot!(reply.body, { ".correlationId" => "[id]", ".links.self" => "[path]" }, @r#"
    {
      "correlationId": "[id]",
      "useCase": "orders",
      "status": "scheduled",
      "target": "here",
      "triggerAt": "2027-01-02T00:00:00.000Z",
      "attempts": 0,
      "receivedAt": "2027-01-01T00:00:00.000Z",
      "version": "v1",
      "links": {
        "self": "[path]"
      }
    }
    "#);
    assert_eq!(client.api.scheduler.scheduled(), [(id, moment() + TimeDelta::seconds(60)), (id, moment() + TimeDelta::days(1))]);
    client.call("PATCH", &path(id), r#"{"delay":"PT5S"}"#);
    assert_eq!(client.api.scheduler.scheduled().last(), Some(&(id, moment() + TimeDelta::seconds(5))));
}

/// Checks the error of a PATCH with this body. The request stays unchanged.
#[track_caller]
fn check_move(body: &str, expected: &str) {
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    assert_eq!(client.call("PATCH", &path(id), body).error(), expected, "{body}");
    assert_eq!(client.get(&path(id)).body["triggerAt"], "2027-01-01T00:01:00.000Z", "{body}");
    assert_eq!(client.api.scheduler.scheduled().len(), 1, "{body}");
}

#[test]
fn move_follows_the_rules_of_a_post() {
    check_move("", "400 malformed-json");
    check_move("[]", "400 not-an-object");
    check_move("{}", "422 trigger-missing");
    check_move(r#"{"triggerAt":"2027-01-02T00:00:00"}"#, "422 trigger-without-offset");
    check_move(r#"{"triggerAt":"2026-12-31T00:00:00Z"}"#, "422 trigger-in-past");
    check_move(r#"{"delay":"P31D"}"#, "422 trigger-too-far");
    check_move(r#"{"delay":"PT5S","target":"hook"}"#, "422 not-changeable");
    check_move(r#"{"status":"cancelled"}"#, "422 not-changeable");
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    let untyped = client.send(with_header(request("PATCH", &path(id), r#"{"delay":"PT5S"}"#), "content-type", "text/plain"));
    assert_eq!(untyped.error(), "415 unsupported-media-type");
    let other = client.call("PATCH", &path(id), r#"{"a/b":1,"delay":"PT5S"}"#);
    assert_eq!(other.body["pointer"], "/a~1b", "a JSON Pointer (RFC 6901) escapes the slash");
}

/// Returns a bundle of `orders` whose validator rejects times within 3 days, quotes the body that it got, and changes what it accepts.
fn three_days_ahead(version: &str, more: &str) -> FakeBundle {
    FakeBundle::new(version, &ORDERS.replace("max-ahead", &format!("{more}\nmax-ahead"))).on_validate(|input| {
        let ahead = parse_time(&input.trigger_at).unwrap() - parse_time(&input.received_at).unwrap();
        let problem = Problem { pointer: "/triggerAt".to_owned(), code: "too-soon".to_owned(), message: input.body };
        // A move ignores these changes.
        let accepted = Acceptance { target: Some("hook".to_owned()), trigger_at: Some("2027-01-20T00:00:00Z".to_owned()), body: None };
        Ok(if ahead < TimeDelta::days(3) { Err(vec![problem]) } else { Ok(accepted) })
    })
}

const LATE: &str = r#"{"triggerAt":"2027-01-10T00:00:00Z","n":1}"#;

#[test]
fn move_is_rejected_by_the_validator_like_a_post() {
    let client = Client::new(three_days_ahead("v1", ""));
    let id = client.accepted(LATE);
    let (rejected, posted) =
        (client.call("PATCH", &path(id), r#"{"delay":"PT1S"}"#), client.call("POST", "/requests/orders", r#"{"delay":"PT1S"}"#));
    assert_eq!((rejected.error().as_str(), posted.error().as_str(), rejected.id()), ("422 rejected", "422 rejected", id));
    assert_eq!(rejected.body["detail"], posted.body["detail"]);
    let expected = serde_json::json!([{ "pointer": "/triggerAt", "code": "too-soon", "message": LATE }]);
    assert_eq!(rejected.body["problems"], expected, "the validator gets the accepted body");
    assert_eq!(client.get(&path(id)).body["triggerAt"], "2027-01-20T00:00:00.000Z");
    assert_eq!(client.api.scheduler.scheduled().len(), 1);

    let moved = client.call("PATCH", &path(id), r#"{"delay":"P4D"}"#);
    assert_eq!((moved.status, &moved.body["triggerAt"], &moved.body["target"]), (200, &"2027-01-05T00:00:00.000Z".into(), &"hook".into()));
}

#[test]
fn version_that_runs_the_request_checks_its_move() {
    for (policy, expected) in [("pinned", "422 rejected"), ("latest", "200 (no code)")] {
        let client = Client::new(three_days_ahead("v1", &format!("version = '{policy}'")));
        let id = client.accepted(LATE);
        client.api.use_cases.put(FakeBundle::new("v2", &ORDERS.replace("max-ahead", &format!("version = '{policy}'\nmax-ahead"))));
        assert_eq!(client.call("PATCH", &path(id), r#"{"delay":"PT1S"}"#).error(), expected, "{policy}");
    }
}

#[test]
fn validator_is_not_asked_about_free_moves_and_notices() {
    let client = Client::new(three_days_ahead("v1", "moves = 'free'"));
    let id = client.accepted(LATE);
    client.api.use_cases.put(FakeBundle::new("v2", ORDERS));
    client.api.use_cases.fail_with(HostFault::new("the store", "the store is away"));
    assert_eq!(client.call("PATCH", &path(id), r#"{"delay":"PT1S"}"#).error(), "503 validator-failed", "the manifest is out of reach");
    client.api.use_cases.fail_with(None);
    assert_eq!(client.call("PATCH", &path(id), r#"{"delay":"PT1S"}"#).status, 200);

    let client = Client::new(three_days_ahead("v1", ""));
    let new = new_request(sample_id(50), "orders", moment() + TimeDelta::days(5));
    let request = crate::request::Request { version: "v1".to_owned(), notice_of: Some(sample_id(49)), ..new.request.clone() };
    block_on(client.api.ledger.insert(NewRequest { request, ..new }.into())).unwrap();
    assert_eq!(client.call("PATCH", &path(sample_id(50)), r#"{"delay":"PT1S"}"#).status, 200);
}

#[test]
fn move_is_503_while_its_validator_cannot_be_called() {
    let client = Client::new(three_days_ahead("v1", ""));
    let id = client.accepted(LATE);
    client.api.use_cases.put(FakeBundle::new("v2", ORDERS));
    client.api.use_cases.fail_with(HostFault::new("the store of use cases", "cannot read /srv/store/orders/v1: permission denied"));
    let loading = client.call("PATCH", &path(id), r#"{"delay":"P4D"}"#);
    assert_eq!((loading.error().as_str(), &loading.body["reason"], loading.id()), ("503 validator-failed", &"not-started".into(), id));
    assert!(!loading.header("retry-after").is_empty());
    assert_eq!(loading.body["detail"], "the validator of the use case cannot be called: the host waits for the store of use cases");
    client.api.use_cases.fail_with(None);

    let busy = FakeBundle::new("v1", ORDERS);
    let error = busy.stopped(Role::Validate, Stopped::NotStarted(Box::new(HostFault::new("a slot", "every slot is busy"))), &[]);
    client.api.use_cases.put(busy.on_validate(move |_| Err(error.clone())));
    assert_eq!(client.call("PATCH", &path(id), r#"{"delay":"P4D"}"#).error(), "503 validator-failed");
    assert_eq!(client.get(&path(id)).body["triggerAt"], "2027-01-20T00:00:00.000Z");
}

#[test]
fn request_of_a_removed_use_case_can_be_moved() {
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    client.api.use_cases.forget("orders");
    assert_eq!(client.call("PATCH", &path(id), r#"{"delay":"P31D"}"#).status, 200);
    assert_eq!(client.call("PATCH", &path(id), r#"{"delay":"P366D"}"#).error(), "422 trigger-too-far");
}

#[test]
fn cancelled_request_is_unscheduled_and_cannot_change_again() {
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    client.advance(1);
    let reply = client.call("DELETE", &path(id), "");
    assert_eq!((reply.status, reply.id()), (200, id));
    assert_eq!((&reply.body["status"], &reply.body["finishedAt"]), (&"cancelled".into(), &"2027-01-01T00:00:01.000Z".into()));
    assert_eq!(client.api.scheduler.unscheduled(), [id]);
    check_conflict(&client.call("DELETE", &path(id), ""), id, "409 not-scheduled", "cancelled");
    check_conflict(&client.call("PATCH", &path(id), r#"{"delay":"PT5S"}"#), id, "409 not-scheduled", "cancelled");
}

#[test]
fn erasure_fails_while_a_schedule_has_the_body_and_can_be_repeated() {
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    client.api.scheduler.fail_with(ScheduleError::Unavailable { message: "throttled".to_owned(), retry_after: None });
    let erase = || client.call("POST", &format!("{}/erase", path(id)), "");
    for _ in 0..2 {
        let failed = erase();
        assert_eq!((failed.error(), failed.id()), ("503 scheduler-unavailable".to_owned(), id));
        assert!(failed.body["detail"].as_str().unwrap().contains("is erased, and its rule"), "{}", failed.body);
        assert_eq!(client.get(&path(id)).body["status"], "cancelled");
    }
    client.api.scheduler.fail_with(ScheduleError::Failed("there is no role for schedules".to_owned()));
    let left = erase();
    assert_eq!(
        (left.status, &left.body["note"]),
        (200, &"its rule or schedule may still carry the body: there is no role for schedules".into())
    );
    client.api.scheduler.fail_with(None);
    assert_eq!((erase().status, client.api.scheduler.unscheduled()), (200, vec![id; 4]));
}

#[test]
fn request_is_cancelled_even_if_the_scheduler_fails() {
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    client.api.scheduler.fail_with(ScheduleError::Failed("no".to_owned()));
    assert_eq!(client.call("DELETE", &path(id), "").body["status"], "cancelled");
}

#[test]
fn move_that_cannot_be_scheduled_is_undone_and_fails() {
    let client = Client::of_orders();
    let id = client.accepted(r#"{"delay":"PT60S"}"#);
    client.api.scheduler.fail_with(ScheduleError::Unavailable { message: "throttled".to_owned(), retry_after: None });
    let reply = client.call("PATCH", &path(id), r#"{"delay":"PT5S"}"#);
    assert_eq!((reply.error().as_str(), reply.id()), ("503 scheduler-unavailable", id));
    // The fake still fails, so the old time cannot be scheduled either.
    assert!(reply.body["detail"].as_str().unwrap().ends_with("keeps its time, and may be some minutes late"), "{}", reply.body);
    assert_eq!(reply.body["triggerAt"], "2027-01-01T00:01:00.000Z");
    assert_eq!(client.get(&path(id)).body["triggerAt"], "2027-01-01T00:01:00.000Z");
}

/// The time of the stored request is no sign that the ledger took the move.
#[test]
fn move_to_the_time_that_the_request_has_fails_if_the_ledger_refuses_it() {
    let ordinary = || {
        let client = Client::of_orders();
        let id = client.accepted(r#"{"delay":"PT10M"}"#);
        (client, id)
    };
    for (client, id) in [ordinary(), direct()] {
        let before = client.api.scheduler.scheduled();
        client.api.ledger.fail_changes_with(LedgerError::Unavailable("busy".to_owned()));
        let reply = client.call("PATCH", &path(id), r#"{"delay":"PT10M"}"#);
        assert_eq!(reply.error(), "503 ledger-unavailable");
        assert_eq!(client.api.scheduler.scheduled(), before);
        client.api.ledger.fail_changes_with(None);
        assert_eq!(client.call("PATCH", &path(id), r#"{"delay":"PT10M"}"#).status, 200);
        let events: Vec<_> = client.get(&path(id)).body["history"].as_array().unwrap().iter().map(|line| line["event"].clone()).collect();
        assert_eq!(events, ["accepted", "moved"], "{id}");
    }
}

#[test]
fn retry_that_cannot_be_scheduled_is_left_to_the_clean_up() {
    let client = failing();
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    client.fire(id);
    client.api.scheduler.fail_with(ScheduleError::Failed("no".to_owned()));
    let reply = client.call("POST", &format!("{}/retry", path(id)), "");
    assert_eq!(reply.status, 202);
    assert!(reply.body["note"].as_str().unwrap().contains("clean-up"), "{}", reply.body);
    assert_eq!(client.get(&path(id)).body["status"], "scheduled");
}

#[track_caller]
fn check_conflict(reply: &Reply, id: CorrelationId, fault: &str, status: &str) {
    assert_eq!(reply.error(), fault);
    assert_eq!((reply.id(), &reply.body["requestStatus"]), (id, &status.into()));
}

#[test]
fn late_change_is_a_conflict_with_the_status_of_the_request() {
    let client = failing();
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    let retry = format!("{}/retry", path(id));
    check_conflict(&client.call("POST", &retry, ""), id, "409 not-failed", "scheduled");

    let running = client.accepted(r#"{"delay":"PT0S"}"#);
    client.claim(running);
    check_conflict(&client.call("DELETE", &path(running), ""), running, "409 not-scheduled", "running");
    check_conflict(&client.call("PATCH", &path(running), r#"{"delay":"PT5S"}"#), running, "409 not-scheduled", "running");
    check_conflict(&client.call("POST", &format!("{}/retry", path(running)), ""), running, "409 not-failed", "running");

    client.fire(id);
    check_conflict(&client.call("DELETE", &path(id), ""), id, "409 not-scheduled", "failed");
}

#[test]
fn a_failed_request_can_be_retried_by_hand() {
    let client = failing();
    let id = client.accepted(r#"{"delay":"PT1S"}"#);
    client.advance(1);
    client.fire(id);
    assert_eq!(client.get(&path(id)).body["status"], "failed");
    client.advance(60);
    let reply = client.call("POST", &format!("{}/retry", path(id)), "");
    assert_eq!((reply.status, reply.id()), (202, id));
    let shown = (&reply.body["status"], &reply.body["attempts"], &reply.body["nextAttemptAt"]);
    assert_eq!(shown, (&"scheduled".into(), &1.into(), &"2027-01-01T00:01:01.000Z".into()));
    assert_eq!(client.api.scheduler.scheduled().last(), Some(&(id, moment() + TimeDelta::seconds(61))));
    client.api.use_cases.put(FakeBundle::new("v1", ORDERS));
    client.fire(id);
    let done = client.get(&path(id)).body;
    assert_eq!((&done["status"], &done["attempts"], done.get("failure")), (&"succeeded".into(), &2.into(), None));
}

#[test]
fn change_of_an_unknown_request_is_not_found() {
    let client = Client::of_orders();
    let unknown = path(sample_id(99));
    for (method, path, body) in
        [("PATCH", unknown.clone(), r#"{"delay":"PT5S"}"#), ("DELETE", unknown.clone(), ""), ("POST", format!("{unknown}/retry"), "")]
    {
        let reply = client.call(method, &path, body);
        assert_eq!((reply.error().as_str(), reply.id()), ("404 unknown-request", sample_id(client.calls.get())), "{method} {path}");
    }
}

const DIRECT: &str = r#"
name = "orders"
[targets]
away = { kind = "sqs", arn = "arn:aws:sqs:eu-west-1:123456789012:q", direct = true }
"#;

/// Returns a client, and a direct request that is due after ten minutes.
fn direct() -> (Client, CorrelationId) {
    let client = Client::new(FakeBundle::new("v1", DIRECT));
    let new = new_request(sample_id(1), "orders", moment() + TimeDelta::minutes(10));
    let request = crate::request::Request { version: "v1".to_owned(), target: "away".to_owned(), ..new.request.clone() };
    block_on(client.api.ledger.insert(NewRequest { request, ..new }.into())).unwrap();
    (client, sample_id(1))
}

#[test]
fn direct_request_is_neither_moved_nor_cancelled_from_two_minutes_before_its_time() {
    let (client, id) = direct();
    for seconds in [8 * 60, 119, 1, 600] {
        client.advance(seconds);
        for (method, body) in [("PATCH", r#"{"delay":"PT1H"}"#), ("DELETE", "")] {
            let reply = client.call(method, &path(id), body);
            assert_eq!(reply.error(), "409 handed-over");
            assert!(reply.body["detail"].as_str().unwrap().contains("within two minutes"), "{}", reply.body);
        }
    }
    assert!(client.api.scheduler.scheduled().is_empty() && client.api.scheduler.unscheduled().is_empty());
}

#[test]
fn failed_cancellation_of_a_direct_request_makes_its_rule_again() {
    let (client, id) = direct();
    client.api.ledger.fail_changes_with(LedgerError::Unavailable("busy".to_owned()));
    assert_eq!(client.call("DELETE", &path(id), "").error(), "503 ledger-unavailable");
    assert_eq!(client.api.scheduler.unscheduled(), [id]);
    assert_eq!(client.api.scheduler.scheduled(), [(id, moment() + TimeDelta::minutes(10))]);
    client.advance(7 * 60 + 59);
    client.api.ledger.fail_changes_with(None);
    assert_eq!(client.call("DELETE", &path(id), "").status, 200);
}

/// The event of a direct request that stays at the old time would be early, and one that is made again would deliver an erased request.
#[test]
fn change_of_a_direct_request_whose_reply_is_lost_is_answered_as_made() {
    for (method, rest, body, status) in
        [("PATCH", "", r#"{"delay":"PT1H"}"#, "scheduled"), ("DELETE", "", "", "cancelled"), ("POST", "/erase", "", "cancelled")]
    {
        let (client, id) = direct();
        client.api.ledger.lose_replies_of_changes();
        let reply = client.call(method, &format!("{}{rest}", path(id)), body);
        assert_eq!((reply.status, &reply.body["status"]), (200, &status.into()), "{}", reply.body);
        let expected = if method == "PATCH" { vec![(id, moment() + TimeDelta::hours(1))] } else { Vec::new() };
        assert_eq!(client.api.scheduler.scheduled(), expected, "{method} {rest}");
    }
}

/// A rule for the default host must not replace the rule of a direct request.
#[test]
fn direct_request_whose_manifest_cannot_be_read_stays_unchanged() {
    let (client, id) = direct();
    client.api.use_cases.forget("orders");
    client.api.use_cases.put_broken("orders", "the store is away");
    let path_in_fault = HostFault::new("the store of use cases", "cannot read /srv/store/orders/v1: permission denied");
    let told = "the scheduler is not available: the manifest of use case orders cannot be read: ";
    for (fault, reason) in [
        (None, "the version is gone or broken: the log of the host has the reason"),
        (Some(path_in_fault), "the host waits for the store of use cases"),
    ] {
        client.api.use_cases.fail_with(fault);
        for (method, body) in [("PATCH", r#"{"delay":"PT60S"}"#), ("DELETE", "")] {
            let answer = client.call(method, &path(id), body);
            assert_eq!(answer.error(), "503 scheduler-unavailable", "{method}");
            assert_eq!(answer.body["detail"], format!("{told}{reason}"), "{method}");
        }
    }
    assert!(client.api.scheduler.scheduled().is_empty() && client.api.scheduler.unscheduled().is_empty());
}
