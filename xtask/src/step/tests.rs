use super::*;

#[test]
fn only_a_leading_double_dash_is_removed() {
    let passed = |arguments: &[&str]| passed_on(arguments.iter().map(OsString::from).collect());
    assert_eq!(passed(&["--", "--listen", "x", "--", "y"]), ["--listen", "x", "--", "y"]);
    assert_eq!(passed(&["--listen", "--"]), ["--listen", "--"]);
    assert!(passed(&[]).is_empty());
}
