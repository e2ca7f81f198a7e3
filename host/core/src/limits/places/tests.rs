use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::testing::{at, sample_id};

fn waiter(n: u64, since: i64) -> Waiter {
    Waiter { since: at(since), id: sample_id(n) }
}

fn in_line(n: u64, since: i64) -> (Waiter, Manner) {
    (waiter(n, since), Manner::InLine)
}

#[test]
fn a_free_place_goes_to_the_first_of_the_line_and_not_to_a_request_that_comes_later() {
    let mut places = Places::default();
    places.line.extend([(sample_id(1), at(20)), (sample_id(2), at(10))]);
    assert_eq!(places.next(1, Some(in_line(3, 30)), at(60)), Step::HandOver(sample_id(2)));
    assert_eq!(places.next(1, None, at(60)), Step::HandOver(sample_id(2)));
    assert_eq!(places.next(1, Some(in_line(3, 5)), at(60)), Step::Take, "it was due before both");
    assert_eq!(places.next(1, Some(in_line(2, 10)), at(60)), Step::Take, "it is the first");
    for manner in [Manner::PastLine, Manner::Alone] {
        assert_eq!(places.next(1, Some((waiter(3, 30), manner)), at(60)), Step::Take, "{manner:?}");
    }
    places.taken.insert("a".to_owned(), at(90));
    for manner in [Manner::InLine, Manner::PastLine] {
        assert_eq!(places.next(1, Some((waiter(3, 5), manner)), at(60)), Step::Join { instead: None }, "{manner:?}");
    }
    assert_eq!(places.next(1, Some((waiter(3, 5), Manner::Alone)), at(60)), Step::Done);
    assert_eq!(places.next(1, Some(in_line(1, 20)), at(60)), Step::Done, "it waits already");
    assert_eq!(places.next(1, None, at(60)), Step::Done);
    assert_eq!(places.next(1, None, at(90)), Step::Free(vec!["a".to_owned()]));
}

#[test]
fn a_full_line_keeps_the_earliest() {
    let mut places = Places::default();
    places.taken.insert("a".to_owned(), at(1_000));
    for n in 1..=MOST_IN_LINE {
        let asks = Some(in_line(n.try_into().unwrap(), n.try_into().unwrap()));
        let step = places.next(1, asks, at(100));
        assert_eq!(step, Step::Join { instead: None });
        places.make(&step, asks.map(|(waiter, _)| waiter), "", at(100));
    }
    let last = sample_id(MOST_IN_LINE.try_into().unwrap());
    assert_eq!(places.next(1, Some(in_line(99, 99)), at(100)), Step::Done);
    let step = places.next(1, Some(in_line(98, 0)), at(100));
    assert_eq!(step, Step::Join { instead: Some(last) });
    places.make(&step, Some(waiter(98, 0)), "", at(100));
    assert_eq!((places.line.len(), places.line.contains_key(&last)), (MOST_IN_LINE, false));
}

/// The hosts of a target, its table and its queue.
#[derive(Default)]
struct World {
    places: Places,
    limit: u32,
    now: i64,
    names: u32,
    /// Requests that have not begun, with the times at which they ask by themselves.
    waiting: BTreeMap<u64, i64>,
    /// Messages on their way: request, place that is kept for it.
    messages: Vec<(u64, String)>,
    /// Places of attempts that run.
    running: Vec<String>,
    begun: BTreeSet<u64>,
    numbers: BTreeMap<CorrelationId, u64>,
}

impl World {
    /// Makes steps until nothing is left to write. Returns the place that the request took.
    fn settle(&mut self, mut asks: Option<(Waiter, Manner)>) -> Option<String> {
        let mut taken = None;
        for _ in 0..200 {
            let step = self.places.next(self.limit, asks, at(self.now));
            self.names += 1;
            let name = format!("place {}", self.names);
            let first = self.places.waiters().min();
            let until = at(self.now) + if step == Step::Take { TimeDelta::seconds(300) } else { KEPT };
            self.places.make(&step, asks.map(|(waiter, _)| waiter), &name, until);
            assert!(self.places.taken.len() <= self.limit as usize, "{step:?} takes more than the places");
            assert!(self.places.line.len() <= MOST_IN_LINE);
            match step {
                Step::Free(_) => asks = asks.map(|(waiter, _)| (waiter, Manner::PastLine)),
                Step::Take => {
                    let (asking, manner) = asks.take().expect("a request that asks");
                    let is_first = first.is_none_or(|first| asking <= first || first.id == asking.id);
                    assert!(manner == Manner::PastLine || is_first, "{first:?} waits, and {asking:?} begins");
                    taken = Some(name);
                }
                Step::HandOver(id) => {
                    assert_eq!(Some(id), first.map(|first| first.id));
                    self.messages.push((self.numbers[&id], name));
                }
                Step::Join { .. } => {}
                Step::Done => return taken,
            }
        }
        panic!("the steps do not end");
    }

