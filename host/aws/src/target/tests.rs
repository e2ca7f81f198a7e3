use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::envelope::{Ended, Envelope};
use postdate_core::fire::End;
use postdate_core::host_fault::HostFault;
use postdate_core::lifecycle::Change;
use postdate_core::limits::Rate;
use postdate_core::limits::places::{MOST_IN_LINE, Places};
use postdate_core::pause::Pause;
use postdate_core::plugin::JobFailure;
use postdate_core::ports::{Changed, Changes, Clock as _, Intake, Pauses, Requests};
use postdate_core::request::{NewRequest, Request, Status};
use postdate_core::testing::{claim, moment, new_request, sample_id};
use serde_json::value::RawValue;

use super::*;
use crate::fakes::{TestFiring, accepted, accepted_at, accepted_for, deadline, expiring, firing};
use crate::ports::Counters as _;

#[tokio::test]
async fn a_request_runs_at_its_time_and_its_rule_is_deleted() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 60).await, "ran: succeeded");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"]);
    assert_eq!(firing.fire_at(&envelope, 61).await, "Ended(Succeeded)", "a second delivery only cleans up");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"]);
}

#[tokio::test]
async fn an_early_delivery_is_parked_in_the_queue_or_gets_a_rule() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 20).await, "Early");
    assert_eq!(firing.timing(), ["park 1 for 40 s"]);
    assert_eq!(firing.fire_at(&envelope, -3600).await, "Early");
    assert_eq!(firing.timing(), ["schedule here at 60"]);
    assert_eq!(firing.status().await, Status::Scheduled);
    // The envelope has the due time, so an early delivery does not read the ledger.
    firing.ledger.memory.change(sample_id(1), Change::Cancel { by: None }, moment()).await.unwrap();
    assert_eq!(firing.fire_at(&envelope, 20).await, "Early");
    assert_eq!(firing.timing(), ["park 1 for 40 s"]);
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_and_operators_are_notified_of_the_last_one() {
    let firing = firing(Err(JobFailure::retry("no stock")));
    let envelope = accepted(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 60).await, "ran: scheduled");
    assert_eq!(firing.timing(), ["park 2 for 30 s"], "the rule stays until the end");
    assert_eq!(firing.fire_at(&envelope, 90).await, "ran: failed");
    assert_eq!(firing.timing(), ["schedule hook at 90", "clean postdate-orders-1"]);
    assert_eq!(firing.notifier.take(), ["topic: orders failed", "letter: attempt 3"]);
    assert_eq!(firing.fire_at(&envelope, 100).await, "Ended(Failed)");
    assert_eq!(firing.fire_at(&envelope, 200).await, "Ended(Failed)");
    assert!(firing.notifier.take().is_empty(), "a second delivery must not notify again");
    let letter = Envelope { redrive: true, attempt: 3, ..envelope };
    assert_eq!(firing.fire_at(&letter, 210).await, "ran: scheduled", "a redrive resets the attempts");
    assert_eq!(firing.fire_at(&Envelope { attempt: 4, redrive: false, ..letter.clone() }, 240).await, "ran: failed");
    assert_eq!(firing.notifier.take(), ["topic: orders failed", "letter: attempt 5"]);
    // The second letter of the same failure, and the one of an earlier attempt.
    for attempt in [3, 1] {
        assert_eq!(firing.fire_at(&Envelope { attempt, ..letter.clone() }, 250).await, "Ended(Failed)");
    }
    assert!(firing.notifier.take().is_empty(), "a stale letter must not make another letter");
}

#[tokio::test]
async fn a_delivery_after_the_expiry_ends_the_request_and_a_redrive_runs_it() {
    let firing = firing(Ok(None));
    let envelope = expiring(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 90).await, "Expired");
    assert_eq!(firing.timing(), ["schedule hook at 90", "clean postdate-orders-1"]);
    assert_eq!(firing.notifier.take(), ["topic: orders expired", "letter: attempt 1"]);
    assert_eq!(firing.fire_at(&envelope, 91).await, "Ended(Expired)");
    let letter = Envelope { redrive: true, ..envelope };
    assert_eq!(firing.fire_at(&letter, 9000).await, "ran: succeeded");
}

