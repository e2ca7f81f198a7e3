use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::api::ApiError;
use crate::plugin::{Role, Stopped, Verdict};
use crate::testing::{FakeBundle, FakeUseCases, MemoryLedger, RecordingScheduler, block_on, moment, sample_id};

const ORDERS: &str = r#"
name = "orders"
[validate]
plugin = "validate.wasm"
headers = ["x-signature"]
[process]
plugin = "process.wasm"
timeout = "20s"
[schedule]
max-ahead = "30d"
[targets]
default = "here"
here = { kind = "plugin" }
hook = { kind = "http", url = "http://127.0.0.1:9000/hook", timeout = "3s" }
"#;

/// Fakes of the ports of `accept`.
struct World {
    use_cases: FakeUseCases,
    ledger: MemoryLedger,
    scheduler: RecordingScheduler,
}

impl World {
    fn new(bundle: FakeBundle) -> Self {
        Self { use_cases: FakeUseCases::of(bundle), ledger: MemoryLedger::default(), scheduler: RecordingScheduler::default() }
    }

    /// Creates a use case whose validator gives this verdict.
    fn validated(verdict: Verdict) -> Self {
        Self::new(FakeBundle::new("v1", ORDERS).on_validate(move |_| Ok(verdict.clone())))
    }

    fn accept(&self, submission: Submission) -> Result<Accepted, Rejection> {
        block_on(accept(&self.use_cases, &self.ledger, &self.scheduler, submission))
    }

    fn find(&self, id: CorrelationId) -> Request {
        block_on(self.ledger.find(id)).unwrap().expect("the request is in the ledger").0
    }
}

