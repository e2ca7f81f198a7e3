use super::*;

#[test]
fn what_is_remembered_is_bounded() {
    let mut missed = Missed::default();
    for key in ["a", "a", &"b".repeat(1000)] {
        missed.add(key);
    }
    (0..100).for_each(|n| missed.add(&n.to_string()));
    assert_eq!((missed.0.len(), missed.0[0].as_str(), missed.0[1].len()), (MAX_MISSED, "a", MAX_KEY_CHARS));
}
