use super::*;

fn row(value: f64, baseline: &[(&'static str, f64)], target: Option<Target>) -> Row {
    Row { id: "x", measure: "x", value, unit: "ms", baseline: baseline.to_vec(), target }
}

#[test]
fn a_target_is_a_maximum_a_minimum_or_a_multiple_of_the_baseline() {
    assert_eq!(row(2.0, &[], Some(Target::AtMost(2.0))).met(), Some(true));
    assert_eq!(row(2.1, &[], Some(Target::AtMost(2.0))).met(), Some(false));
    assert_eq!(row(2.1, &[], Some(Target::AtLeast(2.0))).met(), Some(true));
    assert_eq!(row(1.9, &[], Some(Target::AtLeast(2.0))).met(), Some(false));
    assert_eq!(row(13.1, &[("bare", 10.0)], Some(Target::TimesBaseline(1.3))).met(), Some(false));
    assert_eq!(row(12.9, &[("bare", 10.0)], Some(Target::TimesBaseline(1.3))).met(), Some(true));
    assert_eq!(row(1.0, &[], None).met(), None);
}

#[test]
fn a_row_of_the_summary_has_its_documented_keys() {
    let one = row(1.0 / 3.0, &[("bare", 10.0)], Some(Target::TimesBaseline(1.3)));
    assert_eq!(
        serde_json::to_value(&one).unwrap(),
        json!({ "id": "x", "value": 0.333, "unit": "ms", "baseline": 10.0, "target": 13.0, "met": true })
    );
    let several = serde_json::to_value(row(1.0, &[("a", 1.0), ("b", 2.0)], None)).unwrap();
    assert_eq!(several, json!({ "id": "x", "value": 1.0, "unit": "ms", "baseline": { "a": 1.0, "b": 2.0 }, "target": null, "met": null }));
}
