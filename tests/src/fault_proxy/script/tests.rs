use super::*;

#[test]
fn a_step_counts_the_calls_after_it_was_added() {
    let script = FaultScript::default();
    let met = |service, action| script.meet(service, action).map(|met| met.fault());
    assert_eq!(met("events", "PutRule"), None);
    script.add("events", "PutRule", 2, 2, Fault::Throttled);
    script.add("dynamodb", "*", 1, usize::MAX, Fault::Internal);
    assert_eq!(met("events", "PutRule"), None);
    assert_eq!(met("events", "PutTargets"), None);
    assert_eq!(met("events", "PutRule"), Some(Fault::Throttled));
    assert_eq!(met("events", "PutRule"), None);
    assert_eq!(met("dynamodb", "Query"), Some(Fault::Internal));
    assert_eq!(met("dynamodb", "PutItem"), Some(Fault::Internal));
    script.clear();
    assert_eq!(met("dynamodb", "PutItem"), None);
}
