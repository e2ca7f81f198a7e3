use super::*;

#[test]
fn a_bar_is_filled_by_what_is_done() {
    assert_eq!(bar(0, 10), format!("[{}]", "-".repeat(BAR_WIDTH)));
    assert_eq!(bar(5, 10), format!("[{}{}]", "#".repeat(15), "-".repeat(15)));
    for (done, all) in [(10, 10), (0, 0)] {
        assert_eq!(bar(done, all), format!("[{}]", "#".repeat(BAR_WIDTH)));
    }
}
