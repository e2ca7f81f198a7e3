//! Errors of every call: paths, methods, ledger, scheduler and validator.

use std::time::Duration;

use super::{Client, ORDERS, Reply};
use crate::host_fault::HostFault;
use crate::plugin::{Acceptance, Role, Stopped};
use crate::ports::{LedgerError, ScheduleError};
use crate::testing::{FakeBundle, sample_id};

const SOON: &str = r#"{"delay":"PT60S"}"#;

#[test]
fn wrong_method_is_answered_with_the_allowed_ones() {
    let client = Client::of_orders();
    let one = format!("/requests/{}", sample_id(1));
    let retry = format!("{one}/retry");
    let table = [
        ("/health", "GET, HEAD", vec!["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]),
        ("/use-cases", "GET, HEAD", vec!["POST", "PUT", "PATCH", "DELETE"]),
        ("/use-cases/orders", "GET, HEAD", vec!["POST", "PATCH", "DELETE"]),
        ("/use-cases/orders/versions", "GET, HEAD", vec!["POST", "PUT", "PATCH", "DELETE"]),
        ("/requests", "GET, HEAD", vec!["POST", "PUT", "PATCH", "DELETE"]),
        ("/requests/orders", "POST", vec!["PUT", "OPTIONS"]),
        (&one, "GET, HEAD, PATCH, DELETE", vec!["PUT", "OPTIONS"]),
        (&retry, "POST", vec!["GET", "PUT", "PATCH", "DELETE", "HEAD"]),
    ];
    for (path, allowed, methods) in table {
        for method in methods {
            let reply = client.call(method, path, SOON);
            assert_eq!((reply.error().as_str(), reply.header("allow")), ("405 method-not-allowed", allowed), "{method} {path}");
        }
    }
}

#[test]
fn unknown_paths_and_names_are_not_found() {
    let client = Client::of_orders();
    let deep = format!("/requests/{}/history", sample_id(1));
    for path in ["/", "/request", "/Requests", "/health/", "/use-cases/orders/", "/requests/orders/batch/x", &deep, "//requests"] {
        assert_eq!(client.get(path).error(), "404 not-found", "{path}");
    }
    for id in ["1", "orders", "%00", "..", "0199-", ""] {
        assert_eq!(client.get(&format!("/requests/{id}")).error(), "404 unknown-request", "{id}");
    }
    assert_eq!(client.get(&format!("/requests/{}", sample_id(99))).error(), "404 unknown-request");
    for name in ["nothing", "", "%6frders"] {
        assert_eq!(client.call("POST", &format!("/requests/{name}"), SOON).error(), "404 unknown-use-case", "{name}");
    }
}

/// Checks the answers of calls over a ledger that fails with this error.
#[track_caller]
fn check_ledger(error: LedgerError, fault: &str, retry_after: &str) {
    let client = Client::of_orders();
    let id = client.accepted(SOON);
    client.api.ledger.fail_with(error);
    let one = format!("/requests/{id}");
    for (method, path) in [("POST", "/requests/orders"), ("GET", "/requests"), ("GET", &one), ("PATCH", &one), ("DELETE", &one)] {
        let reply = client.call(method, path, SOON);
        assert_eq!((reply.error().as_str(), reply.header("retry-after")), (fault, retry_after), "{method} {path}");
    }
}

#[test]
fn failed_ledger_and_busy_ledger_have_different_codes() {
    check_ledger(LedgerError::Unavailable("busy".to_owned()), "503 ledger-unavailable", "1");
    check_ledger(LedgerError::Failed("the file is broken".to_owned()), "500 ledger-failed", "");
}

#[track_caller]
fn check_scheduler(error: ScheduleError, fault: &str, retry_after: &str) {
    let client = Client::of_orders();
    client.api.scheduler.fail_with(error);
    let reply = client.call("POST", "/requests/orders", SOON);
    assert_eq!((reply.error().as_str(), reply.header("retry-after"), reply.id()), (fault, retry_after, sample_id(1)));
    // The id of the error finds the cancelled request.
    assert_eq!(client.get(&format!("/requests/{}", reply.id())).body["status"], "cancelled");
}

#[test]
fn busy_scheduler_is_answered_with_retry_after() {
    let busy = |retry_after| ScheduleError::Unavailable { message: "throttled".to_owned(), retry_after };
    check_scheduler(busy(None), "503 scheduler-unavailable", "1");
    check_scheduler(busy(Some(Duration::ZERO)), "503 scheduler-unavailable", "1");
    check_scheduler(busy(Some(Duration::from_millis(1500))), "503 scheduler-unavailable", "2");
    check_scheduler(busy(Some(Duration::from_mins(1))), "503 scheduler-unavailable", "60");
    check_scheduler(ScheduleError::Failed("no permission".to_owned()), "500 scheduler-failed", "");
}

/// Returns the answer to a POST whose validator was stopped.
fn stopped(reason: Stopped) -> Reply {
    let bundle = FakeBundle::new("v1", ORDERS);
    let error = bundle.stopped(Role::Validate, reason, &["what the guest printed"]);
    Client::new(bundle.on_validate(move |_| Err(error.clone()))).call("POST", "/requests/orders", SOON)
}

#[test]
fn stopped_validator_is_a_server_error() {
    for (reason, code) in [
        (Stopped::Trap("unreachable".to_owned()), "trap"),
        (Stopped::Timeout(Duration::from_secs(1)), "timeout"),
        (Stopped::Memory(1 << 20), "memory"),
        (Stopped::Output { size: 9, limit: 8 }, "output"),
    ] {
        let reply = stopped(reason);
        assert_eq!((reply.error().as_str(), &reply.body["reason"]), ("500 validator-failed", &code.into()));
        assert!(!reply.body.to_string().contains("printed"), "the answer shows the stderr of a guest: {reply:?}");
    }
    let busy = stopped(Stopped::NotStarted(Box::new(HostFault::new("a slot", "every slot is busy"))));
    assert_eq!((busy.error().as_str(), busy.header("retry-after")), ("503 validator-failed", "1"));
}

#[test]
fn unusable_answer_of_a_validator_is_a_server_error() {
    let bundle = FakeBundle::new("v1", ORDERS).on_validate(|_| Ok(Ok(Acceptance { body: Some("{".to_owned()), ..Acceptance::default() })));
    assert_eq!(Client::new(bundle).call("POST", "/requests/orders", SOON).error(), "500 validator-answer-unusable");
}