#[tokio::test]
async fn a_deferred_request_expires_at_a_later_delivery() {
    let firing = firing(Ok(None));
    let envelope = expiring(&firing).await;
    firing.use_cases.remove("orders");
    firing.use_cases.fail_with(HostFault::new("the store", "no route to host"));
    assert_eq!(firing.fire_at(&envelope, 89).await, "Deferred");
    assert_eq!(firing.fire_at(&envelope, 95).await, "Parked", "the manifest names the target of the notice");
    firing.use_cases.fail_with(None);
    assert_eq!(firing.fire_at(&envelope, 99).await, "Expired");
    let request = firing.ledger.find(sample_id(1)).await.unwrap().unwrap().0;
    assert!(request.failure.unwrap().ends_with("it waited for the store"));
}

#[tokio::test]
async fn a_notification_that_failed_is_sent_by_a_repeated_delivery() {
    let firing = firing(Err(JobFailure::permanent("no stock")));
    let envelope = accepted(&firing).await;
    *firing.notifier.fails_letters.lock().unwrap() = true;
    assert_eq!(firing.fire_at(&envelope, 60).await, "ran: failed");
    assert_eq!(firing.fire_at(&envelope, 100).await, "Ended(Failed)", "the letter fails again");
    assert_eq!(firing.notifier.take(), ["topic: orders failed"]);
    *firing.notifier.fails_letters.lock().unwrap() = false;
    assert_eq!(firing.fire_at(&envelope, 70).await, "Ended(Failed)");
    assert!(firing.notifier.take().is_empty(), "the first host may still be sending it");
    assert_eq!(firing.fire_at(&envelope, 100).await, "Ended(Failed)");
    assert_eq!(firing.notifier.take(), ["letter: attempt 2"]);
    assert_eq!(firing.fire_at(&envelope, 200).await, "Ended(Failed)");
    assert!(firing.notifier.take().is_empty());
}

#[tokio::test]
async fn a_delivery_that_the_ledger_fails_for_now_is_parked_for_seconds() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    *firing.ledger.failing_claims.lock().unwrap() = 4;
    for (second, wait) in [(60, 1), (62, 2), (75, 15), (360, 60)] {
        assert_eq!(firing.fire_at(&envelope, second).await, "Parked");
        assert_eq!(firing.timing(), [format!("park 1 for {wait} s")]);
    }
    assert_eq!(firing.fire_at(&envelope, 421).await, "ran: succeeded");
    // Without the queue, Lambda repeats the delivery.
    *firing.ledger.failing_claims.lock().unwrap() = 1;
    *firing.scheduler.fails_to_park.lock().unwrap() = true;
    assert!(firing.fire(&envelope, deadline()).await.is_err());
}

#[tokio::test]
async fn an_end_that_the_ledger_does_not_take_is_recorded_by_the_next_delivery() {
    let firing = firing(Ok(Some("once".to_owned())));
    let envelope = accepted(&firing).await;
    *firing.ledger.fails_records.lock().unwrap() = true;
    assert_eq!(firing.fire_at(&envelope, 60).await, "Parked");
    assert_eq!(firing.timing(), ["park 1 for 9 s with its end"], "the record was tried for 9 s");
    let parked = firing.scheduler.parked.lock().unwrap().clone().unwrap();
    assert_eq!(firing.fire_at(&parked, 78).await, "Parked", "the ledger still fails");
    assert_eq!(firing.status().await, Status::Running);
    *firing.ledger.fails_records.lock().unwrap() = false;
    assert_eq!(firing.fire_at(&parked, 90).await, "ran: succeeded");
    let (request, history) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.attempts, request.interruptions, request.result.as_deref()), (1, 0, Some("once")));
    assert_eq!(history.len(), 3, "accepted, started, succeeded: {history:?}");
    assert_eq!(firing.fire_at(&parked, 91).await, "Ended(Succeeded)");
}

#[tokio::test]
async fn the_end_of_an_earlier_claim_is_not_recorded_for_a_later_one() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let claim = async || firing.ledger.memory.claim(sample_id(1), moment() + TimeDelta::seconds(60)).await.unwrap().unwrap().request;
    let first = claim().await;
    let release = Change::Release { claim: first.claim(), reason: "its lease ran out".to_owned(), notice: None };
    firing.ledger.memory.change(first.id, release, moment() + TimeDelta::seconds(60)).await.unwrap();
    assert!(claim().await.claim() > first.claim());
    let ended = Ended { claim: first.claim(), end: End::Answered(Ok(None)) };
    assert_eq!(firing.fire_at(&Envelope { ended: Some(ended), ..envelope }, 61).await, "Busy");
    assert_eq!(firing.status().await, Status::Running);
}

#[tokio::test]
async fn the_last_second_of_a_lease_is_waited_for_in_the_function() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let claimed = firing.ledger.memory.claim(sample_id(1), moment() + TimeDelta::seconds(60)).await.unwrap().unwrap();
    let lease = i64::try_from(claimed.request.lease.as_secs()).unwrap();
    assert_eq!(firing.fire_at(&envelope, 60 + lease - 1).await, "ran: succeeded");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"], "nothing is parked");
}

