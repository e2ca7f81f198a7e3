//! The counters of limited targets: 100 functions at once never get more than the limit, and none gets nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_aws::ledger::DynamoLedger;
use postdate_aws::ports::{Answered, Asking, Counters, TargetPlace, Woken};
use postdate_core::limits::places::{Manner, Waiter};
use postdate_core::limits::{Rate, RateSlot};
use postdate_core::testing::{join_all, sample_id};

use crate::at;
use crate::scene::{Scene, TABLE, scene};

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// Fails if a window has more than the rate's number of slots, or two have the same slot.
#[track_caller]
fn assert_within(rate: Rate, mut slots: Vec<RateSlot>) -> BTreeMap<DateTime<Utc>, u32> {
    let all = slots.len();
    let mut windows: BTreeMap<DateTime<Utc>, u32> = BTreeMap::new();
    for slot in &slots {
        *windows.entry(rate.begin(*slot)).or_default() += 1;
    }
    assert!(windows.values().all(|count| *count <= rate.count), "{windows:?}");
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), all, "two attempts have the same slot");
    windows
}

async fn reserve(ledger: &DynamoLedger, target: &str, rate: Rate, now: DateTime<Utc>) -> RateSlot {
    ledger.reserve("orders", target, rate, now, None).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_functions_reserve_no_more_than_the_rate_and_each_gets_a_slot() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let rate = rate("7/s");
    // The functions' clocks differ by up to two seconds.
    let times: Vec<_> = (0..100).map(|n| at(10) + TimeDelta::milliseconds(n % 3 * 700)).collect();
    let slots = join_all(times.iter().map(|now| reserve(ledger, "hook", rate, *now))).await;
    for (slot, now) in slots.iter().zip(&times) {
        assert!(rate.begin(*slot) + rate.window() > *now, "slot {slot} is over at {now}");
    }
    let windows = assert_within(rate, slots);
    // 100 slots fill 15 seconds. The slots of a second that had passed for a function may stay unused.
    let last = windows.keys().last().unwrap();
    assert!(*last <= at(11 + 14), "{windows:?}");
    // A later window begins with its own first slot.
    assert_eq!(reserve(ledger, "hook", rate, at(1000)).await, rate.first_slot(at(1000)));
    assert_eq!(reserve(ledger, "hook", rate, at(1000)).await, rate.first_slot(at(1000)) + 1);
}

#[tokio::test]
async fn another_target_and_another_rate_have_slots_of_their_own() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let (slow, fast) = (rate("1/m"), rate("2/s"));
    let first = reserve(ledger, "hook", slow, at(0)).await;
    assert_eq!(reserve(ledger, "hook", slow, at(0)).await, first + 1);
    assert_eq!(reserve(ledger, "mail", slow, at(0)).await, first);
    assert_eq!(ledger.reserve("billing", "hook", slow, at(0), None).await.unwrap(), Some(first));
    assert_eq!(reserve(ledger, "hook", fast, at(0)).await, fast.first_slot(at(0)));
}

#[tokio::test]
async fn no_slot_is_reserved_that_begins_too_late() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let rate = rate("2/m");
    let until = async |end| ledger.reserve("orders", "hook", rate, at(0), Some(at(end))).await.unwrap().map(|slot| rate.begin(slot));
    assert_eq!(until(0).await, None, "nothing is counted yet");
    assert_eq!((until(60).await, until(60).await), (Some(at(0)), Some(at(0))));
    assert_eq!(until(60).await, None);
    assert_eq!(until(61).await, Some(at(60)), "a refused call reserves nothing");
    assert_eq!(until(60).await, None, "the counter is in the next minute");
}

/// The n-th request asks for one of a target's places. Requests were due in the order of `n`.
fn asking(n: u64, places: u32, until: i64) -> Asking {
    let waiter = Waiter { since: at(i64::try_from(n).unwrap()), id: sample_id(n) };
    Asking { waiter, places, until: at(until), manner: Manner::InLine }
}

async fn ask(ledger: &DynamoLedger, asking: Asking, now: i64) -> Answered {
    ledger.take_place("orders", "hook", asking, at(now)).await.unwrap()
}

async fn leave(ledger: &DynamoLedger, place: &TargetPlace, now: i64) -> Vec<Woken> {
    ledger.leave_place("orders", "hook", place, at(now)).await.unwrap()
}