    /// The n-th request asks. Their times are not in the order of their numbers.
    fn ask(&mut self, n: u64, manner: Manner) {
        let Some(next) = self.waiting.get_mut(&n) else { return };
        *next = self.now + 60;
        let since = 1_000 - i64::try_from(n * 7919 % 200).unwrap();
        if let Some(place) = self.settle(Some((waiter(n, since), manner))) {
            self.begin(n, place);
        }
    }

    fn begin(&mut self, n: u64, place: String) {
        self.waiting.remove(&n);
        assert!(self.begun.insert(n), "request {n} began twice");
        self.running.push(place);
    }

    /// The oldest message arrives.
    fn deliver(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let (n, kept) = self.messages.remove(0);
        if !self.waiting.contains_key(&n) {
            // A request that was cancelled, or that runs, passes the place on.
            self.places.taken.remove(&kept);
            self.settle(None);
        } else if self.places.taken.remove(&kept).is_some() {
            self.names += 1;
            let place = format!("place {}", self.names);
            self.places.taken.insert(place.clone(), at(self.now + 300));
            self.begin(n, place);
        } else {
            self.ask(n, Manner::PastLine);
        }
    }

    fn end(&mut self, dies: bool) {
        if self.running.is_empty() {
            return;
        }
        let place = self.running.remove(0);
        if !dies {
            self.places.taken.remove(&place);
            self.settle(None);
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        let due: Vec<u64> = self.waiting.iter().filter(|(_, next)| **next <= self.now).map(|(n, _)| *n).collect();
        for n in due {
            self.ask(n, Manner::InLine);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Arrive,
    Deliver,
    End,
    Die,
    Cancel(u64),
    Pass(i64),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn places_go_to_the_earliest_and_no_request_is_left_behind(
        limit in 1u32..6,
        acts in proptest::collection::vec(
            prop_oneof![
                6 => Just(Act::Arrive), 4 => Just(Act::Deliver), 3 => Just(Act::End), 1 => Just(Act::Die),
                1 => (0u64..120).prop_map(Act::Cancel), 1 => (0i64..40).prop_map(Act::Pass),
            ],
            1..250,
        ),
    ) {
        let mut world = World { limit, now: 2_000, ..World::default() };
        world.numbers = (0..120).map(|n| (sample_id(n), n)).collect();
        let (mut arrived, mut cancelled) = (0, BTreeSet::new());
        for act in acts {
            match act {
                Act::Arrive if arrived < 120 => {
                    world.waiting.insert(arrived, 0);
                    world.ask(arrived, Manner::InLine);
                    arrived += 1;
                }
                Act::Arrive => {}
                Act::Deliver => world.deliver(),
                Act::End => world.end(false),
                Act::Die => world.end(true),
                Act::Cancel(n) => cancelled.extend(world.waiting.remove(&n).map(|_| n)),
                Act::Pass(seconds) => world.pass(seconds),
            }
            let is_free = world.places.taken.len() < limit as usize;
            prop_assert!(!is_free || world.places.line.is_empty(), "a place is free, and {:?} waits", world.places.line);
        }
        // Every attempt ends and every message arrives, although too late for the place that was kept: whoever waits gets a place, also
        // where functions died.
        for _ in 0..200 {
            if world.waiting.is_empty() {
                break;
            }
            for _ in 0..limit {
                world.deliver();
                world.end(false);
            }
            world.pass(60);
        }
        prop_assert_eq!(world.begun.len() + cancelled.len(), usize::try_from(arrived).unwrap(), "waiting: {:?}", world.waiting);
    }
}