#[tokio::test]
async fn the_letter_of_a_direct_target_is_delivered_by_the_host() {
    let firing = firing(Ok(None));
    let request = Request { target: "away".to_owned(), ..new_request(sample_id(1), "orders", moment()).request };
    let new = new_request(sample_id(1), "orders", moment());
    firing.ledger.memory.insert(NewRequest { request: request.clone(), ..new }.into()).await.unwrap();
    let letter = Envelope { redrive: true, ..Envelope::of(&request, None) };
    assert_eq!(firing.fire_at(&letter, 60).await, "ran: succeeded");
    assert_eq!(firing.deliver.delivered().len(), 1);
    assert_eq!(firing.fire_at(&letter, 61).await, "Ended(Succeeded)", "a confirmed delivery is not repeated");
    assert_eq!(firing.deliver.delivered().len(), 1);
}

#[tokio::test]
async fn a_letter_does_not_disturb_a_request_that_waits_for_its_time() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let letter = Envelope { redrive: true, scheduled_for: "at its time".to_owned(), ..envelope };
    assert_eq!(firing.fire_at(&letter, 20).await, "Early");
    assert!(firing.timing().is_empty(), "its own delivery is scheduled already");
}

#[tokio::test]
async fn a_delivery_during_a_running_attempt_is_parked_until_the_lease_ends() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let running = match firing.ledger.memory.change(sample_id(1), claim(), moment() + TimeDelta::seconds(60)).await.unwrap() {
        Changed::Done(request) => request,
        other => panic!("{other:?}"),
    };
    let lease = running.lease.as_secs();
    assert_eq!(firing.fire_at(&envelope, 60).await, "Busy");
    assert_eq!(firing.timing(), [format!("park 1 for {lease} s")]);
    // The environment of the attempt is frozen or gone: its lease runs out, and the next delivery takes over.
    let after = 61 + i64::try_from(lease).unwrap();
    assert_eq!(firing.fire_at(&envelope, after).await, "ran: succeeded");
    let (request, _) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.attempts, request.interruptions), (2, 1));
}

#[tokio::test]
async fn the_rule_of_a_request_unknown_to_the_ledger_is_deleted() {
    let firing = firing(Ok(None));
    let new = new_request(sample_id(7), "orders", moment());
    let envelope = Envelope::of(&new.request, Some("postdate-orders-7".to_owned()));
    assert_eq!(firing.fire_at(&envelope, 0).await, "Unknown");
    assert_eq!(firing.timing(), ["clean postdate-orders-7"]);
}

#[tokio::test]
async fn a_cancelled_request_never_runs() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    firing.ledger.memory.change(sample_id(1), Change::Cancel { by: None }, moment()).await.unwrap();
    assert_eq!(firing.fire_at(&envelope, 60).await, "Ended(Cancelled)");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"]);
}

#[tokio::test]
async fn a_request_deferred_by_a_host_fault_is_parked_and_spends_no_attempt() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    firing.use_cases.remove("orders");
    firing.use_cases.fail_with(HostFault::new("machine code of version v1", "no route to the store"));
    assert_eq!(firing.fire_at(&envelope, 60).await, "Deferred");
    assert_eq!(firing.timing(), ["park 1 for 1 s"], "the queue's shortest delay, for a wait of 250 ms");
    let (request, history) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.status, request.attempts, request.failures), (Status::Scheduled, 0, 0));
    assert_eq!(request.waiting.unwrap().on, "machine code of version v1");
    assert_eq!(history.len(), 2, "accepted, deferred: {history:?}");
    firing.use_cases.fail_with(None);
    assert_eq!(firing.fire_at(&envelope, 61).await, "ran: succeeded");
}

/// Pauses the use case, or one target of it, until a second of the clock.
async fn pause(firing: &TestFiring, target: Option<&str>, until: Option<i64>) {
    let until = until.map(|second| moment() + TimeDelta::seconds(second));
    let pause = Pause { use_case: "orders".to_owned(), target: target.map(str::to_owned), since: moment(), until, by: None };
    firing.ledger.pause(pause).await.unwrap();
}

