use super::*;
use crate::testing::at;

fn pause(target: Option<&str>, until: Option<i64>) -> Pause {
    Pause { use_case: "orders".to_owned(), target: target.map(str::to_owned), since: at(0), until: until.map(at), by: None }
}

#[test]
fn a_pause_covers_its_targets_until_its_end() {
    assert!(pause(None, None).covers("orders", "hook", at(1_000_000)));
    assert!(!pause(None, None).covers("orders-2", "hook", at(0)));
    assert!(pause(Some("hook"), None).covers("orders", "hook", at(0)));
    assert!(!pause(Some("hook"), None).covers("orders", "mail", at(0)));
    assert!(pause(None, Some(10)).covers("orders", "hook", at(9)));
    assert!(!pause(None, Some(10)).covers("orders", "hook", at(10)));
}

#[test]
fn of_two_pauses_the_one_that_ends_last_counts() {
    let pauses = [pause(None, Some(10)), pause(Some("hook"), None)];
    assert_eq!(pause_of(&pauses, "orders", "hook", at(0)).unwrap().waits_for(), "the end of the pause of target hook");
    assert_eq!(pause_of(&pauses, "orders", "mail", at(0)).unwrap().waits_for(), "the end of the pause of use case orders");
    assert_eq!(pause_of(&pauses, "orders", "mail", at(10)), None);
}
