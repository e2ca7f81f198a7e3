use chrono::{DateTime, Utc};

use super::*;

fn lane(use_case: &str, target: &str, second: i64) -> Lane {
    let due_at: DateTime<Utc> = DateTime::from_timestamp(second, 0).unwrap();
    Lane { use_case: use_case.into(), target: target.into(), due_at }
}

fn kind(lane: &Lane) -> AttemptKind {
    if lane.target == "hook" { AttemptKind::Delivery } else { AttemptKind::Processor }
}

/// Picks until no lane is open. Returns the picked use cases in order.
fn pick_all(places: &mut AttemptPlaces, due: &[Lane]) -> Vec<String> {
    std::iter::from_fn(|| places.pick(due, |lane| Some(kind(lane))).map(|(index, _)| due[index].use_case.clone())).collect()
}

#[test]
fn a_backlog_of_one_use_case_leaves_places_for_the_others() {
    let mut places = AttemptPlaces::new(8);
    let backlog = lane("slow", "here", 0);
    assert_eq!(pick_all(&mut places, std::slice::from_ref(&backlog)).len(), 4);
    assert_eq!(pick_all(&mut places, &[backlog, lane("late", "here", 9)]), ["late", "late"]);
}

#[test]
fn use_cases_take_places_in_turn_and_each_lane_of_one_use_case_by_age() {
    let mut places = AttemptPlaces::new(8);
    let due = [lane("a", "x", 2), lane("a", "y", 1), lane("b", "x", 3)];
    for index in [1, 2, 1] {
        assert_eq!(places.pick(&due, |lane| Some(kind(lane))), Some((index, AttemptKind::Processor)));
    }
}

#[test]
fn a_single_place_alternates_between_use_cases() {
    let mut places = AttemptPlaces::new(1);
    let due = [lane("a", "x", 1), lane("b", "x", 2)];
    let mut served = Vec::new();
    for _ in 0..4 {
        let (index, taken) = places.pick(&due, |lane| Some(kind(lane))).unwrap();
        served.push(index);
        assert_eq!(places.pick(&due, |lane| Some(kind(lane))), None);
        places.give_back(taken, &due[index].use_case);
    }
    assert_eq!(served, [0, 1, 0, 1]);
}

#[test]
fn deliveries_do_not_take_the_places_of_processors() {
    let mut places = AttemptPlaces::new(2);
    assert_eq!(pick_all(&mut places, &[lane("a", "here", 0), lane("b", "here", 0)]), ["a", "b"]);
    assert!(!places.is_full());
    assert_eq!(pick_all(&mut places, &[lane("a", "hook", 0), lane("c", "hook", 0)]), ["a", "c"]);
    assert!(places.is_full());
}
