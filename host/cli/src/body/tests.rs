use super::*;

#[test]
fn the_command_line_overrides_the_body() {
    let overrides = Overrides { delay: Some("PT5S"), target: Some("heavy"), ..Overrides::default() };
    let composed = compose(r#"{"triggerAt":"2027-01-01T00:00:00Z","item":"a","target":"here"}"#, overrides).unwrap();
    assert_eq!(composed, r#"{"delay":"PT5S","item":"a","target":"heavy"}"#);
}

#[test]
fn numbers_keep_their_digits() {
    let body = r#"{"delay":"PT1S","n":123456789012345678901234567890,"x":1.10}"#;
    assert_eq!(compose(body, Overrides::default()).unwrap(), body);
}

#[test]
fn the_error_for_an_invalid_body_names_the_reason() {
    let at = Overrides { trigger_at: Some("2027-01-01T00:00:00Z"), ..Overrides::default() };
    assert!(compose("[1]", at).unwrap_err().to_string().contains("must be a JSON object"));
    assert!(compose("{}", Overrides::default()).unwrap_err().to_string().contains("--at"));
    assert!(read("no/such/file.json").unwrap_err().to_string().contains("no/such/file.json"));
    assert_eq!(read(" {}").unwrap(), " {}");
}
