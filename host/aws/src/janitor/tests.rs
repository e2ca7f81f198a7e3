use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::lifecycle::Change;
use postdate_core::pause::Pause;
use postdate_core::plugin::JobFailure;
use postdate_core::ports::{Changes, Intake, Pauses, Requests};
use postdate_core::request::{NewRequest, Request, Status};
use postdate_core::testing::{claim, moment, new_request, sample_id};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::fakes::{TestFiring, accepted, deadline, expiring, firing};
use crate::ports::{Backlog, LeftRule};

fn at(seconds: i64) -> DateTime<Utc> {
    moment() + TimeDelta::seconds(seconds)
}

async fn sweep(host: &TestFiring, seconds: i64) -> SweepReport {
    host.set_clock(seconds);
    sweep_until(host, seconds, deadline()).await
}

async fn sweep_until(host: &TestFiring, seconds: i64, deadline: Instant) -> SweepReport {
    host.set_clock(seconds);
    let limits = SweepLimits { page: 2, rules: 2, deadline, max_event_age: Duration::from_hours(1) };
    Sweep { host, limits }.run().await
}

fn rule(name: &str, id: u64, seconds: i64) -> LeftRule {
    LeftRule { name: name.to_owned(), id: Some(sample_id(id)), at: Some(at(seconds)) }
}

#[tokio::test]
async fn an_overdue_request_that_never_fired_is_scheduled_again() {
    let host = firing(Ok(None));
    accepted(&host).await;
    assert_eq!(sweep(&host, 61).await, SweepReport::default(), "the rule's event may still arrive");
    assert_eq!(sweep(&host, 60 + 200).await, SweepReport { rearmed: 1, ..SweepReport::default() });
    assert_eq!(host.timing(), ["schedule here at 60"]);
    assert_eq!(sweep(&host, 60 + 300).await, SweepReport::default(), "the host has five minutes to fire it");
    assert_eq!(sweep(&host, 60 + 600).await, SweepReport { rearmed: 1, ..SweepReport::default() });
}

#[tokio::test]
async fn an_overdue_request_that_has_expired_is_ended_and_operators_are_notified() {
    let host = firing(Ok(None));
    expiring(&host).await;
    assert_eq!(sweep(&host, 60 + 181).await, SweepReport { expired: 1, ..SweepReport::default() });
    assert_eq!(
        (host.status().await, host.notifier.take()),
        (Status::Expired, vec!["topic: orders expired".to_owned(), "letter: attempt 1".to_owned()])
    );
    assert_eq!(host.timing(), ["schedule hook at 241"], "the notice");
}

#[tokio::test]
async fn operators_are_notified_of_an_expiry_whose_host_could_not_notify_them() {
    let host = firing(Ok(None));
    let envelope = expiring(&host).await;
    *host.notifier.fails_letters.lock().unwrap() = true;
    assert_eq!(host.fire_at(&envelope, 90).await, "Expired");
    *host.notifier.fails_letters.lock().unwrap() = false;
    host.notifier.take();
    assert_eq!(sweep(&host, 900).await.notified, 1);
    assert_eq!(host.notifier.take(), ["letter: attempt 1"]);
}

#[tokio::test]
async fn a_request_that_waits_is_overdue_only_after_the_end_of_its_wait() {
    let host = firing(Ok(None));
    let envelope = accepted(&host).await;
    host.ledger.pause(Pause { use_case: "orders".to_owned(), target: None, since: at(0), until: None, by: None }).await.unwrap();
    // It has waited for an hour, and comes back after 5 minutes.
    host.fire_at(&envelope, 60).await;
    assert_eq!(host.fire_at(&envelope, 3660).await, "waits for the end of the pause of use case orders");
    host.timing();
    assert_eq!(sweep(&host, 3660 + 300 + 179).await, SweepReport::default());
    // Its message was lost.
    assert_eq!(sweep(&host, 3660 + 300 + 181).await, SweepReport { rearmed: 1, ..SweepReport::default() });
    assert_eq!(host.timing(), ["schedule here at 3960"]);
}

