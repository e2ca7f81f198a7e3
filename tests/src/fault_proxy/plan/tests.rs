use super::*;

#[test]
fn plans_count_the_calls_that_they_are_for_from_when_they_are_made() {
    let plans = Plans::default();
    let met = |service, action| plans.meet(service, action).map(|met| met.fault());
    assert_eq!(met("events", "PutRule"), None);
    plans.add("events", "PutRule", 2, 2, Fault::Throttled);
    plans.add("dynamodb", "*", 1, usize::MAX, Fault::Internal);
    assert_eq!(met("events", "PutRule"), None);
    assert_eq!(met("events", "PutTargets"), None);
    assert_eq!(met("events", "PutRule"), Some(Fault::Throttled));
    assert_eq!(met("events", "PutRule"), None);
    assert_eq!(met("dynamodb", "Query"), Some(Fault::Internal));
    assert_eq!(met("dynamodb", "PutItem"), Some(Fault::Internal));
    plans.clear();
    assert_eq!(met("dynamodb", "PutItem"), None);
}
