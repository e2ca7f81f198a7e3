use serde_json::json;

use super::*;

#[test]
fn a_new_rule_needs_a_place_and_a_replaced_one_does_not() {
    let bus = Bus::default();
    (1..RULES).for_each(|n| bus.done("PutRule", &json!({ "Name": format!("rule-{n}") })));
    let (first, second) = (json!({ "Name": "first" }), json!({ "Name": "second" }));
    assert!(!bus.is_full_for("PutRule", &first));
    bus.done("PutRule", &first);
    assert!(!bus.is_full_for("PutRule", &first), "replaces itself");
    assert!(bus.is_full_for("PutRule", &second));
    assert!(!bus.is_full_for("PutTargets", &second), "only rules are counted");
    bus.done("DeleteRule", &first);
    assert!(!bus.is_full_for("PutRule", &second));
}
