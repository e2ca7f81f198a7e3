use std::time::Duration;

use postdate_core::plugin::Role;

use super::*;

fn compiling(report: u64, millis: u64, ended: bool) -> Compiling<'static> {
    let elapsed = Duration::from_millis(millis);
    Compiling { use_case: "orders", role: Role::Validate, bytes: 12_687_770, elapsed, report, ended }
}

#[test]
fn the_progress_line_is_rewritten_and_cleared() {
    let line = |report, millis, ended| rewritten_line(compiling(report, millis, ended));
    assert_eq!(line(4, 4100, false), "\r\x1b[Kcompiling validate (12.1 MiB)… 4 s");
    assert_eq!(line(5, 4200, true), "\r\x1b[K");
    assert_eq!(line(1, 900, true), "", "no line was written");
}

#[test]
fn without_a_terminal_a_line_is_written_every_five_seconds() {
    let lines = |last: u64| (1..=last).map(|report| plain_line(compiling(report, report * 1000, report == last))).collect::<String>();
    assert_eq!(lines(4), "");
    assert_eq!(lines(12), "compiling validate (12.1 MiB)… 5 s\ncompiling validate (12.1 MiB)… 10 s\n");
    assert_eq!(lines(10), "compiling validate (12.1 MiB)… 5 s\n", "the end is no progress");
}