#[tokio::test]
async fn a_paused_request_waits_longer_each_time_and_runs_after_the_pause() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    pause(&firing, None, None).await;
    for (second, wait) in [(60, 5), (65, 5), (70, 10), (80, 20), (3600, 300)] {
        assert_eq!(firing.fire_at(&envelope, second).await, "waits for the end of the pause of use case orders", "at {second} s");
        assert_eq!(firing.timing(), [format!("park 1 for {wait} s")]);
    }
    assert!(firing.ledger.resume("orders", None).await.unwrap());
    // Before it would have come back by itself.
    assert_eq!(firing.fire_at(&envelope, 3700).await, "ran: succeeded");
    let (request, history) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.attempts, request.deferrals, request.waiting), (1, 0, None));
    assert_eq!(history.len(), 4, "accepted, deferred once, started, succeeded: {history:?}");
}

#[tokio::test]
async fn a_pause_of_one_target_holds_up_no_other_and_ends_by_itself() {
    let firing = firing(Ok(None));
    pause(&firing, Some("slow"), Some(68)).await;
    let (slow, here) = (accepted_for(&firing, 1, "slow").await, accepted_for(&firing, 2, "here").await);
    assert_eq!(firing.fire_at(&slow, 60).await, "waits for the end of the pause of target slow");
    assert_eq!(firing.timing(), ["park 1 for 5 s"]);
    assert_eq!(firing.fire_at(&here, 60).await, "ran: succeeded");
    assert_eq!(firing.fire_at(&slow, 65).await, "waits for the end of the pause of target slow");
    assert_eq!(firing.timing(), ["park 1 for 3 s"], "the pause ends before as long as it has waited");
    assert_eq!(firing.fire_at(&slow, 68).await, "ran: succeeded");
    // A message that comes a little late would find no pause, and run before those that are released in order.
    pause(&firing, Some("slow"), Some(76)).await;
    let slow = accepted_for(&firing, 3, "slow").await;
    assert_eq!(firing.fire_at(&slow, 70).await, "waits for the end of the pause of target slow");
    assert_eq!(firing.timing(), ["park 1 for 6 s"], "not for 5 s");
}

#[tokio::test]
async fn requests_of_a_pause_that_ends_by_itself_come_back_in_the_order_of_their_times() {
    let firing = firing(Ok(None));
    pause(&firing, None, Some(160)).await;
    let mut envelopes = vec![accepted_at(&firing, 9, "hook", 90).await];
    for n in 1..=3 {
        envelopes.push(accepted_at(&firing, n, "here", 80 + 20 * i64::try_from(n).unwrap()).await);
    }
    // The newest comes first.
    for envelope in envelopes.iter().rev() {
        assert_eq!(firing.fire_at(envelope, 159).await, "waits for the end of the pause of use case orders");
    }
    let due = async |n| firing.ledger.find(sample_id(n)).await.unwrap().unwrap().0.due_at - at(160);
    let after = [due(9).await, due(1).await, due(2).await, due(3).await];
    assert_eq!(after.map(|after| after.num_milliseconds()), [900, 1_000, 1_200, 1_400]);
}

#[tokio::test]
async fn the_order_after_a_pause_expires_no_request() {
    let firing = firing(Ok(None));
    let envelope = expiring(&firing).await;
    let long = Pause { use_case: "orders".to_owned(), target: None, since: moment() - TimeDelta::days(1), until: Some(at(88)), by: None };
    firing.ledger.pause(long).await.unwrap();
    assert_eq!(firing.fire_at(&envelope, 85).await, "waits for the end of the pause of use case orders");
    assert_eq!(firing.ledger.find(sample_id(1)).await.unwrap().unwrap().0.due_at, at(89), "half of the time to its limit");
}

#[tokio::test]
async fn pauses_are_read_once_in_ten_seconds() {
    let firing = firing(Ok(None));
    for n in 1..=30 {
        let envelope = accepted_for(&firing, n, "here").await;
        assert_eq!(firing.fire_at(&envelope, 60 + i64::try_from(n).unwrap()).await, "ran: succeeded");
    }
    assert_eq!(*firing.ledger.pauses_read.lock().unwrap(), 3);
    // A pause is in force at the first claim after the ten seconds.
    pause(&firing, None, None).await;
    let envelope = accepted_for(&firing, 31, "here").await;
    assert_eq!(firing.fire_at(&envelope, 101).await, "waits for the end of the pause of use case orders");
}

#[tokio::test]
async fn a_delivery_of_a_request_that_may_not_run_reads_no_pauses_and_takes_no_place() {
    let firing = firing(Ok(None));
    let envelope = accepted_for(&firing, 1, "slow").await;
    assert_eq!(firing.fire_at(&envelope, 60).await, "ran: succeeded");
    assert_eq!(firing.fire_at(&envelope, 90).await, "Ended(Succeeded)");
    assert_eq!(*firing.ledger.pauses_read.lock().unwrap(), 1);
    assert!(firing.ledger.places.lock().unwrap()["slow"].taken.is_empty(), "the place is given back after the attempt");
}