/// Stores a request to the target `lost`, whose host is gone.
async fn lost(host: &TestFiring, id: u64) {
    let new = new_request(sample_id(id), "orders", at(0));
    let request = Request { target: "lost".to_owned(), ..new.request.clone() };
    host.ledger.memory.insert(NewRequest { request, ..new }.into()).await.unwrap();
}

#[tokio::test]
async fn requests_that_cannot_be_mended_hide_no_other_and_wait_longer_each_time() {
    let host = firing(Ok(None));
    for id in 10..15 {
        lost(&host, id).await;
    }
    accepted(&host).await;
    let all = SweepReport { not_mended: BTreeMap::from([("scheduler-failed", 5)]), ..SweepReport::default() };
    assert_eq!(sweep(&host, 300).await, SweepReport { rearmed: 1, ..all.clone() }, "every page of two is read");
    let mut seen = Vec::new();
    for minute in 6..=200 {
        let report = sweep(&host, minute * 60).await;
        if !report.not_mended.is_empty() {
            assert_eq!(report.not_mended, all.not_mended);
            seen.push(minute);
        }
    }
    assert_eq!(seen, [11, 23, 47, 95, 156], "as long as it is late already, up to an hour");
}

#[tokio::test]
async fn a_run_without_time_examines_nothing_and_keeps_its_place() {
    let host = firing(Ok(None));
    lost(&host, 10).await;
    *host.scheduler.rules.lock().unwrap() = ["a", "b", "c"].map(|name| rule(name, 1, 60)).to_vec();
    host.ledger.set_cursor("b").await.unwrap();
    let report = sweep_until(&host, 300, Instant::now()).await;
    assert_eq!(report, SweepReport { rules: 3, more: true, ..SweepReport::default() });
    assert_eq!(host.ledger.cursor().await.unwrap(), "b");
}

#[tokio::test]
async fn operators_are_notified_of_a_failure_whose_host_could_not_notify_them() {
    let host = firing(Err(JobFailure::permanent("no stock")));
    let envelope = accepted(&host).await;
    *host.notifier.fails_letters.lock().unwrap() = true;
    assert_eq!(host.fire_at(&envelope, 60).await, "ran: failed");
    assert_eq!(host.notifier.take(), ["topic: orders failed"]);
    let report = sweep(&host, 300).await;
    assert_eq!(report.not_mended, BTreeMap::from([("operators-not-notified", 1)]));
    *host.notifier.fails_letters.lock().unwrap() = false;
    assert_eq!(sweep(&host, 900).await.notified, 1);
    assert_eq!(host.notifier.take(), ["letter: attempt 2"], "the topic was notified before");
    assert_eq!(sweep(&host, 9000).await.notified, 0);
}

#[tokio::test]
async fn a_running_request_is_looked_at_when_its_lease_ends() {
    let host = firing(Ok(None));
    accepted(&host).await;
    let claim = Change::Claim { lease: Duration::from_hours(1) };
    host.ledger.memory.change(sample_id(1), claim, at(60)).await.unwrap();
    assert_eq!(sweep(&host, 600).await, SweepReport::default());
    assert!(host.ledger.overdue(at(600), None, 1).await.unwrap().is_empty(), "it is not in the way until then");
    assert_eq!(sweep(&host, 60 + 3600 + 181).await.released, 1);
}

#[tokio::test]
async fn a_request_whose_lease_ran_out_is_released_and_scheduled_again() {
    let host = firing(Ok(None));
    accepted(&host).await;
    host.ledger.memory.change(sample_id(1), claim(), at(60)).await.unwrap();
    assert_eq!(sweep(&host, 60 + 3600).await, SweepReport { released: 1, ..SweepReport::default() });
    assert_eq!((host.status().await, host.timing()), (Status::Scheduled, vec!["schedule here at 3660".to_owned()]));
}

/// Stores a request of a direct target.
async fn direct(host: &TestFiring) {
    let new = new_request(sample_id(1), "orders", at(60));
    let request = Request { target: "away".to_owned(), ..new.request.clone() };
    host.ledger.memory.insert(NewRequest { request, ..new }.into()).await.unwrap();
}

