use super::*;

#[track_caller]
fn check(template: &str, expected: Result<&str, &str>) {
    let job = Job {
        id: "id-1".into(),
        use_case: "webhook".into(),
        attempt: 2,
        body: r#"{"event":"a/b c","n":7,"data":{"x":[1,"\""]}}"#.into(),
        ..Job::default()
    };
    let actual = Templates::over(&job).unwrap().render("url", template);
    match (actual, expected) {
        (Ok(actual), Ok(expected)) => assert_eq!(actual, expected),
        (Err(failure), Err(part)) => {
            assert!(failure.message.starts_with("config `url`, line "), "{}", failure.message);
            assert!(failure.message.contains(part), "{}", failure.message);
            assert!(!failure.retry);
        }
        (actual, expected) => panic!("{actual:?} is not {expected:?}"),
    }
}

#[test]
fn a_template_sees_job_and_body() {
    check("{{ job.id }} {{ job.useCase }} {{ job.attempt }}", Ok("id-1 webhook 2"));
    check("{{ body.event|urlencode }}/{{ body.n|urlencode }}", Ok("a%2Fb%20c/7"));
    check("{{ body.data|tojson }}", Ok(r#"{"x": [1, "\""]}"#));
    check("{% if job.attempt > 1 %}again{% endif %}", Ok("again"));
}

#[test]
fn an_undefined_variable_is_an_error() {
    check("{{ body.typo }}", Err("undefined value"));
    check("{{ body.typo|urlencode }}", Err("undefined value"));
    check("{{ body.data|urlencode }}", Err("not a map"));
    check("\n{{ body.", Err("line 2: syntax error"));
}

#[test]
fn an_error_does_not_repeat_the_body() {
    let job = Job { body: r#"{"event":"SECRET"}"#.into(), ..Job::default() };
    let failure = Templates::over(&job).unwrap().render("body", "{{ body.event + 1 }}").unwrap_err();
    assert!(!failure.message.contains("SECRET"), "{}", failure.message);
}