fn at(seconds: i64) -> DateTime<Utc> {
    moment() + TimeDelta::seconds(seconds)
}

/// Removes the first message that is due from the queue, and returns its envelope.
fn due_message(firing: &TestFiring, seconds: i64) -> Option<Envelope> {
    let mut queue = firing.scheduler.queue.lock().unwrap();
    queue.sort_by_key(|(time, _)| *time);
    let is_due = queue.first().is_some_and(|(time, _)| *time <= at(seconds));
    is_due.then(|| queue.remove(0).1)
}

#[tokio::test]
async fn a_request_without_a_place_waits_in_line_and_is_woken_when_one_is_free() {
    let firing = firing(Ok(None));
    let envelope = accepted_for(&firing, 1, "slow").await;
    let place = firing.ledger.take_all("slow", 1, at(500)).pop();
    for second in [60, 120] {
        assert_eq!(firing.fire_at(&envelope, second).await, "waits for a place at target slow (1 of 1)", "at {second} s");
        assert_eq!(firing.timing(), ["park 1 for 60 s"]);
    }
    // A target without a limit is not late.
    assert_eq!(firing.fire_at(&accepted_for(&firing, 2, "here").await, 125).await, "ran: succeeded");
    firing.scheduler.queue.lock().unwrap().clear();
    firing.leave("orders", "slow", place).await;
    assert_eq!(firing.timing(), ["park 1 for 0 s"]);
    let woken = due_message(&firing, 125).unwrap();
    assert_eq!(firing.fire_at(&woken, 126).await, "ran: succeeded");
    let (request, history) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.attempts, history.len()), (1, 4), "{history:?}");
    // The queue may deliver a message twice. The second one gives back no place of another attempt.
    firing.ledger.take_all("slow", 1, at(500));
    assert_eq!(firing.fire_at(&woken, 127).await, "Ended(Succeeded)");
    assert_eq!(firing.ledger.places.lock().unwrap()["slow"].taken.len(), 1);
}

#[tokio::test]
async fn fifty_requests_run_at_two_places_in_the_order_of_their_times_while_others_come() {
    let firing = firing(Ok(None));
    let mut places = firing.ledger.take_all("narrow", 2, at(500));
    let (mut envelopes, mut begun) = (Vec::new(), Vec::new());
    for n in 1..=60 {
        envelopes.push(accepted_at(&firing, n, "narrow", 10 + i64::try_from(n).unwrap()).await);
    }
    // The newest comes first.
    let mut later = envelopes.split_off(50);
    for envelope in envelopes.iter().rev() {
        assert_eq!(firing.fire_at(envelope, 100).await, "waits for a place at target narrow (2 of 2)");
    }
    firing.leave("orders", "narrow", places.pop()).await;
    firing.leave("orders", "narrow", places.pop()).await;
    for _ in 0..60 {
        let Some(woken) = due_message(&firing, 100) else { break };
        // A request that comes now does not overtake those that wait, and finds both places taken, or kept for them.
        if let Some(new) = later.pop() {
            assert_eq!(firing.fire_at(&new, 100).await, "waits for a place at target narrow (2 of 2)");
        }
        assert_eq!(firing.fire_at(&woken, 100).await, "ran: succeeded");
        begun.push(woken.correlation_id);
    }
    assert_eq!(begun, (1..=60).map(sample_id).collect::<Vec<_>>());
    assert_eq!(firing.ledger.places.lock().unwrap()["narrow"], Places::default());
}

#[tokio::test]
async fn a_request_that_finds_no_room_in_the_line_asks_later_each_time_and_takes_the_place_of_a_newer_one() {
    let firing = firing(Ok(None));
    firing.ledger.take_all("slow", 1, at(500));
    let most = u64::try_from(MOST_IN_LINE).unwrap();
    for n in 1..=most {
        let envelope = accepted_at(&firing, n, "slow", 30).await;
        assert_eq!(firing.fire_at(&envelope, 60).await, "waits for a place at target slow (1 of 1)");
    }
    firing.timing();
    let (newer, older) = (accepted_at(&firing, most + 1, "slow", 40).await, accepted_at(&firing, most + 2, "slow", 20).await);
    for (second, wait) in [(60, 1), (61, 1), (62, 2), (64, 4), (200, 60)] {
        assert_eq!(firing.fire_at(&newer, second).await, "waits for a place at target slow (1 of 1)", "at {second} s");
        assert_eq!(firing.timing(), [format!("park 1 for {wait} s")]);
    }
    assert_eq!(firing.fire_at(&older, 200).await, "waits for a place at target slow (1 of 1)");
    assert_eq!(firing.timing(), ["park 1 for 60 s"]);
    let line = firing.ledger.places.lock().unwrap()["slow"].line.clone();
    assert!(line.len() == MOST_IN_LINE && line.contains_key(&sample_id(most + 2)), "{line:?}");
}

