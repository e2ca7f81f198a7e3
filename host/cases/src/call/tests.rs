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
fn the_time_is_the_bodys_or_an_hour_ahead() {
    let at = |body| call(body).into_input(&use_case()).map(|input| input.trigger_at);
    assert_eq!(at("{}").unwrap(), "2027-01-01T01:00:00.000Z");
    assert_eq!(at(r#"{"delay":"PT5S"}"#).unwrap(), "2027-01-01T00:00:05.000Z");
    assert!(at(r#"{"triggerAt":"soon"}"#).unwrap_err().to_string().contains("soon"));
    assert!(at("[]").unwrap_err().to_string().contains("must be a JSON object"));
}

#[test]
fn an_acceptance_that_the_host_would_not_take_says_why() {
    let now = call("{}").now;
    let check = |target: Option<&str>, body: Option<&str>, at: Option<&str>| {
        let acceptance = Acceptance { body: body.map(Into::into), target: target.map(Into::into), trigger_at: at.map(Into::into) };
        unusable(&use_case(), &acceptance, now)
    };
    assert_eq!(check(Some("out"), Some("{}"), Some("2027-01-02T00:00:00Z")), None);
    assert!(check(Some("in"), None, None).unwrap().contains("among the targets of the use case: out"));
    assert!(check(None, Some("{"), None).unwrap().starts_with("body: it is not JSON"));
    assert!(check(None, None, Some("2026-01-01T00:00:00Z")).unwrap().contains("in the past"));
    assert!(check(None, None, Some("2029-01-01T00:00:00Z")).unwrap().contains("too far ahead"));
}
