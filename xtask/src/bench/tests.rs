use super::*;

#[test]
fn programs_are_built_only_for_the_measures_in_only() {
    let check = |arguments: &[&str], expected: bool| {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        assert_eq!(measures(&arguments, "lambda"), expected, "{arguments:?}");
    };
    check(&[], true);
    check(&["--quick"], true);
    check(&["--only", "start"], false);
    check(&["--only=start,lateness", "--quick"], false);
    check(&["--only", "start,lambda-warm"], true);
    check(&["--only=start", "--only=lambda-zip"], true);
}
