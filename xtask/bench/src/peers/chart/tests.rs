use super::super::report::tests::{NUMBERS, figures};
use super::*;

#[test]
fn the_longest_bar_fills_the_scale_and_the_others_are_in_proportion() {
    let svg = chart(&[figures("Ours", 1.0), figures("Theirs", 0.5)], NUMBERS).unwrap();
    let widths: Vec<&str> =
        svg.lines().filter(|line| line.contains("rx=")).filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(widths, ["640.0", "320.0", "640.0", "640.0", "640.0", "640.0"]);
    assert!(svg.contains(">2000 /s<") && svg.contains(">1000 /s<") && svg.contains(">Theirs<"), "{svg}");
}