#[tokio::test]
async fn a_woken_request_that_may_not_run_passes_its_place_on() {
    let firing = firing(Ok(None));
    let place = firing.ledger.take_all("slow", 1, at(500)).pop();
    for n in 1..=4 {
        let envelope = accepted_for(&firing, n, "slow").await;
        assert_eq!(firing.fire_at(&envelope, 60).await, "waits for a place at target slow (1 of 1)");
    }
    firing.scheduler.queue.lock().unwrap().clear();
    let change = async |n, change| firing.ledger.memory.change(sample_id(n), change, at(60)).await.unwrap();
    change(1, Change::Cancel { by: None }).await;
    change(2, Change::Move { to: at(3_600), by: None }).await;
    firing.leave("orders", "slow", place).await;
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let woken = due_message(&firing, 61).expect("a message to the next one");
        outcomes.push(firing.fire_at(&woken, 61).await);
    }
    assert_eq!(outcomes, ["Ended(Cancelled)", "Early", "ran: succeeded", "ran: succeeded"]);
    assert_eq!(firing.ledger.places.lock().unwrap()["slow"], Places::default());
}

#[tokio::test]
async fn a_woken_request_whose_target_is_paused_passes_its_place_on() {
    let firing = firing(Ok(None));
    let place = firing.ledger.take_all("slow", 1, at(500)).pop();
    let envelope = accepted_for(&firing, 1, "slow").await;
    assert_eq!(firing.fire_at(&envelope, 60).await, "waits for a place at target slow (1 of 1)");
    firing.scheduler.queue.lock().unwrap().clear();
    firing.leave("orders", "slow", place).await;
    pause(&firing, Some("slow"), None).await;
    let woken = due_message(&firing, 80).unwrap();
    assert_eq!(firing.fire_at(&woken, 80).await, "waits for the end of the pause of target slow");
    assert!(firing.ledger.places.lock().unwrap()["slow"].taken.is_empty());
}

#[tokio::test]
async fn the_place_of_a_function_that_died_is_free_when_its_lease_ends() {
    let firing = firing(Ok(None));
    firing.ledger.take_all("slow", 1, at(90));
    let envelope = accepted_for(&firing, 1, "slow").await;
    assert_eq!(firing.fire_at(&envelope, 89).await, "waits for a place at target slow (1 of 1)");
    assert_eq!(firing.fire_at(&envelope, 90).await, "ran: succeeded");
}

#[tokio::test]
async fn a_request_over_the_rate_keeps_its_turn_and_does_not_reserve_another() {
    let firing = firing(Ok(None));
    let mut envelopes = Vec::new();
    for n in 1..=6 {
        envelopes.push(accepted_for(&firing, n, "paced").await);
    }
    // Two of each minute of the clock. `moment` begins a minute.
    for (n, expected) in [(0, "ran: succeeded"), (1, "ran: succeeded")] {
        assert_eq!(firing.fire_at(&envelopes[n], 60).await, expected);
    }
    for (n, wait) in [(2, 50), (3, 50), (4, 110), (5, 110)] {
        assert_eq!(firing.fire_at(&envelopes[n], 70).await, "waits for its turn at target paced (2/m)");
        assert_eq!(firing.timing(), [format!("park 1 for {wait} s")]);
    }
    let (request, _) = firing.ledger.find(sample_id(3)).await.unwrap().unwrap();
    assert_eq!(request.due_at, moment() + TimeDelta::seconds(120));
    // All who come in their minute run, in any order.
    for (n, second) in [(3, 120), (2, 179), (5, 180), (4, 180)] {
        let next = Envelope { scheduled_for: "now".to_owned(), ..envelopes[n].clone() };
        assert_eq!(firing.fire_at(&next, second).await, "ran: succeeded", "request {n} at {second} s");
    }
}

