//! Results of test cases as `JUnit` XML, in the form that CI servers read.

use std::fmt::Write as _;

use super::log_text;
use postdate_cases::Ran;

pub fn document(suite: &str, ran: &[Ran]) -> String {
    let failures = ran.iter().filter(|case| !case.complaints.is_empty()).count();
    let seconds: f64 = ran.iter().map(|case| case.elapsed.as_secs_f64()).sum();
    let suite = escaped(suite);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds:.3}\">\n",
        ran.len()
    );
    for case in ran {
        let _ =
            write!(xml, "    <testcase classname=\"{suite}\" name=\"{}\" time=\"{:.3}\"", escaped(&case.name), case.elapsed.as_secs_f64());
        match case.complaints.first() {
            None => xml.push_str("/>\n"),
            Some(first) => {
                let all = format!("{}\n{}", case.complaints.join("\n"), log_text(&case.lines, ""));
                let _ = write!(xml, ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n", escaped(first), escaped(&all));
            }
        }
    }
    xml + "  </testsuite>\n</testsuites>\n"
}

/// For text and attributes alike. What XML 1.0 cannot hold at all becomes U+FFFD.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests;
