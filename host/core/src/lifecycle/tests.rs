use chrono::TimeDelta;

use super::*;
use crate::request::DELIVERED_TO_BUS;
use crate::testing::{LEASE, at, claim, moment, new_request, sample_id};

/// Returns the request after a change that adds a line to its history, and the line.
fn apply(request: &Request, change: &Change, now: DateTime<Utc>) -> Result<(Request, HistoryEntry), Refusal> {
    super::apply(request, change, now).map(|applied| match applied.line {
        Line::Add(entry) => (applied.request, entry),
        other => panic!("{change:?}: {other:?}"),
    })
}

/// Returns a request of this status with two attempts, due at second 60.
fn request(status: Status) -> Request {
    let request = new_request(sample_id(1), "orders", at(60)).request;
    Request {
        status,
        attempts: 2,
        failures: 1,
        lease_until: (status == Status::Running).then(|| at(120)),
        finished_at: status.is_end().then(|| at(70)),
        failure: Some("busy".to_owned()),
        ..request
    }
}

fn finish(claim: u32, outcome: Outcome) -> Change {
    Change::Finish { claim, outcome }
}

fn succeeded() -> Outcome {
    Outcome::Succeeded { result: Some("done".to_owned()), notice: None }
}

fn retry() -> Outcome {
    Outcome::Retry { failure: "busy again".to_owned(), at: at(200) }
}

fn failed() -> Outcome {
    Outcome::Failed { failure: "gone".to_owned(), notice: None }
}

fn release(claim: u32) -> Change {
    Change::Release { claim, reason: "the host stopped".to_owned(), notice: None }
}

/// Checks a change at second 100 for a request of each status, in the order of [`Status::ALL`].
#[track_caller]
fn check(change: &Change, expected: [&str; 6]) {
    let answers = Status::ALL.map(|status| match apply(&request(status), change, at(100)) {
        Ok((next, entry)) => {
            assert_eq!((entry.at, entry.status, entry.attempt), (at(100), next.status, next.attempts));
            assert_eq!(next.lease_until.is_some(), next.status == Status::Running);
            assert_eq!(next.finished_at.is_some(), !matches!(next.status, Status::Scheduled | Status::Running));
            format!("{} → {}", entry.event.as_str(), next.status)
        }
        Err(refusal) => format!("{refusal:?}"),
    });
    assert_eq!(answers, expected, "{change:?}");
}

#[test]
fn each_change_is_allowed_only_in_its_states() {
    let only_scheduled = |answer| [answer, "NotScheduled", "NotScheduled", "NotScheduled", "NotScheduled", "NotScheduled"];
    check(&Change::Cancel { by: None }, only_scheduled("cancelled → cancelled"));
    check(&Change::Move { to: at(500), by: None }, only_scheduled("moved → scheduled"));
    check(&claim(), only_scheduled("started → running"));
    check(&Change::Expire { waits_for: None, notice: None }, only_scheduled("NotExpired"));
    let retried = "retried → scheduled";
    check(&Change::Retry { by: None }, ["NotFailed", "NotFailed", "NotFailed", retried, "NotFailed", retried]);
    check(&Change::Abort { reason: "no more rules".to_owned() }, only_scheduled("cancelled → cancelled"));
}

#[test]
fn a_held_request_waits_for_a_retry_a_move_or_a_cancel() {
    let change = Change::Hold { reason: "restored".to_owned() };
    let ended = "NotScheduled";
    check(&change, ["held → scheduled", "held → scheduled", ended, ended, ended, ended]);
    let (held, entry) = apply(&request(Status::Running), &change, at(100)).unwrap();
    assert!(held.is_held() && !request(Status::Scheduled).is_held());
    assert_eq!((held.attempts, entry.detail.as_deref()), (2, Some("restored")));
    assert_eq!(held.waiting.as_ref().map(|waiting| (waiting.on.as_str(), waiting.since)), Some((DECISION, at(100))));
    assert_eq!(apply(&held, &claim(), at(1_000_000)).unwrap_err(), Refusal::NotDue);
    assert_eq!(apply(&held, &finish(2, succeeded()), at(101)).unwrap_err(), Refusal::ClaimLost);
    let (retried, _) = apply(&held, &Change::Retry { by: None }, at(200)).unwrap();
    assert_eq!((retried.is_held(), retried.due_at, retried.waiting), (false, at(200), None));
    let (moved, _) = apply(&held, &Change::Move { to: at(500), by: None }, at(200)).unwrap();
    assert_eq!((moved.is_held(), moved.due_at), (false, at(500)));
    assert_eq!(apply(&held, &Change::Cancel { by: None }, at(200)).unwrap().0.status, Status::Cancelled);
}