#[tokio::test]
async fn a_request_that_misses_its_turn_gets_another_one() {
    let firing = firing(Ok(None));
    for n in 1..=2 {
        assert_eq!(firing.fire_at(&accepted_for(&firing, n, "paced").await, 60).await, "ran: succeeded");
    }
    let late = accepted_for(&firing, 3, "paced").await;
    assert_eq!(firing.fire_at(&late, 60).await, "waits for its turn at target paced (2/m)");
    for n in 4..=5 {
        assert_eq!(firing.fire_at(&accepted_for(&firing, n, "paced").await, 185).await, "ran: succeeded");
    }
    assert_eq!(firing.fire_at(&late, 185).await, "waits for its turn at target paced (2/m)", "two have begun in this minute");
    assert_eq!(firing.fire_at(&late, 240).await, "ran: succeeded");
}

#[tokio::test]
async fn a_turn_that_is_near_is_waited_for_in_the_function() {
    let firing = firing(Ok(None));
    for n in 1..=2 {
        assert_eq!(firing.fire_at(&accepted_for(&firing, n, "paced").await, 60).await, "ran: succeeded");
    }
    assert_eq!(firing.fire_at(&accepted_for(&firing, 3, "paced").await, 119).await, "ran: succeeded");
    let (_, history) = firing.ledger.find(sample_id(3)).await.unwrap().unwrap();
    assert_eq!(history[1].at, moment() + TimeDelta::seconds(120), "{history:?}");
    assert!(firing.timing().is_empty(), "nothing is parked, and no rule is there");
}

#[tokio::test]
async fn a_claim_that_ends_after_its_turn_gets_another_one() {
    let firing = firing(Ok(None));
    let mut envelopes = Vec::new();
    for n in 1..=6 {
        envelopes.push(accepted_for(&firing, n, "paced").await);
    }
    for (n, envelope) in envelopes.iter().enumerate() {
        let expected = if n < 2 { "ran: succeeded" } else { "waits for its turn at target paced (2/m)" };
        assert_eq!(firing.fire_at(envelope, 60).await, expected);
    }
    firing.timing();
    let slow = |seconds| *firing.ledger.slow_change.lock().unwrap() = Some((firing.clock.clone(), TimeDelta::seconds(seconds)));
    // Two others have the turns of the next minute.
    slow(10);
    assert_eq!(firing.fire_at(&envelopes[2], 175).await, "waits for its turn at target paced (2/m)");
    assert_eq!(firing.timing(), ["park 1 for 55 s"]);
    slow(61);
    assert_eq!(firing.fire_at(&envelopes[3], 178).await, "ran: succeeded", "the next turn is a second away");
    assert_eq!(firing.clock.now(), at(240));
    assert_eq!(firing.fire_at(&envelopes[2], 240).await, "ran: succeeded");
    let (request, history) = firing.ledger.find(sample_id(3)).await.unwrap().unwrap();
    assert_eq!((request.attempts, request.interruptions, history.len()), (1, 0, 4), "accepted, deferred, started, succeeded: {history:?}");
    slow(70);
    assert_eq!(
        firing.fire_at(&accepted_for(&firing, 7, "paced").await, 300).await,
        "ran: succeeded",
        "the minute of the claim's end is free"
    );
}

#[tokio::test]
async fn a_claim_whose_turn_is_over_asks_again_if_no_other_can_be_reserved() {
    let firing = firing(Ok(None));
    let envelope = accepted_for(&firing, 1, "paced").await;
    assert_eq!(firing.fire_at(&accepted_for(&firing, 2, "paced").await, 60).await, "ran: succeeded");
    let slow = |seconds| *firing.ledger.slow_change.lock().unwrap() = Some((firing.clock.clone(), TimeDelta::seconds(seconds)));
    firing.ledger.reserve("orders", "paced", "2/m".parse().unwrap(), at(60), None).await.unwrap();
    assert_eq!(firing.fire_at(&envelope, 60).await, "waits for its turn at target paced (2/m)");
    *firing.ledger.fails_to_reserve.lock().unwrap() = true;
    slow(70);
    assert_eq!(firing.fire_at(&envelope, 120).await, "waits for its turn at target paced (2/m), which could not be reserved");
    let request = firing.ledger.find(sample_id(1)).await.unwrap().unwrap().0;
    assert_eq!((request.attempts, request.interruptions, request.due_at), (0, 0, at(191)));
    assert_eq!(firing.fire_at(&envelope, 191).await, "ran: succeeded");
}

