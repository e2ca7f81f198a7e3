use super::*;
use postdate_core::plugin::{Acceptance, JobFailure};
use postdate_runtime::{LogLine, Stream};

fn called(answer: PluginAnswer) -> Called {
    let lines = vec![LogLine { stream: Stream::Stderr, text: "hello".into() }];
    Called { answer, unusable: None, elapsed: Duration::from_micros(1234), peak_memory: 1_114_112, instructions: Some(12_345), lines }
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
    assert_eq!(text(&called(PluginAnswer::Accepted(acceptance))), expected);
}

#[test]
fn instructions_are_left_out_if_they_were_not_counted() {
    let stopped = Called { instructions: None, ..called(PluginAnswer::Result(None)) };
    assert!(text(&stopped).ends_with("took 1.23 ms, peak memory 1.0 MiB\n"));
    assert_eq!(document(&stopped)["instructions"], Value::Null);
}

#[test]
fn counts_have_a_comma_every_three_digits() {
    let texts = [0, 1, 999, 1000, 1_234_567].map(instructions_text);
    assert_eq!(texts, ["0 instructions", "1 instruction", "999 instructions", "1,000 instructions", "1,234,567 instructions"]);
}

#[test]
fn a_failure_shows_when_a_host_would_retry() {
    let failure = |retry, after| {
        let failure = JobFailure { message: "HTTP 429".into(), retry, retry_after: after };
        answer_text(&PluginAnswer::Failure(failure))
    };
    assert_eq!(failure(true, Some(Duration::from_secs(7))), "failed\n  HTTP 429\n  a host would retry it after 7s or more\n");
    assert!(failure(false, None).contains("permanent"));
}

#[test]
fn the_json_document_has_answer_cost_and_log() {
    let document = document(&called(PluginAnswer::Result(Some("ok".into()))));
    assert_eq!(
        (&document["outcome"], &document["result"], &document["peakMemoryBytes"]),
        (&json!("result"), &json!("ok"), &json!(1_114_112))
    );
    assert_eq!(document["instructions"], json!(12_345));
    assert_eq!(document["log"], json!([{ "stream": "stderr", "text": "hello" }]));
}

#[test]
fn a_header_has_a_name_and_a_value() {
    assert_eq!(header("X-Sig: a:b"), Ok(("x-sig".into(), "a:b".into())));
    assert!(header("x").is_err());
}