fn submission(n: u64, body: &str) -> Submission {
    Submission {
        id: sample_id(n),
        use_case: "orders".to_owned(),
        received_at: moment(),
        idempotency_key: None,
        owner: None,
        headers: Vec::new(),
        caller: Vec::new(),
        trace: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn keyed(n: u64, body: &str) -> Submission {
    Submission { idempotency_key: Some("k".to_owned()), ..submission(n, body) }
}

/// Returns `target @ time` of an accepted request, else the code of the error.
fn outcome(answer: Result<Accepted, Rejection>) -> String {
    match answer {
        Ok(Accepted { request, .. }) => format!("{} @ {}", request.target, rfc3339(request.trigger_at)),
        Err(rejection) => ApiError::from(rejection).code().to_owned(),
    }
}

/// Checks the outcome of a body that the validator accepts. A refused request is neither stored nor scheduled.
#[track_caller]
fn check(body: &str, expected: &str) {
    let world = World::validated(Ok(Acceptance::default()));
    let answer = world.accept(submission(1, body));
    let stored = usize::from(answer.is_ok());
    assert_eq!(outcome(answer), expected, "{body}");
    assert_eq!((world.ledger.ids().len(), world.scheduler.scheduled().len()), (stored, stored), "{body}");
}

/// Checks the outcome of a valid body that the validator accepts with changes.
#[track_caller]
fn check_accepted(acceptance: &Acceptance, expected: &str) {
    let world = World::validated(Ok(acceptance.clone()));
    let answer = world.accept(submission(1, r#"{"triggerAt":"2027-01-02T00:00:00Z","target":"hook"}"#));
    assert_eq!(outcome(answer), expected, "{acceptance:?}");
    assert_eq!(world.ledger.ids().is_empty(), !expected.contains('@'), "{acceptance:?}");
}

#[test]
fn a_good_body_is_accepted() {
    check(r#"{"triggerAt":"2027-01-02T00:00:00Z"}"#, "here @ 2027-01-02T00:00:00.000Z");
    check(r#"{"delay":"PT90S"}"#, "here @ 2027-01-01T00:01:30.000Z");
    check(r#"{"delay":"PT0S"}"#, "here @ 2027-01-01T00:00:00.000Z");
    check(r#"{"delay":"P30D","target":"hook"}"#, "hook @ 2027-01-31T00:00:00.000Z");
    check(r#"{"triggerAt":"2027-01-01T00:00:00.0000001Z","anything":[{}]}"#, "here @ 2027-01-01T00:00:00.001Z");
}

#[test]
fn a_bad_body_is_refused() {
    check("", "malformed-json");
    check("{", "malformed-json");
    check(r#"{"delay":"PT1S"} x"#, "malformed-json");
    check(r#"["delay"]"#, "not-an-object");
    check("null", "not-an-object");
    check("{}", "trigger-missing");
    check(r#"{"triggerAt":"2027-01-02T00:00:00Z","delay":"PT1S"}"#, "trigger-ambiguous");
    check(r#"{"triggerAt":1798848000}"#, "trigger-malformed");
    check(r#"{"triggerAt":"2027-01-02T00:00:00"}"#, "trigger-without-offset");
    check(r#"{"triggerAt":"2026-12-31T23:59:59.999Z"}"#, "trigger-in-past");
    check(r#"{"delay":"P30DT0.001S"}"#, "trigger-too-far");
    check(r#"{"delay":"PT1S","target":7}"#, "target-malformed");
    check(r#"{"delay":"PT1S","target":null}"#, "target-malformed");
    check(r#"{"delay":"PT1S","target":"heaven"}"#, "unknown-target");
    check(r#"{"delay":"PT1S","target":"default"}"#, "unknown-target");
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let world = World::validated(Ok(Acceptance::default()));
    let answer = world.accept(Submission { body: Bytes::from_static(b"{\"delay\":\"PT1S\",\"x\":\"\xff\"}"), ..submission(1, "") });
    assert_eq!(outcome(answer), "malformed-json");
}

#[test]
fn first_error_is_reported() {
    let no = || World::validated(Err(vec![]));
    let code_of = |body| outcome(no().accept(submission(1, body)));
    assert_eq!(outcome(no().accept(Submission { use_case: "x".to_owned(), ..submission(1, "{") })), "unknown-use-case");
    assert_eq!(code_of(r#"{"triggerAt":"2020-01-01T00:00:00Z","target":7}"#), "target-malformed");
    assert_eq!(code_of(r#"{"triggerAt":"2020-01-01T00:00:00Z","target":"heaven"}"#), "trigger-in-past");
    assert_eq!(code_of(r#"{"delay":"PT1S","target":"heaven"}"#), "unknown-target");
    assert_eq!(code_of(r#"{"delay":"PT1S"}"#), "rejected");
}

#[test]
fn error_of_an_unknown_alias_lists_the_known_ones() {
    let rejection = World::validated(Ok(Acceptance::default())).accept(submission(1, r#"{"delay":"PT1S","target":"heaven"}"#)).unwrap_err();
    assert_eq!(rejection.to_string(), "\"heaven\" is not a target of this use case: choose from here, hook");
}

#[test]
fn the_validator_sees_the_request_and_only_listed_headers_without_credentials() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    // A version that was stored before the check of a manifest refused credentials.
    let stored = ORDERS.replace("\"x-signature\"", "\"x-signature\", \"authorization\", \"cookie\"");
    let bundle = FakeBundle::new("v1", &stored).on_validate({
        let seen = Arc::clone(&seen);
        move |input| {
            seen.lock().unwrap().push(input);
            Ok(Ok(Acceptance::default()))
        }
    });
    // The validator gets the unchanged body: spaces, order, and numbers that a parser would change.
    let body = "{ \"b\": 1.0, \"a\": 10000000000000000000001,\n\"target\": \"hook\", \"delay\": \"PT1S\" }";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let submission = Submission {
        headers: vec![
            pair("authorization", "Bearer secret"),
            pair("cookie", "session=secret"),
            pair("x-signature", "abc"),
            pair("x-other", "def"),
        ],
        caller: vec![pair("sub", "alice")],
        ..submission(1, body)
    };
    let accepted = World::new(bundle).accept(submission).unwrap();
    let expected = ValidateInput {
        id: accepted.request.id.to_string(),
        use_case: "orders".to_owned(),
        received_at: "2027-01-01T00:00:00.000Z".to_owned(),
        trigger_at: "2027-01-01T00:00:01.000Z".to_owned(),
        target: Some("hook".to_owned()),
        caller: vec![pair("sub", "alice")],
        headers: vec![pair("x-signature", "abc")],
        body: body.to_owned(),
    };
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

#[test]
fn accepted_request_is_stored_and_scheduled() {
    let world = World::validated(Ok(Acceptance::default()));
    let body = r#"{"delay":"PT60S", "sku":"A-1"}"#;
    let accepted = world.accept(keyed(1, body)).unwrap();
    assert!(!accepted.replayed);
    let request = accepted.request;
    assert_eq!(world.find(request.id), request);
    assert_eq!(world.ledger.body(request.id).as_deref(), Some(body));
    assert_eq!(world.scheduler.scheduled(), [(request.id, moment() + TimeDelta::seconds(60))]);
    assert_eq!((request.status, request.version.as_str(), request.attempts), (Status::Scheduled, "v1", 0));
    assert_eq!((request.due_at, request.first_trigger_at), (request.trigger_at, request.trigger_at));
    assert_eq!(request.lease, Duration::from_secs(20 + 30), "a claim must outlast an attempt");
    let to_hook = world.accept(submission(2, r#"{"delay":"PT60S","target":"hook"}"#)).unwrap().request;
    assert_eq!(to_hook.lease, Duration::from_secs(3 + 30));
}

#[test]
fn without_a_validator_any_object_with_a_good_time_is_accepted() {
    let manifest = "name = 'orders'\n[targets]\nhook = { kind = 'http', url = 'http://127.0.0.1:9000' }";
    // The closure rejects every request, but is not called.
    let world = World::new(FakeBundle::new("v1", manifest).on_validate(|_| Ok(Err(vec![]))));
    assert_eq!(outcome(world.accept(submission(1, r#"{"delay":"PT1S"}"#))), "hook @ 2027-01-01T00:00:01.000Z");
}

#[test]
fn rejection_keeps_the_problems_of_the_validator() {
    let problem = Problem { pointer: "/sku".to_owned(), code: "required".to_owned(), message: "which article?".to_owned() };
    let world = World::validated(Err(vec![problem.clone()]));
    match world.accept(submission(1, r#"{"delay":"PT1S"}"#)) {
        Err(Rejection::Problems(problems)) => assert_eq!(problems, [problem]),
        other => panic!("not rejected: {other:?}"),
    }
    assert!(world.ledger.ids().is_empty());
}

#[test]
fn values_from_the_validator_follow_the_rules_for_clients() {
    let yes = Acceptance::default;
    let to = |target: &str| Acceptance { target: Some(target.to_owned()), ..yes() };
    let when = |at: &str| Acceptance { trigger_at: Some(at.to_owned()), ..yes() };
    let body = |text: &str| Acceptance { body: Some(text.to_owned()), ..yes() };
    check_accepted(&yes(), "hook @ 2027-01-02T00:00:00.000Z");
    check_accepted(&to("here"), "here @ 2027-01-02T00:00:00.000Z");
    check_accepted(&to("heaven"), "validator-answer-unusable");
    check_accepted(&when("2027-01-03T01:00:00+01:00"), "hook @ 2027-01-03T00:00:00.000Z");
    for bad in ["tomorrow", "2027-01-03T00:00:00", "2026-12-31T00:00:00Z", "2028-01-01T00:00:00Z", ""] {
        check_accepted(&when(bad), "validator-answer-unusable");
    }
    check_accepted(&body(r#"{"normalised":true}"#), "hook @ 2027-01-02T00:00:00.000Z");
    let large = |bytes: usize| format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - r#"{"x":""}"#.len()));
    check_accepted(&body(&large(MAX_BODY_BYTES)), "hook @ 2027-01-02T00:00:00.000Z");
    let (lone_surrogate, infinite) = (r#"{"x":"\ud800"}"#, r#"{"x":1e999}"#);
    for bad in ["", "{", "{} {}", "undefined", "[]", "5", "null", lone_surrogate, infinite, &large(MAX_BODY_BYTES + 1)] {
        check_accepted(&body(bad), "validator-answer-unusable");
    }
}

#[test]
fn unusable_acceptance_names_the_plugin_and_the_reason() {
    let refused = |member: &str, acceptance: Acceptance| {
        let error = World::validated(Ok(acceptance)).accept(submission(1, r#"{"delay":"PT1S"}"#)).unwrap_err().to_string();
        let named = format!("the validate plugin of use case orders (version v1) answered with a {member} that cannot be used: ");
        error.strip_prefix(&named).unwrap_or_else(|| panic!("{error}")).to_owned()
    };
    let text = |text: &str| Some(text.to_owned());
    assert!(refused("body", Acceptance { body: text("[]"), ..Acceptance::default() }).contains("must be a JSON object"));
    assert!(refused("body", Acceptance { body: Some(" ".repeat(MAX_BODY_BYTES + 1)), ..Acceptance::default() }).contains("262145 bytes"));
    assert!(refused("target", Acceptance { target: text("heaven"), ..Acceptance::default() }).contains("choose from here, hook"));
    for (at, reason) in [("2026-01-01T00:00:00Z", "in the past"), ("2029-01-01T00:00:00Z", "too far ahead"), ("soon", "RFC 3339")] {
        assert!(refused("trigger-at", Acceptance { trigger_at: text(at), ..Acceptance::default() }).contains(reason));
    }
}

#[test]
fn rejection_without_a_reason_says_that_there_is_none() {
    let rejection = World::validated(Err(vec![])).accept(submission(1, r#"{"delay":"PT1S"}"#)).unwrap_err();
    assert_eq!(rejection.to_string(), "the request was rejected by the validator of the use case, which gave no reason");
    assert_eq!(ApiError::from(rejection).code(), "rejected");
}

#[test]
fn body_from_the_validator_replaces_the_body_of_the_client() {
    let world = World::validated(Ok(Acceptance { body: Some(r#"{"n":2}"#.to_owned()), ..Acceptance::default() }));
    let request = world.accept(submission(1, r#"{"delay":"PT1S","n":1}"#)).unwrap().request;
    assert_eq!(world.ledger.body(request.id).as_deref(), Some(r#"{"n":2}"#));
}

#[test]
fn error_of_a_stopped_validator_names_its_plugin() {
    let bundle = FakeBundle::new("v7", ORDERS);
    let stopped = bundle.stopped(Role::Validate, Stopped::Timeout(Duration::from_secs(1)), &["payload of the client"]);
    let world = World::new(bundle.on_validate(move |_| Err(stopped.clone())));
    let rejection = world.accept(submission(1, r#"{"delay":"PT1S"}"#)).unwrap_err();
    let expected = "the validate plugin of use case orders (version v7) did not answer within its timeout of 1s";
    assert_eq!(rejection.to_string(), expected);
    assert!(world.ledger.ids().is_empty());
}

#[test]
fn repeat_with_the_same_key_and_body_gets_the_first_answer_at_any_time() {
    let world = World::validated(Ok(Acceptance::default()));
    let body = r#"{"triggerAt":"2027-01-01T00:01:00Z"}"#;
    let first = world.accept(keyed(1, body)).unwrap();
    // At the repeat, the time is in the past and the validator rejects every request.
    world.use_cases.put(FakeBundle::new("v2", ORDERS).on_validate(|_| Ok(Err(vec![]))));
    let again = world.accept(Submission { received_at: moment() + TimeDelta::days(1), ..keyed(2, body) }).unwrap();
    assert_eq!(again, Accepted { request: first.request, replayed: true, zone: None });
    // The repeat schedules the request again, since the first call may have crashed before scheduling.
    assert_eq!((world.ledger.ids().len(), world.scheduler.scheduled().len()), (1, 2));
}

#[test]
fn same_key_with_another_body_is_refused_and_names_the_first_request() {
    let world = World::validated(Ok(Acceptance::default()));
    let first = world.accept(keyed(1, r#"{"delay":"PT1S"}"#)).unwrap().request;
    // The last body is not JSON; the key is checked first.
    for other in [r#"{"delay":"PT2S"}"#, r#"{"delay": "PT1S"}"#, "{"] {
        match world.accept(keyed(2, other)) {
            Err(Rejection::KeyReused { first: named }) => assert_eq!(named, first.id),
            answer => panic!("{other}: {answer:?}"),
        }
    }
    let elsewhere = world.accept(submission(3, r#"{"delay":"PT1S"}"#)).unwrap();
    assert!(!elsewhere.replayed, "without a key there is nothing to replay");
}

#[test]
fn key_taken_between_lookup_and_insert_is_replayed_or_refused() {
    let world = World::validated(Ok(Acceptance::default()));
    world.ledger.hide_keys();
    let first = world.accept(keyed(1, r#"{"delay":"PT1S"}"#)).unwrap();
    assert_eq!(world.accept(keyed(2, r#"{"delay":"PT1S"}"#)).unwrap(), Accepted { request: first.request, replayed: true, zone: None });
    assert_eq!(outcome(world.accept(keyed(3, r#"{"delay":"PT2S"}"#))), "idempotency-key-reused");
    assert_eq!((world.ledger.ids().len(), world.scheduler.scheduled().len()), (1, 2));
}

#[test]
fn request_that_cannot_be_scheduled_is_cancelled_and_the_call_fails() {
    let world = World::validated(Ok(Acceptance::default()));
    world.scheduler.fail_with(ScheduleError::Failed("no more rules".to_owned()));
    let rejection = world.accept(submission(1, r#"{"delay":"PT1S"}"#)).unwrap_err();
    assert_eq!(rejection.to_string(), "the scheduler failed: no more rules");
    let request = world.find(sample_id(1));
    assert_eq!(request.status, Status::Cancelled);
    assert_eq!(request.failure.as_deref(), Some("the scheduler failed: no more rules"));
    assert_eq!(block_on(world.ledger.claim(request.id, moment() + TimeDelta::days(1))).unwrap(), None);
}

#[test]
fn key_is_free_again_after_scheduling_failed() {
    let world = World::validated(Ok(Acceptance::default()));
    world.scheduler.fail_with(ScheduleError::Unavailable { message: "throttled".to_owned(), retry_after: None });
    let body = r#"{"delay":"PT1S"}"#;
    assert_eq!(outcome(world.accept(keyed(1, body))), "scheduler-unavailable");
    world.scheduler.fail_with(None);
    let again = world.accept(keyed(2, body)).unwrap();
    assert_eq!((again.request.id, again.request.status, again.replayed), (sample_id(2), Status::Scheduled, false));
    assert_eq!(world.scheduler.scheduled().len(), 1);
}

#[test]
fn error_of_the_ledger_fails_the_call() {
    let world = World::validated(Ok(Acceptance::default()));
    world.ledger.fail_with(LedgerError::Unavailable("busy".to_owned()));
    assert_eq!(outcome(world.accept(submission(1, r#"{"delay":"PT1S"}"#))), "ledger-unavailable");
    assert_eq!(outcome(world.accept(keyed(2, r#"{"delay":"PT1S"}"#))), "ledger-unavailable");
    assert!(world.scheduler.scheduled().is_empty(), "scheduled, but not stored");
}

#[test]
fn target_must_be_text() {
    for target in [json!(1), json!({}), json!([]), json!(true), Value::Null] {
        check(&json!({ "delay": "PT1S", "target": target }).to_string(), "target-malformed");
    }
}

#[test]
fn request_acknowledged_to_a_repeat_is_not_aborted_by_the_first_call() {
    let world = World::validated(Ok(Acceptance::default()));
    let body = r#"{"delay":"PT1S"}"#;
    // The first call has stored the request. The repeat succeeds before the scheduling of the first call fails.
    let first = world.accept(keyed(1, body)).unwrap().request;
    assert!(world.accept(keyed(2, body)).unwrap().replayed);
    let undone = block_on(world.ledger.change(first.id, Change::Abort { reason: "throttled".to_owned() }, moment())).unwrap();
    assert_eq!(undone, crate::ports::Changed::Refused(first.clone(), crate::lifecycle::Refusal::Acknowledged));
    assert_eq!(world.find(first.id).status, Status::Scheduled);
}

#[test]
fn target_out_of_reach_of_the_deployment_is_refused_before_the_insert() {
    let queue = "out = { kind = \"sqs\", direct = true, arn = \"arn:aws:sqs:eu-west-1:123456789012:out\" }\n";
    let world = World::new(FakeBundle::new("v1", &format!("{ORDERS}{queue}")).on_validate(|_| Ok(Ok(Acceptance::default()))));
    assert_eq!(outcome(world.accept(submission(1, r#"{"delay":"PT1S","target":"out"}"#))), "target-not-served");
    assert_eq!(world.ledger.ids(), []);
    let arn = r#"{"delay":"PT1S","target":"arn:aws:sqs:eu-west-1:123456789012:out"}"#;
    assert_eq!(outcome(world.accept(submission(2, arn))), "unknown-target", "only aliases are targets");
}

#[test]
fn notice_target_out_of_reach_of_the_deployment_is_refused_before_the_insert() {
    for end in ["success", "failure"] {
        let out = "out = { kind = \"step-functions\", arn = \"arn:aws:states:eu-west-1:123456789012:stateMachine:out\" }\n";
        let manifest = format!("{ORDERS}{out}[on]\n{end} = 'out'\n");
        let world = World::new(FakeBundle::new("v1", &manifest).on_validate(|_| Ok(Ok(Acceptance::default()))));
        let rejection = world.accept(submission(1, r#"{"delay":"PT1S"}"#)).unwrap_err();
        assert!(rejection.to_string().contains("[on] names the target \"out\""), "{end}: {rejection}");
        assert_eq!(ApiError::from(rejection).code(), "target-not-served", "{end}");
        assert_eq!(world.ledger.ids(), [], "{end}");
    }
}

#[test]
fn failed_scheduling_is_undone_by_the_first_call_and_not_by_a_repeat() {
    let world = World::validated(Ok(Acceptance::default()));
    let throttled = || ScheduleError::Unavailable { message: "throttled".to_owned(), retry_after: None };
    let body = r#"{"delay":"PT1S"}"#;
    world.scheduler.fail_with(throttled());
    assert_eq!(outcome(world.accept(keyed(1, body))), "scheduler-unavailable");
    assert_eq!(world.scheduler.unscheduled(), [sample_id(1)]);

    world.scheduler.fail_with(None);
    let first = world.accept(keyed(2, body)).unwrap().request;
    world.scheduler.fail_with(throttled());
    match world.accept(keyed(3, body)) {
        Err(Rejection::MayRun { id, cause }) => assert_eq!((id, ApiError::from(*cause).code()), (first.id, "scheduler-unavailable")),
        answer => panic!("{answer:?}"),
    }
    assert_eq!(world.scheduler.unscheduled(), [sample_id(1)], "the repeat must not unschedule the request of the first call");
    assert_eq!(world.find(first.id).status, Status::Scheduled);
}

#[test]
fn request_whose_insert_lost_its_reply_is_aborted_or_reported_as_may_run() {
    for down in [false, true] {
        let world = World::validated(Ok(Acceptance::default()));
        world.ledger.lose_replies();
        world.ledger.fail_changes_with(down.then(|| LedgerError::Unavailable("no answer".to_owned())));
        let rejection = world.accept(keyed(1, r#"{"delay":"PT1S"}"#)).unwrap_err();
        assert_eq!(matches!(rejection, Rejection::MayRun { .. }), down, "{rejection}");
        assert_eq!(ApiError::from(rejection).code(), "ledger-unavailable");
        assert_eq!(world.find(sample_id(1)).status, if down { Status::Scheduled } else { Status::Cancelled });
        assert_eq!(world.scheduler.scheduled(), []);
    }
}

/// The repeat reads the key before the first call frees it, and the request after the first call has cancelled it.
#[test]
fn request_that_is_being_aborted_is_not_acknowledged_to_a_repeat() {
    let world = World::new(FakeBundle::new("v1", ORDERS));
    let mut first = crate::testing::new_request(sample_id(1), "orders", moment()).request;
    (first.status, first.failure, first.idempotency_hash) = (Status::Cancelled, Some("no room".to_owned()), Some("h".to_owned()));
    let answer = block_on(replay(&world.use_cases, &world.ledger, &world.scheduler, first, "key", "h", moment()));
    assert!(matches!(answer, Err(Rejection::Schedule(ScheduleError::Unavailable { .. }))), "{answer:?}");
}
