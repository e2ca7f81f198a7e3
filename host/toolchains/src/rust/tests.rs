use super::*;

#[test]
fn a_cargo_that_is_missing_or_too_old_is_a_problem() {
    assert_eq!(cargo_problem(Some("cargo 1.96.0 (30a34c682 2026-05-25)")), None);
    assert_eq!(cargo_problem(Some("cargo 1.85.0")), None);
    assert_eq!(cargo_problem(Some("cargo 1.65.0")).as_deref(), Some("`cargo` is 1.65.0, older than 1.85"));
    assert_eq!(cargo_problem(None).as_deref(), Some("`cargo` cannot be started"));
}

#[test]
fn the_error_names_debians_cargo_only_if_cargo_is_the_problem() {
    let with_cargo = unavailable("`cargo` cannot be started", true).to_string();
    assert!(with_cargo.contains("install --no-install-recommends cargo-web rustc-web"), "{with_cargo}");
    assert!(missing().to_string().contains("install --no-install-recommends rustc-web"), "{}", missing());
}
