use super::*;

#[test]
fn correlation_id_is_a_version_7_uuid_that_sorts_by_time() {
    let at = |millis| CorrelationId::new(DateTime::from_timestamp_millis(millis).unwrap(), [0xff; 10]);
    assert_eq!(at(1_800_000_000_000).0.get_version_num(), 7);
    assert!(at(1_800_000_000_000).to_string() < at(1_800_000_000_001).to_string());
    assert_eq!(at(5).to_string().parse::<CorrelationId>().unwrap(), at(5));
}