#[test]
fn only_the_attempt_that_is_running_can_end() {
    let lost = "ClaimLost";
    check(&finish(2, succeeded()), [lost, "succeeded → succeeded", lost, lost, lost, lost]);
    check(&finish(2, retry()), [lost, "attempt-failed → scheduled", lost, lost, lost, lost]);
    check(&finish(2, failed()), [lost, "failed → failed", lost, lost, lost, lost]);
    check(&release(2), [lost, "interrupted → scheduled", lost, lost, lost, lost]);
    for attempt in [0, 1, 3] {
        for change in [finish(attempt, succeeded()), finish(attempt, retry()), finish(attempt, failed()), release(attempt)] {
            check(&change, [lost; 6]);
        }
    }
}

#[test]
fn a_claim_is_refused_before_the_request_is_due() {
    let request = request(Status::Scheduled);
    let early = apply(&request, &claim(), at(60) - TimeDelta::nanoseconds(1));
    assert_eq!(early.unwrap_err(), Refusal::NotDue);
    let (running, _) = apply(&request, &claim(), at(60)).unwrap();
    assert_eq!((running.attempts, running.lease_until), (3, Some(at(60) + LEASE)));
}

#[test]
fn a_moved_request_is_due_at_its_new_time_and_keeps_its_first() {
    let (moved, entry) = apply(&request(Status::Scheduled), &Change::Move { to: at(500), by: None }, at(10)).unwrap();
    assert_eq!((moved.trigger_at, moved.due_at, moved.first_trigger_at), (at(500), at(500), at(60)));
    assert_eq!(entry.detail.as_deref(), Some("to 2027-01-01T00:08:20.000Z"));
    assert_eq!(apply(&moved, &claim(), at(499)).unwrap_err(), Refusal::NotDue);
}

#[test]
fn move_back_restores_the_times_unless_another_move_came_after() {
    let waiting = Request { due_at: at(90), ..request(Status::Scheduled) };
    let (moved, _) = apply(&waiting, &Change::Move { to: at(500), by: None }, at(10)).unwrap();
    let back = Change::MoveBack { from: at(500), trigger_at: waiting.trigger_at, due_at: waiting.due_at };
    let (as_before, entry) = apply(&moved, &back, at(11)).unwrap();
    assert_eq!((as_before, entry.detail.as_deref()), (waiting, Some("back to 2027-01-01T00:01:00.000Z")));
    let (again, _) = apply(&moved, &Change::Move { to: at(600), by: None }, at(11)).unwrap();
    assert_eq!(apply(&again, &back, at(12)).unwrap_err(), Refusal::MovedSince);
}

#[test]
fn success_clears_the_failure() {
    let (done, _) = apply(&request(Status::Running), &finish(2, succeeded()), at(100)).unwrap();
    assert_eq!((done.result.as_deref(), done.failure, done.finished_at), (Some("done"), None, Some(at(100))));
}

#[test]
fn a_failed_attempt_counts_and_waits_for_its_back_off() {
    let (waiting, entry) = apply(&request(Status::Running), &finish(2, retry()), at(100)).unwrap();
    assert_eq!((waiting.failures, waiting.due_at, waiting.trigger_at), (2, at(200), at(60)));
    assert_eq!((waiting.failure.as_deref(), entry.detail.as_deref()), (Some("busy again"), Some("busy again")));
}

#[test]
fn last_failure_is_recorded() {
    let (ended, entry) = apply(&request(Status::Running), &finish(2, failed()), at(100)).unwrap();
    assert_eq!((ended.failures, ended.failure.as_deref(), entry.detail.as_deref()), (2, Some("gone"), Some("gone")));
}

