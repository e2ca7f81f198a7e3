use super::*;

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Order {
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Line {
    quantity: u32,
}

#[track_caller]
fn check(body: &str, expected: Result<Order, (&str, &str)>) {
    let request = Request { body: body.into(), ..Request::default() };
    let actual = request.json::<Order>().map_err(|problem| (problem.pointer, problem.message));
    match (actual, expected) {
        (Ok(actual), Ok(expected)) => assert_eq!(actual, expected),
        (Err((pointer, message)), Err((expected_pointer, part))) => {
            assert_eq!(pointer, expected_pointer);
            assert!(message.contains(part), "{message}");
        }
        (actual, expected) => panic!("{actual:?} is not {expected:?}"),
    }
}

#[test]
fn a_parse_error_is_a_problem_that_points_at_the_member() {
    check(r#"{"lines":[{"quantity":2}],"more":1}"#, Ok(Order { lines: vec![Line { quantity: 2 }] }));
    check(r#"{"lines":[{"quantity":2},{"quantity":"x"}]}"#, Err(("/lines/1/quantity", "expected u32")));
    check(r#"{"lines":[{}]}"#, Err(("/lines/0", "missing field `quantity`")));
    check("{", Err(("", "EOF")));
}

#[test]
fn slash_and_tilde_are_escaped_in_a_pointer() {
    let job = Job { body: r#"{"a/b~c":"x"}"#.into(), ..Job::default() };
    let failure = job.json::<std::collections::BTreeMap<String, u32>>().unwrap_err();
    assert!(failure.message.starts_with("body at `/a~1b~0c`: invalid type"), "{}", failure.message);
    assert!(!failure.retry);
}

#[test]
fn question_mark_ends_a_validator_with_one_problem() {
    fn validate() -> Result<(), Vec<Problem>> {
        Err(Problem::new("/item", "unknown-item", "no such item"))?;
        Ok(())
    }
    assert_eq!(validate().unwrap_err().len(), 1);
}
