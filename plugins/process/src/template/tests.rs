use super::*;

fn render(template: &str) -> Result<String, Failure> {
    let job = Job {
        id: "id-1".into(),
        use_case: "webhook".into(),
        attempt: 2,
        body: r#"{"event":"a/b c","n":7,"data":{"x":[1,"\""]}}"#.into(),
        ..Job::default()
    };
    Templates::over(&job).unwrap().render("url", template)
}

#[track_caller]
fn check(template: &str, expected: Result<&str, &str>) {
    match (render(template), expected) {
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
fn a_template_can_use_job_and_body() {
    check("{{ job.id }} {{ job.useCase }} {{ job.attempt }}", Ok("id-1 webhook 2"));
    check("{{ body.event|urlencode }}/{{ body.n|urlencode }}", Ok("a%2Fb%20c/7"));
    check("{{ body.data|tojson }}", Ok(r#"{"x":[1,"\""]}"#));
    check("{{ [body.n, {'a': body.event}]|tojson }}", Ok(r#"[7, {"a": "a/b c"}]"#));
    check("{% if job.attempt > 1 %}again{% endif %}", Ok("again"));
}

#[test]
fn an_undefined_value_or_a_syntax_error_is_a_permanent_failure() {
    check("{{ body.typo }}", Err("undefined value"));
    check("{{ body.typo|urlencode }}", Err("undefined value"));
    check("{{ body.data|urlencode }}", Err("not a map"));
    check("\n{{ body.", Err("line 2: syntax error"));
}

#[test]
fn an_undefined_variable_is_named_with_the_names_that_there_are() {
    check("{{ body.typo }}", Err("line 1: undefined value: `body.typo` is undefined; `body` has `data`, `event`, `n`"));
    check("{{ body.typo|urlencode }}", Err("urlencode of an undefined value, `body.typo`; `body` has `data`, `event`, `n`"));
    check("{{ body.data.y }}", Err("`body.data.y` is undefined; `body.data` has `x`"));
    check("{{ body.typo.deep }}", Err("`body.typo` is undefined; `body` has `data`, `event`, `n`"));
    check("{{ job.usecase }}", Err("`job.usecase` is undefined; `job` has `attempt`, `id`, `scheduledFor`, `target`, `useCase`"));
    check("{{ bdy }}", Err("`bdy` is undefined; a template has `body`, `job`"));
    // A variable of the template itself has no names to show.
    let failure = render("{% for x in body.data.x %}{{ x.y }}{% endfor %}").unwrap_err();
    assert!(failure.message.ends_with("`x.y` is undefined"), "{}", failure.message);
}

#[test]
fn names_that_may_be_data_are_counted_only() {
    let job = Job { body: r#"{"ann@example.com":1,"a":2,"0190a0a0-0000":3}"#.into(), ..Job::default() };
    let failure = Templates::over(&job).unwrap().render("url", "{{ body.typo }}").unwrap_err();
    assert!(failure.message.ends_with("; `body` has `a` and 2 more"), "{}", failure.message);
}

#[test]
fn numbers_of_a_body_pass_through_unchanged() {
    let body = r#"{"big":18446744073709551616,"huge":100000000000000000000000000000000000000000000001,"many":117.633311394000171234,
        "all":{"b":1.10,"a":[18446744073709551617, 1E5]}}"#;
    let job = Job { body: body.into(), ..Job::default() };
    let templates = Templates::over(&job).unwrap();
    let check = |template: &str, expected: &str| assert_eq!(templates.render("body", template).unwrap(), expected, "{template}");
    check("{{ body.big }} {{ body.big|tojson }} {{ body.big + 1 }}", "18446744073709551616 18446744073709551616 18446744073709551617");
    check("{{ body.huge }} {{ body.huge|tojson }}", &["100000000000000000000000000000000000000000000001"; 2].join(" "));
    check("{{ body.many|urlencode }} {{ body.many|float > 117.6 }}", "117.633311394000171234 True");
    check("{{ body.all|tojson }}", r#"{"b":1.10,"a":[18446744073709551617, 1E5]}"#);
    check("{{ body.all }}", r#"{"b":1.10,"a":[18446744073709551617, 1E5]}"#);
    check("{{ body|tojson }}", body);
    check("{{ body.all.b > 1 }} {{ body.all.a|length }} {{ body.all.a[1] / 2 }}", "True 2 50000.0");
    for template in ["{{ [body.huge]|tojson }}", "{{ body|tojson(2) }}", "{{ body|tojson(indent=2) }}"] {
        let failure = templates.render("body", template).unwrap_err();
        assert!(failure.message.contains("a number of this many digits"), "{template}: {}", failure.message);
    }
}

#[test]
fn an_error_does_not_contain_the_body() {
    let job = Job { body: r#"{"event":"SECRET"}"#.into(), ..Job::default() };
    let failure = Templates::over(&job).unwrap().render("body", "{{ body.event + 1 }}").unwrap_err();
    assert!(!failure.message.contains("SECRET"), "{}", failure.message);
}
