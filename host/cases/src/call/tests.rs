use postdate_core::time::parse_time;

use super::*;

fn use_case() -> UseCase {
    UseCase::parse("name = 'a'\n[validate]\nplugin = 'v.wasm'\n[targets]\nout = { kind = 'http', url = 'http://h/' }").unwrap()
}

fn call(body: &str) -> CaseCall {
    let now = parse_time("2027-01-01T00:00:00Z").unwrap();
    let (role, id, outgoing) = (Role::Validate, "id".to_owned(), Outgoing::Granted);
    CaseCall { role, id, now, target: None, headers: BTreeMap::new(), attempt: 1, body: body.to_owned(), outgoing }
}

#[test]
fn a_body_without_a_time_is_due_in_an_hour() {
    let at = |body| call(body).into_input(&use_case()).map(|input| input.trigger_at);
    assert_eq!(at("{}").unwrap(), "2027-01-01T01:00:00.000Z");
    assert_eq!(at(r#"{"delay":"PT5S"}"#).unwrap(), "2027-01-01T00:00:05.000Z");
    assert!(at(r#"{"triggerAt":"soon"}"#).unwrap_err().to_string().contains("soon"));
    assert!(at("[]").unwrap_err().to_string().contains("must be a JSON object"));
}
