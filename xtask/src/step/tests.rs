use super::*;

#[test]
fn two_dashes_at_the_start_are_ours_and_later_ones_are_not() {
    let passed = |arguments: &[&str]| passed_on(arguments.iter().map(OsString::from).collect());
    assert_eq!(passed(&["--", "--listen", "x", "--", "y"]), ["--listen", "x", "--", "y"]);
    assert_eq!(passed(&["--listen", "--"]), ["--listen", "--"]);
    assert!(passed(&[]).is_empty());
}