#[test]
fn retry_by_hand_resets_failures_and_interruptions_but_not_attempts() {
    let spent = Request { interruptions: 4, failures: 5, ..request(Status::Failed) };
    let (again, _) = apply(&spent, &Change::Retry { by: None }, at(100)).unwrap();
    assert_eq!((again.failures, again.interruptions, again.attempts), (0, 0, 2));
    assert_eq!((again.due_at, again.finished_at), (at(100), None));
}

#[test]
fn redrive_runs_the_next_attempt_of_a_failed_request_or_an_unconfirmed_delivery() {
    let failed = request(Status::Failed);
    let (again, entry) = apply(&failed, &Change::Redrive { attempt: 3 }, at(100)).unwrap();
    assert_eq!((again.status, again.failures, again.due_at, entry.event), (Status::Scheduled, 0, at(100), Event::Retried));
    for (status, result, attempt, refusal) in [
        (Status::Failed, None, 2, Refusal::ClaimLost),
        (Status::Failed, None, 4, Refusal::ClaimLost),
        (Status::Succeeded, Some("{\"n\":1}"), 3, Refusal::NotFailed),
        (Status::Cancelled, None, 3, Refusal::NotFailed),
    ] {
        let ended = Request { result: result.map(str::to_owned), ..request(status) };
        assert_eq!(apply(&ended, &Change::Redrive { attempt }, at(100)).unwrap_err(), refusal, "{status}, attempt {attempt}");
    }
    let earlier = r#"{"delivery":"direct","outcome":"unknown: the rule pointed at the target itself"}"#;
    for result in [DELIVERED_TO_BUS, earlier] {
        let settled = Request { result: Some(result.to_owned()), ..request(Status::Succeeded) };
        let (again, _) = apply(&settled, &Change::Redrive { attempt: 1 }, at(100)).unwrap();
        assert_eq!((again.status, again.result, again.finished_at), (Status::Scheduled, None, None));
    }
}

#[test]
fn aborted_request_has_the_reason() {
    let (aborted, entry) = apply(&request(Status::Scheduled), &Change::Abort { reason: "no more rules".to_owned() }, at(1)).unwrap();
    assert_eq!((aborted.failure.as_deref(), entry.detail.as_deref()), (Some("no more rules"), Some("no more rules")));
}

/// Claims and releases a request until it has ended. Returns the number of claims, and the request.
fn claims_until_the_end(mut request: Request) -> (u32, Request) {
    let before = request.attempts;
    while request.status == Status::Scheduled {
        request = apply(&request, &claim(), at(100)).unwrap().0;
        request = apply(&request, &release(request.attempts), at(100)).unwrap().0;
    }
    (request.attempts - before, request)
}

#[test]
fn request_fails_after_the_limit_of_interruptions() {
    let (claims, ended) = claims_until_the_end(request(Status::Scheduled));
    assert_eq!((claims, ended.status, ended.failures), (MAX_INTERRUPTIONS, Status::Failed, 1));
    assert_eq!(ended.failure.as_deref(), Some("cut off 5 times, the last time because the host stopped"));
}

#[test]
fn attempt_that_ends_resets_the_interruptions() {
    let mut request = Request { interruptions: MAX_INTERRUPTIONS - 1, ..request(Status::Running) };
    request = apply(&request, &finish(2, retry()), at(100)).unwrap().0;
    request.due_at = at(100);
    assert_eq!(claims_until_the_end(request).0, MAX_INTERRUPTIONS);
}

/// Returns a scheduled request without an attempt that is due at second 60 and expires a minute later.
fn expiring() -> Request {
    Request { attempts: 0, failures: 0, failure: None, expire_after: Some(Duration::from_mins(1)), ..request(Status::Scheduled) }
}

fn expire() -> Change {
    Change::Expire { waits_for: None, notice: None }
}

