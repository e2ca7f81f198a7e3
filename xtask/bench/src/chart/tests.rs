use super::*;

fn row(value: f64, target: Option<Target>) -> Row {
    Row { id: "x", measure: "a & b", value, unit: "ms", baseline: vec![("plain", 50.0)], target }
}

#[test]
fn a_bar_is_as_long_as_its_share_of_the_target() {
    let svg = chart(&[row(100.0, Some(Target::AtMost(200.0)))]);
    let width = |class: &str| {
        let bar = svg.split(&format!("<rect class=\"{class}\"")).nth(1).unwrap().split("width=\"").nth(1).unwrap();
        bar.split('"').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((width("met") / (at(1.0) - LABEL) - 0.5).abs() < 0.01);
    assert!((width("baseline") / width("met") - 0.5).abs() < 0.01);
    assert!(svg.contains("a &amp; b"));
}

#[test]
fn rows_without_a_target_are_left_out_and_long_bars_are_cut() {
    let svg = chart(&[row(1.0, None), row(1.0, Some(Target::AtMost(0.0))), row(900.0, Some(Target::AtMost(100.0)))]);
    assert_eq!(svg.matches("a &amp; b").count(), 1);
    assert!(svg.contains("class=\"missed\"") && svg.contains("… 900 ms"));
}