#[tokio::test]
async fn a_turn_that_is_over_when_the_table_answers_is_lost() {
    let firing = firing(Ok(None));
    *firing.ledger.slow_reservation.lock().unwrap() = Some((firing.clock.clone(), TimeDelta::seconds(2)));
    assert_eq!(firing.fire_at(&accepted_for(&firing, 1, "paced").await, 119).await, "ran: succeeded");
    let (_, history) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!(history[1].at, at(121), "{history:?}");
    let next = firing.ledger.reserve("orders", "paced", "2/m".parse().unwrap(), at(121), None).await.unwrap().unwrap();
    assert_eq!(next, "2/m".parse::<Rate>().unwrap().first_slot(at(120)) + 1, "it has a turn of the minute in which it began");
}

#[tokio::test]
async fn a_request_that_expires_before_its_turn_reserves_none() {
    let firing = firing(Ok(None));
    let rate: Rate = "2/m".parse().unwrap();
    for _ in 0..2 {
        firing.ledger.reserve("orders", "paced", rate, at(60), None).await.unwrap();
    }
    let new = new_request(sample_id(1), "orders", at(60));
    let request = Request { expire_after: Some(Duration::from_secs(30)), target: "paced".to_owned(), ..new.request };
    let envelope = Envelope::of(&request, None);
    firing.ledger.memory.insert(NewRequest { request, ..new }.into()).await.unwrap();
    assert_eq!(firing.fire_at(&envelope, 60).await, "waits for its turn at target paced (2/m)");
    assert_eq!(firing.timing(), ["park 1 for 30 s"], "not until the turn");
    assert_eq!(firing.fire_at(&envelope, 90).await, "Expired");
    let next = firing.ledger.reserve("orders", "paced", rate, at(90), None).await.unwrap().unwrap();
    assert_eq!((next, rate.begin(next)), (rate.first_slot(at(120)), at(120)), "the first turn of the next minute is free");
}

#[tokio::test]
async fn a_request_that_waits_expires_at_its_time() {
    let firing = firing(Ok(None));
    let envelope = expiring(&firing).await;
    pause(&firing, None, None).await;
    assert_eq!(firing.fire_at(&envelope, 60).await, "waits for the end of the pause of use case orders");
    assert_eq!(firing.fire_at(&envelope, 90).await, "Expired");
    let request = firing.ledger.find(sample_id(1)).await.unwrap().unwrap().0;
    assert!(request.failure.unwrap().ends_with("it waited for the end of the pause of use case orders"));
}

fn parse(text: &str) -> Result<Invocation, ForeignEvent> {
    Invocation::parse(&RawValue::from_string(text.to_owned()).unwrap())
}

#[test]
fn an_event_is_an_envelope_or_an_sqs_batch_of_envelopes() {
    let new = new_request(sample_id(1), "orders", moment());
    let envelope = Envelope::of(&new.request, None).to_json(Some("{\"a\": 1.0}"));
    assert!(matches!(parse(&envelope), Ok(Invocation::Direct(read)) if read.body() == Some("{\"a\": 1.0}")));
    let record = |id: &str, source: &str, body: &str| serde_json::json!({ "messageId": id, "eventSource": source, "body": body, "attributes": {}, "awsRegion": "eu-west-1" });
    let batch = serde_json::json!({ "Records": [record("m1", "aws:sqs", &envelope), record("m2", "aws:sqs", "hello")] });
    let Ok(Invocation::Queue(messages)) = parse(&batch.to_string()) else { panic!("an SQS event") };
    assert_eq!(
        messages.iter().map(|message| (message.id.as_str(), message.envelope.is_ok())).collect::<Vec<_>>(),
        [("m1", true), ("m2", false)]
    );
    assert_eq!(batch_response(&["m2".to_owned()]).to_string(), r#"{"batchItemFailures":[{"itemIdentifier":"m2"}]}"#);
}

#[test]
fn the_error_on_a_foreign_event_names_the_expected_form() {
    for (event, expected) in [
        (r#"{"version":"0","detail-type":"Scheduled Event","source":"aws.events"}"#, "correlationId"),
        (r#"{"Records":[{"messageId":"1","eventSource":"aws:kinesis","body":""}]}"#, "aws:sqs"),
        (r#"{"Records":[{"eventSource":"aws:s3"}]}"#, "messageId"),
        (r#"{"Records":"x"}"#, "messageId"),
        ("null", "correlationId"),
        ("[1]", "correlationId"),
    ] {
        let message = parse(event).unwrap_err().to_string();
        assert!(message.contains(expected), "{event}: {message}");
    }
}

#[test]
fn the_type_of_an_error_is_a_stable_word() {
    for (event, code) in [("null", "foreign-event"), (r#"{"v":2}"#, "unknown-version"), (r#"{"Records":"x"}"#, "foreign-event")] {
        assert_eq!(parse(event).unwrap_err().code(), code, "{event}");
    }
}