#[test]
fn a_request_whose_attempt_has_not_begun_in_time_expires_and_cannot_begin() {
    let request = expiring();
    let before = at(120) - TimeDelta::milliseconds(1);
    assert_eq!(apply(&request, &expire(), before).unwrap_err(), Refusal::NotExpired);
    assert_eq!(apply(&request, &claim(), before).unwrap().0.status, Status::Running);
    assert_eq!(apply(&request, &claim(), at(120)).unwrap_err(), Refusal::Expired);
    let (expired, entry) = apply(&request, &expire(), at(120)).unwrap();
    let failure = "not started by 2027-01-01T00:02:00.000Z, 1m after its triggerAt";
    assert_eq!((expired.status, expired.finished_at, expired.failure.as_deref()), (Status::Expired, Some(at(120)), Some(failure)));
    assert_eq!((entry.event, entry.detail.as_deref(), entry.attempt), (Event::Expired, Some(failure), 0));
    let change = Change::Expire { waits_for: Some("the end of the pause of hook".to_owned()), notice: None };
    let (expired, _) = apply(&request, &change, at(120)).unwrap();
    assert_eq!(expired.failure, Some(format!("{failure}; it waited for the end of the pause of hook")));
}

#[test]
fn a_request_that_has_begun_an_attempt_does_not_expire() {
    for change in [finish(1, retry()), release(1)] {
        let running = apply(&expiring(), &claim(), at(60)).unwrap().0;
        let waiting = apply(&running, &change, at(61)).unwrap().0;
        assert_eq!(apply(&waiting, &expire(), at(9000)).unwrap_err(), Refusal::NotExpired);
        assert_eq!(apply(&waiting, &claim(), at(9000)).unwrap().0.attempts, 2, "{change:?}");
    }
}

#[test]
fn a_deferred_request_expires_and_says_what_it_waited_for() {
    let running = apply(&expiring(), &claim(), at(100)).unwrap().0;
    let waiting = super::apply(&running, &defer(1, "a slot"), at(100)).unwrap().request;
    let (expired, _) = apply(&waiting, &expire(), at(120)).unwrap();
    assert_eq!(expired.waiting, None);
    assert!(expired.failure.unwrap().ends_with("; it waited for a slot"));
}

#[test]
fn a_moved_request_expires_after_its_new_time() {
    let (moved, _) = apply(&expiring(), &Change::Move { to: at(500), by: None }, at(119)).unwrap();
    assert_eq!((moved.expires_at(), apply(&moved, &expire(), at(559)).unwrap_err()), (Some(at(560)), Refusal::NotExpired));
    assert_eq!(apply(&moved, &expire(), at(560)).unwrap().0.status, Status::Expired);
}

#[test]
fn a_retried_request_does_not_expire_again() {
    let expired = apply(&expiring(), &expire(), at(120)).unwrap().0;
    for change in [Change::Retry { by: None }, Change::Redrive { attempt: 1 }] {
        let (again, _) = apply(&expired, &change, at(9000)).unwrap();
        assert_eq!((again.status, again.due_at, again.expires_at()), (Status::Scheduled, at(9000), None));
        assert_eq!(apply(&again, &claim(), at(99_000)).unwrap().0.attempts, 1, "{change:?}");
    }
    assert_eq!(apply(&expired, &Change::Redrive { attempt: 2 }, at(9000)).unwrap_err(), Refusal::ClaimLost);
}

#[test]
fn a_history_begins_with_the_acceptance() {
    let entry = accepted(&request(Status::Scheduled));
    assert_eq!((entry.at, entry.event, entry.attempt), (moment(), Event::Accepted, 0));
}

#[test]
fn only_an_end_brings_a_notice() {
    let stored = new_request(sample_id(2), "orders", at(60));
    let boxed = || Some(Box::new(stored.clone()));
    let success = finish(2, Outcome::Succeeded { result: None, notice: boxed() });
    let failure = finish(2, Outcome::Failed { failure: String::new(), notice: boxed() });
    let release = Change::Release { claim: 2, reason: String::new(), notice: boxed() };
    let notice = |request: &Request, change: &Change| super::apply(request, change, at(100)).unwrap().notice.cloned();
    let running = request(Status::Running);
    let cut_off = Request { interruptions: MAX_INTERRUPTIONS - 1, ..running.clone() };
    assert_eq!((notice(&running, &success), notice(&running, &failure)), (Some(stored.clone()), Some(stored.clone())));
    assert_eq!((notice(&running, &release), notice(&cut_off, &release)), (None, Some(stored.clone())));
    let expiry = Change::Expire { waits_for: None, notice: boxed() };
    assert_eq!(super::apply(&expiring(), &expiry, at(120)).unwrap().notice, Some(&stored));
    for change in [finish(2, succeeded()), finish(2, retry())] {
        assert_eq!(notice(&running, &change), None, "{change:?}");
    }
}

