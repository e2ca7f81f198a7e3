use super::*;
use crate::testing::{at, new_request, sample_id};

fn waiting(on: &str) -> Request {
    let request = new_request(sample_id(1), "orders", at(60)).request;
    Request { due_at: at(120), waiting: Some(Waiting { on: on.to_owned(), since: at(61) }), ..request }
}

#[test]
fn only_a_request_that_waits_for_a_place_or_a_pause_may_begin_before_its_due_time() {
    for (on, may) in [
        ("a place at target hook (1 of 1)", true),
        ("the end of the pause of use case orders", true),
        ("its turn at target hook (2/m)", false),
        ("a free slot", false),
        (crate::lifecycle::DECISION, false),
    ] {
        assert_eq!(waiting(on).is_due(at(119)), may, "{on}");
        assert!(waiting(on).is_due(at(120)), "{on}");
        assert!(!waiting(on).is_due(at(59)), "never before its triggerAt: {on}");
    }
}

#[test]
fn a_first_attempt_wants_a_place_from_its_trigger_time_on_and_a_later_one_from_its_due_time() {
    let since = |request: &Request| request.waiter().since;
    let request = waiting("a place at target hook (1 of 1)");
    assert_eq!(since(&request), at(60));
    let again = Request { attempts: 1, ..request };
    assert_eq!(since(&again), at(61));
    assert_eq!(since(&Request { waiting: None, ..again }), at(120));
}
