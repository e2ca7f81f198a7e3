use super::*;

#[test]
fn a_failed_step_names_the_program_and_its_arguments() {
    let error = step("Listing", Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
    assert!(error.to_string().starts_with("Listing: failed after"), "{error}");
    assert!(error.to_string().contains("sh -c exit 3"), "{error}");
    let error = step("Listing", &mut Command::new("/no/such/program")).unwrap_err();
    assert_eq!(error.to_string(), "cannot start `/no/such/program`");
}
