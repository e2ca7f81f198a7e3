use super::*;
use postdate_core::testing::sample_id;

fn message<T: std::fmt::Debug>(result: Result<T, ScheduleError>) -> String {
    match result {
        Err(ScheduleError::Failed(message) | ScheduleError::TooLarge(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_names_of_this_deployment_are_accepted() {
    let name = name::of_rule("postdate-", "orders", sample_id(1));
    assert!(check_name(&name, "postdate-").is_ok());
    assert!(message(check_name(&name, "other-")).contains("not a rule of this deployment"));
    for wrong in [format!("{name}ü"), format!("postdate-{name}-and-much-more"), format!("{name} ")] {
        assert!(message(check_name(&wrong, "postdate-")).contains("1 to 64"), "{wrong}");
    }
    assert!(check_name("", "").is_err());
}

#[test]
fn an_input_longer_than_the_limit_is_refused() {
    assert!(check_rule_input(&"é".repeat(8192)).is_ok());
    assert!(message(check_rule_input(&"é".repeat(8193))).contains("8193 characters"));
    assert!(check_schedule_input(&"a".repeat(MAX_SCHEDULE_INPUT_BYTES)).is_ok());
    assert!(message(check_schedule_input(&"é".repeat(MAX_SCHEDULE_INPUT_BYTES / 2 + 1))).contains("262146 bytes"));
}

#[test]
fn an_event_age_beyond_the_range_is_refused() {
    assert_eq!(event_age(Duration::from_hours(1)).unwrap(), 3600);
    assert_eq!(event_age(Duration::from_hours(24)).unwrap(), 86_400);
    for wrong in [Duration::ZERO, Duration::from_secs(59), Duration::from_secs(86_401), Duration::MAX] {
        assert!(message(event_age(wrong)).contains("60 s"));
    }
}