/// Returns how many places are taken or kept, and how many requests are in the line.
async fn stored(scene: &Scene) -> (usize, usize) {
    let item = scene.account.aws.item(TABLE, "target#orders#hook", "places").await.unwrap();
    let count = |name: &str| item[name]["M"].as_object().map_or(0, serde_json::Map::len);
    (count("leases"), count("line"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_functions_take_no_more_than_the_places_and_each_gets_one_in_the_end() {
    const PLACES: u32 = 20;
    let scene = scene().await;
    let ledger = &scene.ledger;
    let (mut waiting, mut kept): (BTreeSet<u64>, Vec<Woken>) = ((1..=100).collect(), Vec::new());
    let mut rounds = 0;
    while !waiting.is_empty() {
        rounds += 1;
        assert!(rounds < 50, "still waiting: {waiting:?}");
        // All that wait ask at once, as after their own time, beside those that are woken.
        let answers = join_all(waiting.iter().map(|n| ask(ledger, asking(*n, PLACES, 1_000), 500))).await;
        let mut running = Vec::new();
        for (n, answered) in waiting.clone().into_iter().zip(answers) {
            if let Some(place) = answered.place {
                waiting.remove(&n);
                running.push(place);
            }
            kept.extend(answered.woken);
        }
        let taken = join_all(kept.iter().map(|woken| ledger.take_kept("orders", "hook", &woken.place, at(1_000)))).await;
        for (woken, place) in std::mem::take(&mut kept).into_iter().zip(taken) {
            let n = (1..=100).find(|n| sample_id(*n) == woken.id).unwrap();
            match place.unwrap() {
                Some(place) if waiting.remove(&n) => running.push(place),
                // It has begun at another place, so its message passes this one on.
                Some(place) => kept.extend(leave(ledger, &place, 500).await),
                None => {}
            }
        }
        assert!(stored(&scene).await.0 <= PLACES as usize, "round {rounds}");
        let left = join_all(running.iter().map(|place| leave(ledger, place, 500))).await;
        kept.extend(left.into_iter().flatten());
        let (taken, in_line) = stored(&scene).await;
        assert!(taken == PLACES as usize || in_line == 0, "a place is free while {in_line} requests wait");
    }
    join_all(kept.iter().map(|woken| leave(ledger, &woken.place, 500))).await;
    assert_eq!(stored(&scene).await.0, 0, "nothing is left behind");
}

#[tokio::test]
async fn places_go_to_the_line_in_the_order_of_its_times() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let first = ask(ledger, asking(50, 1, 900), 100).await.place.unwrap();
    for n in [4, 2, 3, 1] {
        let answered = ask(ledger, asking(n, 1, 900), 100).await;
        assert_eq!((answered.place, answered.in_line, answered.woken), (None, true, Vec::new()), "request {n}");
    }
    let (mut place, mut order) = (first, Vec::new());
    for _ in 1..=4 {
        let woken = leave(ledger, &place, 100).await;
        assert_eq!(woken.len(), 1);
        // A request that comes meanwhile waits, and a place that is kept is not given to another one.
        let late = ask(ledger, asking(60, 1, 900), 100).await;
        assert_eq!((late.place, late.in_line), (None, true));
        order.push(woken[0].id);
        place = ledger.take_kept("orders", "hook", &woken[0].place, at(900)).await.unwrap().unwrap();
        assert_eq!(ledger.take_kept("orders", "hook", &woken[0].place, at(900)).await.unwrap(), None, "a second delivery");
    }
    assert_eq!(order, [1, 2, 3, 4].map(sample_id));
    // The message of the last one was lost. Its place is free again later, and the request takes it as it comes by itself.
    assert_eq!(leave(ledger, &place, 100).await[0].id, sample_id(60));
    assert_eq!(ask(ledger, asking(60, 1, 900), 110).await.place, None);
    assert!(ask(ledger, asking(60, 1, 900), 160).await.place.is_some());
    assert_eq!(stored(&scene).await, (1, 0));
}

#[tokio::test]
async fn a_request_whose_turn_has_come_passes_the_line_and_so_does_one_without_a_queue() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let place = ask(ledger, asking(1, 1, 900), 100).await.place.unwrap();
    ask(ledger, asking(2, 1, 900), 100).await;
    let alone = Asking { manner: Manner::Alone, ..asking(3, 1, 900) };
    let answered = ask(ledger, alone, 100).await;
    assert_eq!((answered.place, answered.in_line), (None, false));
    let woken = leave(ledger, &place, 100).await;
    // The kept place has lapsed, and the line is empty or not: both take what is free.
    assert_eq!(woken[0].id, sample_id(2));
    ask(ledger, asking(4, 1, 900), 100).await;
    for manner in [Manner::Alone, Manner::PastLine] {
        let place = ask(ledger, Asking { manner, ..asking(5, 1, 900) }, 200).await.place.expect("a free place");
        ledger.take_kept("orders", "hook", &place, at(150)).await.unwrap().expect("its lease ends early");
    }
}

#[tokio::test]
async fn places_of_functions_that_died_are_free_when_their_leases_end() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    for (n, until) in [(1, 10), (2, 20), (3, 30)] {
        assert!(ask(ledger, asking(n, 3, until), 0).await.place.is_some());
    }
    assert_eq!(ask(ledger, asking(4, 3, 40), 9).await.place, None);
    assert!(ask(ledger, asking(4, 3, 40), 10).await.place.is_some(), "the first lease has ended");
    assert_eq!(ask(ledger, asking(5, 3, 50), 19).await.place, None);
    let one = ask(ledger, asking(5, 3, 50), 30).await.place.unwrap();
    let other = ask(ledger, asking(6, 3, 50), 30).await.place.unwrap();
    assert_eq!(ask(ledger, asking(7, 3, 50), 30).await.place, None);
    // To leave a place twice, or one whose item is gone, is no error. The first time, it goes to the request that waits.
    assert_eq!(leave(ledger, &one, 30).await.len(), 1);
    assert_eq!(leave(ledger, &one, 30).await, []);
    assert_eq!(ledger.leave_place("orders", "mail", &other, at(30)).await.unwrap(), []);
    // A lower limit is in force at once.
    assert_eq!(ask(ledger, asking(8, 2, 50), 30).await.place, None);
    assert_eq!(stored(&scene).await, (3, 1));
    // A higher one hands its places over.
    let answered = ask(ledger, asking(9, 5, 50), 30).await;
    assert_eq!(answered.woken.iter().map(|woken| woken.id).collect::<Vec<_>>(), [sample_id(8)]);
    assert!(answered.place.is_some());
}

#[tokio::test]
async fn more_lapsed_places_than_one_update_removes_are_all_removed() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let taken = join_all((0..120).map(|n| ask(ledger, asking(n, 120, 10), 0))).await;
    assert!(taken.into_iter().all(|answered| answered.place.is_some()));
    for n in 200..203 {
        assert!(ask(ledger, asking(n, 3, 60), 10).await.place.is_some());
    }
    assert_eq!(ask(ledger, asking(203, 3, 60), 10).await.place, None);
}
