use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap()
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn rates_are_read_and_written() {
    for text in ["1/s", "50/s", "10/m", "100000/h"] {
        assert_eq!(rate(text).to_string(), text);
    }
    for text in ["", "50", "/s", "0/s", "-1/s", "+1/s", "1.5/s", "100001/s", "5/d", "5/S", "5 / s", "5/", "99999999999/s"] {
        let error = text.parse::<Rate>().unwrap_err();
        assert!(error.contains(&format!("{text:?} is not a rate")), "{error}");
    }
}

#[test]
fn a_window_is_used_up_and_the_next_one_is_not() {
    let limits = Limits { rate: Some(rate("2/m")), concurrency: None };
    let mut usage = TargetUsage::default();
    for _ in 0..2 {
        assert_eq!(usage.over(limits, at(61_000)), None);
        usage.begin(limits, at(61_000));
    }
    let over = usage.over(limits, at(119_999)).unwrap();
    assert_eq!(over, Over::Rate { rate: rate("2/m"), until: at(120_000) });
    assert_eq!(over.waits_for("hook"), "its turn at target hook (2/m)");
    assert_eq!(usage.over(limits, at(120_000)), None);
}

#[test]
fn the_first_slot_from_a_time_is_in_a_window_that_has_not_begun() {
    let rate = rate("2/m");
    let slots = [0, 1, 60_000, 60_001].map(|millis| rate.slot_from(at(millis)) - rate.first_slot(at(0)));
    assert_eq!(slots, [0, 2, 2, 4]);
}

#[test]
fn an_attempt_that_did_not_begin_leaves_its_slot_and_its_place() {
    let limits = Limits { concurrency: Some(2), rate: Some(rate("2/s")) };
    let mut usage = TargetUsage::default();
    usage.begin(limits, at(0));
    let before = usage;
    usage.begin(limits, at(500));
    assert!(usage.over(limits, at(500)).is_some());
    usage.undo(limits);
    assert_eq!(usage, before);
    // Of a target without a rate, the slot of its former rate stays.
    let limits = Limits { rate: None, ..limits };
    usage.begin(limits, at(600));
    usage.undo(limits);
    assert_eq!(usage, before);
}

#[test]
fn places_are_taken_and_given_back() {
    let limits = Limits { concurrency: Some(1), rate: None };
    let mut usage = TargetUsage::default();
    usage.begin(limits, at(0));
    assert_eq!(usage.over(limits, at(0)).unwrap().waits_for("hook"), "a place at target hook (1 of 1)");
    usage.end();
    assert_eq!(usage.over(limits, at(0)), None);
}

#[test]
fn a_changed_rate_begins_anew() {
    let (slow, fast) = (Limits { rate: Some(rate("1/h")), concurrency: None }, Limits { rate: Some(rate("9/s")), concurrency: None });
    let mut usage = TargetUsage::default();
    usage.begin(slow, at(0));
    assert!(usage.over(slow, at(1_000)).is_some());
    assert_eq!(usage.over(fast, at(1_000)), None);
}

/// Starts by the definition: no more than `count` in a window, no more than the places at once.
#[derive(Default)]
struct Model {
    starts: Vec<i64>,
    running: u32,
}

impl Model {
    fn may_begin(&self, limits: Limits, now: i64) -> bool {
        let of_window = |start: &i64| {
            let window = limits.rate.unwrap().window().num_milliseconds();
            start.div_euclid(window) == now.div_euclid(window)
        };
        limits.concurrency.is_none_or(|places| self.running < places)
            && limits.rate.is_none_or(|rate| self.starts.iter().filter(|start| of_window(start)).count() < rate.count as usize)
    }
}

proptest! {
    #[test]
    fn usage_decides_as_the_definition_does(
        concurrency in proptest::option::of(1u32..5),
        rate in proptest::option::of((1u32..6, prop_oneof![Just(Per::Second), Just(Per::Minute)])),
        steps in proptest::collection::vec((0i64..1_500, any::<bool>()), 1..200),
    ) {
        let limits = Limits { concurrency, rate: rate.map(|(count, per)| Rate { count, per }) };
        let (mut usage, mut model, mut now) = (TargetUsage::default(), Model::default(), 1_000_000_000_123);
        for (wait, ends) in steps {
            now += wait;
            if ends && model.running > 0 {
                usage.end();
                model.running -= 1;
                continue;
            }
            let over = usage.over(limits, at(now));
            prop_assert_eq!(over.is_none(), model.may_begin(limits, now), "{:?} after {:?}", over, model.starts);
            match over {
                None => {
                    usage.begin(limits, at(now));
                    model.running += 1;
                    model.starts.push(now);
                }
                Some(Over::Rate { until, .. }) => {
                    let free = until.timestamp_millis();
                    let waits = Model { starts: model.starts.clone(), running: 0 };
                    let only_rate = Limits { concurrency: None, ..limits };
                    prop_assert!(waits.may_begin(only_rate, free) && !waits.may_begin(only_rate, free - 1), "{free} is not the first moment");
                }
                Some(Over::Concurrency(_)) => prop_assert!(model.running > 0, "a place becomes free"),
            }
        }
    }

    #[test]
    fn reserved_slots_keep_the_rate_and_lose_nobody(
        count in 1u32..50,
        waits in proptest::collection::vec(0i64..700, 1..300),
    ) {
        let rate = Rate { count, per: Per::Second };
        let (mut free, mut now, mut begun) = (0, 1_000_000_000_000, Vec::new());
        for wait in &waits {
            now += wait;
            let slot = rate.reserve(free, at(now));
            free = slot + 1;
            begun.push(rate.begin(slot).max(at(now)));
        }
        prop_assert!(begun.is_sorted(), "who comes first begins first");
        let second = |at: &DateTime<Utc>| at.timestamp();
        for same in begun.chunk_by(|a, b| second(a) == second(b)) {
            prop_assert!(same.len() <= count as usize, "{} in one second", same.len());
        }
        // No second is left empty while somebody waits.
        let last = at(now) + TimeDelta::seconds(i64::try_from(waits.len()).unwrap() / i64::from(count) + 1);
        prop_assert!(begun.iter().all(|at| *at <= last));
    }
}
