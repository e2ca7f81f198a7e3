//! The counters of limited targets: 100 functions at once never get more than the limit, and none gets nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_aws::ports::{Counters, Place};
use postdate_core::limits::{Rate, Slot};
use postdate_core::testing::join_all;

use crate::at;
use crate::scene::{TABLE, scene};

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// Fails if a window has more than the rate's number of slots, or two have the same slot.
#[track_caller]
fn assert_within(rate: Rate, mut slots: Vec<Slot>) -> BTreeMap<DateTime<Utc>, u32> {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_functions_reserve_no_more_than_the_rate_and_each_gets_a_slot() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let rate = rate("7/s");
    // The functions' clocks differ by up to two seconds.
    let times: Vec<_> = (0..100).map(|n| at(10) + TimeDelta::milliseconds(n % 3 * 700)).collect();
    let slots = join_all(times.iter().map(|now| ledger.reserve("orders", "hook", rate, *now))).await;
    let slots: Vec<Slot> = slots.into_iter().map(Result::unwrap).collect();
    for (slot, now) in slots.iter().zip(&times) {
        assert!(rate.begin(*slot) + rate.window() > *now, "slot {slot} is over at {now}");
    }
    let windows = assert_within(rate, slots);
    // 100 slots fill 15 seconds. Those of a second that had passed for a function may be left.
    let last = windows.keys().last().unwrap();
    assert!(*last <= at(11 + 14), "{windows:?}");
    // A later window begins with its own first slot.
    assert_eq!(ledger.reserve("orders", "hook", rate, at(1000)).await.unwrap(), rate.first_slot(at(1000)));
    assert_eq!(ledger.reserve("orders", "hook", rate, at(1000)).await.unwrap(), rate.first_slot(at(1000)) + 1);
}

#[tokio::test]
async fn another_target_and_another_rate_have_slots_of_their_own() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let (slow, fast) = (rate("1/m"), rate("2/s"));
    let first = ledger.reserve("orders", "hook", slow, at(0)).await.unwrap();
    assert_eq!(ledger.reserve("orders", "hook", slow, at(0)).await.unwrap(), first + 1);
    assert_eq!(ledger.reserve("orders", "mail", slow, at(0)).await.unwrap(), first);
    assert_eq!(ledger.reserve("billing", "hook", slow, at(0)).await.unwrap(), first);
    assert_eq!(ledger.reserve("orders", "hook", fast, at(0)).await.unwrap(), fast.first_slot(at(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_functions_take_no_more_than_the_places_and_each_gets_one_in_the_end() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let take = || ledger.take_place("orders", "hook", 10, at(60), at(0));
    let (mut waiting, mut rounds) = (100_usize, 0);
    while waiting > 0 {
        let taken = join_all((0..waiting).map(|_| take())).await;
        let places: Vec<Place> = taken.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(places.len(), 10.min(waiting), "round {rounds}: all places are taken, and no more");
        assert_eq!(take().await.unwrap(), None);
        waiting -= places.len();
        let left = join_all(places.into_iter().map(|place| ledger.leave_place("orders", "hook", place))).await;
        left.into_iter().for_each(Result::unwrap);
        rounds += 1;
    }
    assert_eq!(rounds, 10);
    let item = scene.account.aws.item(TABLE, "target#orders#hook", "places").await.unwrap();
    assert_eq!(item["leases"]["M"], serde_json::json!({}), "nothing is left behind");
}

#[tokio::test]
async fn places_of_functions_that_died_are_free_when_their_leases_end() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let take = |until, now| ledger.take_place("orders", "hook", 3, at(until), at(now));
    for until in [10, 20, 30] {
        assert!(take(until, 0).await.unwrap().is_some());
    }
    assert_eq!(take(40, 9).await.unwrap(), None);
    assert!(take(40, 10).await.unwrap().is_some(), "the first lease has ended");
    assert_eq!(take(40, 19).await.unwrap(), None);
    let (one, other) = (take(50, 30).await.unwrap().unwrap(), take(50, 30).await.unwrap().unwrap());
    assert_eq!(take(50, 30).await.unwrap(), None);
    // To leave a place twice, or one whose item is gone, is no error.
    for _ in 0..2 {
        ledger.leave_place("orders", "hook", one.clone()).await.unwrap();
    }
    ledger.leave_place("orders", "mail", other).await.unwrap();
    // A lower limit is in force at once.
    assert_eq!(ledger.take_place("orders", "hook", 2, at(50), at(30)).await.unwrap(), None);
    assert!(take(50, 30).await.unwrap().is_some());
}

#[tokio::test]
async fn more_lapsed_places_than_one_update_removes_are_all_removed() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let taken = join_all((0..120).map(|_| ledger.take_place("orders", "hook", 120, at(10), at(0)))).await;
    assert!(taken.into_iter().all(|place| place.unwrap().is_some()));
    for _ in 0..3 {
        assert!(ledger.take_place("orders", "hook", 3, at(60), at(10)).await.unwrap().is_some());
    }
    assert_eq!(ledger.take_place("orders", "hook", 3, at(60), at(10)).await.unwrap(), None);
}
