use super::*;
use postdate_core::plugin::{Acceptance, JobFailure};
use postdate_runtime::{LogLine, Stream};

fn called(reply: Reply) -> Called {
    let lines = vec![LogLine { stream: Stream::Stderr, text: "hello".into() }];
    Called { reply, unusable: None, elapsed: Duration::from_micros(1234), peak_memory: 1_114_112, instructions: Some(12_345), lines }
}

#[test]
fn an_acceptance_is_shown_with_its_cost() {
    let acceptance = Acceptance { body: Some(r#"{"total":5}"#.into()), target: Some("heavy".into()), trigger_at: None };
    let expected = "accepted
  target  heavy
  body
{
  \"total\": 5
}
log
  stderr  hello
took 1.23 ms, peak memory 1.0 MiB, 12,345 instructions
";
    assert_eq!(text(&called(Reply::Accepted(acceptance))), expected);
}

#[test]
fn what_was_not_counted_is_not_shown() {
    let stopped = Called { instructions: None, ..called(Reply::Result(None)) };
    assert!(text(&stopped).ends_with("took 1.23 ms, peak memory 1.0 MiB\n"));
    assert_eq!(document(&stopped)["instructions"], Value::Null);
}

#[test]
fn large_counts_are_readable() {
    let texts = [0, 1, 999, 1000, 1_234_567].map(instructions_text);
    assert_eq!(texts, ["0 instructions", "1 instruction", "999 instructions", "1,000 instructions", "1,234,567 instructions"]);
}

#[test]
fn a_failure_says_whether_it_would_be_retried() {
    let failure = |retry, after| {
        let failure = JobFailure { message: "HTTP 429".into(), retry, retry_after: after };
        reply_text(&Reply::Failure(failure))
    };
    assert_eq!(failure(true, Some(Duration::from_secs(7))), "failed\n  HTTP 429\n  it would be retried after 7s or more\n");
    assert!(failure(false, None).contains("permanent"));
}

#[test]
fn json_has_the_outcome_and_the_cost() {
    let document = document(&called(Reply::Result(Some("ok".into()))));
    assert_eq!(
        (&document["outcome"], &document["result"], &document["peakMemoryBytes"]),
        (&json!("result"), &json!("ok"), &json!(1_114_112))
    );
    assert_eq!(document["instructions"], json!(12_345));
    assert_eq!(document["log"], json!([{ "stream": "stderr", "text": "hello" }]));
}

#[test]
fn a_header_is_name_and_value() {
    assert_eq!(header("X-Sig: a:b"), Ok(("x-sig".into(), "a:b".into())));
    assert!(header("x").is_err());
}
