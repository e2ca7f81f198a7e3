use super::*;

#[test]
fn a_bad_filter_names_its_variable() {
    assert!(parse("POSTDATE_LOG", "warn,postdate_local=debug").is_ok());
    let error = parse("POSTDATE_LOG", "x=loud").unwrap_err().to_string();
    assert!(error.contains("POSTDATE_LOG=\"x=loud\""), "{error}");
}