#[tokio::test]
async fn a_direct_request_ends_when_its_event_can_no_longer_come() {
    let host = firing(Ok(None));
    direct(&host).await;
    assert_eq!(sweep(&host, 600).await, SweepReport::default());
    // The scheduler knows whether the event was sent.
    assert_eq!(host.timing(), ["schedule away at 60"]);
    assert_eq!(sweep(&host, 2 * 3600).await, SweepReport { settled: 1, ..SweepReport::default() });
    let request = host.ledger.find(sample_id(1)).await.unwrap().unwrap().0;
    assert_eq!(request.status, Status::Succeeded);
    assert!(request.result.as_ref().unwrap().contains("delivered-to-bus"), "no host saw the outcome");
    // A letter shows that EventBridge did not deliver.
    let letter = Envelope { redrive: true, ..Envelope::of(&Request { attempts: 0, ..request.clone() }, None) };
    assert_eq!(host.fire_at(&letter, 3 * 3600).await, "ran: succeeded");
    assert_eq!(host.deliver.delivered().len(), 1);
}

#[tokio::test]
async fn a_direct_request_whose_settling_was_cut_off_is_settled_and_not_delivered_again() {
    let host = firing(Ok(None));
    direct(&host).await;
    host.ledger.memory.change(sample_id(1), claim(), at(2 * 3600)).await.unwrap();
    assert_eq!(sweep(&host, 3 * 3600).await, SweepReport { released: 1, settled: 1, ..SweepReport::default() });
    assert_eq!((host.status().await, host.timing()), (Status::Succeeded, Vec::<String>::new()));
}

#[tokio::test]
async fn a_direct_request_of_which_no_event_was_sent_fails_and_operators_are_notified() {
    let host = firing(Ok(None));
    direct(&host).await;
    *host.scheduler.lost_events.lock().unwrap() = true;
    assert_eq!(sweep(&host, 2 * 3600).await, SweepReport { settled: 1, ..SweepReport::default() });
    let request = host.ledger.find(sample_id(1)).await.unwrap().unwrap().0;
    assert_eq!(request.status, Status::Failed);
    assert!(request.failure.as_ref().unwrap().contains("no rule or schedule shows"), "{:?}", request.failure);
    assert_eq!(host.notifier.take(), ["topic: orders failed", "letter: attempt 2"]);
    assert_eq!(host.timing(), ["schedule hook at 7200"], "the target of [on] is notified");
    assert_eq!(sweep(&host, 2 * 3600 + 60).await, SweepReport::default());
}

#[tokio::test]
async fn a_rule_of_an_unknown_request_stays_until_it_has_fired() {
    let host = firing(Ok(None));
    // The rule of another deployment, whose prefix begins with this one's.
    *host.scheduler.rules.lock().unwrap() = vec![rule("theirs", 8, 60)];
    assert_eq!(sweep(&host, 30).await.cleaned, 0);
    assert_eq!(sweep(&host, 60 + 200).await.cleaned, 1);
}

#[tokio::test]
async fn only_orphaned_rules_are_deleted() {
    let host = firing(Ok(None));
    accepted(&host).await;
    let foreign = LeftRule { id: None, ..rule("postdate-by-hand", 0, 0) };
    let unreadable = LeftRule { at: None, ..rule("rate", 9, 0) };
    let needed = rule("needed", 1, 60);
    let shows_the_event = rule("past", 1, -7200);
    *host.scheduler.rules.lock().unwrap() =
        vec![shows_the_event.clone(), rule("orphan", 8, -300), foreign.clone(), unreadable.clone(), needed.clone(), rule("stuck", 7, -300)];
    let mut cleaned = 0;
    for _ in 0..3 {
        let report = sweep(&host, 30).await;
        assert!(report.more, "a run examines two rules and the next one continues there");
        cleaned += report.cleaned;
    }
    assert_eq!(cleaned, 1);
    let left: Vec<LeftRule> = host.scheduler.rules.lock().unwrap().clone();
    assert_eq!(left, [shows_the_event, foreign, unreadable, needed, rule("stuck", 7, -300)]);
    let log = host.notifier.take();
    assert!(log.contains(&"not cleaned stuck: the scheduler failed: access denied".to_owned()), "{log:?}");
}
