use super::*;

/// Takes single places for `who` until the rule refuses. Returns their number.
fn take_all(shares: &mut Shares<&'static str>, who: &'static str) -> u64 {
    std::iter::repeat_with(|| shares.take(&who, 1)).take_while(|took| *took).count() as u64
}

#[test]
fn a_holder_takes_half_and_each_newcomer_half_of_the_rest() {
    let mut shares = Shares::new(64);
    assert_eq!(["a", "b", "c", "d", "e", "f"].map(|who| take_all(&mut shares, who)), [32, 16, 8, 4, 2, 1]);
    assert_eq!(take_all(&mut shares, "g"), 1);
    assert_eq!((shares.free(), take_all(&mut shares, "h")), (0, 0));
}

#[test]
fn holders_that_take_in_turn_get_a_third_each() {
    let mut shares = Shares::new(64);
    while ["a", "b"].map(|who| shares.take(&who, 1)).contains(&true) {}
    assert_eq!((shares.rank(&"a").held, shares.rank(&"b").held, shares.free()), (22, 21, 21));
}

#[test]
fn every_size_lets_at_least_one_holder_work() {
    for total in 1..=9 {
        let mut shares = Shares::new(total);
        assert_eq!(take_all(&mut shares, "a"), total.div_ceil(2), "{total}");
        assert_eq!(shares.may_take(&"b", 1), total > 1, "{total}");
    }
}

#[test]
fn a_holder_of_nothing_may_take_the_whole_if_it_is_free() {
    let mut shares = Shares::new(100);
    assert!(!shares.may_take(&"a", 101));
    assert!(shares.take(&"a", 100));
    assert!(!shares.may_take(&"b", 1));
    shares.give_back(&"a", 100);
    assert!(shares.take(&"b", 1) && !shares.may_take(&"a", 100));
}

#[test]
fn the_reserve_is_for_those_who_hold_little() {
    let mut shares = Shares::with_reserve(512, 64);
    assert!(shares.take(&"large", 256));
    assert!(!shares.may_take(&"other", 256), "nothing would be left");
    assert!(shares.take(&"other", 192));
    assert!(!shares.may_take(&"third", 65) && shares.take(&"third", 64));
    shares.give_back(&"third", 64);
    shares.give_back(&"large", 256);
    assert!(!shares.may_take(&"whole", 512));
    shares.give_back(&"other", 192);
    assert!(shares.take(&"whole", 512), "alone");
}

#[test]
fn the_next_turn_is_of_the_one_that_holds_least_and_was_served_longest_ago() {
    let mut shares = Shares::new(8);
    let first = |shares: &Shares<&'static str>| ["a", "b", "c"].into_iter().min_by_key(|who| shares.rank(who)).unwrap();
    assert!(shares.take(&"a", 1) && shares.take(&"a", 1) && shares.take(&"b", 1));
    assert_eq!(first(&shares), "c");
    assert!(shares.take(&"c", 1));
    assert_eq!(first(&shares), "b");
    shares.give_back(&"a", 2);
    assert_eq!(first(&shares), "a");

    // With one place, those who wait alternate.
    let mut one = Shares::new(1);
    let mut served = Vec::new();
    for _ in 0..4 {
        let next = ["a", "b"].into_iter().min_by_key(|who| one.rank(who)).unwrap();
        assert!(one.take(&next, 1));
        one.give_back(&next, 1);
        served.push(next);
    }
    assert_eq!(served, ["a", "b", "a", "b"]);
}

#[test]
fn giving_back_more_than_was_taken_adds_nothing() {
    let mut shares = Shares::new(4);
    assert!(shares.take(&"a", 2));
    shares.give_back(&"a", 9);
    shares.give_back(&"stranger", 9);
    assert_eq!(shares.free(), 4);
}