fn defer(claim: u32, waits_for: &str) -> Change {
    Change::Defer { claim, waits_for: waits_for.to_owned(), at: at(101) }
}

/// Claims the request and defers it again.
fn deferred(request: &Request, waits_for: &str) -> (Request, Line) {
    let running = apply(request, &claim(), at(101)).unwrap().0;
    let change = defer(running.claim(), waits_for);
    let applied = super::apply(&running, &change, at(101)).unwrap();
    (applied.request, applied.line)
}

#[test]
fn deferral_counts_neither_attempt_nor_failure_nor_interruption() {
    let before = Request { interruptions: 3, ..request(Status::Scheduled) };
    let (waiting, _) = deferred(&before, "a slot");
    let expected = Request { deferrals: 1, due_at: at(101), waiting: Some(Waiting { on: "a slot".to_owned(), since: at(101) }), ..before };
    assert_eq!(waiting, expected);
}

#[test]
fn deferrals_add_one_line_for_each_reason_in_a_row() {
    let (waiting, first) = deferred(&request(Status::Scheduled), "a slot");
    let Line::ReplaceLast(entry) = first else { panic!("{first:?}") };
    assert_eq!((entry.event, entry.attempt, entry.detail.as_deref()), (Event::Deferred, 3, Some("waits for a slot")));
    let (waiting, second) = deferred(&waiting, "a slot");
    assert_eq!(second, Line::RemoveLast);
    let (waiting, third) = deferred(&waiting, "a secret");
    assert!(matches!(third, Line::ReplaceLast(_)), "{third:?}");
    assert_eq!(waiting.waiting.unwrap().since, at(101), "it has waited since the first of them");
}

#[test]
fn only_the_newest_claim_can_be_deferred_or_ended() {
    let (waiting, _) = deferred(&request(Status::Scheduled), "a slot");
    let running = apply(&waiting, &claim(), at(200)).unwrap().0;
    assert_eq!((running.attempts, running.claim()), (3, 4));
    for late in [defer(3, "a slot"), finish(3, succeeded()), release(3)] {
        assert_eq!(super::apply(&running, &late, at(201)).unwrap_err(), Refusal::ClaimLost, "{late:?}");
    }
}

#[test]
fn wait_is_over_when_an_attempt_ends_or_the_request_is_moved() {
    let (waiting, _) = deferred(&request(Status::Scheduled), "a slot");
    let running = apply(&waiting, &claim(), at(200)).unwrap().0;
    assert!(running.waiting.is_some(), "its attempt may be deferred again");
    for change in [finish(4, retry()), finish(4, succeeded()), release(4)] {
        assert_eq!(apply(&running, &change, at(201)).unwrap().0.waiting, None, "{change:?}");
    }
    for change in [Change::Move { to: at(500), by: None }, Change::Cancel { by: None }] {
        assert_eq!(apply(&waiting, &change, at(201)).unwrap().0.waiting, None, "{change:?}");
    }
}

#[test]
fn the_kind_of_a_scheduled_requests_schedule_changes_without_a_line_of_history() {
    let change = Change::ScheduleBy { kind: ScheduleKind::Schedule };
    for status in Status::ALL {
        let request = request(status);
        match super::apply(&request, &change, at(0)) {
            Ok(applied) => {
                assert_eq!((status, applied.line), (Status::Scheduled, Line::Keep));
                assert_eq!(applied.request, Request { schedule: Some(ScheduleKind::Schedule), ..request });
            }
            Err(refusal) => assert!(status != Status::Scheduled && refusal == Refusal::NotScheduled),
        }
    }
}
