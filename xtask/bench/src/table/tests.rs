use super::*;
use crate::row::Target;

#[test]
fn columns_are_aligned_and_every_baseline_is_shown() {
    let baseline = vec![("no validator", 11_000.0), ("SQLite", 60_000.0)];
    let rows = [
        Row { id: "a", measure: "posts", value: 9000.0, unit: "/s", baseline, target: Some(Target::AtLeast(8000.0)) },
        Row { id: "b", measure: "late", value: 1.5, unit: "ms", baseline: Vec::new(), target: None },
    ];
    let expected = "\
measure  value  unit  baseline               ratio  target  met
posts     9000  /s    11000 (no validator)  0.82 ×  ≥ 8000  yes
                      60000 (SQLite)
late      1.50  ms    -                          -       -  -
";
    assert_eq!(table(&rows), expected);
}
