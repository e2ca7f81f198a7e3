use super::*;
use std::time::Duration;

#[test]
fn a_failure_is_inside_its_case() {
    let passed = Ran { name: "a".into(), elapsed: Duration::from_millis(5), ..Ran::default() };
    let failed = Ran { name: "<b>".into(), complaints: vec!["x & \"y\"\u{1}".into(), "z".into()], ..Ran::default() };
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="orders" tests="2" failures="1" errors="0" time="0.005">
    <testcase classname="orders" name="a" time="0.005"/>
    <testcase classname="orders" name="&lt;b&gt;" time="0.000">
      <failure message="x &amp; &quot;y&quot;�">x &amp; &quot;y&quot;�&#10;z&#10;</failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
    assert_eq!(document("orders", &[passed, failed]), expected);
}
