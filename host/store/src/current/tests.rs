use super::*;

const A: &str = "0123456789abcdef";
const B: &str = "fedcba9876543210";

#[test]
fn current_is_json_or_only_a_version() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let first = Current::parse(format!("{A}\n").as_bytes()).unwrap();
    assert_eq!(first.version, A);
    let second = Current::moved(Some(first), B, "ann", now);
    assert_eq!(Current::parse(&serde_json::to_vec(&second).unwrap()).unwrap(), second);
    assert_eq!(second.former, [Former { version: A.into(), until: now }]);
    for wrong in ["", "newest", "../../etc", "{\"version\":\"..\"}", "{\"version\":\"0123456789abcdef\",\"former\":[{}]}"] {
        assert!(Current::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn former_versions_beyond_the_limit_are_dropped() {
    let mut current = None;
    for _ in 0..100 {
        current = Some(Current::moved(current, A, "", DateTime::default()));
    }
    assert_eq!(current.unwrap().former.len(), MAX_FORMER);
}
