use std::time::Duration;

use postdate_core::plugin::Role;

use super::*;

#[test]
fn the_progress_line_is_rewritten_and_cleared() {
    let line = |millis, ended| {
        let elapsed = Duration::from_millis(millis);
        progress_line(Compiling { use_case: "orders", role: Role::Validate, bytes: 12_687_770, elapsed, ended })
    };
    assert_eq!(line(4100, false), "\r\x1b[Kcompiling validate (12.1 MiB)… 4 s");
    assert_eq!(line(4200, true), "\r\x1b[K");
    assert_eq!(line(900, true), "", "no line was written");
}
