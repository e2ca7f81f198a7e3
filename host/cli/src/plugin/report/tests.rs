use super::*;
use postdate_runtime::{LogLine, Stream};

#[test]
fn the_summary_has_the_form_of_cargo_test() {
    let passed = Ran { name: "a".into(), ..Ran::default() };
    let failed = Ran {
        name: "b".into(),
        description: "D".into(),
        complaints: vec!["target: expected \"x\", got none".into()],
        lines: vec![LogLine { stream: Stream::Stderr, text: "hm".into() }],
        ..Ran::default()
    };
    assert_eq!(
        summary(&[passed], 2, Duration::from_millis(120)),
        "\ntest result: ok. 1 passed; 0 failed; 2 filtered out; finished in 0.12s\n\n"
    );
    let expected = "
failures:

---- b ----
D
  target: expected \"x\", got none
the plugin wrote:
  stderr  hm

failures:
    b

test result: FAILED. 0 passed; 1 failed; 0 filtered out; finished in 0.00s

";
    assert_eq!(summary(&[failed], 0, Duration::ZERO), expected);
}
