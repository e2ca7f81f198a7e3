use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::ports::{Changes, Intake, Requests};
use postdate_core::request::{Request, Status};
use postdate_core::testing::{claim, moment, new_request, sample_id};
use std::time::Duration;

use super::*;
use crate::fakes::{TestFiring, accepted, deadline, firing};
use crate::ports::LeftRule;

fn at(seconds: i64) -> DateTime<Utc> {
    moment() + TimeDelta::seconds(seconds)
}

async fn sweep(host: &TestFiring, seconds: i64) -> Report {
    host.set_clock(seconds);
    let limits = Limits { requests: 100, rules: 2, deadline: deadline(), max_event_age: Duration::from_hours(1) };
    Sweep { host, limits }.run().await
}

fn rule(name: &str, id: u64, seconds: i64) -> LeftRule {
    LeftRule { name: name.to_owned(), id: Some(sample_id(id)), at: Some(at(seconds)) }
}

#[tokio::test]
async fn an_overdue_request_that_never_fired_is_scheduled_again() {
    let host = firing(Ok(None));
    accepted(&host).await;
    assert_eq!(sweep(&host, 61).await, Report::default(), "the rule's event may still arrive");
    assert_eq!(sweep(&host, 60 + 200).await, Report { rearmed: 1, ..Report::default() });
    assert_eq!(host.timing(), ["schedule here at 60"]);
}

#[tokio::test]
async fn a_request_whose_lease_ran_out_is_released_and_scheduled_again() {
    let host = firing(Ok(None));
    accepted(&host).await;
    host.ledger.0.change(sample_id(1), claim(), at(60)).await.unwrap();
    assert_eq!(sweep(&host, 60 + 3600).await, Report { released: 1, ..Report::default() });
    assert_eq!((host.status().await, host.timing()), (Status::Scheduled, vec!["schedule here at 3660".to_owned()]));
}

/// Stores a request of a direct target.
async fn direct(host: &TestFiring) {
    let new = new_request(sample_id(1), "orders", at(60));
    let request = Request { target: "away".to_owned(), ..new.request.clone() };
    host.ledger.0.insert(postdate_core::request::NewRequest { request, ..new }).await.unwrap();
}

#[tokio::test]
async fn a_direct_request_ends_when_its_event_can_no_longer_come() {
    let host = firing(Ok(None));
    direct(&host).await;
    assert_eq!(sweep(&host, 600).await, Report::default());
    // The scheduler knows whether the event was sent.
    assert_eq!(host.timing(), ["schedule away at 60"]);
    assert_eq!(sweep(&host, 2 * 3600).await, Report { settled: 1, ..Report::default() });
    let (request, _) = host.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!(request.status, Status::Succeeded);
    assert!(request.result.unwrap().contains("unknown"), "no host saw the outcome");
}

#[tokio::test]
async fn a_direct_request_whose_settling_was_cut_off_is_settled_and_not_delivered_again() {
    let host = firing(Ok(None));
    direct(&host).await;
    host.ledger.0.change(sample_id(1), claim(), at(2 * 3600)).await.unwrap();
    assert_eq!(sweep(&host, 3 * 3600).await, Report { released: 1, settled: 1, ..Report::default() });
    assert_eq!((host.status().await, host.timing()), (Status::Succeeded, Vec::<String>::new()));
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
    *host.scheduler.rules.lock().unwrap() =
        vec![rule("past", 1, -7200), rule("orphan", 8, -300), foreign.clone(), unreadable.clone(), needed.clone(), rule("stuck", 7, -300)];
    let mut cleaned = 0;
    for _ in 0..3 {
        let report = sweep(&host, 30).await;
        assert!(report.more, "a run examines two rules and the next one continues there");
        cleaned += report.cleaned;
    }
    assert_eq!(cleaned, 2);
    let left: Vec<LeftRule> = host.scheduler.rules.lock().unwrap().clone();
    assert_eq!(left, [foreign, unreadable, needed, rule("stuck", 7, -300)]);
    let log = host.notifier.1.lock().unwrap().clone();
    assert!(log.contains(&"not cleaned stuck: the scheduler failed: access denied".to_owned()), "{log:?}");
}
